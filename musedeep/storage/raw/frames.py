"""One CCD of a raw file, read by rows, with its read-out ports (manual A.1.1)."""

from dataclasses import dataclass, field
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.hdus import reading
from musedeep.storage.fits.headers import header_cards, number_or_none, open_unpacked, parse_cards, scan_units
from musedeep.storage.fits.packed import packing_of
from musedeep.storage.outputs import write_error
from musedeep.storage.raw.file import IFU_NAMES, extension_name, raw_ifus, read_raw
from musedeep.workspace import Workspace

__all__ = ["Port", "RawFrame", "check_same_setup", "open_raw_frame", "raw_ifus"]

N_PORTS: Final = 4
_PORT: Final = ("X", "Y", "NX", "NY", "PRSCX", "PRSCY", "OVSCX", "OVSCY", "GAIN")
_SETUP: Final = ("CHIP NAME", "CHIP ID", "BINX", "BINY", "READ CURID", "READ CURNAME")

_PLAIN: Final = {
    "XTENSION": ("IMAGE", None), "BITPIX": (16, None), "NAXIS": (2, None), "BZERO": (32768, 0), "BSCALE": (1, 1),
    "BLANK": (None, None), "ZIMAGE": (False, False),
}  # fmt: skip
"""Value, and what its absence means, of the keywords of an image whose bytes are 16-bit counts less 32768."""


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
    primary, header : of the file and of the IFU's extension
    shape : rows, columns of the raw image
    ports : the four quadrants
    _offset, _start : of the pixels in the file as it is, and in the file without its packing (gzip); -1: not there
    """

    path: Path
    ifu: int
    primary: fits.Header
    header: fits.Header
    shape: tuple[int, int]
    ports: tuple[Port, ...] = ()
    _offset: int = -1
    _start: int = -1
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
        if self._pixels is None and self._offset < 0:
            self._pixels = _unpacked(self)
        if self._pixels is not None:
            return self._pixels[start:stop]
        n = (stop - start) * self.shape[1]
        pixels = workspace.array("raw", n, np.uint16) if workspace else np.empty(n, np.uint16)
        with open(self.path, "rb", buffering=0) as stream:
            self._fill(pixels, stream, start)
        return pixels.reshape(stop - start, self.shape[1])

    def _fill(self, pixels: NDArray[np.uint16], stream: BufferedIOBase | RawIOBase, start: int) -> None:
        """Values of the rows that begin at `start`, from the stream of the file."""
        stream.seek(max(self._offset, self._start) + 2 * start * self.shape[1])
        if stream.readinto(pixels.data) != pixels.nbytes:
            raise MusedeepError(f"{self.path}: truncated inside {extension_name(self.ifu)}; copy the file again")
        if np.little_endian:
            pixels.byteswap(inplace=True)
        # signed values that stand for value + 32768
        pixels ^= np.uint16(0x8000)

    def forget(self) -> None:
        """Keep the pixels of a compressed file in memory no longer; `read` unpacks them again."""
        self._pixels = None

    def spill(self, directory: Path) -> None:
        """Keep the pixels of a compressed file in a file of a directory; raises MusedeepError if that fails."""
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


def open_raw_frame(path: str | Path, ifu: int) -> RawFrame:
    """Find one IFU in a raw file, wherever its extension stands.

    The file may be compressed by tiles (`.fits.fz`) or packed by gzip; then the pixels of the IFU are kept in memory.

    Raises
    ------
    OtherIfu
        The file holds other IFUs.
    MusedeepError
        No FITS file, truncated, without any IFU, with values that are no 16-bit counts, or without a keyword of the
        read-out ports.
    """
    path, name = Path(path), extension_name(ifu)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a raw MUSE frame")
    primary: fits.Header | None = None
    others = False
    for unit in scan_units(path, unpack=True):
        if primary is None:
            primary = unit.header
        if unit.name == name:
            break
        others |= unit.name in IFU_NAMES
    else:
        kind = OtherIfu if others else MusedeepError
        raise kind(f"{path}: no extension {name}; give a raw file that holds IFU {ifu}")
    with reading(path, "raw MUSE frame"):
        header = unit.header
        if all(header.get(key, default) == value for key, (value, default) in _PLAIN.items()):
            frame = RawFrame(path, ifu, primary, header, (header["NAXIS2"], header["NAXIS1"]), _offset=unit.data_offset)
            if packing_of(path):
                frame._start, frame._offset = unit.data_offset, -1
                frame._pixels = _unpacked(frame)
        else:
            image = read_raw(path, ifu)
            header = parse_cards(header_cards(image.header))
            frame = RawFrame(path, ifu, primary, header, (image.data.shape[0], image.data.shape[1]), _pixels=image.data)
        frame.ports = tuple(_ports(frame))
    return frame


def _unpacked(frame: RawFrame) -> NDArray[np.uint16]:
    """All pixels of a compressed file."""
    if frame._start < 0:
        return read_raw(frame.path, frame.ifu).data
    pixels = np.empty(frame.shape, np.uint16)
    with open_unpacked(frame.path) as stream:
        frame._fill(pixels, stream, 0)
    return pixels


def _ports(frame: RawFrame) -> list[Port]:
    """The quadrants from ESO DET OUTn X, Y, NX, NY, PRSCX, PRSCY, OVSCX, OVSCY, GAIN."""
    ports, sizes = [], set()
    for number in range(1, N_PORTS + 1):
        key = {name: _keyword(frame, f"ESO DET OUT{number} {name}") for name in _PORT}
        size = {name: int(value) for name, value in key.items() if name not in ("X", "Y", "GAIN")}
        low, left = key["Y"] == 1, key["X"] == 1
        rows = _along(frame.shape[0], low, size["NY"], size["PRSCY"], size["OVSCY"])
        columns = _along(frame.shape[1], left, size["NX"], size["PRSCX"], size["OVSCX"])
        ports.append(
            Port(number, key["GAIN"], rows[0], columns[0], rows[1], columns[1], rows[2], columns[2], low, left)
        )
        for axis, total, what in (("X", frame.shape[1], "columns"), ("Y", frame.shape[0], "rows")):
            if 2 * sum(size[f"{name}{axis}"] for name in ("N", "PRSC", "OVSC")) != total or not size[f"N{axis}"]:
                raise MusedeepError(
                    f"{frame.path}, {extension_name(frame.ifu)}: {total} {what} do not fit the read-out of port "
                    f"{number} (ESO DET OUT{number} N{axis}, PRSC{axis}, OVSC{axis}); give a raw MUSE frame"
                )
        sizes.add((size["NX"], size["NY"]))
    if len({(port.low, port.left) for port in ports}) != N_PORTS or len(sizes) != 1:
        raise MusedeepError(
            f"{frame.path}, {extension_name(frame.ifu)}: the ports are no four equal quadrants (ESO DET OUTn X, Y, NX, "
            "NY); give a raw MUSE frame"
        )
    return ports


def _along(total: int, first: bool, n: int, prescan: int, overscan: int) -> tuple[slice, slice, slice]:
    """Data on the raw image and on the trimmed one, and the overscan, along one axis."""
    if first:
        return slice(prescan, prescan + n), slice(0, n), slice(prescan + n, prescan + n + overscan)
    stop = total - prescan
    return slice(stop - n, stop), slice(n, 2 * n), slice(stop - n - overscan, stop - n)


def _keyword(frame: RawFrame, name: str) -> float:
    """A gain above 0, or another number that is an integer of at least 0."""
    value = number_or_none(frame.header, name)
    if value is None:
        raise MusedeepError(
            f"{frame.path}, {extension_name(frame.ifu)}: no number in {name}; give a raw frame with its full header"
        )
    if not (value > 0 if name.endswith("GAIN") else value >= 0 and value.is_integer()):
        raise MusedeepError(f"{frame.path}, {extension_name(frame.ifu)}: {name} is {value:g}; give a raw MUSE frame")
    return value


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
