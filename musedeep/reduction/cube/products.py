"""Cubes of exposures and what belongs to them: laid out before the work, completed after it, named when whole."""

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.declaration import Recipe
from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION, FLUX_UNIT
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.progress import LOG
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.depth import collapse_cube
from musedeep.reduction.cube.exposures import group_exposures, load_exposures, resampling
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.headers import product_header
from musedeep.reduction.cube.job import CUBE, MAP, Exposure, Job
from musedeep.reduction.cube.quality import source_cards
from musedeep.reduction.cube.share import Ranges
from musedeep.storage.calibrations.filters import Filter, read_filters
from musedeep.storage.cubes.cube_fits import (
    CubeFile,
    CubeWCS,
    extension_header,
    field_image_header,
    filter_image_header,
)
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.cubes.field_grid import PixelWCS
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import number_or_none, value_of
from musedeep.storage.fits.parts import header_bytes, padded, sync_and_rename
from musedeep.storage.offset_list import read_offset_list
from musedeep.storage.pixel_tables.flat_spectrum import flat_spectrum_hdu
from musedeep.storage.pixel_tables.given import GivenTable
from musedeep.storage.pixel_tables.open import JoinedPixelTable
from musedeep.storage.pixel_tables.open_tables import OpenTables
from musedeep.storage.pixel_tables.table import PixelTable, check_reduced
from musedeep.storage.stores.location import Location

if TYPE_CHECKING:
    from musedeep.reduction.rows.product import PixelTableProduct

CUBE_STORE, STACKED = "DATACUBE_FINAL.zarr", "OBJECT_RESAMPLED.fits"
EURO3D = "euro3d.fits"
"""A cube in that format while the voxels it is made of are kept: another start may need them."""

COMBINED, POSITIONED = "PIXTABLE_COMBINED", "PIXTABLE_POSITIONED_{:04d}"

TABLE_ENDINGS: Final = {"store": ".zarr", "fits": ".fits"}
"""Endings of the names of pixel tables, by the word of `combined_format`."""

STACKED_MEMORY = 512 << 20
"""Working memory for the image of all slices side by side, where the limit of the run allows it [bytes]."""

COMBINED_MEMORY = 512 << 20
"""Working memory for the store of a pixel table, where the limit of the run allows it [bytes]."""

Card = tuple[str, object, str]

_RECORD: Final = re.compile(r"ESO PRO REC(\d+) ID$")


