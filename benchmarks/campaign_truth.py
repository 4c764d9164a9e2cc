"""Deep cubes of a simulated campaign against its truth: depth against single exposures, fluxes of stars in a crowd.

    python -m benchmarks.campaign_truth CAMPAIGN_FOLDER TRUTH [--work DIRECTORY] [--products NGC_2001,...]

CAMPAIGN_FOLDER is what `musedeep campaign run` has made, TRUTH the directory of that name in the simulated campaign.

1. Windows of wavelength between the lines of the sky are chosen by the table of sky lines and the absorption of air.
2. **Depth.** Each exposure of a deep cube is combined alone, on the grid of the cube and with the same parameters, in
   these windows. The noise is that of voxels without a source about a straight line through the spectrum of their
   spaxel, so that light that all planes share does not count. It is given for voxels, and for means of 5 x 5 spaxels
   and 4 planes, which voxels that share pixels make as noisy as they are. Both cubes are resampled alike. Exposures of
   equal time have equal weights, so that the noise of the deep cube is the root mean square of the noises of exposures
   over sqrt(N), however they differ. Two things cost some of it: the drizzle weighs pixels by how much of them falls
   into a voxel (STAT knows), and exposures of a night share the noise of its master bias ("one bias": what is left of
   sqrt(N) by the noises that were simulated).
3. **Stars in a crowd.** Cubes of a crowded field are made by both methods; the one that the campaign has not made, from
   the pixel tables of the other method, which lie beside those that were used. See `benchmarks.star_fluxes`.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from benchmarks.star_fluxes import Conditions, star_report
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.kernels.field.sources import background
from musedeep.quality.record import PRODUCT, ExposureRecord, ProductRecord, read_record
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.simulate.sky import TABLE_UNIT, sky_continuum
from musedeep.simulate.spectrum import FINE
from musedeep.statics.load import load_sky_lines
from musedeep.statics.telluric import telluric_transmission

Floats = NDArray[np.float64]

CENTRES: Final = (5110.0, 6065.0, 6630.0, 8063.0, 9195.0)
"""Near which windows are sought [Angstrom]."""
REACH: Final = 45.0
"""How far from that [Angstrom]."""
PLANES: Final = 48
"""Of a window."""
LINE_WIDTH: Final = 2.6
"""Full width at half maximum of a sky line [Angstrom]."""
STEP: Final = 1.25
"""Between planes [Angstrom]."""
SOURCE: Final = 2.0
"""Signal to noise of the field image from which a spaxel has a source."""
BIASES: Final = 3
"""Frames of a master bias of a small campaign."""
BLOCK: Final = 5, 4
"""Spaxels on a side, and planes, of a mean."""


@dataclass(frozen=True)
class Window:
    """Planes of a cube; `quiet` are those without sky lines or absorption by air."""

    centre: float
    first: int
    quiet: NDArray[np.bool_]


def quiet_planes(waves: Floats) -> NDArray[np.bool_]:
    """Planes in which sky lines are fainter than a tenth of the continuum, and air absorbs less than half a percent."""
    table = load_sky_lines()
    sigma = LINE_WIDTH / 2.3548
    lines = np.zeros(waves.size)
    for centre, flux in zip(table.wavelength, table.flux, strict=True):
        near = np.abs(waves - centre) < 12.0
        lines[near] += TABLE_UNIT * flux / (sigma * 2.5066) * np.exp(-0.5 * np.square((waves[near] - centre) / sigma))
    continuum = np.interp(waves, FINE, sky_continuum())
    fine = np.interp(waves, FINE, telluric_transmission(FINE, 1.3, 2.5))
    return np.asarray((lines < 0.1 * continuum) & (fine > 0.995))


def windows(waves: Floats) -> list[Window]:
    """A window near each centre: the one with the most quiet planes."""
    quiet = quiet_planes(waves)
    found = []
    for centre in CENTRES:
        starts = [k for k in range(waves.size - PLANES) if abs(waves[k] + 0.5 * PLANES * STEP - centre) < REACH]
        if starts:
            best = max(starts, key=lambda k: (quiet[k : k + PLANES].sum(), -abs(waves[k + PLANES // 2] - centre)))
            part = slice(best, best + PLANES)
            found.append(Window(float(waves[part][quiet[part]].mean()), best, quiet[part]))
    return found


@dataclass(frozen=True)
class Cut:
    """Planes of a cube: data and variance, float64 (nz, ny, nx) [1e-20 erg/s/cm2/Angstrom]."""

    data: Floats
    variance: Floats

    @classmethod
    def read(cls, path: Path, first: int, quiet: NDArray[np.bool_]) -> "Cut":
        """Those of a file that are quiet, from a first plane on."""
        part = slice(first, first + quiet.size)
        with fits.open(path) as hdus:
            return cls(*(np.asarray(hdus[name].section[part], np.float64)[quiet] for name in ("DATA", "STAT")))


class Product:
    """A deep cube of a campaign."""

    def __init__(self, folder: Path, campaign: Path, work: Path, memory: int) -> None:
        self.record = read_record(ProductRecord, folder / PRODUCT)
        self.folder, self.campaign, self.memory = folder, campaign, memory
        self.work = work / folder.parent.name
        self.cube = campaign / self.record.cube
        self.header = fits.getheader(self.cube, "DATA")
        self.waves = self.header["CRVAL3"] + self.header["CD3_3"] * np.arange(self.header["NAXIS3"])

    @property
    def used(self) -> Sequence[ExposureRecord]:
        """Exposures in the cube."""
        return self.record.used

    def tables(self, exposure: ExposureRecord, other: bool = False) -> list[Path]:
        """Pixel tables of an exposure; on request those of the other method."""
        found = [self.campaign / name for name in exposure.pixel_tables]
        if not other:
            return found
        folder = found[0].parent
        name = folder.name
        beside = name.removesuffix("-crowded") if name.endswith("-crowded") else f"{name}-crowded"
        return [folder.with_name(beside) / path.name for path in found]

    def combined(self, name: str, tables: Sequence[Path], window: Window) -> Path:
        """The cube of some pixel tables, in the window on the grid of the product."""
        place = self.work / f"{name}-{window.first}"
        if (place / "DATACUBE_FINAL.fits").exists():
            return place / "DATACUBE_FINAL.fits"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        header = self.header.copy()
        header["CRPIX3"] = 1.0
        header["CRVAL3"] = self.waves[window.first]
        shape = window.quiet.size, header["NAXIS2"], header["NAXIS1"]
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros(shape, np.float32), header)]).writeto(
            place / "wcs.fits"
        )
        given: dict[str, Any] = {"save": "cube"}
        request = Request(
            pixel_tables=list(tables), parameters=RECIPE.parse(given), parameter_texts=tuple(given.items()),
            output=place, offset_list=self.campaign / (self.record.offsets or ""), output_wcs=place / "wcs.fits",
            overwrite=True, threads=1, memory=self.memory,
        )  # fmt: skip
        combine(request)
        return place / "DATACUBE_FINAL.fits"


def source_free(product: Product) -> NDArray[np.bool_]:
    """Spaxels of the field image without a source, and their neighbours have none."""
    image = np.asarray(fits.getdata(product.campaign / product.record.images[0], 1), np.float64)
    middle, noise = background(image)
    # half of a field may be lit: what is dark has its own level
    for _ in range(5):
        middle, noise = background(np.where(image < middle + SOURCE * noise, image, np.nan))
    return ~np.asarray(maximum_filter(~(image < middle + SOURCE * noise), 3), np.bool_)


def noises(cut: Cut, empty: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Noise of voxels, of means of blocks and by STAT of spaxels without a source [1e-20 erg/s/cm2/Angstrom]."""
    whole = empty & np.isfinite(cut.data).all(axis=0) & (cut.variance > 0).all(axis=0)
    data = np.where(whole, cut.data, np.nan)
    side, planes = BLOCK
    nz, ny, nx = (n // size * size for n, size in zip(data.shape, (planes, side, side), strict=True))
    parts = data[:nz, :ny, :nx].reshape(nz // planes, planes, ny // side, side, nx // side, side)
    # half of the spaxels of a block may have a source; those are left out of it
    full = np.isfinite(parts).mean(axis=(1, 3, 5)) > 0.5
    blocks = np.where(full, np.nansum(parts, axis=(1, 3, 5)) / np.isfinite(parts).sum(axis=(1, 3, 5)).clip(1), np.nan)
    stated = float(np.sqrt(np.median(cut.variance[:, whole])))
    return _scatter(data), _scatter(blocks), stated


def _scatter(values: Floats) -> float:
    """Standard deviation about a line through each spaxel over the planes, without outliers; NaN for few planes."""
    if values.shape[0] < 3:
        return float("nan")
    place = np.arange(values.shape[0]) - 0.5 * (values.shape[0] - 1)
    slope = np.tensordot(place, values, 1) / np.square(place).sum()
    apart = values - values.mean(axis=0) - place[:, None, None] * slope
    apart = apart[np.isfinite(apart)]
    # 16 to 84 %: clouds of few outliers do not change it
    low, high = np.percentile(apart, (15.8655, 84.1345))
    return float(0.5 * (high - low) * np.sqrt(values.shape[0] / (values.shape[0] - 2.0)))


def depth_report(product: Product, truth: Path) -> None:
    """Print the noise of exposures and of the deep cube in each window."""
    number = len(product.used)
    times = {one.exposure_time for one in product.used}
    assert len(times) == 1, "exposures of different times have different weights"
    empty, seen = source_free(product), Conditions.of(product, truth)
    free, time = int(empty.sum()), times.pop()
    print(f"\n{product.record.name}: {number} exposures of {time:g} s, {free} spaxels without a source")
    columns = (
        "Angstrom",
        "planes",
        "noise of exposures",
        "deep",
        "gain",
        "over sqrt(N)",
        "blocks",
        "by STAT",
        "one bias",
    )
    print(f"| {' | '.join(columns)} | STAT / noise |\n{'|---' * (len(columns) + 1)}|")
    for window in windows(product.waves):
        singles = []
        for one in product.used:
            path = product.combined(one.name.replace(":", "_"), product.tables(one), window)
            singles.append(noises(Cut.read(path, 0, window.quiet), empty))
        deep = noises(Cut.read(product.cube, window.first, window.quiet), empty)
        whole = np.sqrt(np.mean(np.square(singles), axis=0))
        gains = whole / np.array(deep)
        over = gains / np.sqrt(number)
        waves = product.waves[window.first : window.first + window.quiet.size][window.quiet]
        shared = seen.with_one_bias(waves, BIASES)
        each = ", ".join(f"{single[0]:.2f}" for single in singles)
        print(
            f"| {window.centre:.0f} | {window.quiet.sum()} | {each} | {deep[0]:.2f} | {gains[0]:.3f} | {over[0]:.3f} | "
            f"{over[1]:.3f} | {over[2]:.3f} | {shared:.3f} | {deep[2] / deep[0]:.2f} |",
            flush=True,
        )


def main() -> None:
    """Measure all products."""
    parser = argparse.ArgumentParser()
    parser.add_argument("campaign", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--products", default="")
    given = parser.parse_args()
    wanted = set(filter(None, given.products.split(",")))
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or Path(scratch)
        for path in sorted((given.campaign / "products").iterdir()):
            if wanted and path.name not in wanted:
                continue
            product = Product(max(path.glob("v*")), given.campaign, work, 2 * 2**30)
            depth_report(product, given.truth)
            if product.record.method == "crowded":
                star_report(product, given.truth)


if __name__ == "__main__":
    main()
