"""Illumination: slices of an IFU against each other, from a lamp flat (ILLUM, manual 6.4), and twilight cubes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.rows.illumination import correct_rows
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.rows.image_rows import ImageRows
from musedeep.reduction.rows.source import Correction
from musedeep.storage.calibrations.twilight_cube import TwilightCube
from musedeep.storage.pixel_tables.table import Rows
from musedeep.threads import in_threads

ILLUM_RANGE: Final = 6500.0, 7500.0
"""Wavelengths of the lamp flat by which slices are compared, Angstrom (found by experiments on the reference)."""


@dataclass(frozen=True)
class Illumination:
    """Factors by which the slices of an IFU are multiplied, float64 (48,), and the raw frame they come from."""

    path: str
    factors: NDArray[np.float64]

    def cards(self) -> list[Card]:
        """PIXTABLE ILLUMn, MEAN, STDEV."""
        key = "ESO DRS MUSE PIXTABLE ILLUM"
        cards: list[Card] = [(f"{key}{i}", float(f), "") for i, f in enumerate(self.factors, 1)]
        stdev = float(self.factors.std(ddof=1))
        return [*cards, (f"{key} MEAN", float(self.factors.mean()), ""), (f"{key} STDEV", stdev, "")]


@dataclass(frozen=True)
class Illuminated(Correction):
    """Rows of an IFU times the factors of their slices, divided by cubes of the twilight sky, as far as there are any.

    The factors and the first cube are one pass over the rows: memory traffic is what takes the time.
    """

    ifu: int
    illumination: Illumination | None
    twilight: Sequence[TwilightCube]
    reads = ("xpos", "ypos", "lambda", "origin", "data", "stat")
    changes = ("data", "stat")

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`."""
        if self.illumination is None and not self.twilight:
            return
        factors = np.ones(N_SLICES) if self.illumination is None else self.illumination.factors
        for cube in self.twilight or [TwilightCube.nothing()]:
            correct_rows(
                rows["xpos"], rows["ypos"], rows["lambda"], rows["origin"], rows["data"], rows["stat"], factors,
                cube.data, cube.start, cube.step,
            )  # fmt: skip
            factors = np.ones(N_SLICES)

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        found = [cube.sky_flux.get(self.ifu) for cube in self.twilight[:1]]
        flux: list[Card] = [("ESO DRS MUSE FLAT FLUX SKY", value, "") for value in found if value is not None]
        return (self.illumination.cards() if self.illumination else []) + flux


def illumination_factors(table: ImageRows) -> NDArray[np.float64]:
    """Factors of the slices: inverse medians of a lamp flat in `ILLUM_RANGE`, mean 1, float64 (48,); NaN without light.

    Raises
    ------
    MusedeepError
        No slice has light.
    """
    n = table.starts.size - 1
    inverse = np.full(n, np.nan)

    def measure(k: int) -> None:
        rows = table.read(table.starts[None, k : k + 2], ("data", "dq"))
        values = rows["data"][rows["dq"] == 0]
        middle = float(np.median(values)) if values.size else 0.0
        if middle > 0:
            inverse[k] = 1.0 / middle

    in_threads(measure, n)
    if not np.isfinite(inverse).any():
        raise MusedeepError(f"{table.path}: no light in the ILLUM; give one with the lamp on, or none")
    return np.asarray(inverse / np.nanmean(inverse))
