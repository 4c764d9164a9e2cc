"""muse_scibasic on one IFU: calibrations opened once, then exposure after exposure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.declaration import Recipe
from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION, DQ
from musedeep.kernels.rows.illumination import count_flag
from musedeep.processors import available_processors
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, Written, product_name
from musedeep.recipes.scibasic.recipe import ScibasicParameters
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrated import ImageCalibration
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import overscan_cards
from musedeep.reduction.image.inputs import lamp_flux
from musedeep.reduction.parameters import SkyLineSearch
from musedeep.reduction.rows.flat_spectrum import flat_spectrum
from musedeep.reduction.rows.illumination import ILLUM_RANGE, Illuminated, Illumination, illumination_factors
from musedeep.reduction.rows.image_rows import ImageRows
from musedeep.reduction.rows.product import PixelTableProduct, saves_as_table
from musedeep.reduction.rows.sky_line_shift import sky_line_shift
from musedeep.reduction.rows.slice_map import EVERYWHERE, SliceMap, useful_range
from musedeep.reduction.rows.sodium import NotchFlags
from musedeep.reduction.rows.source import corrected
from musedeep.storage.calibrations.twilight_cube import TwilightCube, read_twilight_cube
from musedeep.storage.fits.image import ImageFile, MuseImage, open_image
from musedeep.storage.fits.table import binary_table
from musedeep.storage.raw.frames import RawFrame

FLAT_MARGIN: Final = 2.0
"""Bins by which the spectrum of the flat is longer than the pixel table on either side."""


@dataclass
class IfuReduction:
    """All that exposures of one IFU have in common."""

    recipe: Recipe
    call: RecipeCall[ScibasicParameters]
    ifu: int
    where: SliceMap
    search: SkyLineSearch
    twilight: list[TwilightCube]
    images: ImageCalibration | None
    _illumination: Future[Illumination] | None = None
    _flat: Future[fits.BinTableHDU] | None = None

    @property
    def illumination(self) -> Illumination | None:
        """Factors of the slices, where there is an ILLUM."""
        return self._illumination.result() if self._illumination else None

    @classmethod
    def of(cls, recipe: Recipe, call: RecipeCall[ScibasicParameters], ifu: int) -> "IfuReduction":
        """Read the calibrations of an IFU.

        Raises
        ------
        MusedeepError
            One is missing, or of another IFU.
        """
        frames = call.frames
        p = call.parameters
        found = Calibrations(frames, ifu, p)
        trace, waves, geometry = found.trace, found.waves, found.geometry
        twilight = [read_twilight_cube(path) for path in frames.get("TWILIGHT_CUBE", ())]
        raw = any(frames.get(tag) for tag in ("OBJECT", "STD", "SKY", "ASTROMETRY"))
        images = ImageCalibration.of(found, p.cosmic_search, p.combination, p.scale) if raw else None
        n_rows = images.flat.shape[0] if images else open_image(frames["REDUCED"][0], ifu).shape[0]
        where = SliceMap.of(ifu, trace.edges, waves.coefficients, geometry, n_rows)
        made = cls(recipe, call, ifu, where, p.sky_line_search, twilight, images)
        if images is not None:
            # needed after the image of the first exposure, which is made at the same time
            pool = ThreadPoolExecutor(3)
            # what `PixelTableProduct` will import
            pool.submit(import_module, "musedeep.storage.pixel_tables.store_writer")
            if frames.get("ILLUM"):
                made._illumination = pool.submit(made._measure_illumination, images, frames["ILLUM"][0])
            made._flat = pool.submit(flat_field, images.flat, where)
            pool.shutdown(wait=False)
        return made

    def _measure_illumination(self, images: ImageCalibration, path: str) -> Illumination:
        """Factors from the lamp flat: the inverse of the median of each slice, of mean 1."""
        rows = self.where.ccd_rows(ILLUM_RANGE, images.flat.shape[1])
        image, measured = images.apply([path], self.ifu, "ILLUM", rows)
        table = ImageRows(Path(path), self.where, (image.data, image.dq, image.stat), 0.0, ILLUM_RANGE)
        found = illumination_factors(table)
        # slices without a trace have no pixels; their factor is no matter
        if np.isnan(found[np.diff(table.starts) > 0]).any():
            raise MusedeepError(f"{measured[0].frame.path}: no light in the ILLUM; give one with the lamp on, or none")
        factors = np.where(np.isnan(found), 1.0, found)
        return Illumination(path, factors)

    def products(self, paths: Sequence[str], tag: str, category: Callable[[str], str]) -> Iterator[IfuProducts]:
        """The products of one exposure, or of several combined; each is written while the next is made."""
        if self.images is None or tag == "REDUCED":
            yield from self._from_reduced(paths[0], tag, category)
            return
        image, measured = self.images.apply(paths, self.ifu, tag)
        frame = measured[0].frame
        cards = [self._saturated(image.dq), *self._flat_flux()]
        parameters = self.call.parameters
        if parameters.saveimage:
            name = category("RED")
            header = self._header(frame, f"{tag}_RED", product_name(name, self.ifu), paths, tag,
                                  [*cards, *overscan_cards(measured, self.images.calibrations.overscan)])  # fmt: skip
            yield IfuProducts({name: MuseImage(image.data, image.dq, image.stat, header, "count")})
        found: list[NDArray] = [image.data, image.dq, image.stat]
        del image
        yield from self._pixel_table(found, frame, paths, tag, category, cards)

    def _from_reduced(self, path: str, tag: str, category: Callable[[str], str]) -> Iterator[IfuProducts]:
        file = open_image(path, self.ifu)
        images = [file.rows(name, 0, file.shape[0]) for name in ("DATA", "DQ", "STAT")]
        # of what the image's header says, overscan and quality are not those of the table
        header = fits.Header([c for c in file.header.cards if not c.keyword.startswith(("ESO QC", _OVERSCAN))])
        frame = RawFrame(file.path, self.ifu, header, fits.Header(), file.shape)
        yield from self._pixel_table(images, frame, [path], tag, category, [self._saturated(images[1])])

    def _pixel_table(
        self,
        image: list[NDArray],
        frame: RawFrame,
        paths: Sequence[str],
        tag: str,
        category: Callable[[str], str],
        cards: list[Card],
    ) -> Iterator[IfuProducts]:
        """The pixel table; the image, in a list, is let go of as soon as the table has it."""
        parameters = self.call.parameters
        mode = str(frame.primary.get("ESO INS MODE", ""))
        limits = useful_range(mode) if parameters.crop else EVERYWHERE
        arrays = image[0], image[1], image[2]
        shift = sky_line_shift(self.where, arrays, self.search)
        name = category("PIXTABLE")
        target = self.call.output / f"{name}-{self.ifu:02d}.zarr"
        table = ImageRows(target, self.where, arrays, shift or 0.0, limits)
        image.clear()
        del arrays
        if not table.n_rows:
            raise MusedeepError(
                f"{paths[0]}: no pixel of IFU {self.ifu} lies in {limits[0]:g} to {limits[1]:g} Angstrom; "
                "give the TRACE_TABLE and WAVECAL_TABLE of this mode"
            )
        text = "[Angstrom] Shift in wavelength applied to the data using sky emission line(s)"
        cards = [*cards, ("ESO QC SCIBASIC LAMBDA SHIFT", np.float32(shift or 0.0), text), *table.cards()]
        corrections = [NotchFlags(mode), Illuminated(self.ifu, self.illumination, self.twilight)]
        cards += [card for one in corrections for card in one.cards()]
        rows = corrected(table, corrections)
        header = self._header(frame, f"PIXTABLE_{tag}", f"{name}-{self.ifu:02d}.fits", paths, tag, cards)
        product = PixelTableProduct(rows, header, self._flat_field(limits), saves_as_table())
        products = IfuProducts()
        if parameters.resample:
            from musedeep.recipes.scibasic.resampled import resampled_image

            resampled = category("RESAMPLED")
            head = self._header(frame, f"{tag}_RESAMPLED", product_name(resampled, self.ifu), paths, tag,
                                [c for c in cards if c[0].startswith("ESO DRS MUSE FLAT FLUX")])  # fmt: skip
            products.writers.append(resampled_image(resampled, rows, table.starts, head, parameters.dlambda))
        products.writers.append(lambda call, ifu: write_pixel_table(call, ifu, name, product))
        yield products

    def _flat_field(self, limits: tuple[float, float]) -> fits.BinTableHDU | None:
        """PIXTABLE_FLAT_FIELD: the spectrum of the flat over the wavelengths of the table, and a little more."""
        if self._flat is None:
            return None
        whole = self._flat.result()
        margin = FLAT_MARGIN * DISPERSION
        wavelength = whole.data["lambda"]
        kept = (wavelength >= limits[0] - margin) & (wavelength <= limits[1] + margin)
        return binary_table(whole.data[kept], whole.header)

    def _saturated(self, dq: NDArray[np.int32]) -> Card:
        text = "Number of saturated pixels in output data"
        return "ESO QC SCIBASIC NSATURATED", int(count_flag(dq, int(DQ.SATURATED))), text

    def _flat_flux(self) -> list[Card]:
        assert self.images is not None
        value = lamp_flux(self.images.flat)
        return [] if value is None else [(_LAMP, value, "")]

    def _header(
        self, frame: RawFrame, category: str, file_name: str, paths: Sequence[str], tag: str, cards: Sequence[Card]
    ) -> fits.Header:
        raws: list[tuple[str | Path, str]] = [(path, tag) for path in paths]
        if self.illumination is not None:
            raws.append((self.illumination.path, "ILLUM"))
        frames: Mapping[str, Sequence[str]] = self.call.frames
        return product_header(
            self.recipe, frame, category, file_name, frames, self.call.parameters, cards, raws, science=True
        )


def flat_field(flat: ImageFile, where: SliceMap) -> fits.BinTableHDU:
    """The spectrum of a master flat as a table, without bins that have no pixels."""
    wavelength, values = flat_spectrum(flat, where, DISPERSION)
    there = np.isfinite(values)
    columns = [
        fits.Column("lambda", "1D", "Angstrom", array=wavelength[there]),
        fits.Column("data", "1D", "count", array=values[there]),
    ]
    return binary_table(columns, name="PIXTABLE_FLAT_FIELD")


_LAMP: Final = "ESO DRS MUSE FLAT FLUX LAMP"
_OVERSCAN: Final = "ESO DRS MUSE OVSC"


def write_pixel_table(call: RecipeCall[ScibasicParameters], ifu: int, name: str, product: PixelTableProduct) -> Written:
    """Write a pixel table as a store, as a FITS file, or as both, as is wanted."""
    written: Written = []
    for ending in call.table_endings:
        path = call.output / f"{name}-{ifu:02d}{ending}"
        if ending == ".fits":
            product.write_fits(path, call.overwrite)
        else:
            product.write_store(path, available_processors(), call.overwrite)
        written.append((name, path))
    return written
