"""Response, absorption, illumination, astrometry, offsets, velocity, sky, and the sources of the final cube."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from musedeep.reduction.rows.sodium import NOTCH
from musedeep.simulate.optics import CALIBRATION_TEMPERATURE, DRIFT
from musedeep.simulate.pointing import SCALE, WOBBLE, field_to_sky
from musedeep.statics.telluric import telluric_transmission
from tests.reference.night.night_files import Array, Figure, Night, alone, compared, deviation, read_table

COLOURS = (5000, 6000, 7000, 8000, 9000)
"""Wavelengths at which fluxes are measured, Angstrom; those that the notch filter blocks are left out."""
APERTURE = 6.0
"""Radius of the apertures, spaxels."""
EDGE = 7.0
"""Sources nearer to the cube's edge than this have lost light, spaxels."""
APART = 15.0
"""Sources nearer to each other than this are no isolated ones, spaxels."""
MOFFAT_EXPONENT = 2.8
UNIT = 1e-20


def response_figures(night: Night) -> list[Figure]:
    """Total efficiency and telluric absorption as muse_standard found them."""
    header = fits.getheader(night.product("STD_RESPONSE_0001"))
    curve = night.truth("efficiency")
    slices = np.mean([np.mean(night.truth("throughput", ifu)["throughput"]) for ifu in night.ifus])
    figures = []
    for wave in (5000, 7000, 8000, 9000):
        truth = float(np.interp(wave, curve["wavelength"], curve["efficiency"]) * slices)
        found = float(header[f"ESO QC STANDARD THRU{wave}"])
        magnitudes = -2.5 * np.log10(found / truth)
        note = "a strip of two IFUs is narrower than the profile"
        figures.append(Figure(f"total efficiency at {wave} Angstrom", "mag", truth, found, magnitudes, 0.1, note))
    return figures + _telluric_figures(night)


def _telluric_figures(night: Night) -> list[Figure]:
    """Mean transmission of the strong bands, brought to the standard's airmass by the reference's own table."""
    found = read_table(night.product("STD_TELLURIC_0001"))
    row = night.exposures_of("STD")[0]
    figures = []
    for name, low, high in (("O2 B band", 6865.0, 6925.0), ("O2 A band", 7592.0, 7680.0)):
        fine = np.arange(low, high, 0.1)
        truth = float(np.mean(telluric_transmission(fine, float(row["airmass"]), float(row["precipitable_water"]))))
        inside = (found["lambda"] > low) & (found["lambda"] < high)
        # the table is for airmass 1
        mean = float(np.mean(np.asarray(found["ftelluric"][inside], np.float64) ** float(row["airmass"])))
        figures.append(compared(f"mean transmission in the {name}", "", truth, mean, 0.05))
    return figures


def illumination_figures(night: Night, ifu: int) -> list[Figure]:
    """How slices changed between lamp flat and sky, from the ILLUM exposure."""
    header = fits.getheader(night.product("PIXTABLE_OBJECT_0001", ifu))
    factors = np.array([header[f"ESO DRS MUSE PIXTABLE ILLUM{slice_}"] for slice_ in range(1, 49)], np.float64)
    change = float(night.exposures_of("OBJECT")["instrument_temperature"][0]) - CALIBRATION_TEMPERATURE
    truth = 1.0 + np.asarray(night.truth("throughput", ifu)["illumination_per_degree"]) * change
    # the recipe multiplies by the factors
    inverse = 1.0 / truth
    return deviation(f"illumination of slices, IFU {ifu}", "ratio", factors - inverse / inverse.mean(), 0.002, 0.006)


def shift_figures(night: Night, ifu: int) -> list[Figure]:
    """Wavelength shift of the sky lines."""
    header = fits.getheader(night.product("PIXTABLE_OBJECT_0001", ifu))
    change = float(night.exposures_of("OBJECT")["instrument_temperature"][0]) - CALIBRATION_TEMPERATURE
    truth = DRIFT[0] * change + DRIFT[1] * change**2
    found = float(header["ESO QC SCIBASIC LAMBDA SHIFT"])
    return [compared(f"sky-line shift, IFU {ifu}", "Angstrom", truth, found, 0.04)]


