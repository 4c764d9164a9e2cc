"""Fluxes of all stars of a crowded field against the truth, by the methods crowded and standard.

1. The light of all stars of the truth is put on the grid of the cube: positions by its world coordinates, Moffat
   profiles of the seeing of each exposure, the blur of detector pixels, of drops of the drizzle and of voxels, and the
   spectrum of each star, averaged over the planes of the window.
2. The model is fitted to the field: a common shift, a factor of the light of all stars and a constant. The factor is
   what the response of the standard stars is wrong by; the constant is the sky that a method has left, or what it has
   subtracted too much.
3. Aperture fluxes of single stars are those of the cube over those of the model in the same spaxels, so that neighbours
   count in both. The sky is taken off for the crowded method, which leaves it in the cube: as fitted, and as it was
   simulated. The standard method has taken off its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, map_coordinates
from scipy.optimize import least_squares

from musedeep.quality.record import folder_name
from musedeep.simulate.atmosphere import Atmosphere
from musedeep.simulate.profiles import moffat
from musedeep.simulate.scene import star_reach
from musedeep.simulate.scenes.cluster import TEMPERATURES
from musedeep.simulate.sky import glowing_path, sky_continuum
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.templates import star_template
from musedeep.simulate.truth import COLOURS

if TYPE_CHECKING:
    from benchmarks.campaign_truth import Product

Floats = NDArray[np.float64]

FINER: Final = 5
"""Points of the model along a spaxel."""
DROP: Final = 0.6
"""Of a pixel, as pixfrac has it."""
RADIUS: Final = 1.0
"""Of apertures [arcsec]."""
INSIDE: Final = 0.8
"""Part of an aperture that has to be in the cube."""
LIMITS: Final = (1e-15, 1e-16, 3e-17, 1e-17, 3e-18)
"""Of the fluxes of stars at 7000 Angstrom that are put together [erg/s/cm2/Angstrom]."""
UNIT: Final = 1e-20


@dataclass(frozen=True)
class Conditions:
    """Of the exposures in a cube: rows of the table of the truth."""

    rows: Sequence[Table.Row]

    @classmethod
    def of(cls, product: "Product", truth: Path) -> "Conditions":
        """Those of a product."""
        found = []
        for one in product.used:
            for path in truth.glob("20*/exposures.ecsv"):
                table = Table.read(path, format="ascii.ecsv")
                found += [row for row in table if str(row["file"]).startswith(one.name)]
        return cls(found)

    def widths(self, wavelength: float) -> list[float]:
        """Seeing of each exposure [arcsec]."""
        return [float(self._air(row).seeing_fwhm(np.array(wavelength))) for row in self.rows]

    def sky(self, waves: Floats) -> float:
        """Mean over exposures and wavelengths of the sky's continuum, freed from extinction [1e-20 erg/s/cm2/Angstrom/
        arcsec2]."""
        found = []
        for row in self.rows:
            air = self._air(row)
            light = np.interp(waves, FINE, sky_continuum(glowing_path(air.airmass)))
            light *= float(row["sky_brightness"]) * air.transparency / air.extinction(waves)
            found.append(float(np.mean(light)))
        return float(np.mean(found)) / UNIT

    @staticmethod
    def _air(row: Table.Row) -> Atmosphere:
        return Atmosphere(float(row["airmass"]), float(row["seeing"]), transparency=float(row["transparency"]))


class StarField:
    """All stars of the truth on the grid of a cube."""

    def __init__(self, product: "Product", truth: Path) -> None:
        self.sources = Table.read(truth / f"sources-{folder_name(product.record.target)}.ecsv", format="ascii.ecsv")
        plane = WCS(product.header).celestial
        self.scale = float(np.sqrt(np.abs(np.linalg.det(plane.pixel_scale_matrix)))) * 3600.0
        self.shape = product.header["NAXIS2"], product.header["NAXIS1"]
        x, y = plane.all_world2pix(self.sources["ra"], self.sources["dec"], 0)
        self.x, self.y = np.asarray(x), np.asarray(y)
        self.conditions = Conditions.of(product, truth)
        colours = np.array([self.sources[f"flux_{colour:.0f}"] for colour in COLOURS]).T
        templates = np.array([[np.interp(w, FINE, star_template(t)) for w in COLOURS] for t in TEMPERATURES])
        # the colours of a star tell its spectrum
        likeness = np.einsum("ik,jk->ij", colours, templates)
        likeness /= np.linalg.norm(colours, axis=1)[:, None] * np.linalg.norm(templates, axis=1)
        self.kind = likeness.argmax(axis=1)
        self.size = np.linalg.norm(colours, axis=1) / np.linalg.norm(templates[self.kind], axis=1)

    def fluxes(self, waves: Floats) -> Floats:
        """Mean of each star over wavelengths [1e-20 erg/s/cm2/Angstrom]."""
        means = np.array([np.interp(waves, FINE, star_template(t)).mean() for t in TEMPERATURES])
        return np.asarray(self.size * means[self.kind] / UNIT)

    def image(self, waves: Floats) -> Floats:
        """Light of all stars in spaxels, float64 (ny, nx), with a margin of a spaxel on each side."""
        ny, nx = (n + 2 for n in self.shape)
        fine = np.zeros((ny * FINER, nx * FINER))
        wavelength = float(waves.mean())
        widths = self.conditions.widths(wavelength)
        radii = np.linspace(0.0, 42.0, 8401)
        profile = np.mean([moffat(np.square(radii), np.array(width)) for width in widths], axis=0)
        blue = np.mean(self.conditions.widths(float(FINE[0])))
        yy = ((np.arange(ny * FINER) + 0.5) / FINER - 1.5) * self.scale
        xx = ((np.arange(nx * FINER) + 0.5) / FINER - 1.5) * self.scale
        for x, y, flux, kind, size in zip(
            self.x * self.scale, self.y * self.scale, self.fluxes(waves), self.kind, self.size, strict=True
        ):
            reach = star_reach(float(size * star_template(TEMPERATURES[kind]).max()), float(blue))
            rows, columns = (slice(*np.searchsorted(v, [c - reach, c + reach])) for v, c in ((yy, y), (xx, x)))
            distance = np.hypot(yy[rows, None] - y, xx[None, columns] - x)
            light = np.interp(distance, radii, profile)
            light[distance > reach] = 0.0
            fine[rows, columns] += flux * light
        for width in (1.0, DROP, 1.0):
            kernel = np.ones(round(width * FINER)) / round(width * FINER)
            for axis in (0, 1):
                fine = convolve1d(fine, kernel, axis, mode="nearest")
        middle = slice(FINER // 2, None, FINER)
        return np.asarray(fine[middle, middle] * self.scale**2)


@dataclass(frozen=True)
class Fit:
    """Of all stars at once: data = factor * model + constant; shift along x and y [spaxel]."""

    factor: float
    constant: float
    shift: tuple[float, float]
    model: Floats
    errors: tuple[float, float]
    rms: float


def fit_field(image: Floats, variance: Floats, padded: Floats) -> Fit:
    """Least squares; errors of the profile of bright stars, two percent, count beside the noise."""
    good = np.isfinite(image) & (variance > 0)
    ny, nx = image.shape
    yy, xx = np.mgrid[1.0 : ny + 1.0, 1.0 : nx + 1.0]

    def model(shift: Floats) -> Floats:
        return np.asarray(map_coordinates(padded, [yy - shift[1], xx - shift[0]], order=3, mode="nearest"))

    weight = 1.0 / np.sqrt(variance[good] + np.square(0.02 * padded[1:-1, 1:-1][good]) + 0.25)

    def solve(shift: Floats) -> tuple[Floats, Floats, Floats]:
        columns = np.stack([model(shift)[good], np.ones(int(good.sum()))], axis=1) * weight[:, None]
        found, *_ = np.linalg.lstsq(columns, image[good] * weight, rcond=None)
        return found, image[good] * weight - columns @ found, np.linalg.inv(columns.T @ columns)

    best = least_squares(lambda shift: solve(shift)[1], np.zeros(2), loss="soft_l1", diff_step=1e-3)
    (factor, constant), rest, covariance = solve(best.x)
    rms = float(np.sqrt(np.mean(np.square(rest))))
    errors = np.sqrt(np.diag(covariance)) * rms
    return Fit(
        float(factor), float(constant), (float(best.x[0]), float(best.x[1])), model(best.x),
        (float(errors[0]), float(errors[1])), rms,
    )  # fmt: skip


def apertures(field: StarField, fit: Fit, image: Floats, sky: float) -> Floats:
    """Aperture flux of each star over that of the model, less 1; NaN for one that is not well inside the cube."""
    yy, xx = np.indices(image.shape)
    radius = RADIUS / field.scale
    found = np.full(len(field.sources), np.nan)
    whole = np.pi * radius**2
    for k, (x, y) in enumerate(zip(field.x + fit.shift[0], field.y + fit.shift[1], strict=True)):
        inside = (np.hypot(xx - x, yy - y) < radius) & np.isfinite(image)
        if inside.sum() > INSIDE * whole:
            found[k] = (image[inside] - sky).sum() / fit.model[inside].sum() - 1.0
    return found


def star_report(product: "Product", truth: Path) -> None:
    """Print factors, constants and aperture fluxes of both methods in each window."""
    from benchmarks.campaign_truth import Cut, windows

    field = StarField(product, truth)
    fluxes = field.sources["flux_7000"]
    print(f"\n{product.record.name}, stars in apertures of {RADIUS:g} arcsec; errors in percent")
    print("| Angstrom | method | factor | constant | sky of truth | shift | rms |", end="")
    for low, high in zip(LIMITS[1:], LIMITS[:-1], strict=True):
        print(f" {low:.0e} to {high:.0e} |", end="")
    print("\n" + "|---" * (7 + len(LIMITS) - 1) + "|")
    for window in windows(product.waves):
        waves = product.waves[window.first : window.first + window.quiet.size][window.quiet]
        padded = field.image(waves)
        true = field.conditions.sky(waves) * field.scale**2
        for other in (False, True):
            if other:
                tables = [path for one in product.used for path in product.tables(one, other=True)]
                cut = Cut.read(product.combined("other", tables, window), 0, window.quiet)
            else:
                cut = Cut.read(product.cube, window.first, window.quiet)
            image = cut.data.mean(axis=0)
            fit = fit_field(image, cut.variance.mean(axis=0) / len(waves), padded)
            left = 0.0 if other else fit.constant
            ratios = apertures(field, fit, image, left) / fit.factor + (1.0 / fit.factor - 1.0)
            method, sky = ("standard", "") if other else ("crowded", f"{true:.2f}")
            print(
                f"| {window.centre:.0f} | {method} | {fit.factor:.4f} ± {fit.errors[0]:.4f} | {fit.constant:+.2f} ± "
                f"{fit.errors[1]:.2f} | {sky} | {fit.shift[0]:+.2f} {fit.shift[1]:+.2f} | {fit.rms:.1f} |",
                end="",
            )
            for low, high in zip(LIMITS[1:], LIMITS[:-1], strict=True):
                some = ratios[(fluxes > low) & (fluxes <= high) & np.isfinite(ratios)]
                scatter = 1.4826 * np.median(np.abs(some - np.median(some))) / np.sqrt(some.size) if some.size else 0.0
                print(f" {100 * np.median(some):+.2f} ± {100 * scatter:.2f} ({some.size}) |", end="")
            print(flush=True)
