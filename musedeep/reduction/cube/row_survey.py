"""Where the rows of an exposure lie, whatever has been done to them: read once, before cubes and images are made.

1. Positions and wavelengths of all rows are read in blocks, as corrected so far.
2. Runs of successive rows (`SEGMENT`) get the box that they lie in. A pixel table is sorted so that the rows of a run
   are neighbours: of one slice in a FITS file, of one slice in one band of wavelengths in a store.
3. The limits of all rows fix the grid of a cube (`field_grid`); the boxes tell which rows have to be read for a part of
   it (`RowSurvey.ranges`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.projection import relative_positions
from musedeep.kernels.rows.segments import not_finite, segment_boxes
from musedeep.reduction.rows.source import READERS
from musedeep.storage.fits.units import same_unit
from musedeep.storage.pixel_tables.table import ROWS_PER_SEGMENT, SEGMENT, RowSource, row_blocks, set_boxes
from musedeep.threads import in_threads

POSITIONS = ("xpos", "ypos", "lambda")


@dataclass(frozen=True)
class RowSurvey:
    """The segments and limits of the rows of sources.

    Attributes
    ----------
    sources : tuple of RowSource, one per IFU
    segments : tuple of SEGMENT array, of each source
    limits : float64 (3, 2)
        Lowest and highest x, y and wavelength [Angstrom]: pixels of the field; or, where positions are native spherical
        coordinates, right ascension and declination relative to the pointing [deg].
    native : bool, whether positions are native spherical coordinates [rad]
    """

    sources: tuple[RowSource, ...]
    segments: tuple[NDArray[Any], ...]
    limits: NDArray[np.float64]
    native: bool

    @property
    def n_rows(self) -> int:
        """Rows of all sources."""
        return sum(source.n_rows for source in self.sources)

    def ranges(
        self,
        wavelengths: tuple[float, float],
        x: tuple[float, float] | None = None,
        y: tuple[float, float] | None = None,
    ) -> list[NDArray[np.int64]]:
        """Rows of each source that may lie within these limits [Angstrom, and as the boxes have it], int64 (n, 2)."""
        found = []
        for segments in self.segments:
            near = (segments["lambda_max"] >= wavelengths[0]) & (segments["lambda_min"] <= wavelengths[1])
            for name, ends in (("x", x), ("y", y)):
                if ends:
                    near &= (segments[f"{name}_max"] >= ends[0]) & (segments[f"{name}_min"] <= ends[1])
            places = np.flatnonzero(near)
            new = np.flatnonzero(np.diff(places, prepend=-2) != 1)
            last = np.r_[new[1:], places.size][: new.size] - 1
            found.append(np.stack([segments["start"][places[new]], segments["stop"][places[last]]], axis=1))
        return found


def positions_are_native(source: RowSource) -> bool:
    """Whether the positions of a source are native spherical coordinates; if not, they are pixels of the field.

    Raises
    ------
    MusedeepError
        They have another unit, as in a table that is positioned on the sky already.
    """
    unit = source.units.get("xpos", "")
    if same_unit(unit, "rad"):
        return True
    if unit in ("pix", "pixel") or same_unit(unit, "pix"):
        return False
    raise MusedeepError(
        f"{source.path}: column xpos has unit '{unit}', expected 'pix' or 'rad'; give a pixel table that is not "
        "positioned yet"
    )


def survey_rows(sources: Sequence[RowSource], declination: float, workers: int | None = None) -> RowSurvey:
    """Read the positions and wavelengths of all rows.

    Parameters
    ----------
    sources : sequence of RowSource, one per IFU
    declination : float, of the pointing, for native spherical coordinates [rad]
    workers : int, optional, threads; at most READERS

    Raises
    ------
    MusedeepError
        Sources differ in what their positions are; a position or wavelength is not finite; there are no rows.
    """
    native = positions_are_native(sources[0])
    for source in sources[1:]:
        if positions_are_native(source) != native:
            raise MusedeepError(
                f"{source.path}: positions have unit '{source.units['xpos']}', those of {sources[0].path} "
                f"'{sources[0].units['xpos']}'; reduce all IFUs of an exposure alike"
            )
    segments = []
    for source in sources:
        starts = np.arange(0, source.n_rows, ROWS_PER_SEGMENT, dtype=np.int64)
        one = np.empty(starts.size, SEGMENT)
        one["start"], one["stop"] = starts, np.minimum(starts + ROWS_PER_SEGMENT, source.n_rows)
        segments.append(one)
    calls = [(k, block) for k, source in enumerate(sources) for block in row_blocks(source.n_rows)]
    limits = np.empty((len(calls), 3, 2))

    def look(number: int) -> None:
        k, block = calls[number]
        rows = sources[k].read(block, POSITIONS)
        x, y, wavelength = (rows[name] for name in POSITIONS)
        for name in POSITIONS:
            wrong, first = not_finite(rows[name])
            if wrong:
                raise MusedeepError(
                    f"{sources[k].path}: column {name} is not finite in row {block[0, 0] + first}; reduce the exposure "
                    "again"
                )
        here = segments[k][block[0, 0] // ROWS_PER_SEGMENT : -(-block[0, 1] // ROWS_PER_SEGMENT)]
        boxes = np.empty((here.size, 6), np.float32)
        edges = np.append(here["start"], here["stop"][-1]) - block[0, 0]
        segment_boxes(x, y, wavelength, edges, native, boxes)
        set_boxes(here, boxes)
        if native:
            ra, dec = np.empty((2, x.size), np.float32)
            relative_positions(x, y, declination, 0.0, 0.0, ra, dec)
            x, y = ra, dec
        limits[number] = [(v.min(), v.max()) for v in (x, y, wavelength)]

    in_threads(look, len(calls), workers or READERS)
    if not calls:
        raise MusedeepError(f"{sources[0].path}: has no rows; reduce the exposure again")
    ends = np.stack([limits[:, :, 0].min(axis=0), limits[:, :, 1].max(axis=0)], axis=1)
    return RowSurvey(tuple(sources), tuple(segments), ends, native)
