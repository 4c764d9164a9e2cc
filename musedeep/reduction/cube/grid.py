"""The output grid of muse_exp_combine: where the cube lies and how many voxels it has."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.errors import MusedeepError
from musedeep.kernels.rows.projection import plane_positions, spectral_coefficients
from musedeep.sky_angles import ra_difference, ra_on_circle
from musedeep.storage.cubes.output_wcs import OutputWCS

AXIS_KINDS = {"AWAV": 0, "AWAV-LOG": 1, "WAVE": 2, "WAVE-LOG": 3}

MOST_SPAXELS, MOST_PLANES = 20_000, 500_000
"""Along an axis of the sky, and of wavelength: a larger cube is not meant."""

LEAST_COSINE = 0.5
"""Of the distance from the point that a cube is a projection about: nobody means one of 60 degrees."""

APART = "the exposures lie far apart"
_WHERE_TO_LOOK = "check RA and DEC in their headers, and the OFFSET_LIST"


@dataclass(frozen=True)
class Grid:
    """Shape and world coordinates of the output cube.

    Attributes
    ----------
    shape : (int, int, int), planes, lines, columns
    crpix, crval : tuple of 3 floats
        As in the header: x, y, wavelength; crpix counts from 1; crval in deg, deg, Angstrom.
    cd : tuple of 4 floats, CD1_1, CD1_2, CD2_1, CD2_2 [deg]
    step : float, CD3_3 [Angstrom]
    ctype3 : str, AWAV, AWAV-LOG, WAVE or WAVE-LOG
    offset : (float, float), position of the first exposure, to which rows are relative, minus CRVAL [deg]
    scale : (float, float, float), size of a voxel along x, y, wavelength in units of the detector's sampling
    """

    shape: tuple[int, int, int]
    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    ctype3: str
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def n_voxels(self) -> int:
        """Voxels of the cube."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def inverse_cd(self) -> NDArray[np.float64]:
        """Inverse of the spatial CD matrix, float64 (2, 2) [pixel/deg]."""
        return np.asarray(np.linalg.inv(np.array(self.cd, np.float64).reshape(2, 2)), np.float64)

    def units(self) -> NDArray[np.float64]:
        """The detector's sampling per degree and per Angstrom, float64 (2,)."""
        return np.array([self.scale[0] / abs(self.cd[0]), self.scale[2] / self.step])

    def turn(self) -> NDArray[np.float64]:
        """From distances along RA and declination [detector's sampling] to distances along x and y [voxel]."""
        return np.asarray(self.inverse_cd() / self.units()[0], np.float64)

    def voxel_positions(self, y0: int, y1: int, x0: int = 0, x1: int | None = None) -> tuple[NDArray[np.float64], ...]:
        """RA, Dec relative to the first exposure [deg], cosine of Dec, float64 (lines, columns) each.

        Lines are [y0, y1), columns [x0, x1), all columns by default.
        """
        y, x = np.mgrid[y0:y1, x0 : self.shape[2] if x1 is None else x1].astype(np.float64)
        px, py = x + 1.0 - self.crpix[0], y + 1.0 - self.crpix[1]
        xi = np.deg2rad(self.cd[0] * px + self.cd[1] * py)
        eta = np.deg2rad(self.cd[2] * px + self.cd[3] * py)
        d0 = math.radians(self.crval[1])
        below = math.cos(d0) - eta * math.sin(d0)
        ra = np.arctan2(xi, below)
        dec = np.arctan2((math.sin(d0) + eta * math.cos(d0)) * np.cos(ra), below)
        relative = np.rad2deg(ra) - self.offset[0], np.rad2deg(dec - d0) - self.offset[1]
        return relative[0], relative[1], np.cos(dec)

    def limits(self) -> "Limits":
        """What the cube covers, from the centres of the voxels at its corners; relative to the first exposure."""
        ends = [self.voxel_positions(y, y + 1) for y in (0, self.shape[1] - 1)]
        ra, dec = ([float(line[k][0, x]) for line in ends for x in (0, -1)] for k in (0, 1))
        waves = self.wavelengths()
        return Limits((min(ra), max(ra)), (min(dec), max(dec)), (float(waves[0]), float(waves[-1])))

    def plane_sizes(self) -> NDArray[np.float64]:
        """Thickness of each plane in units of the detector's sampling, float64 (planes,)."""
        size = np.full(self.shape[0], self.scale[2])
        if self.ctype3.endswith("-LOG"):
            size *= self.wavelengths() / self.crval[2]
        return size

    def spectral(self) -> NDArray[np.float64]:
        """Coefficients for the projection kernels, float64 (4,)."""
        return spectral_coefficients(AXIS_KINDS[self.ctype3], self.crpix[2], self.crval[2], self.step)

    def wavelengths(self) -> NDArray[np.float64]:
        """Wavelength of each plane on the grid's own scale, air or vacuum, float64 (planes,) [Angstrom]."""
        offset = (np.arange(self.shape[0]) + 1 - self.crpix[2]) * self.step
        if self.ctype3.endswith("-LOG"):
            return np.asarray(self.crval[2] * np.exp(offset / self.crval[2]), np.float64)
        return np.asarray(self.crval[2] + offset, np.float64)


