"""Static calibrations as FITS extensions: columns, types, units and names of manual A.2, in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.statics.fields import AstrometricField
from musedeep.statics.load import ArcLines, Extinction, SkyLines, Standard, TelluricRegions, read_table
from musedeep.storage.calibrations.filters import Filter

RAW_SHAPE: Final = (4240, 4224)
"""Rows and columns of a raw image with its pre- and overscans (manual, A.1)."""

LINE_CATALOG_VERSION: Final = 3
"""Format version that the reference pipeline 2.8.7 accepts."""

SKY_LINE_UNIT: Final = "10**(-20)*erg/(s cm^2 arcsec^2)"
FLUX_UNIT: Final = "erg/s/cm**2/Angstrom"

GEOMETRY_COLUMNS: Final = {
    "SubField": ("J", None),
    "SliceCCD": ("J", None),
    "SliceSky": ("J", None),
    "x": ("D", "pix"),
    "y": ("D", "pix"),
    "angle": ("D", "deg"),
    "width": ("D", "pix"),
}
"""Type and unit of each column of a GEOMETRY_TABLE (manual, A.3.10)."""

BADPIX_COLUMNS: Final = {
    "xpos": ("J", "pix"),
    "ypos": ("J", "pix"),
    "status": ("J", None),
    "value": ("E", "count"),
}
"""Type and unit of each column of a BADPIX_TABLE (manual, A.2.5)."""

Specification = tuple[str, str, str | None, Any]
"""Name, FITS format, unit and values of a column."""


def _primary(category: str, source: Any) -> fits.PrimaryHDU:
    """An empty primary extension that says what the file is and where its figures come from."""
    hdu = fits.PrimaryHDU()
    # no date: the same tables make the same bytes
    hdu.header["INSTRUME"] = ("MUSE", "Instrument used")
    hdu.header["ORIGIN"] = (f"musedeep {__version__}", "Program that wrote the file")
    hdu.header["HIERARCH ESO PRO CATG"] = (category, "Product category")
    for line in [source] if isinstance(source, str) else source or ():
        hdu.header.add_history(str(line))
    return hdu


def _extension(name: str | None, columns: Sequence[Specification]) -> fits.BinTableHDU:
    """A binary table; its name keeps its case."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(name=n, format=f, unit=unit, array=values) for n, f, unit, values in columns]
    )
    if name is not None:
        # given as `name` it would be turned into capitals, and the reference pipeline tells cases apart
        hdu.header["EXTNAME"] = name
    return hdu


def _text(column: str, values: Sequence[str], width: int | None = None) -> Specification:
    """A column of texts as wide as the longest."""
    size = width or max((len(value) for value in values), default=1) or 1
    return column, f"{size}A", None, np.array(values, dtype=f"S{size}")


def line_catalog(lines: ArcLines) -> fits.HDUList:
    """LINE_CATALOG (manual A.2.1), sorted by wavelength as the reference pipeline demands."""
    order = np.argsort(lines.wavelength, kind="stable")
    table = _extension(
        None,
        [
            ("lambda", "E", "Angstrom", lines.wavelength[order]),
            ("flux", "E", None, lines.flux[order]),
            _text("ion", [lines.ion[i] for i in order]),
            ("quality", "J", None, lines.quality[order]),
            _text("comment", [lines.comment[i] for i in order]),
        ],
    )
    primary = _primary("LINE_CATALOG", read_table("arc_lines").meta.get("source"))
    for hdu in (primary, table):
        hdu.header["VERSION"] = (LINE_CATALOG_VERSION, "version of the format")
    return fits.HDUList([primary, table])


def sky_lines(lines: SkyLines) -> fits.HDUList:
    """SKY_LINES (manual A.2.2) with its extension LINES."""
    table = _extension(
        "LINES",
        [
            _text("name", lines.name, 30),
            ("group", "J", None, lines.group),
            ("lambda", "D", "Angstrom", lines.wavelength),
            ("flux", "D", SKY_LINE_UNIT, lines.flux),
            ("dq", "J", None, np.zeros(len(lines.name), np.int32)),
        ],
    )
    return fits.HDUList([_primary("SKY_LINES", read_table("sky_lines").meta.get("source")), table])


