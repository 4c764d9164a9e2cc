"""Cubes of Moffat stars whose width and exponent are known at each wavelength."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.makers.cube_pieces import grid_cards, primary, write_cube

SCALE = 0.2
"""Side of a spaxel, arcsec."""
FINE = 8
"""Points along each side of a spaxel over which a profile is averaged."""


@dataclass
class StarCube:
    """A cube to make: stars x, y, peak flux at each wavelength relative; `fwhm` in arcsec."""

    places: np.ndarray
    fluxes: np.ndarray
    fwhm: Callable[[np.ndarray], np.ndarray]
    beta: Callable[[np.ndarray], np.ndarray]
    shape: tuple[int, int, int] = (20, 60, 60)
    first: float = 4800.0
    step: float = 230.0
    noise: float = 1.0
    seed: int = 1
    widen: dict[int, float] = field(default_factory=dict)
    """By star, the factor by which it is wider: galaxies."""
    stat: bool = True
    cards: dict[str, Any] = field(default_factory=dict)

    @property
    def wavelengths(self) -> np.ndarray:
        return self.first + self.step * np.arange(self.shape[0])

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and variances, float32."""
        rng = np.random.default_rng(self.seed)
        nz, ny, nx = self.shape
        data = np.zeros(self.shape)
        waves = self.wavelengths
        for k, ((x0, y0), flux) in enumerate(zip(self.places, self.fluxes, strict=True)):
            fwhm = self.fwhm(waves) / SCALE * self.widen.get(k, 1.0)
            colour = rng.uniform(-0.5, 0.5)
            for z in range(nz):
                relative = (waves[z] / 7000.0) ** colour
                data[z] += flux * relative * spaxels(nx, ny, x0, y0, fwhm[z], self.beta(waves)[z])
        # noise of the sky, larger in the red, and of the light itself
        sky = (self.noise * np.linspace(1.0, 1.6, nz) ** 2)[:, None, None]
        variance = sky + 0.002 * data
        noisy = data + rng.normal(size=self.shape) * np.sqrt(variance)
        return noisy.astype(np.float32), variance.astype(np.float32)

    def write(self, path: Path, change: Callable[[np.ndarray], None] | None = None) -> Path:
        data, stat = self.arrays()
        if change:
            change(data)
        cards = grid_cards(self.first, CD3_3=self.step)
        return write_cube(path, data, stat if self.stat else None, primary(**self.cards), cards)


def spaxels(nx: int, ny: int, x0: float, y0: float, fwhm: float, beta: float) -> np.ndarray:
    """A Moffat profile of total light 1, averaged over spaxels by a fine grid of points."""
    alpha = 0.5 * fwhm / np.sqrt(2.0 ** (1.0 / beta) - 1.0)
    offsets = (np.arange(FINE) + 0.5) / FINE - 0.5
    x = (np.arange(nx)[:, None] + offsets).ravel() - x0
    y = (np.arange(ny)[:, None] + offsets).ravel() - y0
    square = (x**2 + (y**2)[:, None]) / alpha**2
    profile = (beta - 1.0) / (np.pi * alpha**2) * (1.0 + square) ** -beta
    return profile.reshape(ny, FINE, nx, FINE).mean(axis=(1, 3))


def typical(seed: int = 1, n: int = 6, bright: float = 20000.0, **changes: Any) -> StarCube:
    """Stars on a loose grid, with seeing, colour of the seeing and exponent of the seed."""
    rng = np.random.default_rng(seed + 100)
    side = int(np.ceil(np.sqrt(n)))
    shape = changes.get("shape", (20, 60, 60))
    steps = np.array([shape[2], shape[1]]) / side
    cells = np.array([(i, j) for j in range(side) for i in range(side)])[:n]
    places = (cells + 0.5) * steps - 0.5 + rng.uniform(-2.0, 2.0, (n, 2))
    fluxes = bright * 10 ** rng.uniform(-0.8, 0.0, n)
    width, slope, beta, tilt = (
        rng.uniform(0.55, 0.95),
        rng.uniform(-0.35, -0.1),
        rng.uniform(2.2, 3.4),
        rng.uniform(-0.4, 0.4),
    )
    return StarCube(
        places, fluxes, lambda w: width * (w / 7000.0) ** slope, lambda w: beta + tilt * (w - 7000.0) / 4000.0,
        seed=seed, **changes,
    )  # fmt: skip