@dataclass(frozen=True)
class Limits:
    """Smallest and largest relative position [deg, float32 values] and wavelength [Angstrom] of all rows."""

    ra: tuple[float, float]
    dec: tuple[float, float]
    wavelength: tuple[float, float]

    @staticmethod
    def union(limits: "list[Limits]") -> "Limits":
        """Limits of several exposures together."""
        return Limits(
            (min(v.ra[0] for v in limits), max(v.ra[1] for v in limits)),
            (min(v.dec[0] for v in limits), max(v.dec[1] for v in limits)),
            (min(v.wavelength[0] for v in limits), max(v.wavelength[1] for v in limits)),
        )

    def described(self, reference: tuple[float, float]) -> str:
        """The limits as a text for people; `reference` is what they are relative to [deg]."""
        ra = [ra_on_circle(reference[0] + v) for v in self.ra]
        dec = [reference[1] + v for v in self.dec]
        return (
            f"RA {ra[0]:.4f} to {ra[1]:.4f}, Dec {dec[0]:.4f} to {dec[1]:.4f} deg, "
            f"{self.wavelength[0]:.1f} to {self.wavelength[1]:.1f} Angstrom"
        )


def gnomonic(ra: float, dec: float, ra0: float, dec0: float) -> tuple[float, float]:
    """Standard coordinates xi, eta [deg] of a position about a reference; all in deg.

    By way of native spherical coordinates, as in Calabretta & Greisen (2002). Near the reference the arc sine
    loses digits, up to 1e-5 of a pixel; the reference's CRPIX has the same loss, and ours has to equal it.
    """
    degree = 180.0 / math.pi
    a, d, d0 = ra / degree - ra0 / degree, dec / degree, dec0 / degree
    sine = math.sin(d) * math.sin(d0) + math.cos(d) * math.cos(d0) * math.cos(a)
    phi = math.pi + math.atan2(
        -math.cos(d) * math.sin(a), math.sin(d) * math.cos(d0) - math.cos(d) * math.sin(d0) * math.cos(a)
    )
    radius = degree / math.tan(math.asin(min(1.0, sine)))
    return radius * math.sin(phi), -radius * math.cos(phi)