@dataclass
class CubeProducts:
    """The products of a recipe that makes a cube of exposures (`reduction.cube.job.CubeRecipe`); to be subclassed.

    Attributes
    ----------
    pixel_tables : sequence of Path or StoreUrl
    output : Path, directory of the products
    parameters : of the recipe: `ResamplingParameters`, format and filter of `CubeParameters`
    parameter_texts : sequence of (name, value), the parameters that were given, for the headers
    offset_list, output_wcs, filter_list : Path or None, auxiliary inputs
    combined_format : set of str, how combined and positioned pixel tables are written: "store", "fits" or both
    raws : sequence of (file name, tag), the frames that the recipe began with, where they are not `pixel_tables`
    used : sequence of (Path, tag), all its other inputs, where there are more than the auxiliary ones
    given : sequence of GivenTable, rows that are not in files; then `pixel_tables` is empty
    cards : sequence of (keyword, value, comment), further cards of cubes and images
    recipe : Recipe, of which the products are
    quality : str, the word of the recipe in keywords of quality control; none of them if empty
    table_seconds : float, what writing the combined pixel table took, once it is done
    """

    pixel_tables: Sequence[Location]
    parameters: Any
    output: Path
    parameter_texts: Sequence[tuple[str, str]] = ()
    offset_list: Path | None = None
    output_wcs: Path | None = None
    filter_list: Path | None = None
    combined_format: frozenset[str] = frozenset({"fits"})
    raws: Sequence[tuple[str, str]] = ()
    used: Sequence[tuple[Path, str]] = ()
    given: Sequence[GivenTable] = ()
    cards: Sequence[Card] = ()
    recipe: Recipe[Any] = field(kw_only=True)
    quality: str = field(default="", kw_only=True)
    table_seconds: float = field(default=0.0, init=False)
    _filters: Sequence[Filter] = field(default=(), init=False)
    _tables: OpenTables = field(default_factory=OpenTables, init=False)

    @property
    def calibrations(self) -> list[tuple[Path, str]]:
        """Auxiliary inputs, and their categories."""
        tagged = ("OFFSET_LIST", self.offset_list), ("OUTPUT_WCS", self.output_wcs), ("FILTER_LIST", self.filter_list)
        return [(path, tag) for tag, path in tagged if path]

    @property
    def inputs(self) -> list[Location]:
        """See `CubeRecipe.inputs`."""
        return [*self.pixel_tables, *(path for path, _ in self.calibrations)]

    @property
    def steps(self) -> tuple[float, float, float]:
        """See `CubeRecipe.steps`."""
        return self.parameters.dx, self.parameters.dy, self.parameters.dlambda

    def exposures(self) -> tuple[list[Exposure], list[PixelTable]]:
        """See `CubeRecipe.exposures`."""
        offsets = read_offset_list(self.offset_list) if self.offset_list else None
        groups = self._groups()
        exposures = load_exposures(groups, self.weight, offsets)
        for exposure, (_, table) in zip(exposures, groups, strict=True):
            self._tables.keep(exposure.paths, table)
        # a spectrum of the flat that is of no use is told before the work
        for exposure in exposures if "positioned" in self.save else exposures[: "combined" in self.save]:
            self._flat_field(exposure)
        return exposures, [table for _, table in groups]

    def _groups(self) -> Sequence[tuple[tuple[Location, ...], PixelTable]]:
        for one in self.given:
            self.check(one)
        return [((one.path,), one) for one in self.given] or group_exposures(self.pixel_tables, self.check)

    @property
    def save(self) -> frozenset[str]:
        """The products that are wanted."""
        return frozenset(self.parameters.save)

    @property
    def weight(self) -> str:
        """How exposures are weighted."""
        return str(self.parameters.weight)

    def check(self, table: PixelTable) -> None:
        """Refuse a pixel table that is of no use (MusedeepError)."""
        check_reduced(table)

    @property
    def wavelengths(self) -> tuple[float, float]:
        """Limits of the rows that count [Angstrom]."""
        return self.parameters.lambdamin, self.parameters.lambdamax

    def resampling(self, exposures: Sequence[Exposure]) -> Resampling:
        """See `CubeRecipe.resampling`."""
        rejection = getattr(self.parameters, "rejection", "reference")
        return resampling(
            self.parameters, exposures, wavelengths=self.wavelengths, save=self.save,
            keep_weights=self.weight == "none", rejection=rejection,
        )  # fmt: skip

    def part(self, grid: Grid) -> Ranges | None:
        """See `CubeRecipe.part`."""
        return None

    def open_inputs(self) -> None:
        """See `CubeRecipe.open_inputs`."""
        self._filters, missing = read_filters(self.filter_list, self.parameters.filter)
        for name in missing:
            LOG.warning(f"filter '{name}' is not in the FILTER_LIST: its image is left out")

    @property
    def science(self) -> bool:
        """Whether the cube is to be a science data product."""
        return self.parameters.format == "sdpCube"

    @property
    def extended(self) -> bool:
        """Whether field images go into the cube's file."""
        return self.parameters.format.startswith("x")

    def names(self) -> list[str]:
        """File names of all products."""
        save = self.save
        names = []
        if "cube" in save:
            names.append(CUBE)
            if not self.extended:
                names += [f"IMAGE_FOV_{k + 1:04d}.fits" for k in range(len(self.parameters.filter))]
        if "combined" in save:
            names += self._table_names(COMBINED)
        if "exposures" in save:
            names.append(MAP)
        if "zarr" in save:
            names.append(CUBE_STORE)
        if "stacked" in save:
            names.append(STACKED)
        if "positioned" in save:
            for number in range(1, len(self._groups()) + 1):
                names += self._table_names(POSITIONED.format(number))
        return names

    def _table_names(self, stem: str) -> list[str]:
        """Names of a combined or positioned pixel table in all its forms."""
        return [f"{stem}{ending}" for kind, ending in TABLE_ENDINGS.items() if kind in self.combined_format]

    def check_existing(self, overwrite: bool) -> None:
        """Refuse to start where a product exists, unless it may be replaced (when the new one is whole)."""
        if self.output.exists() and not self.output.is_dir():
            raise MusedeepError(f"{self.output}: a file of this name exists; the output has to be a directory")
        for name in self.names():
            if (self.output / name).exists() and not overwrite:
                raise MusedeepError(f"{self.output / name} exists; give --overwrite to replace it, or another output")

    def _header(
        self,
        first: fits.Header,
        job: Job,
        category: str,
        name: str,
        extra: Sequence[Card] = (),
        keep_pixel_table: bool = False,
    ) -> fits.Header:
        used = self._recorded_inputs()
        return product_header(
            self.recipe, first, job, category, name, self._recorded(), [*extra, *self.own_cards(job)],
            keep_pixel_table, [(path.name, tag) for path, tag in used], self.raws, [path for path, _ in used],
        )  # fmt: skip

    def _recorded_inputs(self) -> Sequence[tuple[Path, str]]:
        """Inputs that headers record beside the frames; the filters if one is wanted that is not built in."""
        if self.raws:
            return self.used
        built_in = set(self.parameters.filter) <= {"white"}
        used = [(path, tag) for path, tag in self.calibrations if tag != "FILTER_LIST" or not built_in]
        return sorted(used, key=lambda one: one[1])

    def own_cards(self, job: Job) -> Sequence[Card]:
        """Cards of all cubes, maps and images beside those of the recipe."""
        return ()

    def _recorded(self) -> Any:
        """Parameters as they are recorded in headers."""
        return dict(self.parameter_texts)

    def header_of(self, exposure: Exposure) -> fits.Header:
        """Primary header of an exposure, without the record of this recipe if it has begun with other frames."""
        header = self._tables.get(exposure.paths, exposure.identity).header
        if not self.raws:
            return header
        header = header.copy()
        for number in (m[1] for m in (_RECORD.match(key) for key in list(header)) if m):
            if header[f"ESO PRO REC{number} ID"] == self.recipe.name:
                for key in [key for key in header if key.startswith(f"ESO PRO REC{number} ")]:
                    header.remove(key, remove_all=True)
        return header

    def _flat_field(self, exposure: Exposure) -> fits.BinTableHDU | None:
        """The spectrum of the flat of an exposure, as it stands in its pixel table; merged where it has one per IFU."""
        table = self._tables.get(exposure.paths, exposure.identity)
        if isinstance(table, GivenTable):
            return table.flat_field
        if isinstance(table, JoinedPixelTable):
            from musedeep.reduction.correct.flat_field import spectrum_of_ifus

            spectrum = spectrum_of_ifus(table.tables, table.path, exposure.mode)
            return spectrum.hdu() if spectrum else None
        return flat_spectrum_hdu(table)

    def _first(self, job: Job) -> tuple[fits.Header, str]:
        """Primary header of the first exposure, and its target."""
        header = self.header_of(job.exposures[0])
        return header, str(value_of(header, "OBJECT") or "")

    def _unit(self, job: Job) -> str:
        """Unit of the data."""
        first = job.exposures[0]
        return self._tables.get(first.paths, first.identity).units.get("data", "") or FLUX_UNIT

    def create(self, work: Path, job: Job) -> None:
        """Lay out the files that boxes are written into."""
        first, target = self._first(job)
        wcs, unit = cube_wcs(job, first), self._unit(job)
        if isinstance(wcs, PixelWCS) and self.parameters.format.endswith("Euro3D"):
            raise MusedeepError(
                f"{job.exposures[0].name}: positions are pixels of the field, which format={self.parameters.format} "
                "cannot say; use format=Cube, or apply the astrometry first"
            )
        CubeFile.create(
            work / CUBE, job.shape, self._header(first, job, "DATACUBE_FINAL", CUBE),
            extension_header("DATA", target, wcs, False, science=self.science, unit=unit),
            extension_header("STAT", target, wcs, True, science=self.science, unit=unit),
        )  # fmt: skip
        if job.how.exposure_map:
            assert isinstance(wcs, CubeWCS)
            header = self._header(first, job, "EXPOSURE_MAP", MAP)
            ExposureMapFile.create(work / MAP, job.shape, header, wcs)

    def finish(self, work: Path, job: Job, memory: int, threads: int) -> list[Path]:
        """Complete all products, then give them their names, one right after the other; see `CubeRecipe.finish`."""
        first, target = self._first(job)
        save = self.save
        wcs = cube_wcs(job, first)
        ready: list[str] = []
        exposure_map = ExposureMapFile.reopen(work / MAP) if job.how.exposure_map else None
        if exposure_map:
            exposure_map.collapse()
        if "zarr" in save:
            from musedeep.storage.cubes.cube_zarr import write_cube_store

            assert isinstance(wcs, CubeWCS)
            LOG.info("writing the cube store")
            write_cube_store(
                work / CUBE_STORE, CubeFile.reopen(work / CUBE), exposure_map, wcs, target,
                primary=self._header(first, job, "DATACUBE_FINAL", CUBE_STORE), unit=self._unit(job),
            )  # fmt: skip
            ready.append(CUBE_STORE)
        if exposure_map and "exposures" in save:
            sign(work / MAP)
            ready.append(MAP)
        if "combined" in save:
            began = time.monotonic()
            ready += self._combined(work, job, first, min(memory, COMBINED_MEMORY), threads)
            self.table_seconds = time.monotonic() - began
        if "positioned" in save:
            ready += self._positioned(work, job, min(memory, COMBINED_MEMORY), threads)
        if "stacked" in save:
            ready += self._stacked(work, job, first, memory)
        if "cube" in save:
            ready += self._cube(work, job, CubeFile.reopen(work / CUBE), first, target, wcs)
        made = {CUBE: EURO3D} if self.parameters.format.endswith("Euro3D") else {}
        for name in ready:
            give_name(work / made.get(name, name), self.output / name)
        return [self.output / name for name in ready]

    def _pixel_table_header(self, first: fits.Header, job: Job) -> Callable[[str, str, Sequence[Card]], fits.Header]:
        """What makes the header of a pixel table."""
        inputs = self._recorded_inputs()
        used, files = [(path.name, tag) for path, tag in inputs], [path for path, _ in inputs]

        def make_header(category: str, name: str, cards: Sequence[Card]) -> fits.Header:
            return product_header(
                self.recipe, first, job, category, name, self._recorded(), cards, True, used, self.raws, files
            )

        return make_header

    def _positioned(self, work: Path, job: Job, memory: int, threads: int) -> list[str]:
        """Write the pixel table of each exposure, with positions on the sky; returns their names."""
        from musedeep.reduction.cube.combined_table import positioned_table

        if job.exposures[0].scale == PIXEL:
            LOG.warning("positions are pixels of the field: no PIXTABLE_POSITIONED is written")
            return []
        names = []
        for number, exposure in enumerate(job.exposures):
            name = POSITIONED.format(number + 1)
            make_header = self._pixel_table_header(self.header_of(exposure), job)
            flat_field = self._flat_field(exposure)
            table = positioned_table(number, f"{name}.fits", job, make_header, self._tables, flat_field)
            names += self._write_table(table, work, name, memory, threads)
        return names

    def _stacked(self, work: Path, job: Job, first: fits.Header, memory: int) -> list[str]:
        """Write the image of all slices side by side; returns its name."""
        from musedeep.reduction.cube.combined_table import placed_rows
        from musedeep.reduction.cube.stacked import STEP, write_stacked

        in_pixels = job.exposures[0].scale == PIXEL
        width = (self.steps[0] or 1.0) if in_pixels else STEP
        sources = [placed_rows(number, job, self._tables) for number in range(len(job.exposures))]
        header = self._header(first, job, "OBJECT_RESAMPLED", STACKED)
        limits, step = job.limits.wavelength, self.steps[2] or DISPERSION
        write_stacked(
            work / STACKED, header, sources, limits, width, self._unit(job), min(memory, STACKED_MEMORY), step
        )
        return [STACKED]

    def _combined(self, work: Path, job: Job, first: fits.Header, memory: int, threads: int) -> list[str]:
        """Write the combined pixel table; returns its names."""
        from musedeep.reduction.cube.combined_table import combined_table

        LOG.info("writing the combined pixel table")
        weighted = self.weight != "none" or job.how.use_weight_column
        make_header = self._pixel_table_header(first, job)
        # as in the reference, with the spectrum of the flat of the first exposure alone
        flat_field = self._flat_field(job.exposures[0])
        table = combined_table(work, f"{COMBINED}.fits", job, make_header, weighted, self._tables, flat_field)
        return self._write_table(table, work, COMBINED, memory, threads)

    def _write_table(self, table: "PixelTableProduct", work: Path, stem: str, memory: int, threads: int) -> list[str]:
        """Write a pixel table in all forms that are wanted; returns their names."""
        names = self._table_names(stem)
        for name in names:
            if name.endswith(".zarr"):
                table.write_store(work / name, threads, True, memory)
            else:
                table.write_fits(work / name, True)
        return names

    def _cube(
        self, work: Path, job: Job, cube: CubeFile, first: fits.Header, target: str, wcs: CubeWCS | PixelWCS
    ) -> list[str]:
        """Complete the cube and its field images; returns their names."""
        quality = [*(source_cards(cube, job.grid, self.quality) if self.quality else ()), *self.cards]
        unit = self._unit(job)
        waves = job.grid.wavelengths()
        # planes count alike, in logarithmic cubes too, as in the reference
        weights = [curve.at(waves) for curve in self._filters]
        if self.science:
            weights.append(np.ones_like(waves))
        images, variances = collapse_cube(cube, weights, count_variances=self.science)
        ready: list[str] = []
        parts = []
        for number, (curve, image) in enumerate(zip(self._filters, images, strict=False), 1):
            cards = curve.cards(*_covered(job.grid))
            if self.extended:
                euro = self.parameters.format == "xEuro3D"
                parts.append((filter_image_header(curve.name, target, wcs, cards, quality=euro, unit=unit), image))
                continue
            name = f"IMAGE_FOV_{number:04d}.fits"
            archive: list[Card] = [("PRODCATG", "ANCILLARY.IMAGE", "Data product category")] if self.science else []
            head = self._header(first, job, "IMAGE_FOV", name, [*quality, *cards, *archive])
            head["OBJECT"] = f"{target} ({curve.name})"
            write_image(work / name, head, field_image_header(wcs, self.science, unit), image)
            ready.append(name)
        extra = list(quality)
        if self.science:
            from musedeep.reduction.cube.science_product import science_cards

            extra += science_cards(job, [self.header_of(e) for e in job.exposures], images[-1], variances, list(ready))
        primary = self._header(first, job, "DATACUBE_FINAL", CUBE, extra)
        if self.parameters.format.endswith("Euro3D"):
            from musedeep.storage.cubes.euro3d import write_euro3d

            assert isinstance(wcs, CubeWCS)
            write_euro3d(work / EURO3D, cube, wcs, primary, first, parts)
            sign(work / EURO3D)
        else:
            cube.drop_images()  # of an earlier start that came as far as this
            cube.set_primary(primary)
            for header, image in parts:
                cube.append_image(header, image)
            sign(work / CUBE)
        return [*ready, CUBE]


