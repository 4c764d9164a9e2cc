"""Calibrated CCD images of exposures (manual 9.8): one frame each, with cosmic rays flagged if asked for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from musedeep.instrument import DQ
from musedeep.kernels.ccd.calibrate import divide_flat
from musedeep.kernels.ccd.cosmic_gaps import flag_cosmics
from musedeep.processors import available_processors
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import BLOCK_ROWS, THREADS, Combined, MeasuredFrame, combine, measure_all
from musedeep.reduction.image.inputs import open_frames
from musedeep.reduction.parameters import AVERAGE, CombineParameters, CosmicSearch
from musedeep.storage.fits.image import ImageFile


@dataclass
class ImageCalibration:
    """The calibrations of one IFU that make an image of a raw frame."""

    calibrations: Calibrations
    flat: ImageFile
    cosmics: CosmicSearch
    combination: CombineParameters
    scale: bool

    @classmethod
    def of(
        cls, calibrations: Calibrations, cosmics: CosmicSearch, combination: CombineParameters, scale: bool
    ) -> "ImageCalibration":
        """Open the calibrations of an IFU, which may be applied in threads then.

        Raises
        ------
        MusedeepError
            One does not fit.
        """
        _bias, _dark, flat = calibrations.bias, calibrations.dark, calibrations.flat
        assert flat is not None
        return cls(calibrations, flat, cosmics, combination, scale)

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
        self.calibrations.check_chip(frames[0])
        search = self.cosmics.method == "dcr"
        calibration = self.calibrations.of(frames[0])
        if search:
            # cosmic rays are looked for on the data before the flat
            calibration = replace(calibration, flat=None)
        overscan = self.calibrations.overscan
        measured = measure_all(frames, overscan)
        how = self.combination if len(frames) > 1 else AVERAGE
        image = combine(measured, overscan, calibration, how, scale=self.scale, rows=None if search else rows)
        if search:
            found = self.cosmics
            flagged = flag_cosmics(image.data, image.dq, found.box, found.passes, found.threshold)
            image.dq[flagged] |= DQ.COSMIC
            self._divide(image)
        return image, measured

    def _divide(self, image: Combined) -> None:
        """Divide an image by the flat, block by block in threads."""

        def block(start: int) -> None:
            stop = min(start + BLOCK_ROWS, image.data.shape[0])
            flat = (self.flat.rows(name, start, stop) for name in ("DATA", "DQ", "STAT"))
            divide_flat(image.data[start:stop], image.dq[start:stop], image.stat[start:stop], *flat)

        with ThreadPoolExecutor(min(available_processors(), THREADS)) as pool:
            list(pool.map(block, range(0, image.data.shape[0], BLOCK_ROWS)))
