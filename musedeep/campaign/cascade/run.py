"""A campaign as it runs: product after product, and what came of each; one that fails costs none of the others."""

from collections.abc import Callable

from musedeep.campaign.cascade.night_sets import Wanted
from musedeep.campaign.cascade.product import make_product, recover
from musedeep.campaign.cascade.request import CascadeRequest, ProductOutcome
from musedeep.errors import MusedeepError, nearest
from musedeep.graph.night.discards import check_not_needed
from musedeep.progress import LOG
from musedeep.quality.record import product_folder
from musedeep.recipes.registry import named
from musedeep.selection.campaign.cascade_settings import CascadeSettings, texts
from musedeep.selection.campaign.plan_file import Product, Target
from musedeep.storage.lock import output_lock

Told = Callable[[ProductOutcome], None]


def check_request(request: CascadeRequest) -> None:
    """Refuse a plan that cannot be run.

    Raises
    ------
    MusedeepError
        An unknown target, an exposure that is not in the catalogue, no products; a wrong parameter of a recipe.
    """
    names = [target.name for target in request.plan.targets]
    for name in request.targets:
        if name not in names:
            near = nearest(name, names)
            raise MusedeepError(f"no target '{name}' in the plan" + (f"; did you mean {near}?" if near else ""))
    if not request.products():
        raise MusedeepError("the plan has no product to make; see no_deep_cube in it, and `musedeep campaign scan`")
    for _, product in request.products():
        for name in (*product.inputs, *product.sky):
            request.archive.of(name)
    check_parameters(request.settings)


def check_parameters(settings: CascadeSettings) -> None:
    """Raise MusedeepError for a recipe that there is not, or a parameter that is not right."""
    for name, given in settings.recipes.items():
        named(name).parse(texts(given))
    posts = [named("muse_scipost").parse(Wanted("", crowded).parameters(settings)) for crowded in (False, True)]
    for one in posts:
        check_not_needed(settings.discard, {"muse_scipost": one})
    named("muse_exp_align").parse(texts(settings.align))
    combine = named("muse_exp_combine").parse(texts(settings.combine))
    if "cube" not in combine.save:
        raise MusedeepError("settings.cascade.combine: save has no cube, which a product is; add it")


def run_campaign(request: CascadeRequest, told: Told = lambda outcome: None) -> list[ProductOutcome]:
    """Make all products of a plan, or of some targets, that are not up to date.

    Parameters
    ----------
    told : called with what came of each product, at once

    Raises
    ------
    MusedeepError
        See `check_request`; another run is at work on the campaign.
    """
    check_request(request)
    found = []
    with output_lock(request.campaign):
        recover(request.campaign, [one for target in request.plan.targets for one in target.products])
        for target, product in request.products():
            outcome = _outcome(request, target, product, dry_run=False)
            found.append(outcome)
            told(outcome)
    return found


def look(request: CascadeRequest) -> list[ProductOutcome]:
    """What `run_campaign` would make, and what is up to date."""
    check_request(request)
    return [_outcome(request, target, product, dry_run=True) for target, product in request.products()]


def _outcome(request: CascadeRequest, target: Target, product: Product, dry_run: bool) -> ProductOutcome:
    folder = product_folder(request.campaign, product.name, product.version)
    if len(product.inputs) < 2:
        why = "one exposure: there is nothing to combine"
        return ProductOutcome(target.name, product.name, "failed", folder, 1, why=why)
    try:
        return make_product(request, target, product, dry_run)
    except MusedeepError as error:
        LOG.error(f"{product.name}: {error}")
        return ProductOutcome(target.name, product.name, "failed", folder, len(product.inputs), why=str(error))
