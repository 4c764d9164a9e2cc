"""One CCD of a raw file, read by rows, with its read-out ports (manual A.1.1)."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.outputs import write_error
from musedeep.storage.raw import extension_name, raw_ifus, read_raw
from musedeep.workspace import Workspace

__all__ = ["Port", "RawFrame", "check_same_setup", "open_raw_frame", "raw_ifus"]

N_PORTS: Final = 4
_SETUP: Final = ("CHIP NAME", "CHIP ID", "BINX", "BINY", "READ CURID", "READ CURNAME")


@dataclass(frozen=True)
class Port:
    """A quadrant of the CCD and its read-out.

    Attributes
    ----------
    number : 1 to 4
    gain : electrons per adu (ESO DET OUTn GAIN)
    rows, columns : of its light-sensitive pixels on the raw image
    trimmed_rows, trimmed_columns : where they go on the trimmed image
    overscan_rows, overscan_columns : next to the light-sensitive pixels, on the raw image
    low, left : whether it is read out towards the first row and the first column
    """

    number: int
    gain: float
    rows: slice
    columns: slice
    trimmed_rows: slice
    trimmed_columns: slice
    overscan_rows: slice
    overscan_columns: slice
    low: bool
    left: bool

    def vertical_overscan(self, ignore: int) -> tuple[slice, slice]:
        """Rows and columns of the overscan beside the data, rows of the horizontal overscan included.

        Parameters
        ----------
        ignore : columns next to the data that are left out
        """
        rows = slice(min(self.rows.start, self.overscan_rows.start), max(self.rows.stop, self.overscan_rows.stop))
        return rows, _without(self.overscan_columns, ignore, self.left)

    def horizontal_overscan(self, ignore: int) -> tuple[slice, slice]:
        """Rows and columns of the overscan above or below the data, over the columns of the data."""
        return _without(self.overscan_rows, ignore, self.low), self.columns


def _without(span: slice, ignore: int, from_start: bool) -> slice:
    return slice(span.start + ignore, span.stop) if from_start else slice(span.start, span.stop - ignore)


@dataclass
class RawFrame:
    """One IFU of a raw file; pixels are read when asked for.

    Attributes
    ----------
    path : Path
    ifu : int
    primary, header : of the file and of the IFU's extension
    shape : rows, columns of the raw image
    ports : the four quadrants
    """

    path: Path
    ifu: int
    primary: fits.Header
    header: fits.Header
    shape: tuple[int, int]
    ports: tuple[Port, ...] = ()
    _offset: int = -1
    _pixels: NDArray[np.uint16] | None = field(default=None, repr=False)

    def read(self, start: int = 0, stop: int | None = None, workspace: Workspace | None = None) -> NDArray[np.uint16]:
        """Rows [start, stop) of the raw image, adu, in memory of a workspace or of their own.

        Returns
        -------
        uint16 (stop - start, columns)

        Raises
        ------
        MusedeepError
            The file ends too early.
        """
        stop = self.shape[0] if stop is None else stop
        if self._pixels is not None:
            return self._pixels[start:stop]
        n = (stop - start) * self.shape[1]
        pixels = workspace.array("raw", n, np.uint16) if workspace else np.empty(n, np.uint16)
        with open(self.path, "rb", buffering=0) as stream:
            stream.seek(self._offset + 2 * start * self.shape[1])
            if stream.readinto(pixels.data) != pixels.nbytes:
                raise _truncated(self.path, self.ifu)
        if np.little_endian:
            pixels.byteswap(inplace=True)
        # signed values that stand for value + 32768
        pixels ^= np.uint16(0x8000)
        return pixels.reshape(stop - start, self.shape[1])

    def spill(self, directory: Path) -> None:
        """Keep the pixels of a compressed file in a file of a directory, not in memory; others are read from theirs.

        Raises
        ------
        MusedeepError
            The file cannot be written.
        """
        if self._pixels is None:
            return
        path = directory / f"{self.path.name}-{self.ifu:02d}.pixels"
        try:
            self._pixels.tofile(path)
        except OSError as error:
            raise write_error(path, error, self._pixels.nbytes) from error
        self._pixels = np.asarray(np.memmap(path, np.uint16, "r+", shape=self.shape))

    def setup(self) -> tuple[object, ...]:
        """What has to be the same for all frames of a set: chip, binning, read-out mode."""
        return tuple(self.header.get(f"ESO DET {name}") for name in _SETUP)


def _truncated(path: Path, ifu: int) -> MusedeepError:
    return MusedeepError(f"{path}: truncated inside {extension_name(ifu)}; copy the file again")


def open_raw_frame(path: str | Path, ifu: int) -> RawFrame:
    """Find one IFU in a raw file, `.fits` or tile-compressed `.fits.fz`, wherever its extension stands.

    Raises
    ------
    MusedeepError
        No FITS file, without the IFU, truncated, or without a keyword of the read-out ports.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size == 0:
        raise MusedeepError(f"{path}: empty file; copy it again")
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a raw MUSE frame")
    frame = _plain(path, ifu)
    if frame is None:
        image = read_raw(path, ifu)
        pixels = np.ascontiguousarray(np.clip(image.data, 0, 65535), np.uint16)
        frame = RawFrame(path, ifu, image.primary, image.header, (pixels.shape[0], pixels.shape[1]), _pixels=pixels)
    frame.ports = tuple(_ports(frame))
    return frame


