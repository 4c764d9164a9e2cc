"""Corrections of rows as data: what a store of corrections holds, and what is done with it.

A correction is one of a few steps on columns of rows (a shift by wavelength, a factor by wavelength, a table of spectra
to be subtracted) with its numbers. It works row by row, in place.

1. `needed` chooses those steps that change the columns which are wanted, and the columns that these need.
2. `RowStep.apply` makes one step on some rows.
3. `RowStep.numbers` and `RowStep.arrays` are all that has to be kept of a step; `step_of` makes it again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.corrections import multiply_by_wavelength, shift_positions, stretch, to_native
from musedeep.kernels.rows.slice_flux import scale_slices
from musedeep.kernels.sky.raman import subtract_raman_rows
from musedeep.kernels.sky.subtract import subtract_linear, subtract_tables
from musedeep.storage.pixel_tables.table import Rows

Floats = NDArray[np.float64]


class Changing(Protocol):
    """What changes columns of rows, and reads some for it."""

    @property
    def reads(self) -> tuple[str, ...]: ...

    @property
    def changes(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=Changing)


def needed(steps: Sequence[T], names: Sequence[str]) -> tuple[list[T], list[str]]:
    """Those of successive steps without which some columns would not be right, and the columns to be read for them."""
    wanted, applied = set(names), list[T]()
    for one in reversed(steps):
        if wanted & set(one.changes):
            wanted = wanted - set(one.changes) | set(one.reads)
            applied.append(one)
    return applied[::-1], sorted(wanted)


class RowStep:
    """A step on rows; to be subclassed by dataclasses of numbers and arrays."""

    READS: ClassVar[tuple[str, ...]] = ()
    CHANGES: ClassVar[tuple[str, ...]] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that it needs."""
        return self.READS

    @property
    def changes(self) -> tuple[str, ...]:
        """Columns that it changes, which it needs, too."""
        return self.CHANGES

    def apply(self, rows: Rows) -> None:
        """Change rows in place. Several threads may call it at a time."""
        raise NotImplementedError

    def numbers(self) -> dict[str, Any]:
        """Its numbers, texts, and which arrays it has."""
        return {f.name: value for f in fields(self) if not isinstance(value := getattr(self, f.name), np.ndarray)}  # type: ignore[arg-type]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name."""
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), np.ndarray)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scale(RowStep):
    """One column times a factor, multiplied in float64."""

    column: str
    factor: float

    @property
    def reads(self) -> tuple[str, ...]:
        """See `RowStep.reads`."""
        return (self.column,)

    @property
    def changes(self) -> tuple[str, ...]:
        """See `RowStep.changes`."""
        return (self.column,)

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        rows[self.column][:] = rows[self.column].astype(np.float64) * self.factor


@dataclass(frozen=True)
class Shift(RowStep):
    """Positions plus a shift by wavelength; see `kernels.rows.corrections.shift_positions`."""

    READS = ("xpos", "ypos", "lambda")
    CHANGES = ("xpos", "ypos")
    shifts: Floats
    start: float
    step: float

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        shift_positions(rows["xpos"], rows["ypos"], rows["lambda"], self.shifts, self.start, self.step)


@dataclass(frozen=True)
class Multiply(RowStep):
    """Data times a factor by wavelength; see `kernels.rows.corrections.multiply_by_wavelength`."""

    READS = ("lambda", "data", "stat")
    CHANGES = ("data", "stat")
    curve: Floats
    start: float
    step: float

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        multiply_by_wavelength(rows["data"], rows["stat"], rows["lambda"], self.curve, self.start, self.step)


@dataclass(frozen=True)
class ScaleSlices(RowStep):
    """Data times factors of slices; see `kernels.rows.slice_flux.scale_slices`."""

    READS = ("lambda", "origin", "data", "stat")
    CHANGES = ("data", "stat")
    limits: Floats
    factors: Floats

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        scale_slices(rows["lambda"], rows["origin"], self.limits, self.factors, rows["data"], rows["stat"])


@dataclass(frozen=True)
class SubtractSpectrum(RowStep):
    """Data less a spectrum; see `kernels.sky.subtract.subtract_linear`."""

    READS = ("lambda", "data")
    CHANGES = ("data",)
    wavelength: Floats
    values: Floats

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        subtract_linear(rows["lambda"], self.wavelength, self.values, rows["data"])


@dataclass(frozen=True)
class Stretch(RowStep):
    """Wavelengths times a factor."""

    READS = CHANGES = ("lambda",)
    factor: float

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        stretch(rows["lambda"], self.factor)