def give_name(source: Path, final: Path) -> None:
    """Give a finished product its name, in the place of a former one."""
    if source.is_dir():
        old = source.with_name(source.name + ".old")
        if final.exists():
            final.rename(old)
        source.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        sync_and_rename(source, final)


def cube_wcs(job: Job, first: fits.Header) -> CubeWCS | PixelWCS:
    """The grid of a cube as header cards need it; `first` is the header of the first exposure."""
    grid = job.grid
    if job.exposures[0].scale == PIXEL:
        from musedeep.reduction.cube.field_grid import FieldGrid

        return FieldGrid(grid, PIXEL).pixel_wcs()
    x, y = number_or_none(first, "CSYER1"), number_or_none(first, "CSYER2")
    given = (x, y) if x is not None and y is not None else None
    # a piece begins at another voxel of the same grid
    z, y, x = job.start
    crpix = grid.crpix[0] - x, grid.crpix[1] - y, grid.crpix[2] - z
    return CubeWCS(crpix, grid.crval, grid.cd, grid.step, grid.ctype3, systematic_error=given)


def _covered(grid: Grid) -> tuple[float, float]:
    """Wavelengths of the first plane, and of the last plus one step."""
    waves = grid.wavelengths()
    return float(waves[0]), float(waves[-1] + (waves[-1] - waves[-2] if waves.size > 1 else grid.step))


def write_image(path: Path, primary: fits.Header, header: fits.Header, image: NDArray[np.float32]) -> None:
    """Write an image as the only extension of a file, with checksums."""
    raw = np.ascontiguousarray(image, ">f4").tobytes()
    path.write_bytes(
        header_bytes(primary, False, 8, ())
        + header_bytes(header, True, -32, image.shape)
        + raw
        + bytes(padded(len(raw)) - len(raw))
    )
    sign(path)
