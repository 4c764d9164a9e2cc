"""muse_twilight on one IFU: raw frames to the pixel table of their mean, corrected for illumination."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.instrument import DQ, N_SLICES
from musedeep.kernels.ccd.image_statistics import statistics
from musedeep.recipes.twilight.recipe import TwilightParameters
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import Calibration, Combined, MeasuredFrame, combine, measure_all
from musedeep.reduction.image.inputs import lamp_flux, open_frames
from musedeep.reduction.parameters import AVERAGE
from musedeep.reduction.rows.illumination import ILLUM_RANGE, illumination_factors
from musedeep.reduction.rows.image_rows import ImageRows, PixelRows, create_pixels
from musedeep.reduction.rows.slice_map import SliceMap
from musedeep.reduction.rows.sodium import flag_blocked
from musedeep.storage.raw.frames import RawFrame

NAMES = ("MEDIAN", "MEAN", "STDEV", "MIN", "MAX")
WORDS = ("Median", "Mean", "Standard deviation", "Minimum", "Maximum")


@dataclass
class TwilightIfu:
    """Raw frames of one IFU and its calibrations, opened and checked.

    Attributes
    ----------
    frames : of the twilight sky
    calibration, parameters : what is done to them
    illum : the lamp flat, or None
    used : calibration files of this IFU by tag
    flat_flux : flux of the lamp flat, if its header says so
    sky_flux : flux in the pixel table without what the notch of the adaptive optics blocks, known after `pixel_table`
    cards : quality control, known after `pixel_table`
    """

    ifu: int
    frames: list[RawFrame]
    calibration: Calibration
    parameters: TwilightParameters
    where: SliceMap
    illum: RawFrame | None
    used: dict[str, list[str]]
    flat_flux: float | None
    sky_flux: float = 0.0
    cards: list[Card] = field(default_factory=list)

    @classmethod
    def of(
        cls, tags: Mapping[str, Sequence[str]], parameters: TwilightParameters, ifu: int, recipe: str, minimum: int
    ) -> "TwilightIfu":
        """Open what belongs to an IFU.

        Raises
        ------
        MusedeepError
            Something is missing, of another IFU, chip or mode, or does not fit.
        """
        frames = open_frames(tags["SKYFLAT"], ifu, "SKYFLAT", minimum, recipe)
        found = Calibrations(tags, ifu, parameters)
        found.check_chip(frames[0])
        found.check_mode(frames[0])
        flat = found.flat
        assert flat is not None
        where = SliceMap.of(ifu, found.trace.edges, found.waves.coefficients, found.geometry, flat.shape[0])
        illum = open_frames(tags["ILLUM"][:1], ifu, "ILLUM", 1, recipe)[0] if tags.get("ILLUM") else None
        parameters.check_number(len(frames))
        used = found.files("BADPIX_TABLE", "GEOMETRY_TABLE")
        return cls(
            ifu, frames, found.of(frames[0]), parameters, where, illum, used, lamp_flux(flat),
        )  # fmt: skip

    @property
    def n_columns(self) -> int:
        """Columns of the trimmed images."""
        assert self.calibration.flat is not None
        return self.calibration.flat.shape[1]

    def pixel_table(self, limits: tuple[float, float]) -> PixelRows:
        """The pixel table of the combined frames, times the factors of the ILLUM.

        Parameters
        ----------
        limits : wavelengths to keep [Angstrom]

        Raises
        ------
        MusedeepError
            Levels that differ, saturated frames, no light, no pixels.
        """
        factors = np.ones(N_SLICES)
        if self.illum is not None:
            measured = measure_all([self.illum], self.parameters)
            seen = self.where.ccd_rows(ILLUM_RANGE, self.n_columns)
            lamp = combine(measured, self.parameters, self.calibration, AVERAGE, rows=seen)
            found = illumination_factors(
                ImageRows(self.illum.path, self.where, (lamp.data, lamp.dq, lamp.stat), 0.0, ILLUM_RANGE)
            )
            factors = np.where(np.isfinite(found), found, 1.0)
            del lamp
        measured = measure_all(self.frames, self.parameters)
        image = combine(measured, self.parameters, self.calibration, self.parameters, True, self.parameters.scale)
        self._check_saturation(measured)
        self.cards = self._quality(measured, image)
        target = Path(f"DATACUBE_SKYFLAT of IFU {self.ifu}")
        table = create_pixels(target, self.where, (image.data, image.dq, image.stat), 0.0, limits)
        del image
        if not table.n_rows:
            raise MusedeepError(
                f"muse_twilight: no pixel of IFU {self.ifu} lies between lambdamin={limits[0]:g} and "
                f"lambdamax={limits[1]:g}; give wavelengths that the CCD sees"
            )
        for k, factor in enumerate(factors.astype(np.float32)):
            rows = table.slice_rows(k)
            table.rows["data"][rows] *= factor
            table.rows["stat"][rows] *= factor * factor
        total = float(table.rows["data"].sum(dtype=np.float64))
        text = f"Flux integrated over all slices of IFU {self.ifu}"
        self.cards.append((f"ESO QC TWILIGHT{self.ifu} INTFLUX", np.float32(total), text))
        # in the notch, noise is divided by the noise of the flat: in the flux, IFUs would differ by more than a percent
        mode = str(self.frames[0].primary.get("ESO INS MODE", ""))
        flag_blocked(table.rows["lambda"], table.rows["dq"], mode)
        open_rows = (table.rows["dq"] & int(DQ.BLOCKED)) == 0
        self.sky_flux = float(table.rows["data"].sum(dtype=np.float64, where=open_rows))
        if not self.sky_flux > 0:
            raise MusedeepError(
                f"{self.frames[0].path}: flux of IFU {self.ifu} is {self.sky_flux:.4g} count, no light; "
                "give twilight flats"
            )
        return table

    def _check_saturation(self, measured: Sequence[MeasuredFrame]) -> None:
        n_pixels = self.where.edges.shape[2] * self.n_columns
        for one in measured:
            if one.n_saturated > n_pixels // 2:
                raise MusedeepError(
                    f"{one.frame.path}: {one.n_saturated} pixels of IFU {self.ifu} are saturated; give twilight flats "
                    "with shorter exposures"
                )

    def _quality(self, measured: Sequence[MeasuredFrame], image: Combined) -> list[Card]:
        """ESO QC TWILIGHTm of the inputs and of their combination."""
        key, cards = f"ESO QC TWILIGHT{self.ifu} ", list[Card]()
        for i, (one, values) in enumerate(zip(measured, image.inputs, strict=True), 1):
            for name, word, value in zip(NAMES, WORDS, values, strict=True):
                cards.append((f"{key}INPUT{i} {name}", np.float32(value), f"{word} value of raw exposure {i}"))
            text = f"Number of saturated pixels in raw exposure {i}"
            cards.append((f"{key}INPUT{i} NSATURATED", one.n_saturated, text))
        s = statistics(image.data)
        found = s.median, s.mean, s.stdev, s.minimum, s.maximum
        for name, word, value in zip(NAMES, WORDS, found, strict=True):
            cards.append((f"{key}MASTER {name}", np.float32(value), f"{word} value of the combined exposures"))
        total = np.float32(s.mean * image.data.size)
        cards.append((f"{key}MASTER INTFLUX", total, "Flux integrated over the whole CCD of the combined exposures"))
        return cards
