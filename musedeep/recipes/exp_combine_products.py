"""The products of muse_exp_combine: laid out before the work, completed after it, named when whole."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.collapse import add_planes
from musedeep.quality.exp_combine import source_cards
from musedeep.recipes.exp_combine_grid import Grid
from musedeep.recipes.exp_combine_job import Job
from musedeep.recipes.exp_combine_parameters import ExpCombineParameters
from musedeep.recipes.product_headers import product_header
from musedeep.storage.cube_fits import CubeFile, CubeWCS, extension_header
from musedeep.storage.exposure_map import ExposureMapFile
from musedeep.storage.filters import Filter
from musedeep.storage.fits_parts import header_bytes, padded, sync_and_rename
from musedeep.storage.pixel_table import open_exposure

CUBE, MAP, COMBINED, STORE = "DATACUBE_FINAL.fits", "EXPOSURE_MAP.fits", "PIXTABLE_COMBINED.fits", "DATACUBE_FINAL.zarr"

Card = tuple[str, object, str]


def cube_wcs(grid: Grid) -> CubeWCS:
    """The grid as header cards need it."""
    return CubeWCS(grid.crpix, grid.crval, grid.cd, grid.step, grid.ctype3)


@dataclass
class Products:
    """The products a run makes in `output`."""

    output: Path
    parameters: ExpCombineParameters
    filter_list: Path | None

    def names(self) -> list[str]:
        """File names of all products."""
        save = self.parameters.save
        names = []
        if "cube" in save:
            names.append(CUBE)
            if not self.parameters.format.startswith("x"):
                names += [f"IMAGE_FOV_{k + 1:04d}.fits" for k in range(len(self.parameters.filters))]
        if "combined" in save:
            names.append(COMBINED)
        if "exposures" in save:
            names.append(MAP)
        if "zarr" in save:
            names.append(STORE)
        return names

    def check_existing(self, overwrite: bool) -> None:
        """Refuse to start where a product exists, unless it may be replaced (when the new one is whole)."""
        if self.output.exists() and not self.output.is_dir():
            raise MusedeepError(f"{self.output}: a file of this name exists; the output has to be a directory")
        for name in self.names():
            if (self.output / name).exists() and not overwrite:
                raise MusedeepError(f"{self.output / name} exists; give --overwrite to replace it, or another output")

    def create(self, work: Path, job: Job, texts: Sequence[tuple[str, str]]) -> None:
        """Lay out the files that boxes are written into."""
        first, target = _first(job)
        wcs = cube_wcs(job.grid)
        primary = product_header(first, job, "DATACUBE_FINAL", CUBE, texts)
        CubeFile.create(
            work / CUBE, job.grid.shape, primary,
            extension_header("DATA", target, wcs, False), extension_header("STAT", target, wcs, True),
        )  # fmt: skip
        if job.how.exposure_map:
            header = product_header(first, job, "EXPOSURE_MAP", MAP, texts)
            ExposureMapFile.create(work / MAP, job.grid.shape, header, wcs)

    def finish(
        self,
        work: Path,
        job: Job,
        filters: Sequence[Filter],
        texts: Sequence[tuple[str, str]],
        say: Callable[[str], None],
    ) -> list[Path]:
        """Complete all products and give them their names."""
        first, target = _first(job)
        save = self.parameters.save
        ready: list[tuple[Path, Path]] = []
        cube = CubeFile.reopen(work / CUBE)
        if job.how.exposure_map:
            exposure_map = ExposureMapFile.reopen(work / MAP)
            exposure_map.collapse()
            if "zarr" in save:
                from musedeep.storage.cube_zarr import write_cube_store

                write_cube_store(work / STORE, cube, exposure_map, cube_wcs(job.grid), target)
                ready.append((work / STORE, self.output / STORE))
            if "exposures" in save:
                exposure_map.discard_layout()
                ready.append((work / MAP, self.output / MAP))
        if "cube" in save:
            quality = source_cards(cube, job.grid)
            images = collapse_filters(cube, job.grid, filters)
            ready += self._cube(work, job, cube, first, target, quality, filters, images, texts)
        if "combined" in save:
            from musedeep.recipes.exp_combine_table import write_combined_table

            say("writing the combined pixel table")
            write_combined_table(work, work / COMBINED, job, first, texts)
            ready.append((work / COMBINED, self.output / COMBINED))
        for source, final in ready:
            if source.is_dir():
                if final.exists():
                    shutil.rmtree(final)
                source.rename(final)
            else:
                sync_and_rename(source, final)
        return [final for _, final in ready]

    def _cube(
        self,
        work: Path,
        job: Job,
        cube: CubeFile,
        first: fits.Header,
        target: str,
        quality: list[Card],
        filters: Sequence[Filter],
        images: Sequence[NDArray[np.float32]],
        texts: Sequence[tuple[str, str]],
    ) -> list[tuple[Path, Path]]:
        style = self.parameters.format
        extra = list(quality)
        if style == "sdpCube":
            from musedeep.recipes.science_data_product import science_cards

            extra += science_cards(cube, job, first)
        primary = product_header(first, job, "DATACUBE_FINAL", CUBE, texts, extra)
        wcs = cube_wcs(job.grid)
        ready = []
        image_parts = []
        for number, (curve, image) in enumerate(zip(filters, images, strict=True), 1):
            cards = filter_cards(curve, job.grid)
            if style.startswith("x"):
                header = fits.Header(
                    [("EXTNAME", curve.name, "")]
                    + wcs.spatial()
                    + [("BUNIT", extension_header("DATA", "", wcs, False)["BUNIT"], "")]
                    + [("HIERARCH " + k, v, c) for k, v, c in cards]
                )
                image_parts.append((header, image))
                continue
            name = f"IMAGE_FOV_{number:04d}.fits"
            head = product_header(first, job, "IMAGE_FOV", name, texts, [*quality, *cards])
            head["OBJECT"] = f"{target} ({curve.name})"
            _write_image(work / name, head, wcs, image)
            ready.append((work / name, self.output / name))
        if style in ("Euro3D", "xEuro3D"):
            from musedeep.storage.euro3d import write_euro3d

            write_euro3d(work / "euro3d.part", cube, wcs, primary, first, image_parts)
            ready.append((work / "euro3d.part", self.output / CUBE))
        else:
            cube.set_primary(primary)
            for header, image in image_parts:
                cube.append_image(header, image)
            cube.discard_layout()
            ready.append((work / CUBE, self.output / CUBE))
        return ready


def _first(job: Job) -> tuple[fits.Header, str]:
    """Primary header of the first exposure, and its target."""
    table = open_exposure(list(job.exposures[0].paths))
    try:
        return table.header, str(table.header.get("OBJECT", ""))
    finally:
        table.close()


def filter_cards(curve: Filter, grid: Grid) -> list[Card]:
    """Name, zero points and covered fraction of a filter (manual A.3.3)."""
    drs = "ESO DRS MUSE FILTER "
    waves = grid.wavelengths()
    cards: list[Card] = [(drs + "NAME", curve.name, "filter name used")]
    for key, value in zip(("ZPVEGA", "ZPAB"), curve.zero_points, strict=True):
        if value is not None:
            cards.append((drs + key, value, "[mag] zeropoint of filter"))
    last = waves[-1] + (waves[-1] - waves[-2] if waves.size > 1 else grid.step)
    fraction = curve.fraction(float(waves[0]), float(last))
    cards.append((drs + "FRACTION", float(np.float32(fraction)), "[%] fraction of filter covered by data"))
    return cards


def collapse_filters(cube: CubeFile, grid: Grid, filters: Sequence[Filter]) -> list[NDArray[np.float32]]:
    """Field-of-view images of all filters, in one pass over the cube (manual 7.3.5); NaN where nothing is."""
    waves = grid.wavelengths()
    widths = np.gradient(waves) if waves.size > 1 else np.ones(1)
    weights = [curve.at(waves) * widths for curve in filters]
    sums = [(np.zeros(cube.shape[1:]), np.zeros(cube.shape[1:])) for _ in filters]
    if filters:
        for z, data, _ in cube.blocks():
            for weight, (total, norm) in zip(weights, sums, strict=True):
                add_planes(data, weight[z : z + data.shape[0]], total, norm)
    images = []
    for total, norm in sums:
        with np.errstate(invalid="ignore", divide="ignore"):
            images.append(np.where(norm > 0, total / norm, np.nan).astype(np.float32))
    return images


def _write_image(path: Path, primary: fits.Header, wcs: CubeWCS, image: NDArray[np.float32]) -> None:
    header = extension_header("DATA", "", wcs, False)
    for key in ("OBJECT", "ERRDATA", "CTYPE3", "CUNIT3", "CD3_3", "CRPIX3", "CRVAL3", "CD1_3", "CD2_3", "CD3_1", "CD3_2"):
        header.remove(key, ignore_missing=True)
    header.insert("EXTNAME", ("INHERIT", True), after=True)
    raw = np.ascontiguousarray(image, ">f4").tobytes()
    path.write_bytes(
        header_bytes(primary, False, 8, ())
        + header_bytes(header, True, -32, image.shape)
        + raw
        + bytes(padded(len(raw)) - len(raw))
    )
