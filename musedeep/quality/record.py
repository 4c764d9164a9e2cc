"""What a campaign knows of a product: written by the cascade and by quality control, read by review and delivery.

A campaign of the plan deep.yaml lives in the folder deep/:

    deep/nights/2017-06-16/WFM-AO-N/    what `musedeep reduce` makes of a night in a mode
    deep/products/<product>/v1/         a product in its first version: the cube, its images, and
        product.json                    how it was made (ProductRecord)
        quality.json                    scores, flag and figures (QualityRecord)
        review.json                     what a person has decided (ReviewRecord)
        figures/                        PNG
        singles/<exposure>.fits         the image of each exposure
        logs/                           of all steps
        after/                          what the command of the plan on finished cubes has made

Paths in records are relative to the folder of the campaign, so that it may be moved.
"""

import re
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from musedeep.errors import MusedeepError
from musedeep.storage.fits.header_cards import utc_now
from musedeep.storage.models import problem_of
from musedeep.storage.outputs import appearing_whole

PRODUCT: Final = "product.json"
QUALITY: Final = "quality.json"
REVIEW: Final = "review.json"

State = Literal["review", "certified", "rejected"]


class Record(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(extra="forbid")


class ExposureRecord(Record):
    """An input of a product; None where something is not known.

    Attributes
    ----------
    name : of the raw frame in the archive, as MUSE.2017-06-16T01:34:56.867
    raw : path of the raw frame
    image : of the single exposure (IMAGE_FOV)
    pixel_tables : PIXTABLE_REDUCED of its IFUs
    excluded : why the exposure is not in the cube; empty if it is
    ra_offset, dec_offset : as in OFFSET_LIST, measured minus reference, without cos(dec) [deg]
    flux_scale : as in OFFSET_LIST
    matched, residual : sources matched by the alignment, and what is left between them [arcsec]
    flux_ratio : of the stars in common, over the median of the other exposures, before a wrong standard was replaced
    response : STD_RESPONSE used; response_days : from it to the exposure [d]
    arc_days : from the exposure to the arc lamps of its wavelength solution [d]
    twilight : whether a twilight flat was used; sky : whether a dedicated SKY exposure was
    sky_converged : whether the fit of the sky has converged
    saturated : pixels of the raw frame at saturation, in all IFUs
    lambda_shift : largest correction of wavelengths by sky lines, of all IFUs [Angstrom]
    fwhm : of stars in the image [arcsec]; transparency : flux of stars over the best exposure
    background : of the image, median [1e-20 erg/s/cm2/Angstrom]
    barycentric : correction to the barycentre at mid-exposure [km/s]
    sky_mask : SKY_MASK, the pixels that the sky was taken from
    """

    name: str
    date_obs: str
    mjd: float
    exposure_time: float
    mode: str = ""
    object: str = ""
    target: str = ""
    ob_id: str = ""
    ob_name: str = ""
    run: str = ""
    raw: str = ""
    image: str = ""
    pixel_tables: list[str] = []
    excluded: str = ""
    ra_offset: float | None = None
    dec_offset: float | None = None
    flux_scale: float | None = None
    matched: int | None = None
    residual: float | None = None
    flux_ratio: float | None = None
    response: str = ""
    response_days: float | None = None
    arc_days: float | None = None
    twilight: bool | None = None
    sky: bool | None = None
    sky_converged: bool | None = None
    saturated: int | None = None
    lambda_shift: float | None = None
    fwhm: float | None = None
    transparency: float | None = None
    background: float | None = None
    barycentric: float | None = None
    sky_mask: str = ""


class StepRecord(Record):
    """A recipe as it ran: what repeats it."""

    recipe: str
    label: str = ""
    parameters: dict[str, Any] = {}
    inputs: list[list[str]] = []
    """Lines of the set-of-frames: path and tag."""
    log: str = ""
    seconds: float = 0.0


class AlignmentTry(Record):
    """A try of muse_exp_align: its threshold, and why it is good, or not good enough."""

    threshold: float
    matched: int
    residual: float | None = None
    accepted: bool = False
    why: str = ""


class CommandRecord(Record):
    """The command that was run on a finished cube.

    Attributes
    ----------
    command : as the plan has it
    words : as it was run
    failure : what went wrong; empty if it ended well
    files : what it made
    log : what it printed
    """

    command: str
    words: list[str] = []
    failure: str = ""
    files: list[str] = []
    log: str = ""
    seconds: float = 0.0


class ProductRecord(Record):
    """A cube, and how it came to be. `aligned` is false if offsets of the headers were kept."""

    name: str
    target: str
    category: str
    method: str = "standard"
    version: int = 1
    supersedes: str = ""
    campaign: str = ""
    access: str = ""
    notes: list[str] = []
    cube: str = ""
    images: list[str] = []
    exposure_map: str = ""
    offsets: str = ""
    exposures: list[ExposureRecord] = []
    aligned: bool = False
    alignment: list[AlignmentTry] = []
    steps: list[StepRecord] = []
    key: str = ""
    """Changes with all that the cube is made from."""
    made: str = ""
    """Date and time [ISO, UTC]."""
    after_cube: CommandRecord | None = None

    @property
    def used(self) -> list[ExposureRecord]:
        """Exposures in the cube."""
        return [one for one in self.exposures if not one.excluded]

    @property
    def seconds(self) -> float:
        """Exposure time in the cube [s]."""
        return sum(one.exposure_time for one in self.used)


class Score(Record):
    """A quality parameter beside its range: score 0 if it is within, 1 if not, None if there is nothing to compare."""

    name: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    score: Literal[0, 1] | None = None
    exposure: str = ""
    """Empty for one of the product."""
    source: str = ""
    """Where the range comes from."""


class Finding(Record):
    """Something an eye should look at: a misaligned exposure, a satellite, waves; `exposure` is empty for the cube."""

    kind: str
    text: str
    exposure: str = ""
    value: float | None = None


class QualityRecord(Record):
    """Quality of a product. `figures` gives paths of PNG files by what they show; `values` all numbers by name."""

    flag: str = ""
    scores: list[Score] = []
    findings: list[Finding] = []
    values: dict[str, float | None] = {}
    figures: dict[str, str] = {}


class Decision(Record):
    """What a person did: when, who, what."""

    date: str
    by: str
    action: str
    text: str = ""


class ReviewRecord(Record):
    """State of a product, and all decisions that led to it; `redo` says what has to be made again."""

    state: State = "review"
    history: list[Decision] = []
    redo: list[str] = []


Kind = TypeVar("Kind", bound=Record)


def read_record(kind: type[Kind], path: Path) -> Kind:
    """Read a record. Raises MusedeepError: no such file, no JSON, another version's."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise MusedeepError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise MusedeepError(f"{path}: {problem_of(error, kind).partition('; ')[0]}; make the product again") from None


def read_if_there(kind: type[Kind], path: Path) -> Kind:
    """Read a record, or make an empty one where there is none; raises as `read_record` for one that is there."""
    return read_record(kind, path) if path.exists() else kind()


def write_record(record: Record, path: Path) -> None:
    """Write a record; it appears whole or not at all."""
    with appearing_whole(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")


def now() -> str:
    """Date and time as records have them, to the second (UTC)."""
    return f"{utc_now()}Z"


def folder_name(name: str) -> str:
    """The name of a product as that of a folder."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("._") or "product"


def product_folder(campaign: Path, name: str, version: int) -> Path:
    """Where a product lies."""
    return campaign / "products" / folder_name(name) / f"v{version}"


def campaign_folder(plan: Path) -> Path:
    """Where the campaign of a plan lies: the plan's name without its ending."""
    return plan.with_suffix("")


def products_of(campaign: Path) -> list[Path]:
    """Folders of all finished products of a campaign, by name and version."""
    return sorted(path.parent for path in campaign.glob(f"products/*/v*/{PRODUCT}"))