def _plain(path: Path, ifu: int) -> RawFrame | None:
    """The frame, if its pixels stand as 16-bit values in the file."""
    try:
        with fits.open(path, lazy_load_hdus=True, disable_image_compression=True) as hdus:
            for hdu in hdus:
                if hdu.name != extension_name(ifu) or hdu.header.get("ZIMAGE"):
                    continue
                header = hdu.header
                plain = (header.get("XTENSION") == "IMAGE", header["BITPIX"], header.get("BZERO"), header["NAXIS"])
                if plain != (True, 16, 32768, 2):
                    return None
                offset = int(hdu.fileinfo()["datLoc"])
                shape = header["NAXIS2"], header["NAXIS1"]
                if os.path.getsize(path) < offset + 2 * shape[0] * shape[1]:
                    raise _truncated(path, ifu)
                return RawFrame(path, ifu, hdus[0].header.copy(), header.copy(), shape, _offset=offset)
    except (OSError, KeyError, fits.VerifyError) as error:
        raise MusedeepError(f"{path}: not a FITS file ({error}); give a raw MUSE frame") from error
    return None


def _ports(frame: RawFrame) -> list[Port]:
    """The quadrants from ESO DET OUTn X, Y, NX, NY, PRSCX, PRSCY, OVSCX, OVSCY, GAIN."""
    ports = []
    for number in range(1, N_PORTS + 1):
        key = {
            name: _keyword(frame, f"ESO DET OUT{number} {name}")
            for name in ("X", "Y", "NX", "NY", "PRSCX", "PRSCY", "OVSCX", "OVSCY", "GAIN")
        }
        rows = _along(frame.shape[0], key["Y"] == 1, int(key["NY"]), int(key["PRSCY"]), int(key["OVSCY"]))
        columns = _along(frame.shape[1], key["X"] == 1, int(key["NX"]), int(key["PRSCX"]), int(key["OVSCX"]))
        ports.append(
            Port(
                number,
                key["GAIN"],
                rows[0],
                columns[0],
                rows[1],
                columns[1],
                rows[2],
                columns[2],
                key["Y"] == 1,
                key["X"] == 1,
            )
        )
        if 2 * (key["NX"] + key["PRSCX"] + key["OVSCX"]) != frame.shape[1]:
            raise MusedeepError(
                f"{frame.path}, {extension_name(frame.ifu)}: {frame.shape[1]} columns do not fit the read-out of "
                f"port {number} (ESO DET OUT{number} NX, PRSCX, OVSCX); give a raw MUSE frame"
            )
    return ports


def _along(total: int, first: bool, n: int, prescan: int, overscan: int) -> tuple[slice, slice, slice]:
    """Data on the raw image and on the trimmed one, and the overscan, along one axis."""
    if first:
        return slice(prescan, prescan + n), slice(0, n), slice(prescan + n, prescan + n + overscan)
    stop = total - prescan
    return slice(stop - n, stop), slice(n, 2 * n), slice(stop - n - overscan, stop - n)


def _keyword(frame: RawFrame, name: str) -> float:
    value = frame.header.get(name)
    if not isinstance(value, int | float):
        raise MusedeepError(
            f"{frame.path}, {extension_name(frame.ifu)}: no number in {name}; give a raw frame with its full header"
        )
    return float(value)


def check_same_setup(frames: list[RawFrame]) -> None:
    """Raise MusedeepError if a frame is of another chip, binning or read-out mode than the first."""
    for frame in frames[1:]:
        for name, one, other in zip(_SETUP, frames[0].setup(), frame.setup(), strict=True):
            if one != other:
                raise MusedeepError(
                    f"{frame.path}: ESO DET {name} is {other} but {one} in {frames[0].path}; "
                    "give frames of one chip and read-out mode"
                )
        if frame.shape != frames[0].shape:
            raise MusedeepError(f"{frame.path}: size {frame.shape} differs from {frames[0].shape} in {frames[0].path}")
