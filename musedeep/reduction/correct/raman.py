"""Raman light of the laser guide stars is measured, and subtracted from the rows of an exposure.

In the modes with adaptive optics, molecules of the air scatter laser light into the field, in vibration-rotation bands
of O2 around 6484 and of N2 around 6827 Angstrom. It changes smoothly over the field.

1. Images of the field in both bands are made; their darkest part is sky (`RamanBand`; cosmic rays are rejected).
2. The rows of the sky within a band are a sum of spectra: the Raman lines of the molecule, with the line-spread
   function of the slice, times a polynomial of second degree in x and y; the lines of OH in the band, in groups whose
   lines keep their ratios (`statics.load_sky_lines`); a continuum, straight in wavelength. This is linear, and sums of
   products over the rows suffice (`RamanSums`). Three turns: rows further than 5 of their standard deviations from the
   solution before are left out.
3. One polynomial is common to both molecules, times one flux for each. Of each band the sky is eliminated from the
   normal equations; what remains is minimized for the polynomial and the fluxes in turn (`_common`). Coefficients are
   expected within 0.3 of the flux over half the field: with a few IFUs at one side of it, they would not be known.
4. All lines of the table are subtracted from each row, also those outside the images (`RamanSubtraction`).

How it is called, after the calibration of the flux and before the autocalibration: `light = measure_raman(...)`, then
`exposure.corrected(subtract_raman(observation, sources, light))`. `raman_images` are the diagnostics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.sky.line_spectrum import add_lines
from musedeep.kernels.sky.raman import (
    CONTINUUM,
    FIELD_SCALE,
    SPATIAL,
    BandTables,
    add_raman_rows,
)
from musedeep.reduction.correct.never_twice import PIXTABLE, refuse, refuse_placed
from musedeep.reduction.correct.sky import check_calibrated, check_has_sky
from musedeep.reduction.cube.field_cube import white_image
from musedeep.reduction.cube.field_grid import FieldGrid, field_grid
from musedeep.reduction.cube.row_survey import survey_rows
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction, RowsWithin, Stepped
from musedeep.reduction.rows.sums import add_up
from musedeep.reduction.sky.line_spread import slice_profiles
from musedeep.reduction.sky.mask import darkest, given_region
from musedeep.statics.load import load_sky_lines
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.calibrations.sky_lines import SkyLineTable
from musedeep.storage.calibrations.sky_mask import SkyMask
from musedeep.storage.pixel_tables.row_steps import SubtractRaman, Table
from musedeep.storage.pixel_tables.table import Rows, RowSource

RAMAN: Final = PIXTABLE + "RAMAN"

MOLECULES: Final = {"O2": 6484.0, "N2": 6827.0}
"""Middle of the band of each molecule [Angstrom], in the order of the groups of RAMAN_LINES, 0 and 1."""

WIDTH: Final = 20.0
"""Width of the images [Angstrom]."""

STEP: Final = 0.1
"""Step of the tabulated spectra [Angstrom]; linear between, they are right within 1e-3 of a line's peak."""

REACH: Final = 8.0
"""How far lines reach [Angstrom]."""

