"""What a delivered folder says of itself (delivery.json), and the sums of its files (checksums.sha256)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from musedeep.campaign.delivery.facts import Finished
from musedeep.quality.record import PRODUCT, QUALITY, REVIEW, Record
from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.catalogue.exposure import Exposure

MANIFEST: Final = "delivery.json"
CHECKSUMS: Final = "checksums.sha256"


class DeliveredFile(Record):
    """A file: its name, category of the archive, size [bytes] and SHA-256 sum."""

    name: str
    category: str
    bytes: int
    sha256: str


class Night(Record):
    """A night: exposures, and their time [s]."""

    night: str
    exposures: int
    seconds: float


class DeliveredProduct(Record):
    """A version of a product as it was delivered.

    Attributes
    ----------
    source : sum of its records; a version with other records may not take its place
    release_date : day from which everybody may have it (ISO); empty if not known
    access : as it was on the day of the delivery
    first, last : begin of the first exposure, end of the last (ISO)
    velocities : span of barycentric velocities [km/s]
    certified : day and name; empty for a product that nobody has certified
    problems : lines of `musedeep validate`, warnings too
    """

    name: str
    target: str
    category: str
    version: int
    supersedes: str = ""
    method: str = ""
    source: str
    delivered: str
    access: str
    release_date: str = ""
    runs: list[str] = Field(default_factory=list)
    investigators: list[str] = Field(default_factory=list)
    observing_mode: str = ""
    modes: list[str] = Field(default_factory=list)
    obs: list[str] = Field(default_factory=list)
    exposures: int
    seconds: float
    first: str
    last: str
    nights: list[Night] = Field(default_factory=list)
    velocities: float | None = None
    ra: float | None = None
    dec: float | None = None
    depth: float | None = None
    resolution: float | None = None
    flag: str = ""
    certified: str = ""
    acknowledgement: str = ""
    notes: list[str] = Field(default_factory=list)
    problems: list[str] = Field(default_factory=list)
    files: list[DeliveredFile] = Field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(one.bytes for one in self.files)

    def access_on(self, today: str) -> str:
        """Who may have it on a day (ISO date)."""
        if not self.release_date:
            return self.access
        runs = self.runs or [""]
        return access_of(
            [Candidate(Exposure(name="", mjd=0.0, run=run, release_date=self.release_date)) for run in runs], today
        )


def source_of(product: Finished) -> str:
    """The sum of the records of a product."""
    digest = hashlib.sha256()
    for name in (PRODUCT, QUALITY, REVIEW):
        path = product.folder / name
        digest.update(f"{name} {path.stat().st_size if path.exists() else 0}\n".encode())
        if path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def write_checksums(path: Path, sums: Mapping[str, str]) -> None:
    """Write sums of files as `sha256sum -c` reads them."""
    path.write_text("".join(f"{total}  {name}\n" for name, total in sums.items()), encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The SHA-256 sum of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def acknowledgement(product: Finished, doi: str) -> str:
    """The text that ESO asks for in publications."""
    runs = product.runs or ["(not known)"]
    word = "programme" if len(runs) == 1 else "programmes"
    text = f"Based on observations collected at the European Southern Observatory under ESO {word} {', '.join(runs)}."
    return f"{text} Data: {doi}." if doi else text
