"""Quality control of a whole campaign: all its products, the plot of their depths, and their values in the catalogue.

Values of products and exposures go into the tables `products` and `quality` of the catalogue, beside those that headers
of files have: path of the folder of the product, or of the image of the exposure; keywords QC MUSEDEEP NAME.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep import __version__
from musedeep.errors import MusedeepError, nearest
from musedeep.processes import worker_processes
from musedeep.quality.figures.depth import Limit, draw_limits
from musedeep.quality.product_files import campaign_of
from musedeep.quality.ranges import RANGES, read_ranges
from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    ExposureRecord,
    ProductRecord,
    QualityRecord,
    products_of,
    read_record,
)
from musedeep.selection.catalogue.database import Catalogue
from musedeep.selection.catalogue.headers import FileFacts, Product
from musedeep.storage.outputs import leftovers

PREFIX: Final = "QC MUSEDEEP "
SINGLE: Final = "IMAGE_FOV"
LIMITS: Final = "figures/abmaglim.png"
"""In the folder of the campaign."""
EXTENDED: Final = 0.25
"""Share of a field whose pixels are brighter than the background by 3 sigma, from which on sources dominate it."""


@dataclass(frozen=True)
class Judged:
    """What came of a product: its folder and name, its quality (None if it failed), why not, and whether it is new."""

    folder: Path
    name: str
    quality: QualityRecord | None
    why: str = ""
    new: bool = True


Told = Callable[[Judged], None]


def folders_of(campaign: Path, names: Sequence[str] = ()) -> list[Path]:
    """Folders of the products of a campaign, all or those of some names.

    Raises MusedeepError: no product is finished; a name that no product has.
    """
    folders = products_of(campaign)
    if not folders:
        raise MusedeepError(f"{campaign}: no finished product; make them with `musedeep campaign run`")
    if not names:
        return folders
    known = {folder: read_record(ProductRecord, folder / PRODUCT).name for folder in folders}
    for name in names:
        if name not in known.values():
            near = nearest(name, list(known.values()))
            raise MusedeepError(f"{campaign}: no finished product {name}" + (f"; did you mean {near}?" if near else ""))
    return [folder for folder in folders if known[folder] in names]


def up_to_date(folder: Path, ranges: Path | None = None) -> bool:
    """Whether the quality of a product is known, and neither the product nor the ranges have changed since."""
    try:
        made = (folder / QUALITY).stat().st_mtime_ns
        return made >= max(path.stat().st_mtime_ns for path in (folder / PRODUCT, ranges or RANGES))
    except OSError:
        return False


def assess_products(
    folders: Sequence[Path],
    ranges: Path | None = None,
    figures: bool = True,
    raws: bool = True,
    again: bool = False,
    workers: int = 1,
    told: Told = lambda judged: None,
) -> list[Judged]:
    """Judge products; one that fails costs none of the others.

    Parameters
    ----------
    ranges : a user's file of reference ranges
    again : judge those that are up to date, too
    workers : processes, each with a product
    told : called with what came of each product, at once

    Raises
    ------
    MusedeepError
        The file of ranges is not right.
    """
    read_ranges(ranges)  # a mistake there is told once, before the work
    wanted = [again or not up_to_date(folder, ranges) for folder in folders]
    several = min(workers, sum(wanted)) > 1
    place = campaign_of(folders[0]) if folders else Path()
    out = []
    with worker_processes(min(workers, sum(wanted)), place) if several else nullcontext() as pool:
        assert pool is None or isinstance(pool, Executor)
        futures = {
            folder: pool.submit(judge, folder, ranges, figures, raws)
            for folder, new in zip(folders, wanted, strict=True)
            if new and pool is not None
        }
        for folder, new in zip(folders, wanted, strict=True):
            if not new:
                judged = _known(folder)
            else:
                judged = futures[folder].result() if folder in futures else judge(folder, ranges, figures, raws)
            out.append(judged)
            told(judged)
    return out


def judge(folder: Path, ranges: Path | None, figures: bool, raws: bool) -> Judged:
    """Judge a product; what is wrong with it is in the result."""
    from musedeep.quality.assess import assess

    name = folder.parent.name
    try:
        name = read_record(ProductRecord, folder / PRODUCT).name
        return Judged(folder, name, assess(folder, read_ranges(ranges), figures, raws))
    except MusedeepError as error:
        return Judged(folder, name, None, str(error))


def _known(folder: Path) -> Judged:
    try:
        name = read_record(ProductRecord, folder / PRODUCT).name
        return Judged(folder, name, read_record(QualityRecord, folder / QUALITY), new=False)
    except MusedeepError as error:
        return Judged(folder, folder.parent.name, None, str(error), new=False)


def limits_of(folders: Sequence[Path]) -> list[Limit]:
    """ABMAGLIM of products and of their exposures, for the plot against time; each exposure once."""
    found: list[Limit] = []
    seen = set()
    for folder in folders:
        if not (folder / QUALITY).exists():
            continue
        product, quality = read_record(ProductRecord, folder / PRODUCT), read_record(QualityRecord, folder / QUALITY)
        values = quality.values
        dominated = product.method == "crowded" or (values.get("lit") or 0.0) > EXTENDED
        mosaic = (values.get("pointings") or 1.0) > 1
        limit, seconds = values.get("abmaglim"), values.get("exposure_time")
        if limit is not None and seconds is not None:
            found.append(Limit(product.name, seconds, limit, True, dominated, mosaic))
        times = {one.name: one.exposure_time for one in product.used}
        for score in quality.scores:
            if score.name == "abmaglim" and score.exposure in times and score.value is not None:
                if score.exposure not in seen:
                    found.append(Limit(score.exposure, times[score.exposure], score.value, False, dominated))
                seen.add(score.exposure)
    return found


def draw_campaign(campaign: Path) -> Path | None:
    """Draw the depths of all products; the path of the picture, None if there is nothing to draw."""
    limits = limits_of(products_of(campaign))
    if not limits:
        return None
    path = campaign / LIMITS
    path.parent.mkdir(exist_ok=True)
    for left in leftovers(path):
        left.unlink(missing_ok=True)
    draw_limits(limits, path)
    return path


def store_quality(catalogue: Catalogue, folders: Sequence[Path]) -> int:
    """Keep the values of products and exposures in a catalogue; how many products and images that were."""
    facts = []
    for folder in folders:
        if not (folder / QUALITY).exists():
            continue
        product, quality = read_record(ProductRecord, folder / PRODUCT), read_record(QualityRecord, folder / QUALITY)
        facts += _facts(folder, product, quality)
    catalogue.add_files(facts)
    return len(facts)


def _facts(folder: Path, product: ProductRecord, quality: QualityRecord) -> list[FileFacts]:
    """A product and the images of its exposures, as the catalogue takes them."""
    if not product.used:
        return []
    own: list[tuple[str, str, str | float]] = [("", f"{PREFIX}QCFLAG", quality.flag)]
    own += [("", PREFIX + name.upper(), value) for name, value in quality.values.items() if value is not None]
    own.append(("", f"{PREFIX}SCORE", float(sum(score.score == 1 for score in quality.scores))))
    place = os.path.abspath(folder)
    names = tuple(one.name for one in product.used)
    rows = [_row(place, product.category, product.used[0], product, names, own)]
    for one in product.used:
        values: list[tuple[str, str, str | float]] = [
            ("", PREFIX + score.name.upper(), score.value)
            for score in quality.scores
            if score.exposure == one.name and score.value is not None
        ]
        if one.image and values:
            path = os.path.abspath(campaign_of(folder) / one.image)
            rows.append(_row(path, SINGLE, one, product, (one.name,), values))
    return [FileFacts(row.path, 0, row) for row in rows]


def _row(
    path: str,
    category: str,
    one: ExposureRecord,
    product: ProductRecord,
    raw: tuple[str, ...],
    values: Sequence[tuple[str, str, str | float]],
) -> Product:
    recipe = "muse_scipost" if category == SINGLE else "muse_exp_combine"
    return Product(
        path, category, recipe, f"musedeep/{__version__}", one.date_obs, one.mode, product.target, one.ob_id, one.run,
        raw, tuple(values),
    )  # fmt: skip
