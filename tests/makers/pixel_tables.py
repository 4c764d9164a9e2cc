"""Small PIXTABLE_REDUCED files of known truth for the tests.

One star field, seen by any number of exposures with their own pointing and position angle; noise, bad pixels
and cosmic-ray hits are added. Rows come as muse_scipost leaves them: IFU by IFU, slice by slice, line by line
of the CCD; positions are native spherical coordinates of the gnomonic projection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

SPAXEL = np.deg2rad(0.2 / 3600.0)  # rad
DISPERSION = 1.25  # Angstrom
CENTRE = (150.1, 2.2)  # RA, DEC of the field [deg]
FLUX = "10**(-20)*erg/s/cm**2/Angstrom"
UNITS = {"xpos": "rad", "ypos": "rad", "lambda": "Angstrom", "data": FLUX, "stat": f"({FLUX})**2"}
COLUMNS = ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin", "weight")
INTEGERS = ("dq", "origin")
DRS = "HIERARCH ESO DRS MUSE PIXTABLE "

Rows = dict[str, NDArray]


SMALL = {"slices": (1, 20, 48), "wavelength": (6990.0, 7050.0), "ifus": (3, 24)}
"""Of `write_exposure`: a small table."""


@dataclass(frozen=True)
class Truth:
    """What went into an exposure, row by row in the order of the file.

    Attributes
    ----------
    flux : float32 (rows,)
        Noise-free flux.
    cosmic : bool (rows,)
        Whether a cosmic ray hit the pixel.
    xi, eta : float64 (rows,)
        Tangent-plane coordinates about the exposure's pointing, east and north [rad].
    rows : dict
        The columns as written.
    """

    flux: NDArray[np.float32]
    cosmic: NDArray[np.bool_]
    xi: NDArray[np.float64]
    eta: NDArray[np.float64]
    rows: Rows


@dataclass(frozen=True)
class StarField:
    """Stars with Moffat profiles (beta 2.5) over a flat background.

    Attributes
    ----------
    seed, number : int
    fwhm : float
        [arcsec]
    background : float
    radius : float
        Stars lie within this distance of the centre in both coordinates [arcsec].
    """

    seed: int = 11
    number: int = 25
    fwhm: float = 0.8
    background: float = 5.0
    radius: float = 32.0

    def flux(self, east: NDArray, north: NDArray, wavelength: NDArray) -> NDArray[np.float64]:
        """Flux at offsets from CENTRE [arcsec] and wavelengths [Angstrom]."""
        rng = np.random.default_rng(self.seed)
        flux = np.full(east.shape, self.background, np.float64)
        core = (self.fwhm / 2) ** 2 / (2 ** (1 / 2.5) - 1)
        for _ in range(self.number):
            x, y = rng.uniform(-self.radius, self.radius, 2)
            amplitude, slope = 10 ** rng.uniform(1.5, 3.3), rng.uniform(-2, 2)
            near = np.flatnonzero((np.abs(east - x) < 6 * self.fwhm) & (np.abs(north - y) < 6 * self.fwhm))
            r2 = (east[near] - x) ** 2 + (north[near] - y) ** 2
            flux[near] += amplitude * (1 + r2 / core) ** -2.5 * (wavelength[near] / 7000) ** slope
        return flux


def detector_rows(
    ifus: Iterable[int], slices: Iterable[int], wavelength: tuple[float, float], seed: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Field x, y [spaxel], wavelength [Angstrom] and origin of the CCD pixels, in file order."""
    rng = np.random.default_rng(seed)
    width = 76
    column = np.arange(width)
    lines = np.arange(max(int((wavelength[1] - wavelength[0]) / DISPERSION), 1))[:, None]
    bend = ((column - 37.5) / 38) ** 2
    parts: list[tuple[NDArray, ...]] = []
    for ifu in ifus:
        for number in slices:
            stack, line = divmod(number - 1, 12)
            # traces are slightly inclined, and the dispersion is not quite constant
            x = (stack - 1.5) * 75.6 - (column - 37.5) * 75.5 / width + 4e-4 * rng.uniform(-1, 1) * lines
            y = 12.0 * (ifu - 12.5) + line - 5.5 + 0.015 * (column - 37.5) / 38
            w = wavelength[0] + DISPERSION * (lines + rng.uniform(0, 1)) + 0.25 * bend - 1e-6 * lines**2
            origin = ((column + 1) << 24) | ((lines + 301) << 11) | (ifu << 6) | number
            parts.append(tuple(np.broadcast_to(v, w.shape).ravel() for v in (x, y, w, origin)))
    x, y, w, origin = (np.concatenate(c) for c in zip(*parts, strict=True))
    return x, y, w, origin.astype(np.int32)