def extinct_table(extinction: Extinction) -> fits.HDUList:
    """EXTINCT_TABLE (manual A.2.4)."""
    table = _extension(
        None,
        [
            ("lambda", "D", "Angstrom", extinction.wavelength),
            ("extinction", "D", "mag/airmass", extinction.magnitudes),
        ],
    )
    return fits.HDUList([_primary("EXTINCT_TABLE", read_table("extinction").meta.get("source")), table])


def std_flux_table(stars: Sequence[Standard]) -> fits.HDUList:
    """STD_FLUX_TABLE (manual A.2.6): one extension a star, which RA and DEC in its header find."""
    hdus = [_primary("STD_FLUX_TABLE", read_table("standards").meta.get("source"))]
    for star in stars:
        table = _extension(
            star.name,
            [
                ("lambda", "D", "Angstrom", star.wavelength),
                ("flux", "D", FLUX_UNIT, star.flux),
                ("fluxerr", "D", FLUX_UNIT, star.flux_error),
            ],
        )
        _place(table, star.name, star.ra, star.dec)
        hdus.append(table)
    return fits.HDUList(hdus)


def _place(hdu: fits.BinTableHDU, name: str, ra: float, dec: float) -> None:
    hdu.header["OBJECT"] = (name, "name of the object")
    hdu.header["RA"] = (ra, "[deg] right ascension (J2000)")
    hdu.header["DEC"] = (dec, "[deg] declination (J2000)")


def filter_list(filters: Sequence[Filter]) -> fits.HDUList:
    """FILTER_LIST (manual A.2.7): one extension a filter."""
    hdus = [_primary("FILTER_LIST", read_table("filters").meta.get("source"))]
    for curve in filters:
        columns = [("lambda", "D", "Angstrom", curve.wavelength), ("throughput", "D", None, curve.throughput)]
        table = _extension(curve.name, columns)
        for key, system, value in zip(("ZP_VEGA", "ZP_AB"), ("Vega", "AB"), curve.zero_points, strict=True):
            if value is not None:
                table.header[key] = (value, f"[mag] {system} zero point")
        hdus.append(table)
    return fits.HDUList(hdus)


def telluric_regions(regions: TelluricRegions) -> fits.HDUList:
    """TELLURIC_REGIONS (manual A.2.8)."""
    table = _extension(
        None,
        [
            ("lmin", "D", "Angstrom", regions.lower),
            ("lmax", "D", "Angstrom", regions.upper),
            ("bgmin", "D", "Angstrom", regions.background_lower),
            ("bgmax", "D", "Angstrom", regions.background_upper),
        ],
    )
    return fits.HDUList([_primary("TELLURIC_REGIONS", read_table("telluric_regions").meta.get("source")), table])


def astrometry_reference(fields: Sequence[AstrometricField]) -> fits.HDUList:
    """ASTROMETRY_REFERENCE (manual A.2.3): one extension a field, which RA and DEC in its header find."""
    hdus = [_primary("ASTROMETRY_REFERENCE", read_table("astrometric_fields").meta.get("source"))]
    for field in fields:
        table = _extension(
            field.name,
            [
                _text("SourceID", field.source),
                ("RA", "D", "deg", field.star_ra),
                ("DEC", "D", "deg", field.star_dec),
                _text("filter", [field.filter] * len(field.source)),
                ("mag", "D", "mag", field.magnitude),
            ],
        )
        _place(table, field.name, field.ra, field.dec)
        hdus.append(table)
    return fits.HDUList(hdus)


