"""The truth of the instrument: where slices lie in the field and on the CCD, dispersion, line spread, throughput.

Numbers are like the real instrument's (quality control of the public musered database; Bacon et al. 2017 for the
line-spread function); the details of each slice come from the seed.  What an IFU is depends on seed, mode and its
number alone, not on the other IFUs.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from astropy.table import Table
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import CCD_TO_SKY, DISPERSION, N_COLUMNS, N_IFUS, N_ROWS, N_SLICES
from musedeep.simulate.detector import Detector
from musedeep.simulate.effects import Effects
from musedeep.simulate.line_spread import LineSpread

Array = NDArray[np.float64]

MODES: Final = ("WFM-NOAO-N", "WFM-NOAO-E", "WFM-AO-N", "WFM-AO-E", "NFM-AO-N")
CALIBRATION_TEMPERATURE: Final = 12.5
"""Temperature at which the truth of traces and wavelengths holds, degrees Celsius."""
PIXEL_SCALE: Final = {"WFM": 0.2, "NFM": 0.025}
"""Nominal spaxel, arcsec, by field mode (manual, 3)."""

SLICE_PITCH: Final = 83.1
SLICE_WIDTH: Final = 75.9
"""Pitch and width of the slices on the CCD, pixels (medians of musered's QC of traces: 75.9 + 7.2)."""
STAGGER: Final = (7169.0, 7014.0, 6855.0)
"""Wavelength in the middle of the CCD for slices 1, 4, ...; 2, 5, ...; 3, 6, ... (musered), Angstrom."""
FIELD_WIDTH: Final = 75.0
"""Length of a slice in the field, spaxels: four of them side by side make 60 arcsec."""
STACK_CENTRES: Final = (-112.59, -37.52, 37.52, 112.59)
"""Middle of the four stacks of slices, in the order of the CCD, spaxels: gaps of 0.04 between the inner two, of 0.07
beside them (what the reference's muse_geometry expects)."""
ROTATION_CENTRE: Final = (-0.01, -1.20)
"""Axis of the derotator from the middle of the field, spaxels (default of muse_astrometry's parameter rotcenter)."""
EDGE_SOFTNESS: Final = 0.6
"""Dispersion of a slice's edge on the CCD, pixels."""
HALF_HEIGHT: Final = 0.5 * N_ROWS
MIDDLE_ROW: Final = 0.5 * (N_ROWS + 1)
DRIFT: Final = (0.030, 0.004)
"""Drift of wavelengths per degree and per degree squared from the calibration's temperature, Angstrom."""
ILLUMINATION_DRIFT: Final = 0.004
"""Relative change of a slice's illumination per degree, standard deviation."""


def stream(*key: int) -> np.random.Generator:
    """Random numbers that belong to a key (seed, purpose, number ...) and to nothing else."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


@dataclass(frozen=True)
class IfuOptics:
    """The truth of one IFU.  Coordinates on the CCD count from 1 on the trimmed image; slices in the order of the CCD.

    Attributes
    ----------
    left, centre, right : polynomials of the row, one a slice: x in pixels
    wavelength : float64 (48, 3, 6), Angstrom: sum_ij w_ij (x - origin)**i u**j, u = (y - 2056.5) / 2056
    origin : float64 (48,), x to which the wavelength polynomials refer
    throughput : float64 (48,), relative throughput of the slices, that of the IFU included
    illumination : float64 (48,), relative change of illumination per degree
    geometry : table of 48 rows as in the GEOMETRY_TABLE
    """

    ifu: int
    mode: str
    left: list[Polynomial]
    centre: list[Polynomial]
    right: list[Polynomial]
    wavelength: Array
    origin: Array
    ifu_throughput: float
    throughput: Array
    illumination: Array
    geometry: Table
    line_spread: LineSpread
    detector: Detector
    effects: Effects = field(default_factory=Effects)

    @property
    def scale(self) -> float:
        """Nominal spaxel, arcsec."""
        return PIXEL_SCALE[self.mode[:3]]

    def edges(self, index: int) -> tuple[Array, Array]:
        """Left and right edge of a slice (index from 0) at every row: float64 (n_rows,) each, pixels."""
        rows = np.arange(1.0, N_ROWS + 1.0)
        return self.left[index](rows), self.right[index](rows)

    def wavelength_rows(self, index: int, temperature: float = CALIBRATION_TEMPERATURE, shift: float = 0.0) -> Array:
        """Coefficients over the rows of a slice, float64 (6, n_rows), as `forward.add_slice` takes them.

        Wavelengths are off by their drift at the temperature (degrees Celsius) and by `shift` (Angstrom).
        """
        u = (np.arange(1.0, N_ROWS + 1.0) - MIDDLE_ROW) / HALF_HEIGHT
        out = np.empty((6, N_ROWS))
        for i in range(3):
            polynomial = Polynomial(self.wavelength[index, i])
            out[i] = polynomial(u)
            out[3 + i] = polynomial.deriv()(u) / HALF_HEIGHT
        out[0] += self.drift(temperature) + shift
        return out

    def wavelength_at(self, index: int, x: Array, y: Array) -> Array:
        """Wavelength at places of a slice at the calibration's temperature, Angstrom."""
        u, d = (np.asarray(y) - MIDDLE_ROW) / HALF_HEIGHT, np.asarray(x) - self.origin[index]
        return np.asarray(sum(Polynomial(self.wavelength[index, i])(u) * d**i for i in range(3)))

    def drift(self, temperature: float) -> float:
        """Drift of the wavelengths at a temperature of the instrument (degrees Celsius), Angstrom."""
        change = temperature - CALIBRATION_TEMPERATURE
        return DRIFT[0] * change + DRIFT[1] * change**2 if self.effects.wavelength_drift else 0.0

    def slice_factors(self, temperature: float) -> Array:
        """Relative throughput of the slices at a temperature of the instrument, float64 (48,)."""
        factors = np.full(N_SLICES, 1.0)
        if self.effects.slice_throughput:
            factors = factors * self.throughput
        if self.effects.illumination:
            factors = factors * (1.0 + self.illumination * (temperature - CALIBRATION_TEMPERATURE))
        return factors

    @cached_property
    def limits(self) -> tuple[float, float, float, float]:
        """Smallest and largest x and y of the field that the IFU sees, arcsec."""
        x, y = np.asarray(self.geometry["x"]), np.asarray(self.geometry["y"])
        half = 0.5 * np.asarray(self.geometry["width"])
        left, right, low, high = (
            float(value * self.scale) for value in ((x - half).min(), (x + half).max(), y.min(), y.max())
        )
        return left, right, low, high

    def truth_tables(self) -> dict[str, Table]:
        """What the recipes should find, by name: trace, wavelength, lsf, detector, throughput, hot-pixels."""
        slices = np.arange(1, N_SLICES + 1)
        trace = Table({"slice": slices})
        for name in ("left", "centre", "right"):
            coefficients = [p.convert(domain=[-1, 1], window=[-1, 1]).coef for p in getattr(self, name)]
            for k in range(4):
                trace[f"{name}{k}"] = [c[k] if k < len(c) else 0.0 for c in coefficients]
        trace.meta["comment"] = "x = sum_k c_k y**k, pixels of the trimmed image from 1"
        wave = Table({"slice": slices, "origin": self.origin})
        for i in range(3):
            for j in range(self.wavelength.shape[2]):
                wave[f"w{i}{j}"] = self.wavelength[:, i, j]
        wave.meta["comment"] = "Angstrom in air = sum_ij w_ij (x - origin)**i ((y - 2056.5) / 2056)**j"
        wave.meta["temperature"] = CALIBRATION_TEMPERATURE
        factors = Table({"slice": slices, "throughput": self.throughput, "illumination_per_degree": self.illumination})
        factors.meta["ifu_throughput"] = self.ifu_throughput
        found = {"trace": trace, "wavelength": wave, "lsf": self.line_spread.table(), "throughput": factors}
        return found | self.detector.truth_tables()


@dataclass(frozen=True)
class Instrument:
    """All IFUs of one seed; `ifus` are those that there are, which decides where the telescope aims."""

    mode: str = "WFM-NOAO-N"
    seed: int = 1
    ifus: tuple[int, ...] = tuple(range(1, N_IFUS + 1))
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise MusedeepError(f"mode '{self.mode}' is unknown; the modes are {', '.join(MODES)}")
        for ifu in self.ifus:
            _check_ifu(ifu)

    def ifu(self, number: int) -> IfuOptics:
        """The truth of an IFU (1 to 24)."""
        _check_ifu(number)
        return _make_ifu(number, self.mode, self.seed, self.effects)

    @cached_property
    def aim(self) -> tuple[float, float]:
        """Field position that the header's RA and DEC describe and about which the field turns, arcsec.

        The derotator's axis lies beside the middle of the field that the IFUs see together: the reference pipeline too
        takes the middle of the data and adds `ROTATION_CENTRE`.
        """
        limits = np.array([self.ifu(number).limits for number in self.ifus])
        scale = PIXEL_SCALE[self.mode[:3]]
        return (
            float(0.5 * (limits[:, 0].min() + limits[:, 1].max()) + scale * ROTATION_CENTRE[0]),
            float(0.5 * (limits[:, 2].min() + limits[:, 3].max()) + scale * ROTATION_CENTRE[1]),
        )

    def geometry_table(self) -> Table:
        """Where all 1152 slices lie in the field: columns of the GEOMETRY_TABLE (manual A.2)."""
        from astropy.table import vstack

        table = vstack([self.ifu(number).geometry for number in range(1, N_IFUS + 1)])
        table.sort(["SubField", "SliceCCD"])
        return table


def _check_ifu(number: int) -> None:
    """Raise MusedeepError for what is no IFU."""
    if not 1 <= number <= N_IFUS:
        raise MusedeepError(f"IFU {number} does not exist; IFUs are 1 to {N_IFUS}")


def _make_ifu(ifu: int, mode: str, seed: int, effects: Effects) -> IfuOptics:
    """Draw the truth of an IFU."""
    rng = stream(seed, 1, ifu)
    left, centre, right, middles = _traces(rng)
    ifu_throughput = float(1.0 + 0.05 * rng.standard_normal())
    throughput = ifu_throughput * (1.0 + 0.02 * rng.standard_normal(N_SLICES))
    return IfuOptics(
        ifu=ifu,
        mode=mode,
        left=left,
        centre=centre,
        right=right,
        wavelength=_wavelengths(rng),
        origin=middles,
        ifu_throughput=ifu_throughput if effects.slice_throughput else 1.0,
        throughput=throughput if effects.slice_throughput else np.ones(N_SLICES),
        illumination=ILLUMINATION_DRIFT * rng.standard_normal(N_SLICES) * effects.illumination,
        geometry=_geometry(stream(seed, 2, ifu), ifu, effects),
        line_spread=LineSpread(1.0 + 0.02 * rng.standard_normal(N_SLICES), float(0.006 * rng.standard_normal())),
        detector=Detector.drawn(seed, ifu, effects),
        effects=effects,
    )


def _traces(rng: np.random.Generator) -> tuple[list[Polynomial], list[Polynomial], list[Polynomial], Array]:
    """Edges and centres of the slices: they fan out and bend a little more towards the sides of the CCD."""
    domain = [MIDDLE_ROW - HALF_HEIGHT, MIDDLE_ROW + HALF_HEIGHT]
    left, centre, right = [], [], []
    middles = np.empty(N_SLICES)
    for index in range(N_SLICES):
        side = (index - 23.5) / 23.5
        middle = 0.5 * (N_COLUMNS + 1) + SLICE_PITCH * (index - 23.5) + rng.uniform(-0.8, 0.8)
        tilt = -7.0 * side + rng.uniform(-0.6, 0.6)
        bend = 4.0 * side + 1.0 + rng.uniform(-0.3, 0.3)
        twist = 0.4 * side
        width = SLICE_WIDTH + 0.6 * float(np.clip(rng.standard_normal(), -2.0, 2.0))
        growth = 0.25 + 0.05 * rng.standard_normal()
        line = np.array([middle, tilt, bend, twist])
        spread = 0.5 * np.array([width, 0.0, growth, 0.0])
        centre.append(Polynomial(line, domain=domain))
        left.append(Polynomial(line - spread, domain=domain))
        right.append(Polynomial(line + spread, domain=domain))
        middles[index] = middle
    return left, centre, right, middles


def _wavelengths(rng: np.random.Generator) -> Array:
    """Wavelength polynomials: nearly 1.25 Angstrom a row, lines tilted and bent along the slit."""
    out = np.zeros((N_SLICES, 3, 6))
    half = 0.5 * SLICE_WIDTH
    for index in range(N_SLICES):
        out[index, 0] = [
            STAGGER[index % 3] + rng.uniform(-3.0, 3.0),
            1.002 * DISPERSION * HALF_HEIGHT + rng.uniform(-4.0, 4.0),
            -22.0 + rng.uniform(-1.0, 1.0),
            -9.0 + rng.uniform(-0.5, 0.5),
            1.5,
            0.4,
        ]
        out[index, 1, :3] = np.array([rng.uniform(-0.8, 0.8), 0.5, 0.1]) / half
        out[index, 2, :2] = np.array([0.9 + rng.uniform(-0.1, 0.1), 0.2]) / half**2
    return out


def _geometry(rng: np.random.Generator, ifu: int, effects: Effects) -> Table:
    """Where the slices of an IFU lie in the field, spaxels."""
    on = 1.0 if effects.geometry_offsets else 0.0
    shift_x, shift_y = on * rng.uniform(-0.5, 0.5), on * rng.uniform(-0.1, 0.1)
    rows = []
    for index in range(N_SLICES):
        sky = CCD_TO_SKY[index % 12] + 12 * (index // 12)
        stack, place = divmod(sky - 1, 12)
        x = STACK_CENTRES[stack] + shift_x + on * rng.uniform(-0.02, 0.02)
        y = 12.0 * (ifu - 12.5) + (place - 5.5) + shift_y + on * rng.uniform(-0.03, 0.03)
        angle = on * (0.05 + rng.uniform(-0.04, 0.04))
        width = FIELD_WIDTH + on * rng.uniform(-0.03, 0.03)
        rows.append((ifu, index + 1, sky, x, y, angle, width))
    names = ("SubField", "SliceCCD", "SliceSky", "x", "y", "angle", "width")
    return Table(rows=rows, names=names, dtype=("i4", "i4", "i4", "f8", "f8", "f8", "f8"))