def astrometry_figures(night: Night) -> list[Figure]:
    """Scale of the field, offsets of the exposures (in the narrow field they are not aligned), velocity."""
    header = fits.getheader(night.product("ASTROMETRY_WCS_0001"))
    figures = []
    for axis, factor, limit in (("X", SCALE[0], 0.01), ("Y", SCALE[1], 0.06)):
        truth = night.spaxel * factor
        found = float(header[f"ESO QC ASTRO SCALE {axis}"])
        note = f"{header['ESO QC ASTRO NSTARS']} stars" + ("; the strip is short in y" if axis == "Y" else "")
        figures.append(
            Figure(f"scale along {axis.lower()}", "ratio - 1", truth, found, found / truth - 1.0, limit, note)
        )
    offsets = () if night.narrow else read_table(night.product("exp_align/OFFSET_LIST"))
    cosine = float(np.cos(np.radians(night.exposures_of("OBJECT")["dec"][0])))
    limit = 0.3 * night.spaxel
    for k, row in enumerate(offsets):
        if k == 0:
            continue
        east, north = true_offset(night.exposures_of("OBJECT"), k)
        found_east, found_north = row["RA_OFFSET"] * 3600.0 * cosine, row["DEC_OFFSET"] * 3600.0
        figures += [
            compared(f"offset to the east of exposure {k + 1}", "arcsec", east, float(found_east), limit),
            compared(f"offset to the north of exposure {k + 1}", "arcsec", north, float(found_north), limit),
        ]
    pixel_table = fits.getheader(night.product("scipost-1/PIXTABLE_REDUCED_0001"))
    velocity = float(night.exposures_of("OBJECT")["barycentric_velocity"][0])
    found = float(pixel_table["ESO DRS MUSE PIXTABLE RVCORR"])
    note = "the ESO pipeline takes the other sign of the longitude"
    figures.append(compared("barycentric velocity", "km/s", velocity, found, 0.5, note))
    return figures


def true_offset(exposures: Table, k: int) -> tuple[float, float]:
    """What aligns exposure k (from 0) with the first: header position minus true one, arcsec east and north."""
    centres = []
    for row in (exposures[0], exposures[k]):
        angle = np.radians(float(row["position_angle"]))
        wobble = WOBBLE * (field_to_sky(float(row["position_angle"])) @ np.array([np.cos(angle) - 1.0, np.sin(angle)]))
        centres.append(np.array([row["pointing_error_east"], row["pointing_error_north"]]) + wobble)
    east, north = centres[0] - centres[1]
    return float(east), float(north)


@dataclass(frozen=True)
class FinalCube:
    """The combined cube and where the true sources are in it, with spaxels of `spaxel` arcsec."""

    wavelength: Array
    data: Array
    variance: Array
    x: Array
    y: Array
    sources: Table
    spaxel: float

    @classmethod
    def of(cls, night: Night) -> "FinalCube":
        """The cube that muse_exp_combine made."""
        return cls.read(night.product("exp_combine/DATACUBE_FINAL"), night)

    @classmethod
    def read(cls, path: Path, night: Night) -> "FinalCube":
        """Another cube of the night."""
        with fits.open(path) as hdus:
            header = hdus["DATA"].header
            data, variance = np.asarray(hdus["DATA"].data), np.asarray(hdus["STAT"].data)
        sources = night.truth("sources")
        x, y = WCS(header).celestial.all_world2pix(sources["ra"], sources["dec"], 0)
        wavelength = header["CRVAL3"] + header["CD3_3"] * np.arange(data.shape[0])
        return cls(wavelength, data, variance, np.asarray(x), np.asarray(y), sources, night.spaxel)

    def image(self, wavelength: float, half_width: float = 15.0) -> Array:
        """Median image around a wavelength."""
        chosen = np.abs(self.wavelength - wavelength) < half_width
        with np.errstate(all="ignore"):
            return np.asarray(np.median(self.data[chosen], axis=0), np.float64)

    def distance(self, index: int) -> Array:
        """Distance of every spaxel from a source, spaxels."""
        yy, xx = np.indices(self.data.shape[1:])
        return np.asarray(np.hypot(xx - self.x[index], yy - self.y[index]))

    def isolated_stars(self) -> list[int]:
        """Stars well inside the cube, bright, and without a neighbour that matters."""
        ny, nx = self.data.shape[1:]
        flux = np.asarray(self.sources["flux_7000"])
        chosen = []
        for index in np.flatnonzero((np.asarray(self.sources["kind"]) == "point") & (flux > 2e-18)):
            margin = min(self.x[index], nx - 1 - self.x[index], self.y[index], ny - 1 - self.y[index])
            apart = np.hypot(self.x - self.x[index], self.y - self.y[index])
            crowded = (apart > 0.0) & (apart < APART) & (flux > 0.02 * flux[index])
            if margin > EDGE and not crowded.any():
                chosen.append(int(index))
        return chosen


