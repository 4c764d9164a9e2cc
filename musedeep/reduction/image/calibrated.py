"""Calibrated CCD images of exposures (manual 9.8): one frame each, with cosmic rays flagged if asked for."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.kernels.ccd.calibrate import divide_flat
from musedeep.kernels.ccd.cosmic_gaps import COSMIC, flag_cosmics
from musedeep.processors import available_processors
from musedeep.reduction.image.combine import (
    BLOCK_ROWS,
    THREADS,
    Calibration,
    Combined,
    MeasuredFrame,
    combine,
    measure_all,
)
from musedeep.reduction.image.inputs import check_bias, find_image, known_bad_pixels, open_frames
from musedeep.reduction.image.parameters import Combination, Overscan
from musedeep.storage.fits.image import ImageFile
from musedeep.storage.raw.frames import RawFrame

SINGLE = Combination("average", 1, 1, 1, 3.0, 3.0)
"""Of one frame."""


@dataclass(frozen=True)
class CosmicSearch:
    """Parameters cr, xbox, ybox, passes, thres."""

    method: str
    box: tuple[int, int]
    passes: int
    threshold: float

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "CosmicSearch":
        """From the parameters of the recipe."""
        box = int(parameters["ybox"]), int(parameters["xbox"])
        return cls(str(parameters["cr"]), box, int(parameters["passes"]), float(parameters["thres"]))


@dataclass
class ImageCalibration:
    """The calibrations of one IFU that make an image of a raw frame."""

    overscan: Overscan
    bias: ImageFile
    dark: ImageFile | None
    flat: ImageFile
    bad_pixels: Sequence[str]
    cosmics: CosmicSearch
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, frames: Mapping[str, Sequence[str]], parameters: Mapping[str, Any], ifu: int) -> "ImageCalibration":
        """Open the calibrations of an IFU among the frames of a call.

        Raises
        ------
        MusedeepError
            One is missing or does not fit.
        """
        overscan = Overscan.of(parameters)
        bias = find_image(frames["MASTER_BIAS"], ifu, "MASTER_BIAS")
        flat = find_image(frames["MASTER_FLAT"], ifu, "MASTER_FLAT")
        assert bias is not None and flat is not None
        check_bias(bias, overscan)
        dark = find_image(frames.get("MASTER_DARK", ()), ifu, "MASTER_DARK")
        bad = frames.get("BADPIX_TABLE", ())
        return cls(overscan, bias, dark, flat, bad, CosmicSearch.of(parameters), parameters)

    def apply(
        self, paths: Sequence[str], ifu: int, tag: str, rows: tuple[int, int] | None = None
    ) -> tuple[Combined, list[MeasuredFrame]]:
        """The calibrated image of a raw frame, or of several combined, in count, divided by the flat.

        Of the rows that are wanted; a search for cosmic rays takes all.

        Raises
        ------
        MusedeepError
            See `inputs.open_frames` and `combine.measure_all`.
        """
        frames = open_frames(paths, ifu, tag, len(paths), "muse_scibasic")
        self._check_chip(frames[0])
        search = self.cosmics.method == "dcr"
        known = known_bad_pixels(self.bad_pixels, frames[0])
        # cosmic rays are looked for on the data before the flat
        calibration = Calibration(self.bias, self.dark, known_bad=known, flat=None if search else self.flat)
        measured = measure_all(frames, self.overscan)
        how = Combination.of(self.parameters, len(frames)) if len(frames) > 1 else SINGLE
        scale = bool(self.parameters["scale"])
        image = combine(measured, self.overscan, calibration, how, scale=scale, rows=None if search else rows)
        if search:
            found = self.cosmics
            flagged = flag_cosmics(image.data, image.dq, found.box, found.passes, found.threshold)
            image.dq[flagged] |= COSMIC
            self._divide(image)
        return image, measured

    def _check_chip(self, frame: RawFrame) -> None:
        """Raise MusedeepError if the bias is of another chip or read-out mode than a frame."""
        for name in ("CHIP NAME", "CHIP ID", "BINX", "READ CURID"):
            one, other = frame.header.get(f"ESO DET {name}"), self.bias.header.get(f"ESO DET {name}")
            if one is not None and other is not None and one != other:
                raise MusedeepError(
                    f"{self.bias.path}: ESO DET {name} is {other}, but {one} in {frame.path}; give a MASTER_BIAS of "
                    "the same chip and read-out mode"
                )

    def _divide(self, image: Combined) -> None:
        """Divide an image by the flat, block by block in threads."""

        def block(start: int) -> None:
            stop = min(start + BLOCK_ROWS, image.data.shape[0])
            flat = (self.flat.rows(name, start, stop) for name in ("DATA", "DQ", "STAT"))
            divide_flat(image.data[start:stop], image.dq[start:stop], image.stat[start:stop], *flat)

        with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
            list(pool.map(block, range(0, image.data.shape[0], BLOCK_ROWS)))
