"""A CCD: from electrons to raw 16-bit values, with everything that calibration must undo."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.instrument import BORDER, DQ, N_COLUMNS, N_ROWS
from musedeep.kernels.ccd.detector import add_tracks, digitise
from musedeep.simulate.effects import Effects

RAW_SHAPE: Final = (N_ROWS + 4 * BORDER, N_COLUMNS + 4 * BORDER)
HALF_ROWS: Final = N_ROWS // 2
HALF_COLUMNS: Final = N_COLUMNS // 2
CEILING: Final = 65535.0
"""Largest raw value, adu."""
FULL_WELL: Final = 95000.0
"""Charge that a pixel holds, electrons."""
DARK: Final = 1.0
"""Dark current, electrons an hour (musered's QC of darks: a few electrons)."""
TRACKS_PER_SECOND: Final = 1.2
"""Cosmic-ray tracks on one CCD."""
THICKNESS: Final = 2.7
"""Thickness of the silicon, pixels of 15 um (deep-depletion CCDs of 40 um)."""
CHARGE_PER_PIXEL: Final = 1200.0
"""Electrons that a particle sets free along 15 um (80 per um, minimum ionising)."""


@dataclass(frozen=True)
class Quadrant:
    """One read-out port: gain [electrons per adu], read noise [electrons], bias level [adu]."""

    gain: float
    read_noise: float
    bias_level: float


@dataclass(frozen=True)
class Detector:
    """The CCD of an IFU.

    Attributes
    ----------
    quadrants : ports 1 to 4: lower left, lower right, upper right, upper left
    hot_x, hot_y : int (n,), hot pixels on the trimmed image, from 1
    hot_rate : float64 (n,), electrons an hour
    dead_x, dead_y : int (m,), pixels that see a twentieth of their light, from 1 on the trimmed image
    """

    seed: int
    ifu: int
    quadrants: tuple[Quadrant, Quadrant, Quadrant, Quadrant]
    hot_x: NDArray[np.int64]
    hot_y: NDArray[np.int64]
    hot_rate: NDArray[np.float64]
    dead_x: NDArray[np.int64]
    dead_y: NDArray[np.int64]
    effects: Effects

    @classmethod
    def drawn(cls, seed: int, ifu: int, effects: Effects) -> "Detector":
        """The detector that belongs to a seed and an IFU."""
        rng = np.random.default_rng([seed, 3, ifu])
        one, two, three, four = (
            Quadrant(
                gain=float(rng.uniform(1.10, 1.20)),
                read_noise=float(rng.uniform(2.2, 2.8)),
                bias_level=float(1200.0 + rng.uniform(-8.0, 8.0)),
            )
            for _ in range(4)
        )
        n_hot = 400 if effects.hot_pixels else 0
        hot_x, hot_y = rng.integers(1, N_COLUMNS + 1, 400)[:n_hot], rng.integers(1, N_ROWS + 1, 400)[:n_hot]
        rate = (10.0 ** rng.uniform(2.0, 4.5, 400))[:n_hot]
        # a few parts of columns and single pixels
        starts, columns = rng.integers(200, N_ROWS - 400, 2), rng.integers(200, N_COLUMNS - 200, 2)
        dead_x = [np.full(150, columns[0]), np.full(60, columns[1]), rng.integers(1, N_COLUMNS + 1, 30)]
        dead_y = [starts[0] + np.arange(150), starts[1] + np.arange(60), rng.integers(1, N_ROWS + 1, 30)]
        n_dead = 240 if effects.dead_pixels else 0
        return cls(
            seed, ifu, (one, two, three, four), hot_x, hot_y, rate,
            np.concatenate(dead_x)[:n_dead], np.concatenate(dead_y)[:n_dead], effects,
        )  # fmt: skip

    def response(self) -> NDArray[np.float64]:
        """Relative response of the pixels, float64 (n_rows, n_columns)."""
        if self.effects.pixel_response:
            rng = np.random.default_rng([self.seed, 4, self.ifu])
            out = 1.0 + 0.006 * rng.standard_normal((N_ROWS, N_COLUMNS), dtype=np.float32).astype(np.float64)
        else:
            out = np.ones((N_ROWS, N_COLUMNS))
        out[self.dead_y - 1, self.dead_x - 1] = 0.05
        return out

    def expose(
        self,
        light: NDArray[np.float64] | None,
        seconds: float,
        rng: np.random.Generator,
        non_linearity: NDArray[np.float64] | None = None,
    ) -> NDArray[np.uint16]:
        """A raw image with pre- and overscan, uint16 (4240, 4224), after `seconds`, with the noise of `rng`.

        `light` has the expected electrons of light, float64 (n_rows, n_columns); None: the shutter is closed.
        `non_linearity` has a and b of `monitoring.non_linearity`, float64 (4, 2); None: a linear detector.
        """
        # the noise of a user's cube can make light negative
        expected = np.zeros((N_ROWS, N_COLUMNS)) if light is None else np.maximum(light, 0.0)
        if self.effects.dark_current:
            expected += DARK * seconds / 3600.0
        if self.effects.hot_pixels:
            np.add.at(expected, (self.hot_y - 1, self.hot_x - 1), self.hot_rate * seconds / 3600.0)
        charge = rng.poisson(expected).astype(np.float64) if self.effects.photon_noise else expected
        if self.effects.cosmic_rays and seconds > 0:
            add_tracks(charge, *_tracks(rng, seconds))
        if self.effects.saturation:
            np.minimum(charge, FULL_WELL, out=charge)
        if non_linearity is not None:
            for k, (a, b) in enumerate(non_linearity):
                part = charge[_quadrant(k)]
                unit = part / 1e5
                part *= 1.0 - unit * (a - b * unit)
        return self._read_out(charge, rng)

    def _read_out(self, charge: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Lay out the four quadrants with their borders and digitise them."""
        raw = np.empty(RAW_SHAPE, np.uint16)
        height, width = RAW_SHAPE[0] // 2, RAW_SHAPE[1] // 2
        for k, quadrant in enumerate(self.quadrants):
            right, upper = k in (1, 2), k in (2, 3)
            electrons = np.zeros((height, width))
            # 32 pixels of prescan at the outer sides, 32 of overscan at the inner ones
            electrons[BORDER:-BORDER, BORDER:-BORDER] = charge[_quadrant(k)]
            if self.effects.read_noise:
                noise = rng.standard_normal((height, width), dtype=np.float32) * np.float32(quadrant.read_noise)
            else:
                noise = np.zeros((height, width), np.float32)
            rows = np.arange(height, dtype=np.float64)[:: -1 if upper else 1]
            slope = 1.5 * np.exp(-rows / 700.0) if self.effects.bias_slope else np.zeros(height)
            level = quadrant.bias_level + float(rng.uniform(-0.3, 0.3)) * self.effects.bias_slope
            block = raw[upper * height : (1 + upper) * height, right * width : (1 + right) * width]
            digitise(electrons, noise, quadrant.gain, level, slope, CEILING, block)
        return raw

    def bad_pixels(self) -> Table:
        """Known bad pixels as the BADPIX_TABLE lists them: positions on the raw image from 1."""
        x, y = raw_position(self.dead_x, self.dead_y)
        table = Table({"xpos": x.astype(np.int32), "ypos": y.astype(np.int32)})
        table["status"] = np.full(x.size, DQ.DARK, np.int32)
        table["value"] = np.full(x.size, 0.05, np.float32)
        return table

    def truth_tables(self) -> dict[str, Table]:
        """Quadrants, hot pixels and dead pixels."""
        quadrants = Table(rows=[(k + 1, q.gain, q.read_noise, q.bias_level) for k, q in enumerate(self.quadrants)],
                          names=("quadrant", "gain", "read_noise", "bias_level"))  # fmt: skip
        quadrants["dark"] = DARK if self.effects.dark_current else 0.0
        quadrants.meta["comment"] = "gain electrons/adu, read_noise electrons, bias_level adu, dark electrons/hour"
        hot = Table({"x": self.hot_x, "y": self.hot_y, "rate": self.hot_rate})
        hot.meta["comment"] = "trimmed pixels from 1, electrons/hour"
        return {"detector": quadrants, "hot-pixels": hot, "dead-pixels": Table({"x": self.dead_x, "y": self.dead_y})}


def _quadrant(k: int) -> tuple[slice, slice]:
    """Rows and columns of port k + 1 on the trimmed image."""
    right, upper = k in (1, 2), k in (2, 3)
    return (
        slice(upper * HALF_ROWS, (1 + upper) * HALF_ROWS),
        slice(right * HALF_COLUMNS, (1 + right) * HALF_COLUMNS),
    )


def raw_position(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Place on the raw image of pixels of the trimmed one, both from 1."""
    return x + BORDER + 2 * BORDER * (x > HALF_COLUMNS), y + BORDER + 2 * BORDER * (y > HALF_ROWS)


def _tracks(rng: np.random.Generator, seconds: float) -> tuple[NDArray[np.float64], ...]:
    """Draw the particles of an exposure: isotropic from above, straight through the silicon."""
    n = int(rng.poisson(TRACKS_PER_SECOND * seconds))
    x, y = rng.uniform(0.0, N_COLUMNS, n), rng.uniform(0.0, N_ROWS, n)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    cosine = np.sqrt(rng.uniform(0.0, 1.0, n)).clip(0.03)
    length = THICKNESS * np.sqrt(1.0 - cosine**2) / cosine
    # ionisation fluctuates along the track, with a long tail upwards
    spread = rng.lognormal(0.0, 0.5, (n, 8))
    spread /= spread.mean(axis=1, keepdims=True)
    charge = CHARGE_PER_PIXEL * THICKNESS / cosine * rng.lognormal(0.0, 0.3, n)
    return x, y, angle, length, charge, spread
