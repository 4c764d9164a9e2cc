"""MUSE images on disk (manual A.3.1): DATA, DQ and STAT of one IFU, alone or many IFUs in one file."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import OtherIfu
from musedeep.storage.fits.data_sums import RunningMd5, data_sum_of, fill_bytes, stored_pieces
from musedeep.storage.fits.hdus import reading, whole_file
from musedeep.storage.fits.header_cards import (
    add,
    extension_cards,
    free_cards,
    keep_checksum_places,
    signed_header,
    utc_now,
)
from musedeep.storage.fits.headers import HeaderUnit, raw_cards, scan_file
from musedeep.storage.fits.parts import header_bytes, padded
from musedeep.storage.outputs import appearing_whole, check_space, refuse_existing, write_at
from musedeep.storage.raw.file import extension_name
from musedeep.workspace import Workspace

_TYPES: Final = {"DATA": ("f4", -32), "DQ": ("i4", 32), "STAT": ("f4", -32)}
_KINDS: Final = {-32: "32-bit floats", 32: "32-bit signed integers"}
OF_ONE_IFU: Final = re.compile(r"ESO (DET (CHIP|OUT\d+)|QC|DRS) ")
_UNITS: Final = {"adu": "DATA is in analog-to-digital units", "count": "DATA is in electrons"}


@dataclass
class MuseImage:
    """A reduced image of one IFU.

    Attributes
    ----------
    data : float32 (rows, columns)
    dq : int32 (rows, columns), Euro3D flags
    stat : float32 (rows, columns), variance
    header : primary header of the product
    unit : of the data, "adu" or "count"
    md5 : sum of data, dq and stat, where it was begun before the header was there
    """

    data: NDArray[np.float32]
    dq: NDArray[np.int32]
    stat: NDArray[np.float32]
    header: fits.Header
    unit: str
    md5: RunningMd5 | None = None

    @property
    def planes(self) -> tuple[tuple[str, NDArray[Any]], ...]:
        """Names and values of the extensions, in their order."""
        kept = zip(_TYPES.items(), (self.data, self.dq, self.stat), strict=True)
        return tuple((name, np.ascontiguousarray(values, kind)) for (name, (kind, _)), values in kept)


class ImageFile:
    """An image of one IFU in a file, read by rows."""

    def __init__(self, path: Path, ifu: int, units: dict[str, HeaderUnit], header: fits.Header) -> None:
        self.path, self.ifu, self.header = path, ifu, header
        self._units = units
        h = units["DATA"].header
        self.shape = int(h["NAXIS2"]), int(h["NAXIS1"])

    def rows(self, name: str, start: int, stop: int, workspace: Workspace | None = None) -> NDArray[Any]:
        """Rows [start, stop) of DATA, DQ or STAT, in memory of a workspace or of their own.

        Without a DQ extension, pixels that are NaN are flagged as missing (manual A.3.1).

        Returns
        -------
        float32 or int32 (stop - start, columns)

        Raises
        ------
        MusedeepError
            The file ends too early.
        """
        if name == "DQ" and "DQ" not in self._units:
            return np.where(np.isfinite(self.rows("DATA", start, stop)), 0, 1 << 30).astype(np.int32)
        unit = self._units[name]
        kind = np.dtype(_TYPES[name][0])
        n = (stop - start) * self.shape[1]
        values = workspace.array(f"{self.path} {name}", n, kind) if workspace else np.empty(n, kind)
        with open(self.path, "rb", buffering=0) as stream:
            stream.seek(unit.data_offset + start * self.shape[1] * 4)
            if stream.readinto(values.data) != values.nbytes:
                raise MusedeepError(f"{self.path}: truncated in {name}; copy the file again")
        if np.little_endian:
            values.byteswap(inplace=True)
        return values.reshape(stop - start, self.shape[1])


def open_image(path: str | Path, ifu: int) -> ImageFile:
    """Open the image of an IFU, from a file of that IFU or one that holds several.

    Raises
    ------
    OtherIfu
        The file holds images of other IFUs only.
    MusedeepError
        No FITS file, packed or compressed, no MUSE image, stored in another way, or truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a MUSE image")
    units = scan_file(path)
    wanted = extension_name(ifu)
    named = {unit.name: unit for unit in units}
    primary = units[0].header
    if f"{wanted}.DATA" in named:
        found = {name: named[f"{wanted}.{name}"] for name in _TYPES if f"{wanted}.{name}" in named}
        header = found["DATA"].header.copy(strip=True)
        header.extend(primary.copy(strip=True), unique=True, update=False)
    elif held := [name.removesuffix(".DATA") for name in named if name.endswith(".DATA")]:
        raise _other(path, ", ".join(held), ifu)
    elif "DATA" in named:
        if units[0].name not in ("", wanted):
            raise _other(path, units[0].name, ifu)
        found = {name: named[name] for name in _TYPES if name in named}
        header = primary
    else:
        raise MusedeepError(f"{path}: no extension DATA; give a MUSE image (manual A.3.1)")
    if "STAT" not in found:
        raise MusedeepError(f"{path}: no extension STAT; give a MUSE image (manual A.3.1)")
    with reading(path, "MUSE image"):
        for name, unit in found.items():
            _check_stored(path, unit, _TYPES[name][1], found["DATA"].header)
        return ImageFile(path, ifu, found, header)


