"""A cube to make as plain data: of which exposures, onto which grid, how; and what a recipe that makes one does itself.

The job travels to the workers as JSON.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from musedeep.provenance_key import code_state
from musedeep.reduction.cube.box import ExposureGeometry, Resampling
from musedeep.reduction.cube.grid import Grid, Limits
from musedeep.reduction.cube.share import Ranges, ranges_of
from musedeep.sky_angles import ra_difference
from musedeep.storage.pixel_tables.table import PixelTable
from musedeep.storage.stores.location import Location

CUBE, MAP, REJECTED = "DATACUBE_FINAL.fits", "EXPOSURE_MAP.fits", "rejected-{:05d}-{:05d}-{:05d}-{:05d}.npy"
"""What boxes write into a work directory: cube and exposure map, and the rejected rows of a box with these corners."""


@dataclass(frozen=True)
class Exposure:
    """One exposure of the combination.

    Attributes
    ----------
    paths : tuple of str, its pixel table: one file or store, or one file an IFU; absolute paths, or URLs of stores
    ra, dec : float, pointing after the offset of the OFFSET_LIST [deg], the right ascension from 0 to below 360
    offset : (float, float), RA_OFFSET, DEC_OFFSET applied [deg]
    flux_scale : float, FLUX_SCALE applied; 1 if none
    exptime : float [s]
    position_angle : float, ESO INS DROT POSANG [deg]
    has_weight : bool, whether the table has a weight column
    identity : str, see `PixelTable.identity`
    scale : float, what its positions are, see `kernels.cube.voxels.Pointing`
    """

    paths: tuple[str, ...]
    date_obs: str
    mode: str
    target: str
    ra: float
    dec: float
    offset: tuple[float, float]
    flux_scale: float
    exptime: float
    weight: float
    position_angle: float
    n_rows: int
    has_weight: bool
    identity: str = ""
    scale: float = 0.0

    @property
    def name(self) -> str:
        """File name for messages."""
        return Path(self.paths[0]).name + ("" if len(self.paths) == 1 else f" and {len(self.paths) - 1} more")


def geometry(exposure: Exposure, reference: tuple[float, float]) -> ExposureGeometry:
    """What the projection needs of an exposure."""
    return ExposureGeometry(
        declination=math.radians(exposure.dec),
        shift=(ra_difference(exposure.ra, reference[0]), exposure.dec - reference[1]),
        flux_scale=exposure.flux_scale,
        weight=exposure.weight,
        seconds=exposure.exptime,
        name=exposure.name,
        scale=exposure.scale,
    )


def farthest(exposures: Sequence[Exposure]) -> str:
    """Which exposure lies farthest from the middle of all, and from which: for messages."""
    right = np.array([ra_difference(e.ra, exposures[0].ra) for e in exposures])
    up = np.array([e.dec for e in exposures])
    away = np.hypot((right - np.median(right)) * np.cos(np.radians(up)), up - np.median(up))
    odd, usual = exposures[int(away.argmax())], exposures[int(away.argmin())]
    if odd is usual:
        usual = exposures[0] if exposures[0] is not odd else exposures[-1]
    return (
        f"{odd.name} (RA {odd.ra:.5f}, DEC {odd.dec:.5f}) lies far from {usual.name} (RA {usual.ra:.5f}, "
        f"DEC {usual.dec:.5f})"
    )


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to compute any box.

    Attributes
    ----------
    reference : (float, float), position of the first exposure, to which rows are relative [deg]
    limits : Limits, of all rows, relative to `reference`
    grid : Grid, of the whole cube
    part : Ranges or None, the voxels of a piece; None for the whole cube
    """

    exposures: tuple[Exposure, ...]
    reference: tuple[float, float]
    limits: Limits
    grid: Grid
    how: Resampling
    part: Ranges | None = None

    @property
    def start(self) -> tuple[int, int, int]:
        """First plane, line and column of the grid that are made."""
        if not self.part:
            return 0, 0, 0
        (z, _), (y, _), (x, _) = self.part
        return z, y, x

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines and columns that are made."""
        if not self.part:
            return self.grid.shape
        nz, ny, nx = (last - first for first, last in self.part)
        return nz, ny, nx

    @property
    def columns(self) -> tuple[int, int] | None:
        """The columns [first, last) that are made; None for all."""
        return self.part[2] if self.part and self.part[2] != (0, self.grid.shape[2]) else None

    def geometries(self) -> list[ExposureGeometry]:
        """The exposures as the projection sees them."""
        return [geometry(e, self.reference) for e in self.exposures]

    def to_json(self) -> str:
        """As JSON, from which `from_json` makes an equal job."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "Job":
        """The job that `to_json` wrote."""
        raw = json.loads(text)

        def fields(part: dict[str, Any]) -> dict[str, Any]:
            return {k: tuple(v) if isinstance(v, list) else v for k, v in part.items()}

        return Job(
            exposures=tuple(Exposure(**fields(e)) for e in raw["exposures"]),
            reference=tuple(raw["reference"]),
            limits=Limits(**fields(raw["limits"])),
            grid=Grid(**fields(raw["grid"])),
            how=Resampling(**fields(raw["how"])),
            part=ranges_of(raw["part"]) if raw["part"] else None,
        )

    def fingerprint(self) -> str:
        """A hash of the job, which includes the identity of its inputs, and of the code that does it."""
        return hashlib.sha256(f"{code_state()} {self.to_json()}".encode()).hexdigest()


class CubeRecipe(Protocol):
    """A recipe that makes a cube of the pixel tables of exposures, box by box.

    Attributes
    ----------
    pixel_tables : sequence of Path or StoreUrl
    output : Path, directory of the products
    output_wcs : Path or None, file with the grid of the cube
    table_seconds : float, what writing a pixel table of all rows took, when the products are complete; 0 without
    """

    pixel_tables: Sequence[Location]
    output: Path
    output_wcs: Path | None
    table_seconds: float

    @property
    def inputs(self) -> list[Location]:
        """All files that are read."""
        ...

    @property
    def steps(self) -> tuple[float, float, float]:
        """Size of a voxel [arcsec, arcsec, Angstrom]; 0 for that of the mode."""
        ...

    def exposures(self) -> tuple[list[Exposure], list[PixelTable]]:
        """The exposures, checked, by date, and the pixel table of each."""
        ...

    def resampling(self, exposures: Sequence[Exposure]) -> Resampling:
        """How their rows become voxels."""
        ...

    def part(self, grid: Grid) -> Ranges | None:
        """The voxels of the piece to make; None to make the whole cube."""
        ...

    def check_existing(self, overwrite: bool) -> None:
        """Refuse to start where a product exists, unless it may be replaced (when the new one is whole)."""
        ...

    def open_inputs(self) -> None:
        """Read the inputs other than pixel tables that the products need, before the work; log what is missing."""
        ...

    def create(self, work: Path, job: Job) -> None:
        """Lay out the files that boxes are written into: CUBE, and MAP where there is an exposure map."""
        ...

    def finish(self, work: Path, job: Job, memory: int, threads: int) -> list[Path]:
        """Complete all products within a working memory [bytes], and give them their names."""
        ...