TURNS: Final = 3
CLIP: Final = 5.0
EXPECTED: Final = 0.3
"""Standard deviation that coefficients are expected to have, over half the field."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RamanBand:
    """The image of a band, and its sky.

    Attributes
    ----------
    name : of the molecule
    low, high : limits [Angstrom]
    image : float32 (ny, nx), mean of the planes, NaN where there are no data
    grid : FieldGrid, of the image
    mask : bool (ny, nx), sky
    """

    name: str
    low: float
    high: float
    image: NDArray[np.float32]
    grid: FieldGrid
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class RamanLight:
    """The Raman light of an exposure.

    Attributes
    ----------
    bands : of O2 and N2
    lines : of RAMAN_LINES
    factors : float64 (2,), of the fluxes of O2 and N2 in the table
    field : float64 (6,), of xx, xy, yy, x, y, 1; positions in the field over `FIELD_SCALE`, the last one 1
    lsfs : line-spread functions of the IFUs
    """

    bands: tuple[RamanBand, ...]
    lines: SkyLineTable
    factors: Floats
    field: Floats
    lsfs: Mapping[int, LsfProfile]

    @property
    def fluxes(self) -> Floats:
        """Fluxes of all lines of O2 and N2 at x = y = 0, of a spaxel, float64 (2,) [erg/s/cm2]."""
        totals = [self.lines.flux[self.lines.group == k].sum() for k in range(len(self.bands))]
        return np.asarray(1e-20 * self.factors * np.array(totals))

    def over_field(self, grid: FieldGrid) -> Floats:
        """Relative brightness over the pixels of a grid, float64 (ny, nx)."""
        y, x = (np.arange(n) + first for n, first in zip(grid.shape[1:], grid.start[1::-1], strict=True))
        u, v = x[None, :] / FIELD_SCALE, y[:, None] / FIELD_SCALE
        c = self.field
        return np.asarray(u * (c[0] * u + c[1] * v + c[3]) + v * (c[2] * v + c[4]) + c[5])

    def cards(self) -> list[Card]:
        """ESO QC SCIPOST RAMAN SPATIAL and FLUX."""
        scales = (2, 2, 2, 1, 1)
        texts = ("x^2", "xy", "y^2", "x", "y")
        cards: list[Card] = []
        for name, value, power, text in zip(("XX", "XY", "YY", "X", "Y"), self.field, scales, texts, strict=False):
            comment = f"2D Polynomial {text} coefficient"
            cards.append((f"ESO QC SCIPOST RAMAN SPATIAL {name}", float(value / FIELD_SCALE**power), comment))
        for band, flux in zip(self.bands, self.fluxes, strict=True):
            text = f"[erg/(s cm2 arcsec2)] Computed average Raman scattered flux in the {band.name} band"
            cards.append((f"ESO QC SCIPOST RAMAN FLUX {band.name}", np.float32(flux), text))
        return cards


def has_laser(observation: Observation) -> bool:
    """Whether the exposure is of a mode with adaptive optics, in which the laser shines."""
    return "-AO-" in observation.mode


def measure_raman(
    sources: Sequence[RowSource],
    observation: Observation,
    lines: SkyLineTable,
    lsfs: Mapping[int, LsfProfile],
    fraction: float = 0.75,
    ignore: float = 0.05,
    width: float = WIDTH,
    given: SkyMask | None = None,
    workers: int | None = None,
    crsigma: float = 15.0,
) -> RamanLight:
    """Measure the Raman light of an exposure.

    Parameters
    ----------
    sources : rows of its IFUs, flux-calibrated, with positions in pixels of the field and the sky not subtracted
    lines : of RAMAN_LINES
    lsfs : line-spread functions, of all its IFUs
    fraction, ignore : shares of the images that are sky, and that are left out at the dark end
    width : of the images [Angstrom]
    given : a SKY_MASK, in which the sky is looked for
    workers : threads
    crsigma : limit for cosmic rays in the images, in standard deviations; 0 or less: none

    Raises
    ------
    MusedeepError
        See `check_raman`; a molecule has no line in its band; no rows in a band; no sky.
    """
    check_raman(observation, sources)
    bands, systems = [], []
    for group, (name, middle) in enumerate(MOLECULES.items()):
        low, high = middle - 0.5 * width, middle + 0.5 * width
        inside = (lines.group == group) & (lines.wavelength > low) & (lines.wavelength < high) & (lines.flux > 0.0)
        if not inside.any():
            raise MusedeepError(
                f"{lines.path}: no line of {name} (group {group}) between {low:g} and {high:g} Angstrom; give a "
                "RAMAN_LINES with those of O2 in group 0 and of N2 in group 1"
            )
        rows = [RowsWithin(source, low, high) for source in sources]
        band = _image(name, low, high, rows, observation, (fraction, ignore), given, workers, crsigma)
        bands.append(band)
        systems.append(_system(rows, band, lines.chosen(lines.group == group), lsfs, workers))
    factors, field = _common(systems)
    return RamanLight(tuple(bands), lines.chosen(lines.group < len(MOLECULES)), factors, field, lsfs)


def check_raman(observation: Observation, sources: Sequence[RowSource]) -> None:
    """Check that Raman light can be subtracted.

    Raises
    ------
    MusedeepError
        The mode has no laser; Raman light or the sky is subtracted already; the data are not flux-calibrated; positions
        are not in the field of view.
    """
    if not has_laser(observation):
        raise MusedeepError(
            f"{observation.name}: INS MODE is {observation.mode}, a mode without laser and Raman light; leave "
            "RAMAN_LINES out"
        )
    refuse(RAMAN in observation.header, observation, "Raman light is subtracted", RAMAN)
    check_has_sky(observation)
    check_calibrated(observation, sources)
    refuse_placed(observation, "the subtraction of Raman light")


def _image(
    name: str,
    low: float,
    high: float,
    rows: Sequence[RowsWithin],
    observation: Observation,
    shares: tuple[float, float],
    given: SkyMask | None,
    workers: int | None,
    crsigma: float,
) -> RamanBand:
    """Image and sky of a band."""
    if not any(source.n_rows for source in rows):
        raise MusedeepError(
            f"{observation.name}: no rows between {low:g} and {high:g} Angstrom, where the Raman light of {name} is; "
            "widen lambdamin and lambdamax"
        )
    pointing = observation.ra, observation.dec
    survey = survey_rows([source for source in rows if source.n_rows], float(np.deg2rad(pointing[1])), workers)
    grid = field_grid(survey, pointing)
    image = white_image(survey, grid, crsigma=crsigma, workers=workers)
    inside = None if given is None else given_region(given, grid.start[:2], grid.shape[1:])
    region = darkest(image, *shares, inside)
    return RamanBand(name, low, high, image, grid, region.mask)


def band_spectra(
    parts: Sequence[tuple[Floats, Floats]], lsf: LsfProfile, start: float, bins: int
) -> NDArray[np.float64]:
    """Spectra of some groups of lines in the slices of an IFU, float64 (48, parts, bins), per Angstrom.

    Parameters
    ----------
    parts : wavelengths [Angstrom] and fluxes of the lines of each
    start, bins : of the spectra, `STEP` apart [Angstrom]
    """
    spectra = np.zeros((N_SLICES, len(parts), bins))
    for index in range(N_SLICES):
        profiles = slice_profiles(lsf, index)
        for k, (wavelength, flux) in enumerate(parts):
            add_lines(wavelength, flux, profiles, start, STEP, spectra[index, k])
    return spectra


class RamanSums:
    """Normal equations of the light in a band over rows of the sky, as `RowSums`.

    Parameters
    ----------
    band : RamanBand
    parts : lines of the molecule, then of groups of sky lines; see `band_spectra`
    lsfs : line-spread functions of the IFUs
    solution : float64 (n,), of the turn before; empty in the first
    """

    columns = ("xpos", "ypos", "lambda", "data", "stat", "dq", "origin")

    def __init__(
        self,
        band: RamanBand,
        parts: Sequence[tuple[Floats, Floats]],
        lsfs: Mapping[int, LsfProfile],
        solution: Floats,
    ) -> None:
        self.band, self.parts, self.lsfs, self.solution = band, parts, lsfs, solution
        n = SPATIAL + len(parts) - 1 + CONTINUUM
        self.matrix, self.right, self.noise = np.zeros((n, n)), np.zeros(n), np.zeros(2)
        self._tables: dict[int, BandTables] = {}

    def fresh(self) -> "RamanSums":
        """See `RowSums.fresh`."""
        return RamanSums(self.band, self.parts, self.lsfs, self.solution)

    def add(self, rows: Rows) -> None:
        """See `RowSums.add`."""
        of_row = rows["origin"] >> 6 & 31
        held = np.flatnonzero(np.bincount(of_row, minlength=1)).tolist()
        for ifu in held:
            one = rows if len(held) == 1 else {name: values[of_row == ifu] for name, values in rows.items()}
            values = (one[name] for name in self.columns)
            tables = self._of_ifu(ifu)
            add_raman_rows(*values, tables, self.solution, CLIP, self.matrix, self.right, self.noise)

    def _of_ifu(self, ifu: int) -> BandTables:
        if ifu not in self._tables:
            band = self.band
            start, bins = band.low - 1.0, int((band.high - band.low + 2.0) / STEP) + 1
            spectra = band_spectra(self.parts, lsf_of(self.lsfs, ifu), start, bins)
            mask = np.ascontiguousarray(band.mask)
            self._tables = {ifu: BandTables(spectra, start, STEP, band.low, band.high, mask, *band.grid.start[:2])}
        return self._tables[ifu]

    def merge(self, other: "RamanSums") -> None:
        """See `RowSums.merge`."""
        self.matrix += other.matrix
        self.right += other.right
        self.noise += other.noise


def lsf_of(lsfs: Mapping[int, LsfProfile], ifu: int) -> LsfProfile:
    """The line-spread function of an IFU; raises MusedeepError if there is none."""
    if ifu not in lsfs:
        raise MusedeepError(f"rows of IFU {ifu}, of which there is no LSF_PROFILE; give it")
    return lsfs[ifu]


def _system(
    rows: Sequence[RowSource],
    band: RamanBand,
    lines: SkyLineTable,
    lsfs: Mapping[int, LsfProfile],
    workers: int | None,
) -> tuple[Floats, Floats]:
    """Normal equations of the coefficients of a molecule over the field, in units of the noise: (6, 6) and (6,)."""
    sky = load_sky_lines()
    near = (sky.wavelength > band.low - REACH) & (sky.wavelength < band.high + REACH)
    parts: list[tuple[Floats, Floats]] = [(lines.wavelength, lines.flux)]
    for group in np.unique(sky.group[near]):
        own = near & (sky.group == group)
        parts.append((sky.wavelength[own], sky.flux[own]))
    solution: Floats = np.empty(0)
    for _ in range(TURNS):
        sums = RamanSums(band, parts, lsfs, solution)
        add_up(rows, [sums], workers)
        if not sums.noise[0]:
            raise MusedeepError(
                f"{rows[0].path}: no good row of the sky between {band.low:g} and {band.high:g} Angstrom; raise "
                "fraction, or give another SKY_MASK"
            )
        matrix = sums.matrix + np.triu(sums.matrix, 1).T
        variance = sums.noise[1] / sums.noise[0]
        solution = np.asarray(np.linalg.lstsq(matrix, sums.right, rcond=1e-12)[0], np.float64)
    own, other = slice(0, SPATIAL), slice(SPATIAL, None)
    # the sky, whatever it is, is eliminated
    share = np.linalg.lstsq(matrix[other, other], np.c_[matrix[other, own], sums.right[other]], rcond=1e-12)[0]
    left = matrix[own, own] - matrix[own, other] @ share[:, :-1]
    right = sums.right[own] - matrix[own, other] @ share[:, -1]
    return left / variance, right / variance


def _common(systems: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """One distribution over the field, with the constant 1, and the flux factor of each molecule."""
    field = np.zeros(SPATIAL)
    field[-1] = 1.0
    factors = np.zeros(len(systems))
    free = SPATIAL - 1
    for _ in range(100):
        before = factors * field[-1]
        for k, (matrix, right) in enumerate(systems):
            factors[k] = max(float(field @ right) / float(field @ matrix @ field), 0.0)
        normal = np.eye(free) / EXPECTED**2
        wanted = np.zeros(free)
        for factor, (matrix, right) in zip(factors, systems, strict=True):
            normal += factor**2 * matrix[:free, :free]
            wanted += factor * right[:free] - factor**2 * matrix[:free, -1]
        field[:free] = np.linalg.solve(normal, wanted)
        if np.allclose(factors, before, rtol=1e-10, atol=0.0):
            break
    return factors, field


class RamanSubtraction(Stepped):
    """Data less the Raman light; the tables of an IFU are made when the first of its rows is read."""

    def __init__(self, light: RamanLight) -> None:
        self.light = light
        self.start = float(light.lines.wavelength.min()) - REACH
        self.bins = int((light.lines.wavelength.max() + REACH - self.start) / STEP) + 1
        self._spectra: dict[int, NDArray[np.float32]] = {}
        tables = {ifu: self._table(ifu) for ifu in light.lsfs}
        super().__init__(SubtractRaman(self.start, STEP, self.bins, tables, light.field))

    def _table(self, ifu: int) -> Table:
        return lambda first, last: self._of_ifu(ifu)

    def _of_ifu(self, ifu: int) -> NDArray[np.float32]:
        # two threads may make the same tables: they are equal
        if ifu not in self._spectra:
            lines = self.light.lines
            flux = lines.flux * self.light.factors[lines.group]
            spectra = band_spectra([(lines.wavelength, flux)], lsf_of(self.light.lsfs, ifu), self.start, self.bins)
            self._spectra[ifu] = spectra[:, 0].astype(np.float32)
        return self._spectra[ifu]

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return [(RAMAN, True, "Raman light of the laser was subtracted")]


def subtract_raman(observation: Observation, sources: Sequence[RowSource], light: RamanLight) -> list[Correction]:
    """The correction of an exposure for its Raman light; raises MusedeepError as `check_raman`."""
    check_raman(observation, sources)
    return [RamanSubtraction(light)]