def _other(path: Path, held: str, ifu: int) -> OtherIfu:
    return OtherIfu(f"{path}: image of {held}, not of {extension_name(ifu)}; give that of IFU {ifu}", held)


def _check_stored(path: Path, unit: HeaderUnit, bitpix: int, data: fits.Header) -> None:
    """Raise MusedeepError if the bytes of an extension are not its values, or not as many as DATA has."""
    header = unit.header
    if header.get("ZIMAGE"):
        raise MusedeepError(
            f"{path}: {unit.name} is compressed by fpack; uncompress it with funpack and give the result"
        )
    expected = {"XTENSION": "IMAGE", "BITPIX": bitpix, "NAXIS": 2, "NAXIS1": data["NAXIS1"], "NAXIS2": data["NAXIS2"]}
    expected |= {"BSCALE": 1, "BZERO": 0}
    for key, value in expected.items():
        stored = header.get(key, value)
        if stored != value:
            raise MusedeepError(
                f"{path}: {unit.name} has {key} = {stored}, expected {value}; write it as an image of "
                f"{_KINDS[bitpix]} without scaling"
            )
    if bitpix > 0 and "BLANK" in header:
        raise MusedeepError(f"{path}: {unit.name} has BLANK = {header['BLANK']}; write flags for these pixels instead")


def _extension_header(name: str, unit: str, prefix: str) -> fits.Header:
    """Cards of an extension (ESO's dictionary: HDUCLASn and the names of its companions)."""
    header = fits.Header()
    others = {other: prefix + other for other in _TYPES if other != name}
    add(header, ("INHERIT", True), *extension_cards(prefix + name, name, others))
    if name != "DQ":
        add(header, ("BUNIT", unit, _UNITS.get(unit, "")) if name == "DATA" else ("BUNIT", f"({unit})**2"))
    keep_checksum_places(header)
    return header


def write_image(path: str | Path, image: MuseImage, overwrite: bool = False) -> None:
    """Write the image of one IFU; raises as `whole_file`."""
    write_images(path, image.header, [(None, image)], overwrite)


def write_images(
    path: str | Path, primary: fits.Header, images: Sequence[tuple[int | None, MuseImage]], overwrite: bool = False
) -> None:
    """Write images into one file, those of an IFU under the names CHANnn.DATA, CHANnn.DQ, CHANnn.STAT; raises as
    `whole_file`.

    Parameters
    ----------
    images : sequence of (IFU, image); with None as the IFU, extensions are named DATA, DQ, STAT; with an IFU, the
        header of the image goes into its DATA extension
    """
    need = sum(3 * padded(image.data.nbytes) for _, image in images)
    refuse_existing(Path(path), overwrite)
    check_space(Path(path), need)
    begun = images[0][1].md5 if len(images) == 1 else None
    md5 = begun or RunningMd5()
    if begun is None:
        for _, image in images:
            md5.add(*(values for _, values in image.planes))
    units = [(0, header_bytes(primary, False, 8, ()), 0)]
    position = len(units[0][1])
    with appearing_whole(Path(path), need) as partial, partial.open("wb", buffering=0) as stream:
        for ifu, image in images:
            prefix = "" if ifu is None else extension_name(ifu) + "."
            for name, values in image.planes:
                header = _extension_header(name, image.unit, prefix)
                if name == "DATA" and ifu is not None:
                    header.extend(free_cards(image.header), unique=True, update=False)
                raw = header_bytes(header, True, _TYPES[name][1], values.shape)
                units.append((position, raw, data_sum_of(values)))
                position += len(raw)
                for piece in stored_pieces(values):
                    write_at(stream.fileno(), position, piece.view(np.uint8).data)
                    position += piece.nbytes
                write_at(stream.fileno(), position, fill_bytes(values))
                position += padded(values.nbytes) - values.nbytes
        # the disk has its time while the MD5 sum is taken
        os.fsync(stream.fileno())
        now, digest = utc_now(), md5.hexdigest()
        for place, raw, total in units:
            write_at(stream.fileno(), place, signed_header(raw_cards(raw), total, now, "" if place else digest))
        os.fsync(stream.fileno())


def join_images(path: Path, parts: Sequence[Path], overwrite: bool = False) -> None:
    """Make one file of files that each hold one IFU's extensions; raises as `whole_file`.

    The primary header is that of the first, without what belongs to one IFU: EXTNAME and the keywords of chip, outputs,
    quality control and pipeline. The parts stay.
    """
    units = [scan_file(part) for part in parts]
    primary = units[0][0].header.copy(strip=True)
    for keyword in list(primary):
        if OF_ONE_IFU.match(keyword) or keyword in ("EXTNAME", "CHECKSUM", "DATASUM"):
            primary.remove(keyword, ignore_missing=True, remove_all=True)
    primary["PIPEFILE"] = path.name
    with whole_file(path, sum(part.stat().st_size for part in parts), overwrite) as stream:
        stream.write(header_bytes(primary, False, 8, ()))
        for part, headers in zip(parts, units, strict=True):
            with part.open("rb") as piece:
                piece.seek(headers[0].end)
                shutil.copyfileobj(piece, stream, 2**22)
