"""Static calibrations as files: what `musedeep statics` and the simulator write."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.simulate.optics import Instrument
from musedeep.statics import formats, load
from musedeep.statics.fields import AstrometricField, field_names, load_astrometric_field
from musedeep.statics.raman import raman_lines
from musedeep.storage.calibrations.vignetting_mask import vignetting_hdus
from musedeep.storage.outputs import check_space, make_directory, partial_name, refuse_existing, write_error

FILE_NAMES: Final = {
    "LINE_CATALOG": "line_catalog.fits",
    "SKY_LINES": "sky_lines.fits",
    "RAMAN_LINES": "raman_lines.fits",
    "EXTINCT_TABLE": "extinct_table.fits",
    "STD_FLUX_TABLE": "std_flux_table.fits",
    "FILTER_LIST": "filter_list.fits",
    "TELLURIC_REGIONS": "telluric_regions.fits",
    "ASTROMETRY_REFERENCE": "astrometry_reference.fits",
    "BADPIX_TABLE": "badpix_table.fits",
    "GEOMETRY_TABLE": "geometry_table_{field}.fits",
    "VIGNETTING_MASK": "vignetting_mask.fits",
}
"""Tag and file name of each static calibration (manual 5.2); `field` is wfm or nfm."""

SPACE: Final = 8 * 2**20
"""What the files of all IFUs need, bytes."""

VIGNETTED_CORNER: Final = (150.0, -150.0, 45.0)
"""Place of the vignetted corner in the field of view and its radius, pixels: the lower right one (manual 5.2)."""


def write_statics(
    outdir: str | Path,
    instrument: Instrument | None = None,
    *,
    mode: str = "WFM-NOAO-N",
    seed: int = 1,
    ifus: Iterable[int] | None = None,
    fields: Sequence[AstrometricField] | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write all static calibrations into a directory, made if it does not exist; the path of each tag.

    The same arguments give the same bytes.

    Parameters
    ----------
    instrument : whose bad pixels and geometry to write; default: the simulated one of `mode` and `seed`
    ifus : IFUs whose bad pixels and vignetting to write; default: those of the instrument
    fields : astrometric fields; default: all of the package

    Raises
    ------
    MusedeepError
        A file exists and may not be replaced, the mode or an IFU does not exist, or the disk is full. No file of the
        set appears before all are whole.
    """
    if instrument is None:
        instrument = Instrument(mode, seed)
    numbers = tuple(instrument.ifus if ifus is None else ifus)
    directory = Path(outdir)
    scale = "nfm" if instrument.mode.startswith("NFM") else "wfm"
    paths = {tag: directory / name.format(field=scale) for tag, name in FILE_NAMES.items()}
    for path in paths.values():
        if path.exists():
            refuse_existing(path, overwrite)
    geometry = instrument.geometry_table()
    contents = {
        "LINE_CATALOG": formats.line_catalog(load.load_arc_lines()),
        "SKY_LINES": formats.sky_lines(load.load_sky_lines()),
        "RAMAN_LINES": formats.raman_lines_table(raman_lines()),
        "EXTINCT_TABLE": formats.extinct_table(load.load_extinction()),
        "STD_FLUX_TABLE": formats.std_flux_table([load.load_standard(name) for name in load.standard_names()]),
        "FILTER_LIST": formats.filter_list(load.load_filters()),
        "TELLURIC_REGIONS": formats.telluric_regions(load.load_telluric_regions()),
        "ASTROMETRY_REFERENCE": formats.astrometry_reference(
            [load_astrometric_field(name) for name in field_names()] if fields is None else fields
        ),
        "BADPIX_TABLE": formats.badpix_table({n: instrument.ifu(n).detector.bad_pixels() for n in numbers}),
        "GEOMETRY_TABLE": formats.geometry_table(geometry),
        "VIGNETTING_MASK": vignetting_hdus(*corner_mask(geometry[np.isin(geometry["SubField"], numbers)])),
    }
    make_directory(directory)
    _write({paths[tag]: hdus for tag, hdus in contents.items()}, overwrite)
    return paths


def corner_mask(geometry: Table) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Mask of the vignetted corner on the grid of the cube that the slices of a geometry table fill.

    Uint8 (ny, nx), 1 where the light is vignetted; x and y of the first pixel, pixels of the table.
    """
    x, y, half = (np.asarray(geometry[name], np.float64) for name in ("x", "y", "width"))
    half = 0.5 * half
    lowest = float((x - half).min()), float(y.min())
    nx, ny = round(float((x + half).max()) - lowest[0]) + 1, round(float(y.max()) - lowest[1]) + 1
    corner_x, corner_y, radius = VIGNETTED_CORNER
    across, along = lowest[0] + np.arange(nx) - corner_x, lowest[1] + np.arange(ny) - corner_y
    return (np.hypot(across[None, :], along[:, None]) < radius).astype(np.uint8), lowest


def write_badpix_table(path: str | Path, pixels: Mapping[int, Table], overwrite: bool = False) -> Path:
    """Write a BADPIX_TABLE; see `musedeep.statics.formats.badpix_table` for the tables."""
    return _write_one(path, formats.badpix_table(pixels), overwrite)


def write_astrometry_reference(path: str | Path, fields: Sequence[AstrometricField], overwrite: bool = False) -> Path:
    """Write an ASTROMETRY_REFERENCE of fields of one's own."""
    return _write_one(path, formats.astrometry_reference(fields), overwrite)


def _write_one(path: str | Path, hdus: fits.HDUList, overwrite: bool) -> Path:
    _write({Path(path): hdus}, overwrite)
    return Path(path)


def _write(files: Mapping[Path, fits.HDUList], overwrite: bool) -> None:
    """Write files; they get their names when all are whole."""
    for path in files:
        refuse_existing(path, overwrite)
    partial = {path: partial_name(path) for path in files}
    check_space(next(iter(files)), SPACE)
    try:
        for path, hdus in files.items():
            try:
                for hdu in hdus:
                    # without a date: the same data make the same bits
                    hdu.add_checksum(when="ones' complement sum")
                with partial[path].open("wb") as file:
                    hdus.writeto(file)
            except OSError as error:
                raise write_error(path, error, SPACE) from error
        for path, made in partial.items():
            made.replace(path)
    finally:
        for made in partial.values():
            made.unlink(missing_ok=True)