def source_figures(night: Night, cube: FinalCube) -> list[Figure]:
    """Fluxes and positions of isolated stars."""
    stars = cube.isolated_stars()
    figures = []
    low, high = NOTCH.get(night.mode, (np.inf, np.inf))
    for colour in COLOURS:
        if low - 20.0 < colour < high + 20.0:
            continue
        image = cube.image(colour)
        ratios = []
        for index in stars:
            inside = cube.distance(index) < APERTURE
            flux = UNIT * float(np.nansum(image[inside])) / encircled(night, colour)
            ratios.append(flux / float(cube.sources[f"flux_{colour}"][index]) - 1.0)
        excess = standard_excess(night, colour)
        ratio = float(np.median(ratios))
        note = f"{len(ratios)} stars, aperture of {APERTURE * night.spaxel:g} arcsec"
        figures.append(alone(f"flux of stars at {colour} Angstrom", "ratio - 1", ratio, 0.15, note))
        profile = f"its fitted profile holds {excess:.3f} of that"
        note = f"the same, with the flux of the standard from an aperture too: {profile}"
        name = f"flux of stars at {colour} Angstrom by apertures"
        figures.append(alone(name, "ratio - 1", (1.0 + ratio) * excess - 1.0, 0.1, note))
    white = np.nanmedian(cube.data[1000:3000:5], axis=0)
    shifts = np.array([_centroid(white, cube, index) for index in stars])
    shared = np.median(shifts, axis=0)
    note = f"after a shared shift of {shared[0]:.3f}, {shared[1]:.3f}"
    limits = 0.25 * night.spaxel, 0.75 * night.spaxel
    figures += deviation("positions of stars", "arcsec", shifts - shared, *limits, note)
    name = "refraction left between 5000 and 9000 Angstrom"
    figures.append(alone(name, "arcsec", refraction_left(cube), 0.3 * night.spaxel))
    return figures


def refraction_left(cube: FinalCube) -> float:
    """How far stars are from each other at 5000 and 9000 Angstrom, median of the isolated stars, arcsec."""
    blue, red = (_centroids(cube, cube.isolated_stars(), wave) for wave in (5000.0, 9000.0))
    return float(np.hypot(*np.median(blue - red, axis=0)))


