"""Static calibrations as FITS extensions: columns, types, units and names of manual A.2, in memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.statics.fields import AstrometricField
from musedeep.statics.load import ArcLines, Extinction, SkyLines, read_table
from musedeep.statics.raman import SOURCE as RAMAN_SOURCE
from musedeep.statics.raman import RamanLines
from musedeep.storage.calibrations.astrometry_reference import COLUMNS as ASTROMETRY_REFERENCE
from musedeep.storage.calibrations.badpix_table import COLUMNS as BADPIX_COLUMNS
from musedeep.storage.calibrations.badpix_table import RAW_SHAPE, badpix_hdu
from musedeep.storage.calibrations.extinction import extinction_hdus
from musedeep.storage.calibrations.filters import Filter, filter_list_hdus
from musedeep.storage.calibrations.geometry_table import COLUMNS as GEOMETRY_COLUMNS
from musedeep.storage.calibrations.line_catalog import line_catalog_hdus
from musedeep.storage.calibrations.sky_lines import COLUMNS as SKY_LINE_COLUMNS
from musedeep.storage.calibrations.sky_lines import EXTENSION as LINES
from musedeep.storage.calibrations.static_file import static_file
from musedeep.storage.calibrations.std_flux_table import Standard, std_flux_table_hdus
from musedeep.storage.calibrations.telluric_regions import TelluricRegions, telluric_regions_hdus
from musedeep.storage.fits.table import Column, table_hdu


def _source(name: str) -> Any:
    """Where the figures of a table of this package come from."""
    return read_table(name).meta.get("source")


def _table(columns: Sequence[Column], *values: Any, name: str | None = None) -> fits.BinTableHDU:
    return table_hdu(columns, dict(zip((one.name for one in columns), values, strict=True)), name)


def line_catalog(lines: ArcLines) -> fits.HDUList:
    """LINE_CATALOG (manual A.2.1)."""
    values = lines.wavelength, lines.flux, lines.ion, lines.quality, lines.comment
    return line_catalog_hdus(*values, _source("arc_lines"))


def sky_lines(lines: SkyLines) -> fits.HDUList:
    """SKY_LINES (manual A.2.2) with its extension LINES."""
    flags = np.zeros(len(lines.name), np.int32)
    table = _table(SKY_LINE_COLUMNS, lines.name, lines.group, lines.wavelength, lines.flux, flags, name=LINES)
    return static_file("SKY_LINES", table, source=_source("sky_lines"))


def raman_lines_table(lines: RamanLines) -> fits.HDUList:
    """RAMAN_LINES: the layout of SKY_LINES; group 0 is O2, 1 is N2."""
    flags = np.zeros(len(lines.name), np.int32)
    table = _table(SKY_LINE_COLUMNS, lines.name, lines.group, lines.wavelength, lines.flux, flags, name=LINES)
    return static_file("RAMAN_LINES", table, source=RAMAN_SOURCE)


def extinct_table(extinction: Extinction) -> fits.HDUList:
    """EXTINCT_TABLE (manual A.2.4)."""
    return extinction_hdus(extinction.wavelength, extinction.magnitudes, _source("extinction"))


def std_flux_table(stars: Sequence[Standard]) -> fits.HDUList:
    """STD_FLUX_TABLE (manual A.2.6): one extension per star, which RA and DEC in its header find."""
    return std_flux_table_hdus(stars, _source("standards"))


def _place(hdu: fits.BinTableHDU, name: str, ra: float, dec: float) -> None:
    hdu.header["OBJECT"] = (name, "name of the object")
    hdu.header["RA"] = (ra, "[deg] right ascension (J2000)")
    hdu.header["DEC"] = (dec, "[deg] declination (J2000)")


def filter_list(filters: Sequence[Filter]) -> fits.HDUList:
    """FILTER_LIST (manual A.2.7)."""
    return filter_list_hdus(filters, _source("filters"))


def telluric_regions(regions: TelluricRegions) -> fits.HDUList:
    """TELLURIC_REGIONS (manual A.2.8)."""
    return telluric_regions_hdus(regions, _source("telluric_regions"))


def astrometry_reference(fields: Sequence[AstrometricField]) -> fits.HDUList:
    """ASTROMETRY_REFERENCE (manual A.2.3): one extension per field, which RA and DEC in its header find."""
    tables = []
    for field in fields:
        filters = [field.filter] * len(field.source)
        values = field.source, field.star_ra, field.star_dec, filters, field.magnitude
        tables.append(_table(ASTROMETRY_REFERENCE, *values, name=field.name))
        _place(tables[-1], field.name, field.ra, field.dec)
    return static_file("ASTROMETRY_REFERENCE", *tables, source=_source("astrometric_fields"))


def badpix_table(pixels: Mapping[int, Table]) -> fits.HDUList:
    """BADPIX_TABLE (manual A.2.5): one extension CHANnn an IFU, of its table.

    Columns xpos, ypos (from 1 on the raw image with its pre- and overscans), status (Euro3D flags), value (count).
    Raises MusedeepError for an IFU or a pixel that does not exist, or a missing column.
    """
    hdus = []
    for ifu in sorted(pixels):
        if not 1 <= ifu <= N_IFUS:
            raise MusedeepError(f"BADPIX_TABLE: IFU {ifu} does not exist; IFUs are 1 to {N_IFUS}")
        what = f"BADPIX_TABLE of IFU {ifu}"
        columns = _columns(what, pixels[ifu], BADPIX_COLUMNS)
        for name, size in zip(("xpos", "ypos"), RAW_SHAPE[::-1], strict=True):
            values = columns[name]
            outside = values[(values < 1) | (values > size)]
            if outside.size:
                raise MusedeepError(f"{what}: {name} = {outside[0]} is not on the raw image, 1 to {size}")
        hdus.append(badpix_hdu(ifu, columns))
    return static_file("BADPIX_TABLE", *hdus)


def geometry_table(geometry: Table) -> fits.HDUList:
    """GEOMETRY_TABLE (manual A.3.10), sorted by IFU and slice, of a table of 1152 rows.

    Columns SubField, SliceCCD, SliceSky, x, y [pix], angle [deg], width [pix]; others are left out. MusedeepError if
    one is missing, or if not each slice of each IFU is there once.
    """
    # without the count 1 that the products of recipes have
    formats = [one._replace(format=one.format[-1]) for one in GEOMETRY_COLUMNS]
    columns = _columns("GEOMETRY_TABLE", geometry, formats)
    ifu, on_ccd = columns["SubField"], columns["SliceCCD"]
    order = np.lexsort((on_ccd, ifu))
    wanted = np.array([(i, s) for i in range(1, N_IFUS + 1) for s in range(1, N_SLICES + 1)])
    if not np.array_equal(np.column_stack([ifu, on_ccd])[order], wanted):
        raise MusedeepError(
            f"GEOMETRY_TABLE: {ifu.size} rows, expected one for each of {N_SLICES} slices of {N_IFUS} IFUs; "
            "check SubField and SliceCCD"
        )
    table = table_hdu(formats, {name: values[order] for name, values in columns.items()})
    return static_file("GEOMETRY_TABLE", table)


def _columns(what: str, table: Table, wanted: Sequence[Column]) -> dict[str, NDArray[Any]]:
    """The columns of a table that the format has, in its order and types."""
    names = [one.name for one in wanted]
    missing = [name for name in names if name not in table.colnames]
    if missing:
        raise MusedeepError(f"{what}: no column {', '.join(missing)}; expected {', '.join(names)}")
    types = {"J": np.int32, "D": np.float64, "E": np.float32}
    return {one.name: np.asarray(table[one.name], types[one.format]) for one in wanted}
