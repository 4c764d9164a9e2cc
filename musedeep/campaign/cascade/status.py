"""What there is of each product of a plan: whether it is made, up to date, and what a person has said of it."""

from dataclasses import dataclass

from musedeep.campaign.cascade.after_cube import TO_BE_RUN
from musedeep.campaign.cascade.product import existing, making_of
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.campaign.cascade.run import look
from musedeep.errors import MusedeepError
from musedeep.quality.record import REVIEW, ReviewRecord, read_record


@dataclass(frozen=True)
class ProductStatus:
    """A product as it is.

    Attributes
    ----------
    state : not made, half made, made, or out of date; or why it cannot be
    review : what a person has said; empty if nothing
    exposures, left_out : in the cube, and not; of the plan where there is no cube
    aligned : None where there is no cube
    """

    product: str
    target: str
    version: int
    state: str
    review: str = ""
    exposures: int = 0
    left_out: int = 0
    aligned: bool | None = None
    made: str = ""


def status(request: CascadeRequest) -> list[ProductStatus]:
    """The state of all products; MusedeepError as `run.check_request`."""
    found = []
    for (target, product), seen in zip(request.products(), look(request), strict=True):
        record = existing(seen.folder)
        if record is None:
            half = making_of(seen.folder).exists()
            state = seen.why if seen.state == "failed" else "half made" if half else "not made"
            inputs = len(product.inputs)
            found.append(ProductStatus(product.name, target.name, product.version, state, exposures=inputs))
            continue
        review = ""
        try:
            said = read_record(ReviewRecord, seen.folder / REVIEW)
            review = said.state + (f", to be redone: {'; '.join(said.redo)}" if said.redo else "")
        except MusedeepError:
            pass
        state = {"up to date": "made", "to do": "out of date"}.get(seen.state, seen.why)
        if seen.why == TO_BE_RUN:
            state = f"made, after_cube {'failed' if record.after_cube and record.after_cube.failure else 'to do'}"
        used = len(record.used)
        one = ProductStatus(
            product.name, target.name, record.version, state, review, used, len(record.exposures) - used,
            record.aligned, record.made,
        )  # fmt: skip
        found.append(one)
    return found