def standard_excess(night: Night, colour: float) -> float:
    """Flux of the standard star by the profile that muse_standard fits, over that in an aperture.

    Both are corrected for the light outside.  A strip of two IFUs cuts the profile, which the fit does not get over.
    """
    with fits.open(night.product("STD_FLUXES_0001")) as hdus:
        fluxes, header = np.ravel(hdus["DATA"].data), hdus["DATA"].header
    fitted = np.median(fluxes[np.abs(header["CRVAL1"] + header["CD1_1"] * np.arange(fluxes.size) - colour) < 15.0])
    with fits.open(night.product("DATACUBE_STD_0001")) as hdus:
        header = hdus["DATA"].header
        chosen = np.abs(header["CRVAL3"] + header["CD3_3"] * np.arange(header["NAXIS3"]) - colour) < 15.0
        with np.errstate(all="ignore"):
            image = np.asarray(np.median(hdus["DATA"].data[chosen], axis=0), np.float64)
    image -= np.nanmedian(image)
    yy, xx = np.indices(image.shape)
    y, x = np.unravel_index(np.nanargmax(image), image.shape)
    for _ in range(5):
        weight = np.where(np.hypot(xx - x, yy - y) < 5.0, np.nan_to_num(image), 0.0)
        x, y = (weight * xx).sum() / weight.sum(), (weight * yy).sum() / weight.sum()
    inside = np.hypot(xx - x, yy - y) < APERTURE
    return float(fitted / (np.nansum(image[inside]) / encircled(night, colour, "STD")))


def encircled(night: Night, wavelength: float, kind: str = "OBJECT") -> float:
    """Part of a star's light within the aperture, mean over the exposures (Moffat profile and a spaxel's width)."""
    shares = []
    for row in night.exposures_of(kind):
        fwhm = float(row["seeing"]) * float(row["airmass"]) ** 0.6 * (wavelength / 5000.0) ** -0.2
        fwhm = np.hypot(fwhm / night.spaxel, 0.68)
        radius = 0.5 * fwhm / np.sqrt(2.0 ** (1.0 / MOFFAT_EXPONENT) - 1.0)
        shares.append(1.0 - (1.0 + (APERTURE / radius) ** 2) ** (1.0 - MOFFAT_EXPONENT))
    return float(np.mean(shares))


def _centroid(image: Array, cube: FinalCube, index: int) -> tuple[float, float]:
    """Centre of light within four spaxels minus the true place, arcsec along x and y."""
    yy, xx = np.indices(image.shape)
    x, y = cube.x[index], cube.y[index]
    for _ in range(5):
        weight = np.where(np.hypot(xx - x, yy - y) < 4.0, np.nan_to_num(np.clip(image, 0.0, None)), 0.0)
        x, y = float((weight * xx).sum() / weight.sum()), float((weight * yy).sum() / weight.sum())
    return cube.spaxel * (x - cube.x[index]), cube.spaxel * (y - cube.y[index])


def _centroids(cube: FinalCube, stars: list[int], wavelength: float) -> Array:
    """Centres of light at a wavelength, (n, 2) arcsec."""
    image = cube.image(wavelength, 100.0)
    return np.array([_centroid(image, cube, index) for index in stars])


def noise_figures(cube: FinalCube) -> list[Figure]:
    """What is left of the sky, and whether the noise is as large as the cube says, away from sources."""
    flux = np.asarray(cube.sources["flux_7000"])
    empty = np.isfinite(cube.image(7000.0))
    for index in np.flatnonzero(flux > 2e-21):
        empty &= cube.distance(index) > 7.5 + 2.0 * max(np.log10(flux[index] / 1e-19), 0.0)
    empty[:3], empty[-3:] = False, False
    spectra, variances = cube.data[:, empty], cube.variance[:, empty]
    figures = []
    for colour in COLOURS:
        chosen = np.abs(cube.wavelength - colour) < 100.0
        left = float(np.nanmedian(spectra[chosen]))
        note = f"median of {empty.sum()} empty spaxels"
        figures.append(compared(f"sky left at {colour} Angstrom", "1e-20 erg/s/cm2/A", 0.0, left, 1.0, note))
    chosen = (cube.wavelength > 5000.0) & (cube.wavelength < 9200.0)
    scaled = spectra[chosen] / np.sqrt(variances[chosen])
    scaled = scaled[np.isfinite(scaled)]
    spread = 1.4826 * float(np.median(np.abs(scaled - np.median(scaled))))
    note = (
        "robust, 5000-9200 Angstrom; STAT of the ESO pipeline contains photons and master bias, not the read-out noise"
    )
    figures.append(compared("reduced chi^2 of empty spaxels", "", 1.0, spread**2, 0.7, note))
    return figures
