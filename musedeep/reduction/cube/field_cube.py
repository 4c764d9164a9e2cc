"""Cubes and images of one exposure as products: written plane by plane, while the planes are made (`planes`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.kernels.cube.collapse import add_planes
from musedeep.reduction.cube.field_grid import FieldGrid
from musedeep.reduction.cube.planes import BAND_MEMORY, Planes, planes_of, resampling
from musedeep.reduction.cube.row_survey import RowSurvey
from musedeep.storage.calibrations.filters import WHITE, Filter
from musedeep.storage.cubes.cube_fits import CubeFile
from musedeep.storage.fits.header_cards import Card, extension_cards, header_of
from musedeep.storage.outputs import partial_name, refuse_existing


class PlaneImages:
    """Field images through filters, added up while planes are made (manual 7.3.5; planes count alike).

    Parameters
    ----------
    curves : sequence of Filter
    grid : FieldGrid
    """

    def __init__(self, curves: Sequence[Filter], grid: FieldGrid) -> None:
        waves = grid.grid.wavelengths()
        self.curves = tuple(curves)
        self._weights = [curve.at(waves) for curve in curves]
        self._sums = [(np.zeros(grid.shape[1:]), np.zeros(grid.shape[1:])) for _ in curves]

    def add(self, planes: Planes) -> None:
        """Add some planes, which follow those before."""
        here = slice(planes.first, planes.first + planes.data.shape[0])
        for weights, (total, norm) in zip(self._weights, self._sums, strict=True):
            add_planes(planes.data, weights[here], total, norm)

    def images(self) -> list[NDArray[np.float32]]:
        """The images, float32 (lines, columns); NaN where there are no data."""
        images = []
        for total, norm in self._sums:
            with np.errstate(invalid="ignore", divide="ignore"):
                images.append(np.where(norm > 0, total / norm, np.nan).astype(np.float32))
        return images


def white_image(
    survey: RowSurvey,
    grid: FieldGrid,
    limits: tuple[float, float] = (0.0, np.inf),
    *,
    pixfrac: tuple[float, float, float] = (0.6, 0.6, 0.6),
    crsigma: float = 15.0,
    slice_direction: int = 1,
    memory: int = BAND_MEMORY,
    workers: int | None = None,
) -> NDArray[np.float32]:
    """The mean of the planes of an exposure between two wavelengths, as the reference has it of a whole cube.

    Parameters
    ----------
    survey, grid : rows of the exposure, corrected as they are to be, and the grid of all of them
    limits : (float, float), wavelengths [Angstrom]
    pixfrac, crsigma : those of muse_create_sky and muse_scipost for their SKY_IMAGE by default
    slice_direction : see `planes.resampling`

    Returns
    -------
    float32 (lines, columns), NaN where there are no data
    """
    waves = grid.grid.wavelengths()
    inside = np.flatnonzero((waves >= limits[0]) & (waves <= limits[1]))
    if inside.size == 0:
        return np.full(grid.shape[1:], np.nan, np.float32)
    made = PlaneImages([WHITE], grid)
    how = resampling(pixfrac=pixfrac, crsigma=crsigma, slice_direction=slice_direction)
    wanted = int(inside[0]), int(inside[-1]) + 1
    for planes in planes_of(survey, grid, how, memory=memory, workers=workers, planes=wanted):
        made.add(planes)
    return made.images()[0]


@dataclass(frozen=True)
class NamedImage:
    """A further image in the file of a cube: its extension, the image (lines, columns), cards of its header.

    `kind` is DATA or STAT; `companions` are the extensions that belong to it, see `extension_cards`.
    """

    name: str
    image: NDArray[np.float32]
    cards: Sequence[Card] = ()
    kind: str = "DATA"
    companions: tuple[tuple[str, str], ...] = ()


class FieldCube:
    """The file of a cube of one exposure: DATA, STAT, and field images; to be used in a `with` statement.

    It has a hidden name until `finish` gives it its own; if that is not called, nothing is left.

    Parameters
    ----------
    path : Path, of the product
    grid : FieldGrid
    target : name of the object, for the headers
    unit : BUNIT of the data
    overwrite : replace an existing file
    curves : filters of its field images

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced; there is no space.
    """

    def __init__(
        self, path: Path, grid: FieldGrid, target: str, unit: str, overwrite: bool, curves: Sequence[Filter] = ()
    ) -> None:
        refuse_existing(path, overwrite)
        self.path, self.grid, self.target, self.unit = path, grid, target, unit
        self._images = PlaneImages(curves, grid)
        data, stat = (self._header(name, kind, other) for name, kind, other in _ARRAYS)
        self._cube = CubeFile.create(partial_name(path), grid.shape, fits.Header(), data, stat)

    def _header(
        self, name: str, kind: str, companions: dict[str, str], image: bool = False, cards: Sequence[Card] = ()
    ) -> fits.Header:
        parts: list[Card] = [("OBJECT", f"{self.target} ({name})", ""), *self.grid.cards(2 if image else 3)]
        parts += extension_cards(name, kind, companions, "reconstructed image (data values)" if image else "")
        return header_of([*parts, ("BUNIT", f"({self.unit})**2" if kind == "STAT" else self.unit, ""), *cards])

    def __enter__(self) -> "FieldCube":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cube.path.unlink(missing_ok=True)
        self._cube.discard_layout()

    def add(self, planes: Planes) -> None:
        """Write some planes, which follow those before."""
        self._cube.write_box(planes.first, 0, planes.data, planes.stat)
        self._images.add(planes)

    def plane(self, number: int) -> NDArray[np.float32]:
        """A plane that is written already, float32 (lines, columns)."""
        return self._cube.data.read_box(number, number + 1)[0]

    def lines(self, planes: tuple[int, int], lines: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Data and variances of planes [first, last) that are written already, float32; only these lines of them."""
        data, stat = (array.read_box(*planes, *lines) for array in (self._cube.data, self._cube.stat))
        return data, stat

    def images(self) -> list[NDArray[np.float32]]:
        """The field images through the filters, once all planes are written."""
        return self._images.images()

    def finish(self, primary: fits.Header, further: Sequence[NamedImage] = ()) -> Path:
        """Complete the file with its primary header, its field images and further images, and give it its name."""
        waves = self.grid.grid.wavelengths()
        covered = float(waves[0]), float(waves[-1]) + self.grid.grid.step
        named = [
            NamedImage(curve.name, image, curve.cards(*covered))
            for curve, image in zip(self._images.curves, self.images(), strict=True)
        ]
        for one in [*named, *further]:
            header = self._header(one.name, one.kind, dict(one.companions), True, one.cards)
            self._cube.append_image(header, one.image)
        self._cube.finish(self.path, primary)
        return self.path


_ARRAYS: Final = (("DATA", "DATA", {"STAT": "STAT"}), ("STAT", "STAT", {"DATA": "DATA"}))