def badpix_table(pixels: Mapping[int, Table]) -> fits.HDUList:
    """BADPIX_TABLE (manual A.2.5): one extension CHANnn an IFU.

    Parameters
    ----------
    pixels : table of each IFU (1 to 24)
        Columns xpos, ypos (from 1 on the raw image with its pre- and overscans), status (Euro3D flags), value (count).

    Raises
    ------
    MusedeepError
        An IFU or a pixel that does not exist, or a missing column.
    """
    hdus = [_primary("BADPIX_TABLE", None)]
    for ifu in sorted(pixels):
        if not 1 <= ifu <= N_IFUS:
            raise MusedeepError(f"BADPIX_TABLE: IFU {ifu} does not exist; IFUs are 1 to {N_IFUS}")
        what = f"BADPIX_TABLE of IFU {ifu}"
        columns = _columns(what, pixels[ifu], BADPIX_COLUMNS)
        for (name, _, _, values), size in zip(columns[:2], RAW_SHAPE[::-1], strict=True):
            outside = values[(values < 1) | (values > size)]
            if outside.size:
                raise MusedeepError(f"{what}: {name} = {outside[0]} is not on the raw image, 1 to {size}")
        hdus.append(_extension(f"CHAN{ifu:02d}", columns))
    return fits.HDUList(hdus)


def geometry_table(geometry: Table) -> fits.HDUList:
    """GEOMETRY_TABLE (manual A.3.10), sorted by IFU and slice.

    Parameters
    ----------
    geometry : 1152 rows
        Columns SubField, SliceCCD, SliceSky, x, y [pix], angle [deg], width [pix]; others are left out.

    Raises
    ------
    MusedeepError
        A missing column, or not each slice of each IFU once.
    """
    columns = _columns("GEOMETRY_TABLE", geometry, GEOMETRY_COLUMNS)
    ifu, on_ccd = columns[0][3], columns[1][3]
    order = np.lexsort((on_ccd, ifu))
    wanted = np.array([(i, s) for i in range(1, N_IFUS + 1) for s in range(1, N_SLICES + 1)])
    if not np.array_equal(np.column_stack([ifu, on_ccd])[order], wanted):
        raise MusedeepError(
            f"GEOMETRY_TABLE: {ifu.size} rows, expected one for each of {N_SLICES} slices of {N_IFUS} IFUs; "
            "check SubField and SliceCCD"
        )
    table = _extension(None, [(name, form, unit, values[order]) for name, form, unit, values in columns])
    return fits.HDUList([_primary("GEOMETRY_TABLE", None), table])


def vignetting_mask(mask: NDArray[np.integer], lowest: tuple[float, float]) -> fits.HDUList:
    """VIGNETTING_MASK: an image of the field of view in the primary extension.

    Parameters
    ----------
    mask : integer (ny, nx)
        1 where the light is vignetted, 0 elsewhere.
    lowest : x and y of the first pixel's centre in the field of view, pixels of the GEOMETRY_TABLE
    """
    primary = _primary("VIGNETTING_MASK", None)
    primary.data = np.asarray(mask, np.uint8)
    for axis, value in enumerate(lowest, start=1):
        primary.header[f"CTYPE{axis}"] = "PIXEL"
        primary.header[f"CUNIT{axis}"] = "pixel"
        primary.header[f"CRPIX{axis}"] = 1.0
        primary.header[f"CRVAL{axis}"] = float(value)
        primary.header[f"CD{axis}_{axis}"] = 1.0
    primary.header["CD1_2"] = primary.header["CD2_1"] = 0.0
    return fits.HDUList([primary])


def _columns(what: str, table: Table, wanted: Mapping[str, tuple[str, str | None]]) -> list[Specification]:
    """The columns of a table that the format has, in its order and types."""
    missing = [name for name in wanted if name not in table.colnames]
    if missing:
        raise MusedeepError(f"{what}: no column {', '.join(missing)}; expected {', '.join(wanted)}")
    types = {"J": np.int32, "D": np.float64, "E": np.float32}
    return [(name, form, unit, np.asarray(table[name], types[form])) for name, (form, unit) in wanted.items()]
