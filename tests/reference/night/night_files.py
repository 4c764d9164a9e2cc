"""What a reduced night holds: its truth, its products, and figures made of both."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.simulate.optics import PIXEL_SCALE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A quantity of which the truth is known.

    Attributes
    ----------
    truth, reference : its value; NaN where only the difference has a meaning
    difference : what is held against the limit
    limit : largest absolute difference that is accepted
    note : how it was measured, what is known of the rest
    """

    name: str
    unit: str
    truth: float
    reference: float
    difference: float
    limit: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the difference is a number within the limit."""
        return bool(abs(self.difference) <= self.limit)


def compared(name: str, unit: str, truth: float, reference: float, limit: float, note: str = "") -> Figure:
    """A figure whose difference is reference minus truth."""
    return Figure(name, unit, float(truth), float(reference), float(reference - truth), limit, note)


def alone(name: str, unit: str, difference: float, limit: float, note: str = "") -> Figure:
    """A figure of which only the difference has a meaning."""
    return Figure(name, unit, float("nan"), float("nan"), difference, limit, note)


def deviation(name: str, unit: str, residuals: Any, limit: float, worst: float, note: str = "") -> list[Figure]:
    """Two figures of residuals (reference minus truth): their rms and the largest."""
    values = np.asarray(residuals, np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError(f"{name}: no residuals")
    rms, largest = float(np.sqrt(np.mean(values**2))), float(values[np.argmax(np.abs(values))])
    mean = f"mean {values.mean():+.2g}; {values.size} values" + (f"; {note}" if note else "")
    return [
        alone(f"{name}, rms", unit, rms, limit, mean),
        alone(f"{name}, worst", unit, largest, worst),
    ]


def as_table(figures: Iterable[Figure]) -> Table:
    """The figures as a table: figure, unit, truth, reference, difference, limit, passed, note."""
    rows = [(f.name, f.unit, f.truth, f.reference, f.difference, f.limit, f.passed, f.note) for f in figures]
    names = ("figure", "unit", "truth", "reference", "difference", "limit", "passed", "note")
    return Table(rows=rows, names=names)


def as_markdown(table: Table) -> str:
    """A table as markdown; numbers with four digits, NaN as a dash."""

    def cell(value: Any) -> str:
        if isinstance(value, float | np.floating):
            return "-" if np.isnan(value) else f"{value:.4g}"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "**no**"
        return str(value).replace("|", "/")

    lines = ["| " + " | ".join(table.colnames) + " |", "|" + "---|" * len(table.colnames)]
    lines += ["| " + " | ".join(cell(row[name]) for name in table.colnames) + " |" for row in table]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Night:
    """A directory that `musedeep simulate night` wrote and `reduce.py` reduced."""

    directory: Path

    @property
    def reduced(self) -> Path:
        return self.directory / "reduced"

    def truth(self, name: str, ifu: int | None = None) -> Table:
        """A table of the truth, as "trace" of an IFU or "sources" of the night."""
        stem = name if ifu is None else f"{name}-{ifu:02d}"
        return Table.read(self.directory / "truth" / f"{stem}.ecsv", format="ascii.ecsv")

    def product(self, name: str, ifu: int | None = None) -> Path:
        """Path of a product, as "MASTER_BIAS" of an IFU or "scipost-1/DATACUBE_FINAL"."""
        stem = name if ifu is None else f"{name}-{ifu:02d}"
        return self.reduced / f"{stem}.fits"

    def log(self, step: str) -> str:
        """What a step printed; empty where it was not run."""
        path = self.reduced / "log" / f"{step}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Seed, mode, scene, IFUs and effects of the night."""
        loaded: dict[str, Any] = yaml.safe_load((self.directory / "truth" / "night.yaml").read_text())
        return loaded

    @property
    def mode(self) -> str:
        """INS MODE, as WFM-NOAO-N."""
        return str(self.settings["mode"])

    @property
    def narrow(self) -> bool:
        """Whether it is of the narrow-field mode."""
        return self.mode.startswith("NFM")

    @property
    def spaxel(self) -> float:
        """Nominal side of a spaxel, arcsec."""
        return PIXEL_SCALE[self.mode[:3]]

    @cached_property
    def exposures(self) -> Table:
        """One row an exposure, in the order of time."""
        return self.truth("exposures")

    @cached_property
    def ifus(self) -> list[int]:
        """The IFUs of the night."""
        found = (re.search(r"trace-(\d+)\.ecsv", path.name) for path in (self.directory / "truth").glob("trace-*.ecsv"))
        return sorted(int(match[1]) for match in found if match)

    def exposures_of(self, kind: str) -> Table:
        """Exposures of a raw tag, as OBJECT."""
        table: Table = self.exposures[self.exposures["kind"] == kind]
        return table


def read_table(path: Path, extension: int | str = 1) -> Table:
    """A table of a product, without the warnings of its units."""
    with fits.open(path) as hdus:
        return Table(np.array(hdus[extension].data))


def read_image(path: Path, extension: int | str = "DATA") -> Array:
    """An image of a product as float64."""
    with fits.open(path) as hdus:
        return np.asarray(hdus[extension].data, np.float64)


def polynomials(table: Table, prefix: str) -> list[np.polynomial.Polynomial]:
    """Polynomials whose coefficients are the columns prefix0, prefix1 ..., one a row."""
    names = sorted(name for name in table.colnames if re.fullmatch(re.escape(prefix) + r"\d+", name))
    return [np.polynomial.Polynomial([float(row[name]) for name in names]) for row in table]
