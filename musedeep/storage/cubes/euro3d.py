"""Cubes as Euro3D (manual A.3.4): a table of spectra, E3D_DATA, and a table of groups, E3D_GRP.

Column by column as muse_exp_combine writes them (found by comparison, spaxel by spaxel):

- one row for each spaxel with data, ordered by column x, then row y; SPEC_ID = x ny + y + 1 (x, y from 0);
- SPEC_STA is the first plane with data (from 1), SPEC_LEN the number of planes from there to the end of the
  cube; DATA_SPE, QUAL_SPE and STAT_SPE begin at that plane. Planes without data have data 0, error 0 and
  quality 2**30 (Euro3D: "data missing"); elements after SPEC_LEN are NaN, quality 0;
- STAT_SPE is the statistical error, the root of the cube's variance;
- XPOS and YPOS are right ascension and declination in deg; SPAX_ID is empty; one group;
- EURO3D and E3D_ADC are text, 'T' or 'F'.

Different here: the unit of STAT_SPE is that of an error (the reference writes that of the variance); G_SIZE1 and
G_SIZE2 are in arcsec, as their unit says (the reference writes degrees); QUAL_SPE
has no TNULL (the reference declares 0, which is the value of good data).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep import instrument
from musedeep.storage.cubes.cube_fits import CubeFile, CubeWCS
from musedeep.storage.fits.header_cards import add, card, checksum_cards, sign
from musedeep.storage.fits.headers import number_or_none
from musedeep.storage.fits.parts import header_bytes, padded, reserve
from musedeep.storage.outputs import write_at

BLOCK_BYTES = 2**27
"""Memory for one block of spectra."""

_POSITION_WAVELENGTH = 6975.0


def write_euro3d(
    path: Path,
    cube: CubeFile,
    wcs: CubeWCS,
    primary: fits.Header,
    first: fits.Header,
    images: Sequence[tuple[fits.Header, NDArray[np.float32]]] = (),
    block_bytes: int = BLOCK_BYTES,
) -> None:
    """Write a cube in Euro3D format, in place; with filter images, in its extended form (xEuro3D).

    Memory is bounded: lines of the cube are read in blocks, and every spectrum is written at its place. Raises
    MusedeepError if there is not enough space on the disk.

    Parameters
    ----------
    primary : primary header of the cube
    first : that of the first exposure (airmass, parallactic angle, ambient conditions)
    images : filter images: header, float32 (ny, nx); each gets a NAME_DQ extension
    """
    nz, ny, nx = cube.shape
    start = _first_planes(cube)
    filled = start < nz
    # rank of a spaxel among those with data, columns first
    rank = (np.cumsum(filled.T.ravel()) - 1).reshape(nx, ny).T
    n_rows = int(filled.sum())
    row = _row_type(nz)

    head = _primary_bytes(primary, first)
    table_head = _table_bytes(nz, n_rows, row.itemsize, wcs)
    offset = len(head) + len(table_head)
    group = _group_bytes(wcs, first)
    tail = b"".join([group, *(part for header, image in images for part in _image_bytes(header, image))])
    end = offset + padded(n_rows * row.itemsize)
    reserve(path, end + len(tail))

    celestial = WCS(fits.Header(wcs.spatial()))
    lines = max(1, min(ny, block_bytes // max(1, nx * nz * 28)))
    with open(path, "r+b") as stream:
        stream.write(head + table_head)
        stream.seek(end)
        stream.write(tail)
        stream.flush()
        for y0 in range(0, ny, lines):
            y1 = min(y0 + lines, ny)
            y, x = np.nonzero(filled[y0:y1])
            if y.size == 0:
                continue
            data, stat = cube.data.read_box(0, nz, y0, y1), cube.stat.read_box(0, nz, y0, y1)
            rows = _spectra(data, stat, y, x, start[y0:y1], row)
            rows["SPEC_ID"] = x * ny + (y + y0) + 1
            rows["XPOS"], rows["YPOS"] = celestial.all_pix2world(x, y + y0, 0)
            _put_rows(stream.fileno(), offset, rows, rank[y0:y1][y, x])
    sign(path)


def _first_planes(cube: CubeFile) -> NDArray[np.int64]:
    """First plane with data of every spaxel, the number of planes if there is none; int64 (ny, nx)."""
    nz, ny, nx = cube.shape
    first = np.full((ny, nx), nz)
    planes = max(1, BLOCK_BYTES // (ny * nx * 8))
    for z in range(0, nz, planes):
        finite = np.isfinite(cube.data.read_box(z, min(z + planes, nz)))
        new = (first == nz) & finite.any(0)
        first[new] = z + finite.argmax(0)[new]
        if (first < nz).all():
            break
    return first


def _row_type(nz: int) -> np.dtype:
    return np.dtype(
        [
            ("SPEC_ID", ">i4"), ("SELECTED", "S1"), ("NSPAX", ">i4"), ("SPEC_LEN", ">i4"), ("SPEC_STA", ">i4"),
            ("XPOS", ">f8"), ("YPOS", ">f8"), ("GROUP_N", ">i4"), ("SPAX_ID", "S1"),
            ("DATA_SPE", ">f4", (nz,)), ("QUAL_SPE", ">i4", (nz,)), ("STAT_SPE", ">f4", (nz,)),
        ]
    )  # fmt: skip


def _spectra(
    data: NDArray[np.float32],
    stat: NDArray[np.float32],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    start: NDArray[np.int64],
    row: np.dtype,
) -> NDArray[np.void]:
    """Table rows of the spaxels y, x of a block (planes, lines, nx), without SPEC_ID, XPOS and YPOS."""
    nz = data.shape[0]
    rows = np.zeros(y.size, row)
    first = start[y, x]
    values, variances = data[:, y, x].T, stat[:, y, x].T
    missing = ~np.isfinite(values)
    values, errors = np.where(missing, 0, values), np.sqrt(np.where(missing, 0, variances))
    rows["SELECTED"], rows["NSPAX"], rows["GROUP_N"] = b"T", 1, 1
    rows["SPEC_LEN"], rows["SPEC_STA"] = nz - first, first + 1
    rows["DATA_SPE"], rows["STAT_SPE"] = np.nan, np.nan
    for k in np.unique(first):
        some = np.flatnonzero(first == k)
        rows["DATA_SPE"][some, : nz - k] = values[some, k:]
        rows["STAT_SPE"][some, : nz - k] = errors[some, k:]
        rows["QUAL_SPE"][some, : nz - k] = np.where(missing[some, k:], instrument.DQ.MISSING, 0)
    return rows


def _put_rows(descriptor: int, offset: int, rows: NDArray[np.void], rank: NDArray[np.int64]) -> None:
    """Write rows at their ranks; neighbours in one write."""
    order = np.argsort(rank)
    rows, rank = rows[order], rank[order]
    breaks = np.flatnonzero(np.diff(rank) != 1) + 1
    for begin, stop in zip([0, *breaks], [*breaks, rank.size], strict=True):
        write_at(descriptor, offset + int(rank[begin]) * rows.dtype.itemsize, rows[begin:stop].tobytes())


def _primary_bytes(primary: fits.Header, first: fits.Header) -> bytes:
    header = primary.copy()
    corrected = "T" if "ESO DRS MUSE PIXTABLE DAR CORRECT" in first else "F"
    word = "data corrected" if corrected == "T" else "data not corrected"
    place = "PIPEFILE" if "PIPEFILE" in header else 0
    for one in (
        card("BUNIT", instrument.FLUX_UNIT),
        card("EURO3D", "T", "file conforms to Euro3D standard"),
        card("E3D_VERS", "1.0", "version number of the Euro3D format"),
        card("E3D_ADC", corrected, f"{word} for atmospheric dispersion"),
    ):
        header.insert(place, one) if place else header.append(one, end=True)
    return header_bytes(header, False, 16, ())


def _table_cards(width: int, n_rows: int, columns: Sequence[tuple[str, str, str]]) -> list[fits.Card]:
    cards = [
        card("XTENSION", "BINTABLE", "binary table extension"),
        card("BITPIX", 8, "8-bit bytes"),
        card("NAXIS", 2, "2-dimensional binary table"),
        card("NAXIS1", width, "width of table in bytes"),
        card("NAXIS2", n_rows, "number of rows in table"),
        card("PCOUNT", 0, "size of special data area"),
        card("GCOUNT", 1, "one data group (required keyword)"),
        card("TFIELDS", len(columns), "number of fields in each row"),
    ]
    for number, (name, form, unit) in enumerate(columns, 1):
        cards.append(card(f"TTYPE{number}", name, f"label for field {number:3d}"))
        cards.append(card(f"TFORM{number}", form, "data format of field"))
        if unit:
            cards.append(card(f"TUNIT{number}", unit, "physical unit of field"))
    return cards


def _to_bytes(cards: Sequence[fits.Card]) -> bytes:
    return fits.Header(cards).tostring(sep="", endcard=True, padding=True).encode("ascii")


def _table_bytes(nz: int, n_rows: int, width: int, wcs: CubeWCS) -> bytes:
    flux = instrument.FLUX_UNIT
    columns = [
        ("SPEC_ID", "1J", ""), ("SELECTED", "1L", ""), ("NSPAX", "1J", ""), ("SPEC_LEN", "1J", "pixel"),
        ("SPEC_STA", "1J", "pixel"), ("XPOS", "1D", "deg"), ("YPOS", "1D", "deg"), ("GROUP_N", "1J", ""),
        ("SPAX_ID", "1A", ""), ("DATA_SPE", f"{nz}E", flux), ("QUAL_SPE", f"{nz}J", ""),
        ("STAT_SPE", f"{nz}E", flux),
    ]  # fmt: skip
    # CRVALS is the wavelength of the first element
    cards = [
        card("EXTNAME", "E3D_DATA", "This is the Euro3D data table extension"),
        card("CTYPES", wcs.ctype3),
        card("CUNITS", "Angstrom"),
        card("CRVALS", wcs.crval[2] + (1.0 - wcs.crpix[2]) * wcs.step),
        card("CDELTS", wcs.step),
    ]
    return _to_bytes(_table_cards(width, n_rows, columns) + cards + checksum_cards())


def _mean(header: fits.Header, *keywords: str) -> float:
    values = [v for k in keywords if (v := number_or_none(header, k)) is not None]
    return sum(values) / len(values) if values else 0.0


def _group_bytes(wcs: CubeWCS, first: fits.Header) -> bytes:
    columns = [
        ("GROUP_N", "1J", ""), ("G_SHAPE", "1A", ""), ("G_SIZE1", "1E", "arcsec"), ("G_ANGLE", "1E", "deg"),
        ("G_SIZE2", "1E", "arcsec"), ("G_POSWAV", "1E", "Angstrom"), ("G_AIRMAS", "1E", ""), ("G_PARANG", "1E", "deg"),
        ("G_PRESSU", "1E", "hPa"), ("G_TEMPER", "1E", "K"), ("G_HUMID", "1E", ""),
    ]  # fmt: skip
    tel = "ESO TEL "
    means = [_mean(first, f"{tel}{name} START", f"{tel}{name} END") for name in ("AIRM", "PARANG", "AMBI PRES")]
    ambient = [_mean(first, tel + "AMBI TEMP") + 273.15, _mean(first, tel + "AMBI RHUM")]
    values = [abs(wcs.cd[0]) * 3600.0, 0.0, abs(wcs.cd[3]) * 3600.0, _POSITION_WAVELENGTH, *means, *ambient]
    raw = np.array([1], ">i4").tobytes() + b"R" + np.array(values, ">f4").tobytes()
    name = card("EXTNAME", "E3D_GRP", "This is the Euro3D group table extension")
    head = _to_bytes([*_table_cards(len(raw), 1, columns), name, *checksum_cards()])
    return head + raw + bytes(padded(len(raw)) - len(raw))


def _image_bytes(header: fits.Header, image: NDArray[np.float32]) -> list[bytes]:
    """A filter image and its quality, as extensions; pixels without data are 0 and flagged, as the reference has it."""
    name, target = str(header["EXTNAME"]), str(header.get("OBJECT", ""))
    quality = header.copy()
    for key in ("HDUCLAS2", "QUALDATA", "BUNIT", "CHECKSUM", "DATASUM"):
        quality.remove(key, ignore_missing=True)
    if target:
        quality["OBJECT"] = target.removesuffix(")") + ", DQ)"
    quality["EXTNAME"] = (f"{name}_DQ", "reconstructed image (bad pixel status values)")
    add(
        quality,
        ("HDUCLAS2", "QUALITY", "this extension contains bad pixel mask"),
        ("HDUCLAS3", "FLAG32BIT", "extension contains 32bit Euro3D bad pixel information"),
        ("QUALMASK", 4294967295, "all non-zero values are bad"),
        ("SCIDATA", name, "pointer to the data extension"),
    )
    quality.extend(checksum_cards(), end=True)
    flags = np.where(np.isfinite(image), 0, instrument.DQ.MISSING)
    out = []
    empty_as_zero = np.nan_to_num(image, nan=0.0).astype(">f4")
    for head, bitpix, values in ((header, -32, empty_as_zero), (quality, 32, flags.astype(">i4"))):
        raw = values.tobytes()
        out += [header_bytes(head, True, bitpix, image.shape), raw + bytes(padded(len(raw)) - len(raw))]
    return out
