"""muse_twilight on one IFU: raw frames to the pixel table of their mean, corrected for illumination."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.instrument import N_SLICES
from musedeep.kernels.ccd.image_statistics import statistics
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.image.combine import Calibration, Combined, MeasuredFrame, combine, measure_all
from musedeep.reduction.image.inputs import check_bias, find_image, known_bad_pixels, lamp_flux, open_frames
from musedeep.reduction.image.parameters import Combination, Overscan
from musedeep.reduction.rows.illumination import ILLUM_RANGE, illumination_factors
from musedeep.reduction.rows.image_rows import ImageRows, PixelRows, create_pixels
from musedeep.reduction.rows.slice_map import SliceMap
from musedeep.reduction.rows.sodium import BLOCKED, flag_blocked
from musedeep.storage.calibrations.geometry_table import read_geometry
from musedeep.storage.calibrations.ifu_files import read_of_ifu
from musedeep.storage.calibrations.slice_tables import read_trace_table, read_wavecal_table
from musedeep.storage.raw.frames import RawFrame

NAMES = ("MEDIAN", "MEAN", "STDEV", "MIN", "MAX")
WORDS = ("Median", "Mean", "Standard deviation", "Minimum", "Maximum")
SINGLE = Combination("average", 1, 1, 1, 3.0, 3.0)
"""There is one ILLUM."""


@dataclass
class TwilightIfu:
    """Raw frames of one IFU and its calibrations, opened and checked.

    Attributes
    ----------
    ifu : int
    frames : of the twilight sky
    calibration, overscan, combination : what is done to them
    where : SliceMap
    illum : the lamp flat, or None
    used : calibration files of this IFU by tag
    scale : to a common exposure time
    flat_flux : flux of the lamp flat, if its header says so
    sky_flux : flux in the pixel table without what the notch of the adaptive optics blocks, known after `pixel_table`
    cards : quality control, known after `pixel_table`
    """

    ifu: int
    frames: list[RawFrame]
    calibration: Calibration
    overscan: Overscan
    combination: Combination
    where: SliceMap
    illum: RawFrame | None
    used: dict[str, list[str]]
    scale: bool
    flat_flux: float | None
    sky_flux: float = 0.0
    cards: list[Card] = field(default_factory=list)

    @classmethod
    def of(
        cls, tags: Mapping[str, Sequence[str]], parameters: Mapping[str, Any], ifu: int, recipe: str, minimum: int
    ) -> "TwilightIfu":
        """Open what belongs to an IFU.

        Raises
        ------
        MusedeepError
            Something is missing, of another IFU, chip or mode, or does not fit.
        """
        frames = open_frames(tags["SKYFLAT"], ifu, "SKYFLAT", minimum, recipe)
        overscan = Overscan.of(parameters)
        bias = find_image(tags["MASTER_BIAS"], ifu, "MASTER_BIAS")
        flat = find_image(tags["MASTER_FLAT"], ifu, "MASTER_FLAT")
        assert bias is not None and flat is not None
        check_bias(bias, overscan)
        dark = find_image(tags.get("MASTER_DARK", ()), ifu, "MASTER_DARK")
        for name in ("DET CHIP NAME", "DET CHIP ID", "DET BINX", "DET READ CURID"):
            _check_same(frames[0], bias.path, bias.header.get(f"ESO {name}"), f"ESO {name}")
        _check_same(frames[0], flat.path, flat.header.get("ESO INS MODE"), "ESO INS MODE")
        trace = read_of_ifu(read_trace_table, tags["TRACE_TABLE"], ifu, "TRACE_TABLE")
        waves = read_of_ifu(read_wavecal_table, tags["WAVECAL_TABLE"], ifu, "WAVECAL_TABLE")
        geometry_path = tags["GEOMETRY_TABLE"][0]
        where = SliceMap.of(ifu, trace.edges, waves.coefficients, read_geometry(geometry_path, ifu), flat.shape[0])
        illum = open_frames(tags["ILLUM"][:1], ifu, "ILLUM", 1, recipe)[0] if tags.get("ILLUM") else None
        bad = tags.get("BADPIX_TABLE", ())
        used = {
            "BADPIX_TABLE": list(bad),
            "GEOMETRY_TABLE": [geometry_path],
            "MASTER_BIAS": [str(bias.path)],
            "MASTER_DARK": [str(dark.path)] if dark is not None else [],
            "MASTER_FLAT": [str(flat.path)],
            "TRACE_TABLE": [str(trace.path)],
            "WAVECAL_TABLE": [str(waves.path)],
        }
        return cls(
            ifu, frames, Calibration(bias, dark, flat, known_bad=known_bad_pixels(bad, frames[0])), overscan,
            Combination.of(parameters, len(frames)), where, illum, used, bool(parameters["scale"]),
            lamp_flux(flat),
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
            measured = measure_all([self.illum], self.overscan)
            seen = self.where.ccd_rows(ILLUM_RANGE, self.n_columns)
            lamp = combine(measured, self.overscan, self.calibration, SINGLE, rows=seen)
            found = illumination_factors(
                ImageRows(self.illum.path, self.where, (lamp.data, lamp.dq, lamp.stat), 0.0, ILLUM_RANGE)
            )
            factors = np.where(np.isfinite(found), found, 1.0)
            del lamp
        measured = measure_all(self.frames, self.overscan)
        image = combine(measured, self.overscan, self.calibration, self.combination, True, self.scale)
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
        open_rows = (table.rows["dq"] & BLOCKED) == 0
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


def _check_same(frame: RawFrame, path: Path, other: Any, keyword: str) -> None:
    """Raise MusedeepError if a calibration is of another chip or mode than a raw frame."""
    one = frame.header.get(keyword, frame.primary.get(keyword))
    if one is not None and other is not None and one != other:
        raise MusedeepError(
            f"{path}: {keyword} is {other}, but {one} in {frame.path}; give a calibration of the same mode"
        )
