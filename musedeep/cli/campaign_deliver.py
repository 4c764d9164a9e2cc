"""`musedeep campaign deliver`: certified products as the archive takes them, and their index."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from musedeep.cli.campaign import read_plan_of
from musedeep.cli.catalogue import need, open_catalogue
from musedeep.cli.errors import BAD_INPUT, OK, complain
from musedeep.cli.report import UNCUT, print_table, table_of
from musedeep.cli.text import duration, size_text
from musedeep.errors import MusedeepError

if TYPE_CHECKING:
    from musedeep.campaign.delivery.deliver import Choice, Delivery
    from musedeep.campaign.delivery.facts import Finished
    from musedeep.selection.campaign.exposures import Candidate


@dataclass(frozen=True)
class DeliveryChoice:
    """Options of the command."""

    targets: Sequence[str] = ()
    output: Path | None = None
    database: str = ""
    settings: Path | None = None
    uncertified: bool = False
    public: bool = False
    invalid: bool = False
    today: str = ""


def deliver_command(plan_path: Path, options: DeliveryChoice) -> int:
    """Deliver the products of a campaign; status 1 if one of them could not be."""
    need("jinja2")
    from musedeep.campaign.delivery.deliver import Choice
    from musedeep.campaign.delivery.facts import chosen, read_finished
    from musedeep.campaign.delivery.index import write_index
    from musedeep.campaign.delivery.settings import read_settings
    from musedeep.quality.record import campaign_folder, products_of
    from musedeep.storage.lock import output_lock

    plan, place = read_plan_of(plan_path, options.database)
    settings = read_settings(options.settings)
    campaign = campaign_folder(plan_path)
    folders = products_of(campaign)
    if not folders:
        raise MusedeepError(f"{campaign}: no finished products; `musedeep campaign run {plan_path}` makes them")
    known = _catalogue(place, plan_path, bool(options.database))
    products, unread = [], 0
    for folder in folders:
        try:
            products.append(read_finished(campaign, folder, known))
        except MusedeepError as error:
            # one product costs itself
            complain(str(error))
            unread += 1
    products = chosen(products, options.targets)
    today = options.today or datetime.now(UTC).date().isoformat()
    output = options.output or campaign / "delivery"
    choice = Choice(settings, today, options.invalid, plan.settings.velocity_span)
    with output_lock(output):
        done, failed, left = _deliver_all(products, output, choice, options)
        rows = write_index(output, plan.campaign, today) if any(output.glob("*/v*/delivery.json")) else []
    _print(done, {row["folder"]: row["access"] for row in rows}, output)
    if left:
        print(f"{left} products are not certified: `musedeep campaign review {plan_path}`, or --uncertified")
    if rows:
        print(f"{output}: {len(rows)} products and versions; see index.html")
    return BAD_INPUT if failed + unread else OK


def _deliver_all(
    products: "Sequence[Finished]", output: Path, choice: "Choice", options: DeliveryChoice
) -> "tuple[list[Delivery], int, int]":
    """What was delivered, how many could not be, and how many nobody has certified."""
    from musedeep.campaign.delivery.deliver import deliver
    from musedeep.selection.campaign.access import PUBLIC

    done, failed, left = [], 0, 0
    for product in products:
        title = f"{product.record.name} v{product.record.version}"
        if product.review.state == "rejected":
            print(f"left out: {title}: rejected")
            continue
        if product.review.redo and not options.uncertified:
            print(f"left out: {title}: has to be made again: {product.review.redo[0]}")
            continue
        if not product.certified and not options.uncertified:
            left += 1
            continue
        if options.public and (access := product.access(choice.today)) != PUBLIC:
            print(f"left out: {title}: {access}")
            continue
        try:
            found = deliver(product, output, choice)
        except MusedeepError as error:
            complain(str(error))
            failed += 1
            continue
        done.append(found)
        for note in found.notes:
            print(f"{title}: {note}")
    return done, failed, left


def _print(done: "Sequence[Delivery]", access: Mapping[str, str], output: Path) -> None:
    if not done:
        return
    table = table_of(("product", "delivered", "access"), ("inputs", "time", "files", "size"))
    for one in done:
        product = one.product
        folder = one.folder.relative_to(output).as_posix()
        words = [
            f"{product.name} v{product.version}",
            "now" if one.new else product.delivered[:10],
            access.get(folder, ""),
        ]
        numbers = [str(product.exposures), duration(product.seconds), str(len(product.files)), size_text(product.bytes)]
        table.add_row(*(Text(word) for word in (*words, *numbers)))
    print_table(table, UNCUT)


def _catalogue(database: str, plan: Path, given: bool) -> "Mapping[str, Candidate]":
    """What the catalogue says of exposures; nothing, and a line, if the plan's is not there."""
    from musedeep.selection.campaign.exposures import candidates

    if "://" not in database and not given and not Path(database).exists():
        complain(
            f"{database}: the catalogue of {plan} is not there: grades, comments and release dates are not known; "
            "give --database",
            logging.WARNING,
        )
        return {}
    with open_catalogue(database) as catalogue:
        return {one.name: one for one in candidates(catalogue)}
