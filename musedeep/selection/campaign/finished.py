"""What a campaign has made already, and how much deeper the next versions would be.

A product whose exposures and method are those of its last version is done. Otherwise the plan has its next version,
which supersedes the last one: nothing is overwritten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, products_of, read_record
from musedeep.selection.campaign.plan_file import Product


@dataclass(frozen=True)
class Finished:
    """The last version of a product.

    Attributes
    ----------
    version : its number
    inputs : names of the exposures that it was made of, those that the cascade has put aside, too
    exposure_time : of those that are in it [s]
    method : standard or crowded
    """

    version: int
    inputs: frozenset[str]
    exposure_time: float
    method: str = "standard"


def finished_products(campaign: Path, name: str) -> dict[str, Finished]:
    """Last versions of all products in the folder of a campaign, by name.

    Raises MusedeepError for a record that cannot be read, or one of another campaign: two cannot share a folder.
    """
    found: dict[str, Finished] = {}
    for folder in products_of(campaign):
        record = read_record(ProductRecord, folder / PRODUCT)
        if record.campaign and record.campaign != name:
            raise MusedeepError(
                f"{folder / PRODUCT}: a product of the campaign {record.campaign}, not of {name}; "
                "give the plan of each campaign a name of its own"
            )
        if record.name not in found or found[record.name].version < record.version:
            names = frozenset(one.name for one in record.exposures)
            found[record.name] = Finished(record.version, names, record.seconds, record.method)
    return found


def with_version(product: Product, method: str, finished: Mapping[str, Finished]) -> Product:
    """A product of a target's method with the version that is to be made, what it supersedes, and its state."""
    last = finished.get(product.name)
    if last is None:
        return product
    if (last.inputs, last.method) == (frozenset(product.inputs), method):
        before = f"{product.name} v{last.version - 1}" if last.version > 1 else ""
        return product.model_copy(
            update={"version": last.version, "supersedes": before, "state": f"done: version {last.version}"}
        )
    changes = [] if last.method == method else [f"method {method}, it was {last.method}"]
    if last.inputs != frozenset(product.inputs):
        more, fewer = len(set(product.inputs) - last.inputs), len(last.inputs - set(product.inputs))
        changes.append(f"{more} more exposures" + (f", {fewer} fewer" if fewer else ""))
        changes.append(f"{product.exposure_time - last.exposure_time:+.0f} s")
    state = f"version {last.version} is superseded: {', '.join(changes)}"
    return product.model_copy(
        update={"version": last.version + 1, "supersedes": f"{product.name} v{last.version}", "state": state}
    )