def exposure_rows(
    *,
    ifus: Sequence[int] = (12,),
    slices: Sequence[int] = tuple(range(1, 49)),
    wavelength: tuple[float, float] = (7000.0, 7030.0),
    ra: float = CENTRE[0],
    dec: float = CENTRE[1],
    posang: float = 0.0,
    seed: int = 0,
    cosmics: float = 1e-3,
    bad_fraction: float = 1e-3,
    field: StarField | None = None,
    noise: float = 20.0,
    weight: bool = False,
) -> Truth:
    """Rows of one exposure.

    Parameters
    ----------
    ifus, slices : sequence of int
        From 1.
    wavelength : (float, float)
        [Angstrom]
    ra, dec, posang : float
        Pointing and position angle [deg].
    cosmics, bad_fraction : float
        Fractions of pixels hit by cosmic rays, and flagged as bad (dq 256, wild values).
    field : StarField, optional
    noise : float
        Background variance.
    weight : bool
        With a weight column.
    """
    x, y, w, origin = detector_rows(ifus, slices, wavelength, seed)
    rng = np.random.default_rng(seed + 1000)
    c, s = np.cos(np.deg2rad(posang)), np.sin(np.deg2rad(posang))
    xi, eta = (-x * c + y * s) * SPAXEL, (x * s + y * c) * SPAXEL
    east = np.rad2deg(xi) * 3600 + (ra - CENTRE[0]) * np.cos(np.deg2rad(CENTRE[1])) * 3600
    north = np.rad2deg(eta) * 3600 + (dec - CENTRE[1]) * 3600
    flux = (field or StarField()).flux(east, north, w)
    n = x.size
    stat = (noise + 0.1 * flux) * rng.uniform(0.95, 1.05, n)
    data = flux + rng.normal(size=n) * np.sqrt(stat)
    cosmic = rng.random(n) < cosmics
    data[cosmic] += 10 ** rng.uniform(2.5, 4, int(cosmic.sum()))
    bad = rng.random(n) < bad_fraction
    data[bad] = rng.uniform(-1e4, 1e5, int(bad.sum()))
    longitude = np.mod(np.arctan2(xi, -eta), 2 * np.pi)
    rows = {
        "xpos": longitude,
        "ypos": -np.arctan(np.hypot(xi, eta)),
        "lambda": w,
        "data": data,
        "dq": np.where(bad, 256, 0),
        "stat": stat,
        "origin": origin,
    }
    if weight:
        rows["weight"] = rng.uniform(0.5, 1, n)
    typed = {k: np.asarray(v, np.int32 if k in INTEGERS else np.float32) for k, v in rows.items()}
    return Truth(flux.astype(np.float32), cosmic, xi, eta, typed)


def primary_header(
    rows: Rows, *, ra: float, dec: float, posang: float, date_obs: str, exptime: float, mode: str = "WFM-NOAO-N"
) -> fits.Header:
    """Primary header of a PIXTABLE_REDUCED with these rows."""
    h = fits.Header()
    step = np.rad2deg(SPAXEL)
    c, s = np.cos(np.deg2rad(posang)), np.sin(np.deg2rad(posang))
    ifus = np.unique(rows["origin"] >> 6 & 31)
    cards: dict[str, object] = {
        "TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "OBJECT": "test field", "RA": ra, "DEC": dec,
        "EXPTIME": exptime, "DATE-OBS": date_obs, "MJD-OBS": 57000.0,
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -step * c, "CD1_2": step * s, "CD2_1": step * s, "CD2_2": step * c,
        "CRPIX1": 0.0, "CRPIX2": 0.0, "CRVAL1": ra, "CRVAL2": dec,
        "HIERARCH ESO INS MODE": mode, "HIERARCH ESO INS DROT POSANG": float(posang),
        "HIERARCH ESO INS DROT MODE": "SKY", "HIERARCH ESO PRO CATG": "PIXTABLE_REDUCED",
        "HIERARCH ESO TEL AMBI FWHM START": 0.8, "HIERARCH ESO TEL AMBI FWHM END": 0.9,
        "HIERARCH ESO TEL AIRM START": 1.1, "HIERARCH ESO TEL AIRM END": 1.2,
        DRS + "TYPE": "GEOFULL", DRS + "MERGED": len(ifus), DRS + "FLUXCAL": True, DRS + "SKYSUB": True,
        DRS + "RVCORR": 0.0, DRS + "WCS": "projected (intermediate)",
    }  # fmt: skip
    for key, value in cards.items():
        h[key] = value
    limits = {"X": rows["xpos"], "Y": rows["ypos"], "LAMBDA": rows["lambda"],
              "IFU": rows["origin"] >> 6 & 31, "SLICE": rows["origin"] & 63}  # fmt: skip
    for name, values in limits.items():
        h[f"{DRS}LIMITS {name} LOW"] = values.min().item()
        h[f"{DRS}LIMITS {name} HIGH"] = values.max().item()
    for ifu in ifus:
        for number in range(1, 49):
            h[f"{DRS}EXP0 IFU{ifu:02d} SLICE{number:02d} XOFFSET"] = 84 * number - 70
    return h