def _near(position: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two positions [deg] are so near to each other that a projection about one of them shows the other."""
    (ra, dec), (ra0, dec0) = (map(math.radians, p) for p in (position, other))
    cosine = math.sin(dec) * math.sin(dec0) + math.cos(dec) * math.cos(dec0) * math.cos(ra - ra0)
    return cosine > LEAST_COSINE


def _nearest_integer(value: float) -> int:
    return math.floor(value + 0.5)


def grid_from_limits(
    limits: Limits,
    reference: tuple[float, float],
    dx: float,
    dy: float,
    dlambda: float,
    narrow_field: bool,
    apart: str = APART,
) -> Grid:
    """The grid that covers the data: north up, east left.

    Parameters
    ----------
    limits : Limits, of all rows of all exposures, relative to `reference`
    reference : (float, float), right ascension and declination of the first exposure [deg]; becomes CRVAL
    dx, dy : float, voxel size [arcsec]; 0 for the nominal spaxel of the mode
    dlambda : float, wavelength step [Angstrom]; 0 for the natural sampling
    narrow_field : bool, whether the data are of the narrow-field mode
    apart : str, which exposures lie far apart, for messages

    Raises
    ------
    MusedeepError
        The exposures lie too far apart for one tangent plane.

    Notes
    -----
    The corner of largest RA and declination becomes column 1, that of smallest RA and declination line 1.
    As in the reference, the limits are absolute positions in float32.
    """
    nominal = instrument.SPAXEL_WFM  # distances are measured in it in both modes
    default = instrument.SPAXEL_NFM if narrow_field else (nominal, nominal)
    step_x, step_y = (dx or default[0]) / 3600.0, (dy or default[1]) / 3600.0
    step_z = dlambda or instrument.DISPERSION
    ra0, dec0 = reference
    x_low, x_high = (float(np.float32(v + ra0)) for v in limits.ra)
    y_low, y_high = (float(np.float32(v + dec0)) for v in limits.dec)
    if not (_near((x_low, y_low), reference) and _near((x_high, y_high), reference)):
        raise MusedeepError(f"{apart} ({limits.described(reference)}); {_WHERE_TO_LOOK}")
    xi_high, eta_high = gnomonic(x_high, y_high, ra0, dec0)
    xi_low, eta_low = gnomonic(x_low, y_low, ra0, dec0)
    nx = _nearest_integer((xi_high - xi_low) / step_x) + 1
    ny = _nearest_integer((eta_high - eta_low) / step_y) + 1
    nz = math.ceil((limits.wavelength[1] - limits.wavelength[0]) / step_z) + 1
    return Grid(
        shape=(nz, ny, nx),
        crpix=(1.0 + xi_high / step_x, 1.0 - eta_low / step_y, 1.0),
        crval=(ra0, dec0, limits.wavelength[0]),
        cd=(-step_x, 0.0, 0.0, step_y),
        step=step_z,
        ctype3="AWAV",
        scale=(step_x * 3600.0 / nominal, step_y * 3600.0 / nominal, step_z / instrument.DISPERSION),
    )


def check_grid(grid: Grid, wcs: OutputWCS | None = None, apart: str = APART) -> Grid:
    """The grid, or an error if it is empty or too large to be meant.

    Parameters
    ----------
    wcs : OutputWCS, optional, the OUTPUT_WCS that it comes from
    apart : str, which exposures lie far apart, for messages
    """
    nz, ny, nx = grid.shape
    if min(grid.shape) < 1:
        raise MusedeepError(f"the output grid {grid.shape[::-1]} is empty: check lambdamin, lambdamax and OUTPUT_WCS")
    if max(ny, nx) > MOST_SPAXELS:
        look = f"correct NAXIS1, NAXIS2 in {wcs.path}" if wcs else f"{apart}; {_WHERE_TO_LOOK}"
        raise MusedeepError(f"the output cube would have {nx} x {ny} spaxels, more than {MOST_SPAXELS}: {look}")
    if nz > MOST_PLANES:
        look = f"CRVAL3, CD3_3, CUNIT3, NAXIS3 in {wcs.path}" if wcs and wcs.step else "dlambda"
        raise MusedeepError(f"the output cube would have {nz} planes, more than {MOST_PLANES}: correct {look}")
    return grid


def grid_on_sky(
    limits: Limits,
    reference: tuple[float, float],
    steps: tuple[float, float, float],
    narrow_field: bool,
    wcs: OutputWCS | None = None,
    apart: str = APART,
) -> Grid:
    """The grid that covers the data, or that an OUTPUT_WCS asks for; checked. See the functions that it calls."""
    grid = grid_from_limits(limits, reference, *steps, narrow_field, apart)
    if wcs:
        grid = grid_from_output_wcs(wcs, grid, limits, reference)
    return check_grid(grid, wcs, apart)


def nothing_in_cube(
    grid: Grid, limits: Limits, reference: tuple[float, float], wcs: str | Path | None
) -> MusedeepError:
    """The error to raise where the cube stays empty.

    Parameters
    ----------
    limits : Limits, of the data
    reference : (float, float), position of the first exposure [deg]
    wcs : str, Path or None, the OUTPUT_WCS, if there is one
    """
    data = limits.described(reference)
    if wcs is None:
        return MusedeepError(
            f"no voxel of the cube gets a value: all rows ({data}) are flagged (dq), or rejected; look at the dq column"
        )
    return MusedeepError(
        f"{wcs}: no good row of the exposures lies in the cube that it asks for: it covers "
        f"{grid.limits().described(reference)}, the data {data}; correct CRVALi, CRPIXi, CDi_j or NAXISi"
    )


def grid_from_output_wcs(wcs: OutputWCS, automatic: Grid, limits: Limits, reference: tuple[float, float]) -> Grid:
    """The grid that an OUTPUT_WCS asks for; what it leaves open comes from the data.

    Parameters
    ----------
    automatic : Grid, as fits the data
    limits : Limits, of the data
    reference : (float, float), position of the first exposure [deg]

    Raises
    ------
    MusedeepError
        NAXIS1 or NAXIS2 is missing; CRVAL lies on another part of the sky than the data.
    """
    nx, ny, nz = wcs.shape
    if nx == 0 or ny == 0:
        raise MusedeepError(f"{wcs.path}: NAXIS1 and NAXIS2 are needed for the size of the cube; add them")
    spectral = (wcs.crpix[2], wcs.crval[2], wcs.step, wcs.ctype3)
    if not wcs.step:
        spectral = (automatic.crpix[2], automatic.crval[2], automatic.step, automatic.ctype3)
        nz = nz or automatic.shape[0]
    crval = ra_on_circle(wcs.crval[0]), wcs.crval[1]
    grid = Grid(
        shape=(nz, ny, nx),
        crpix=(wcs.crpix[0], wcs.crpix[1], spectral[0]),
        crval=(*crval, spectral[1]),
        cd=wcs.cd,
        step=spectral[2],
        ctype3=spectral[3],
        offset=(ra_difference(reference[0], crval[0]), reference[1] - crval[1]),
        scale=(
            automatic.scale[0] * abs(wcs.cd[0] / automatic.cd[0]),
            automatic.scale[1] * abs(wcs.cd[3] / automatic.cd[3]),
            spectral[2] / instrument.DISPERSION,
        ),
    )
    if nz == 0:
        last = np.empty(1)
        plane_positions(np.array([limits.wavelength[1]]), grid.spectral(), last)
        nz = max(1, _nearest_integer(min(float(last[0]), 1e9)) + 1)
        grid = replace(grid, shape=(nz, ny, nx))
    if not _near(reference, crval):
        raise nothing_in_cube(check_grid(grid, wcs), limits, reference, wcs.path)
    return grid
