"""The calibrations of one IFU among the files of a call, each opened and checked when it is first asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.reduction.image.combine import Calibration
from musedeep.reduction.parameters import OverscanParameters
from musedeep.storage.calibrations.badpix_table import read_badpix_table
from musedeep.storage.calibrations.geometry_table import read_geometry
from musedeep.storage.calibrations.ifu_files import read_of_ifu
from musedeep.storage.calibrations.trace_table import TraceTable, read_trace_table
from musedeep.storage.calibrations.wavecal_table import WavecalTable, read_wavecal_table
from musedeep.storage.fits.image import ImageFile, open_image
from musedeep.storage.raw.frames import RawFrame


@dataclass(frozen=True)
class Calibrations:
    """Calibrations of an IFU.

    Every attribute raises MusedeepError if all files of its tag are of other IFUs, or one of them is damaged.

    Attributes
    ----------
    frames : files of the call by tag
    overscan : that of the raw frames, which the bias has to be made with
    """

    frames: Mapping[str, Sequence[str]]
    ifu: int
    overscan: OverscanParameters

    def _image(self, tag: str) -> ImageFile | None:
        paths = self.frames.get(tag, ())
        return read_of_ifu(open_image, paths, self.ifu, tag) if paths else None

    @cached_property
    def bias(self) -> ImageFile | None:
        """MASTER_BIAS, made with the overscan correction of the raw frames, which its header records."""
        bias = self._image("MASTER_BIAS")
        if bias is not None:
            names = [str(card.value) for card in bias.header["ESO PRO REC1 PARAM* NAME"].cards]
            values = [str(card.value) for card in bias.header["ESO PRO REC1 PARAM* VALUE"].cards]
            recorded = dict(zip(names, values, strict=False)).get("overscan")
            ours = self.overscan.overscan_fit.method
            if recorded is not None and recorded.partition(":")[0] != ours:
                raise MusedeepError(
                    f"{bias.path}: made with overscan={recorded}, the frames are reduced with {ours}; "
                    "use the same for both"
                )
        return bias

    @cached_property
    def dark(self) -> ImageFile | None:
        """MASTER_DARK."""
        return self._image("MASTER_DARK")

    @cached_property
    def flat(self) -> ImageFile | None:
        """MASTER_FLAT."""
        return self._image("MASTER_FLAT")

    @cached_property
    def trace(self) -> TraceTable:
        """TRACE_TABLE."""
        return read_of_ifu(read_trace_table, self.frames["TRACE_TABLE"], self.ifu, "TRACE_TABLE")

    @cached_property
    def waves(self) -> WavecalTable:
        """WAVECAL_TABLE."""
        return read_of_ifu(read_wavecal_table, self.frames["WAVECAL_TABLE"], self.ifu, "WAVECAL_TABLE")

    @cached_property
    def geometry(self) -> NDArray[np.float64]:
        """Places of the slices, see `read_geometry`."""
        return read_geometry(self.frames["GEOMETRY_TABLE"][0], self.ifu)

    def of(self, frame: RawFrame) -> Calibration:
        """The images that are given, and the known bad pixels, as they are applied to a frame."""
        known_bad = known_bad_pixels(self.frames.get("BADPIX_TABLE", ()), frame)
        return Calibration(self.bias, self.dark, self.flat, known_bad=known_bad)

    def files(self, *tags: str) -> dict[str, list[str]]:
        """Those of this IFU by tag, for headers; of `tags` all files."""
        one = {
            "MASTER_BIAS": self.bias, "MASTER_DARK": self.dark, "MASTER_FLAT": self.flat, "TRACE_TABLE": self.trace,
            "WAVECAL_TABLE": self.waves,
        }  # fmt: skip
        used = {tag: [str(file.path)] if file is not None else [] for tag, file in one.items()}
        return used | {tag: list(self.frames.get(tag, ())) for tag in tags}

    def check_chip(self, frame: RawFrame) -> None:
        """Raise MusedeepError if the bias is of another chip or read-out mode than a frame."""
        for name in ("CHIP NAME", "CHIP ID", "BINX", "READ CURID"):
            self._check(self.bias, frame, f"ESO DET {name}", "a MASTER_BIAS of the same chip and read-out mode")

    def check_mode(self, frame: RawFrame) -> None:
        """Raise MusedeepError if the flat was made in another mode of the instrument than a frame."""
        self._check(self.flat, frame, "ESO INS MODE", "calibrations of that mode")

    @staticmethod
    def _check(image: ImageFile | None, frame: RawFrame, keyword: str, wanted: str) -> None:
        theirs = image.header.get(keyword) if image is not None else None
        ours = frame.header.get(keyword, frame.primary.get(keyword))
        if image is not None and theirs is not None and ours is not None and theirs != ours:
            raise MusedeepError(f"{image.path}: {keyword} is {theirs}, but {ours} in {frame.path}; give {wanted}")


def known_bad_pixels(
    paths: Sequence[str], frame: RawFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Known bad pixels of an IFU on the trimmed image: rows, columns from 0, and flags; sorted by row."""
    y, x, flags = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for path in paths:
        pixels = read_badpix_table(path).pixels.get(frame.ifu)
        if pixels is None:
            continue
        rows, columns = pixels["ypos"].astype(np.int64) - 1, pixels["xpos"].astype(np.int64) - 1
        for port in frame.ports:
            inside = (rows >= port.rows.start) & (rows < port.rows.stop)
            inside &= (columns >= port.columns.start) & (columns < port.columns.stop)
            y.append(rows[inside] - port.rows.start + port.trimmed_rows.start)
            x.append(columns[inside] - port.columns.start + port.trimmed_columns.start)
            flags.append(pixels["status"][inside].view(np.int32))
    all_y, all_x, all_flags = np.concatenate(y), np.concatenate(x), np.concatenate(flags)
    order = np.argsort(all_y, kind="stable")
    return all_y[order], all_x[order], all_flags[order]