def write_rows(
    path: Path,
    header: fits.Header,
    rows: Rows,
    fmt: str = "image",
    units: dict[str, str] | None = None,
    flat_field: bool = False,
) -> None:
    """Write rows as a pixel table, `fmt` being 'image' or 'table'."""
    units = UNITS if units is None else units
    names = [n for n in COLUMNS if n in rows]
    hdus: list = [fits.PrimaryHDU(header=header)]
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        if fmt == "image":
            for name in names:
                hdu = fits.ImageHDU(rows[name].reshape(-1, 1), name=name)
                if name in units:
                    hdu.header["BUNIT"] = units[name]
                hdus.append(hdu)
        else:
            columns = [fits.Column(n, "1J" if n in INTEGERS else "1E", units.get(n), array=rows[n]) for n in names]
            hdus.append(fits.BinTableHDU.from_columns(columns))
        if flat_field:
            wavelength = np.arange(4650.0, 9300.0, 50.0)
            curve = [
                fits.Column("lambda", "1D", array=wavelength),
                fits.Column("data", "1D", array=1.5 + np.sin(wavelength)),
            ]
            hdus.append(fits.BinTableHDU.from_columns(curve, name="PIXTABLE_FLAT_FIELD"))
        fits.HDUList(hdus).writeto(path, overwrite=True)


def write_exposure(
    path: Path,
    *,
    ifus: Sequence[int] = (12,),
    slices: Sequence[int] = tuple(range(1, 49)),
    wavelength: tuple[float, float] = (7000.0, 7030.0),
    ra: float = CENTRE[0],
    dec: float = CENTRE[1],
    posang: float = 0.0,
    date_obs: str = "2014-09-20T03:00:00.000",
    exptime: float = 1500.0,
    seed: int = 0,
    cosmics: float = 1e-3,
    fmt: str = "image",
    bad_fraction: float = 1e-3,
    mode: str = "WFM-NOAO-N",
    field: StarField | None = None,
    noise: float = 20.0,
    weight: bool = False,
    flat_field: bool = False,
    shuffle: bool = False,
) -> Truth:
    """Write one exposure; see `exposure_rows` and `primary_header` for the parameters.

    `fmt` is 'image', 'table', or 'per-ifu': then one image-format file an IFU is written beside `path`, named
    by `ifu_paths`. With `shuffle` the rows are in random order.
    """
    truth = exposure_rows(
        ifus=ifus, slices=slices, wavelength=wavelength, ra=ra, dec=dec, posang=posang, seed=seed, cosmics=cosmics,
        bad_fraction=bad_fraction, field=field, noise=noise, weight=weight,
    )  # fmt: skip
    if shuffle:
        order = np.random.default_rng(seed).permutation(truth.xi.size)
        rows = {k: v[order] for k, v in truth.rows.items()}
        truth = Truth(truth.flux[order], truth.cosmic[order], truth.xi[order], truth.eta[order], rows)
    keys = {"ra": ra, "dec": dec, "posang": posang, "date_obs": date_obs, "exptime": exptime, "mode": mode}
    if fmt == "per-ifu":
        for ifu, name in zip(ifus, ifu_paths(path, ifus), strict=True):
            mine = (truth.rows["origin"] >> 6 & 31) == ifu
            part = {k: v[mine] for k, v in truth.rows.items()}
            write_rows(name, primary_header(part, **keys), part, flat_field=flat_field)
    else:
        write_rows(path, primary_header(truth.rows, **keys), truth.rows, fmt, flat_field=flat_field)
    return truth


def ifu_paths(path: Path, ifus: Sequence[int]) -> list[Path]:
    """The files that `write_exposure(path, fmt='per-ifu')` writes."""
    return [path.with_name(f"{path.stem}-{ifu:02d}.fits") for ifu in ifus]


def write_dithers(
    directory: Path, number: int, *, step: float = 90.0, **options: object
) -> tuple[list[Path], list[Truth]]:
    """Several exposures of the field, dithered by some 0.5 arcsec and rotated by `step` degrees each."""
    paths, truths = [], []
    for k in range(number):
        path = Path(directory) / f"PIXTABLE_REDUCED_{k + 1:04d}.fits"
        settings: dict[str, object] = {
            "ra": CENTRE[0] + (k % 3 - 1) * 0.5 / 3600, "dec": CENTRE[1] + (k % 4 - 1.5) * 0.4 / 3600,
            "posang": step * k % 360, "date_obs": f"2014-09-{1 + k % 28:02d}T{k // 28:02d}:00:00.000", "seed": k,
        }  # fmt: skip
        truths.append(write_exposure(path, **(settings | options)))  # type: ignore[arg-type]
        paths.append(path)
    return paths, truths
