"""Cubes with sky residuals of known shape: OH lines whose line spread, place and strength differ from slice to slice.

1. Each slice (a line of up to 75 spaxels) has a wavelength shift, a width and a strength of the sky lines of its own,
   which vary slowly with wavelength and along the slice, and one strength for each group of lines.
2. The residual of a spaxel is the spectrum of its sky lines minus that of a slice without errors: what is left when one
   sky spectrum is subtracted from the whole field.
3. The noise is Gaussian, with the variance of the sky of each plane, which is what STAT says.
4. Sources: stars with absorption lines, and emission lines of points, half of them within 4 Angstrom of a bright sky
   line.

Everything follows from the seed, plane by plane: cubes larger than the memory are written in bands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.special import erf

from musedeep.statics.load import read_table
from musedeep.storage.cubes.cube_fits import CubeWCS, extension_header
from musedeep.storage.fits.parts import header_bytes
from musedeep.storage.fits.streamed import StreamedFits

Array = NDArray[np.float32]

FIRST, STEP = 4750.0, 1.25
"""Wavelength of the first plane, and between planes [Angstrom]."""

SLICE = 75
"""Spaxels of a slice."""

SPAXEL_AREA = 0.04
"""[arcsec2]"""

SEEING = 3.5
"""FWHM of points [spaxels]."""

LINE_FWHM = 3.5
"""Of emission lines [Angstrom]."""

BAND = 32
"""Planes made at once."""


@dataclass(frozen=True)
class EmissionLine:
    """A line of a point: place [spaxels], wavelength [Angstrom], flux of all its voxels."""

    x: float
    y: float
    wavelength: float
    flux: float


@dataclass(frozen=True)
class Star:
    """A point with a continuum: place, brightness at 7000 Angstrom summed over the field, slope, depth of its lines."""

    x: float
    y: float
    flux: float
    slope: float
    depth: float


@dataclass(frozen=True)
class ResidualCube:
    """A cube to make.

    Attributes
    ----------
    shape : planes, lines, columns
    noise : standard deviation of the noise between sky lines
    shift, width, strength : rms of the errors of slices: shift [planes], relative width and strength of sky lines
    stars, emission_lines : numbers of sources
    ao_gap : planes from 5800 to 5970 Angstrom are empty
    """

    shape: tuple[int, int, int]
    seed: int = 1
    noise: float = 8.0
    shift: float = 0.05
    width: float = 0.02
    strength: float = 0.02
    stars: int = 15
    emission_lines: int = 120
    ao_gap: bool = False
    first: float = FIRST

    @cached_property
    def wavelengths(self) -> NDArray[np.float64]:
        return self.first + STEP * np.arange(self.shape[0])

    @cached_property
    def _lines(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        table = read_table("sky_lines")
        waves, flux = np.asarray(table["lambda"]), np.asarray(table["flux"]) * SPAXEL_AREA
        near = (waves > self.wavelengths[0] - 20) & (waves < self.wavelengths[-1] + 20) & (flux > 2.0)
        return waves[near], flux[near], np.asarray(table["group"])[near]

    def _sky(self, shift: float, tilt: float, width: float, bend: float, strengths: NDArray[np.float64]) -> Array:
        """Spectrum of the sky lines as an imperfect slice has it."""
        waves, flux, group = self._lines
        relative = (waves - 7000.0) / 2300.0
        sigma = (2.9 - 0.4 * relative) / 2.3548 * (1.0 + width + bend * relative)
        centre = (waves - self.first) / STEP + shift + tilt * relative
        start = np.round(centre).astype(np.int64) - 7
        planes = start[:, None] + np.arange(15)
        edges = (planes[..., None] + np.array([-0.5, 0.5]) - centre[:, None, None]) * STEP / sigma[:, None, None]
        share = np.diff(erf(edges / np.sqrt(2.0)), axis=-1)[..., 0] / 2.0
        values = share * (flux * strengths[group])[:, None] / STEP
        inside = (planes >= 0) & (planes < self.shape[0])
        return np.bincount(planes[inside], values[inside], self.shape[0]).astype(np.float32)

    @cached_property
    def sky(self) -> Array:
        """Sky lines of a slice without errors (planes,)."""
        return self._sky(0.0, 0.0, 0.0, 0.0, np.ones(32))

    @cached_property
    def variance(self) -> Array:
        """Of the noise (planes,): Poisson noise of a continuum of 20 and of the sky lines."""
        return (self.noise**2 * (1.0 + self.sky / 20.0)).astype(np.float32)

    @cached_property
    def _ends(self) -> Array:
        """Residuals at both ends of all slices (lines, slices, 2, planes)."""
        rng = np.random.default_rng([self.seed, 1])
        ny, slices = self.shape[1], -(-self.shape[2] // SLICE)
        out = np.empty((ny, slices, 2, self.shape[0]), np.float32)
        for y in range(ny):
            for k in range(slices):
                base = rng.normal(size=4) * (self.shift, self.shift / 2, self.width, self.width / 2)
                strengths = 1.0 + self.strength * (rng.normal() + 0.3 * rng.normal(size=32))
                for end in range(2):
                    move = rng.normal(size=4) * (self.shift, self.shift / 2, self.width, self.width / 2) / 3.0
                    shift, tilt, width, bend = (base + move).tolist()
                    out[y, k, end] = self._sky(shift, tilt, width, bend, strengths) - self.sky
        return out

    @cached_property
    def sources(self) -> tuple[list[Star], list[EmissionLine]]:
        rng = np.random.default_rng([self.seed, 2])
        _, ny, nx = self.shape
        stars = [
            Star(
                rng.uniform(3, nx - 4), rng.uniform(3, ny - 4), 10 ** rng.uniform(3, 5), rng.normal() / 2,
                rng.uniform(0, 0.5),
            )
            for _ in range(self.stars)
        ]  # fmt: skip
        waves, flux, _ = self._lines
        bright = waves[
            (flux > np.quantile(flux, 0.8)) & (waves > self.wavelengths[10]) & (waves < self.wavelengths[-10])
        ]
        lines = []
        for k in range(self.emission_lines):
            wave = rng.choice(bright) + rng.uniform(-4, 4) if k % 2 else rng.uniform(*self.wavelengths[[10, -10]])
            plane = int((wave - self.first) / STEP)
            # S/N of the optimal sum over all voxels: 1 / sqrt(sum of squares of the profile)
            spread = np.sqrt(4 * np.pi * (SEEING / 2.3548) ** 2 * 2 * np.sqrt(np.pi) * LINE_FWHM / 2.3548 / STEP)
            noise = float(np.sqrt(self.variance[plane])) * spread
            lines.append(EmissionLine(rng.uniform(4, nx - 5), rng.uniform(4, ny - 5), wave, noise * rng.uniform(6, 40)))
        return stars, lines

    def star_spectrum(self, star: Star) -> Array:
        """Brightness summed over the field (planes,)."""
        relative = self.wavelengths / 7000.0
        dips = sum(
            np.exp(-0.5 * ((self.wavelengths - wave) / 6.0) ** 2) for wave in (4861.3, 5175.0, 5893.0, 6562.8, 8542.1)
        )
        return (star.flux * relative**star.slope * (1.0 - star.depth * dips)).astype(np.float32)

    def line_profile(self, line: EmissionLine) -> Array:
        """Profile of an emission line (planes,), of sum 1."""
        profile = np.exp(-0.5 * ((self.wavelengths - line.wavelength) / (LINE_FWHM / 2.3548)) ** 2)
        return (profile / profile.sum()).astype(np.float32)

    def point(self, x: float, y: float) -> Array:
        """Image of a point (lines, columns), of sum 1 on an endless field."""
        _, ny, nx = self.shape
        sigma = SEEING / 2.3548
        gx, gy = np.exp(-0.5 * ((np.arange(nx) - x) / sigma) ** 2), np.exp(-0.5 * ((np.arange(ny) - y) / sigma) ** 2)
        return (gy[:, None] * gx / (2 * np.pi * sigma**2)).astype(np.float32)

    @cached_property
    def _source_parts(self) -> tuple[Array, Array]:
        stars, lines = self.sources
        images = [self.point(x, y) for x, y in [(s.x, s.y) for s in stars] + [(one.x, one.y) for one in lines]]
        spectra = [self.star_spectrum(one) for one in stars] + [one.flux * self.line_profile(one) for one in lines]
        nz, ny, nx = self.shape
        if not images:
            return np.zeros((0, ny * nx), np.float32), np.zeros((0, nz), np.float32)
        return np.array(images, np.float32).reshape(len(images), -1), np.array(spectra, np.float32)

    def residual(self, z0: int, z1: int) -> Array:
        """Sky residual of planes [z0, z1)."""
        x = np.arange(self.shape[2])
        part = ((x % SLICE) / (SLICE - 1)).astype(np.float32)[None, :, None]
        ends = self._ends[..., z0:z1]
        low, high = ends[:, x // SLICE, 0], ends[:, x // SLICE, 1]
        return np.moveaxis(low + part * (high - low), 2, 0)

    def light(self, z0: int, z1: int) -> Array:
        """Sources of planes [z0, z1)."""
        images, spectra = self._source_parts
        return (spectra[:, z0:z1].T @ images).reshape(z1 - z0, *self.shape[1:])

    def random(self, z0: int, z1: int) -> Array:
        """Noise of planes [z0, z1) of one band."""
        rng = np.random.default_rng([self.seed, 3, z0])
        values = rng.standard_normal((z1 - z0, *self.shape[1:]), np.float32)
        return values * np.sqrt(self.variance[z0:z1])[:, None, None]

    def bands(self) -> Iterator[tuple[int, int]]:
        for z in range(0, self.shape[0], BAND):
            yield z, min(z + BAND, self.shape[0])

    def data(self, z0: int, z1: int) -> Array:
        """Values of the planes of a band."""
        values = self.residual(z0, z1) + self.light(z0, z1) + self.random(z0, z1)
        if self.ao_gap:
            waves = self.wavelengths[z0:z1]
            values[(waves > 5800.0) & (waves < 5970.0)] = np.nan
        return values.astype(np.float32)

    @property
    def wcs(self) -> CubeWCS:
        spaxel = 0.2 / 3600
        return CubeWCS((1.0, 1.0, 1.0), (53.16, -27.78, self.first), (-spaxel, 0, 0, spaxel), STEP, "AWAV")

    def primary(self) -> fits.Header:
        mode = "WFM-AO-N" if self.ao_gap else "WFM-NOAO-N"
        return fits.Header([("OBJECT", "field"), ("INSTRUME", "MUSE"), ("HIERARCH ESO INS MODE", mode)])

    def write(self, path: Path) -> Path:
        """Write DATA and STAT as FITS."""
        with StreamedFits(path) as made:
            made.begin(header_bytes(self.primary(), False, 8, ()))
            for name in ("DATA", "STAT"):
                made.begin_image(extension_header(name, "field", self.wcs, name == "STAT"), -32, self.shape)
                for z0, z1 in self.bands():
                    if name == "DATA":
                        values = self.data(z0, z1)
                    else:
                        values = np.broadcast_to(self.variance[z0:z1, None, None], (z1 - z0, *self.shape[1:]))
                    made.write(values.astype(">f4"))
            made.finish()
        return path

    def source_mask(self, factor: float = 0.5) -> NDArray[np.bool_]:
        """Spaxels (lines, columns) in which stars are brighter than so many standard deviations of the noise."""
        stars = len(self.sources[0])
        images, spectra = self._source_parts
        light = spectra[:stars].mean(axis=1) @ images[:stars] if stars else np.zeros(images.shape[1], np.float32)
        return (light > factor * self.noise).reshape(self.shape[1:])


@dataclass(frozen=True)
class ArrayVoxels:
    """An array in memory as `Voxels`."""

    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        nz, ny, nx = self.values.shape
        return nz, ny, nx

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        return self.values[z0:z1, y0:y1].copy()

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        return self.read_box(z0, z1, y0, y1)


class Cube:
    """Values and variances in memory."""

    def __init__(self, data: NDArray[Any], stat: NDArray[Any]) -> None:
        self.data, self.stat, self.shape = ArrayVoxels(data), ArrayVoxels(stat), ArrayVoxels(data).shape


def small(**options: Any) -> ResidualCube:
    """A cube with bright sky lines that is cleaned in less than a second: 200 planes, 1600 spaxels."""
    settings: dict[str, Any] = {"shift": 0.2, "width": 0.05, "stars": 2, "emission_lines": 6, "first": 8300.0}
    return ResidualCube((200, 20, 80), **(settings | options))