@dataclass(frozen=True)
class Project(RowStep):
    """Positions in the field become native spherical ones; see `kernels.rows.corrections.to_native`."""

    READS = CHANGES = ("xpos", "ypos")
    centre: Floats
    matrix: Floats

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`."""
        to_native(rows["xpos"], rows["ypos"], self.centre, self.matrix)


Table = Callable[[int, int], NDArray[np.float32]]
"""Gives the columns [first, last) of a table, float32 (48, last - first), or all of them, contiguous."""


@dataclass(frozen=True)
class OfSlices(RowStep):
    """A step with a table of each IFU, of which only the part near the wavelengths of the rows is read.

    Attributes
    ----------
    start, step : of the table [Angstrom]
    tables : by IFU
    """

    start: float
    step: float
    bins: int
    tables: Mapping[int, Table]

    def numbers(self) -> dict[str, Any]:
        """See `RowStep.numbers`: the IFUs stand for their tables."""
        return super().numbers() | {"tables": list(self.tables)}

    def span(self, wavelength: NDArray[np.float32]) -> tuple[int, int]:
        """First bin, and the one after the last, that rows need, one more on each side; within the table."""
        ends = (np.array([wavelength.min(), wavelength.max()], np.float64) - self.start) / self.step
        low, high = np.clip(ends, 0, self.bins - 1).astype(np.int64).tolist()
        return max(low - 1, 0), min(high + 3, self.bins)

    def of_rows(self, rows: Rows) -> list[int]:
        """The IFUs of rows; raises MusedeepError if one has no table."""
        found: list[int] = np.flatnonzero(np.bincount(rows["origin"] >> 6 & 31)).tolist()
        for ifu in found:
            if ifu not in self.tables:
                raise MusedeepError(f"rows of IFU {ifu}, of which there is no LSF_PROFILE; give it")
        return found


@dataclass(frozen=True)
class SubtractSky(OfSlices):
    """Data less the spectrum of the sky of their slice; see `kernels.sky.subtract.subtract_tables`."""

    READS = ("lambda", "origin", "data")
    CHANGES = ("data",)

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`; raises MusedeepError for rows of an IFU without a table."""
        if not rows["lambda"].size:
            return
        first, last = self.span(rows["lambda"])
        for ifu in self.of_rows(rows):
            # the coefficients of a spline are two more than its bins
            table = self.tables[ifu](first, last + 2)
            begin = first if table.shape[1] < self.bins + 2 else 0
            subtract_tables(
                rows["lambda"], rows["origin"], ifu, table, self.start, self.step, rows["data"], begin, self.bins
            )


@dataclass(frozen=True)
class SubtractRaman(OfSlices):
    """Data less Raman light; see `kernels.sky.raman.subtract_raman_rows`. `field` is its light over the field."""

    READS = ("xpos", "ypos", "lambda", "origin", "data")
    CHANGES = ("data",)
    field: Floats

    def apply(self, rows: Rows) -> None:
        """See `RowStep.apply`; raises MusedeepError for rows of an IFU without a table."""
        wavelength = rows["lambda"]
        end = self.start + self.step * self.bins
        if not wavelength.size or wavelength.max() < self.start or wavelength.min() > end:
            return
        for ifu in self.of_rows(rows):
            table = self.tables[ifu](0, self.bins)
            subtract_raman_rows(
                rows["xpos"], rows["ypos"], wavelength, rows["origin"], ifu, table, self.start, self.step, self.field,
                rows["data"],
            )  # fmt: skip


KINDS: Final[dict[str, type[RowStep]]] = {
    "scale": Scale, "shift": Shift, "multiply": Multiply, "scale slices": ScaleSlices, "stretch": Stretch,
    "subtract spectrum": SubtractSpectrum, "project": Project, "subtract sky": SubtractSky,
    "subtract Raman light": SubtractRaman,
}  # fmt: skip
"""The steps by their names in a store."""


def kind_of(step: RowStep) -> str:
    """Its name in a store."""
    return next(name for name, kind in KINDS.items() if type(step) is kind)


def step_of(
    kind: str, numbers: Mapping[str, Any], array: Callable[[str], NDArray[Any]], table: Callable[[int], Table]
) -> RowStep:
    """A step as it was.

    Parameters
    ----------
    numbers : as `RowStep.numbers` gave them
    array : gives an array by its name
    table : gives the table of an IFU

    Raises
    ------
    ValueError, KeyError, TypeError
        There is no such step, or not with these numbers.
    """
    found: Any = KINDS[kind]
    given = dict(numbers)
    if "tables" in given:
        given["tables"] = {int(ifu): table(int(ifu)) for ifu in given["tables"]}
    missing = [f.name for f in fields(found) if f.name not in given]
    step: RowStep = found(**given, **{name: array(name) for name in missing})
    return step
