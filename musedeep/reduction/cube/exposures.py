"""The exposures of a cube: their pixel tables, weights and offsets, and how they are resampled."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.kernels.cube.reject import ALONG_X, slice_direction
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.job import Exposure
from musedeep.reduction.cube.parameters import ResamplingParameters
from musedeep.reduction.cube.row_survey import position_scale
from musedeep.sky_angles import ra_difference, ra_on_circle
from musedeep.storage.fits.headers import number_of, number_or_none, text_of, value_of
from musedeep.storage.offset_list import OffsetList
from musedeep.storage.pixel_tables.open import JoinedPixelTable, tables_of_exposures
from musedeep.storage.pixel_tables.table import PixelTable, check_columns, check_reduced
from musedeep.storage.stores.location import Location, absolute


def check_any_stage(table: PixelTable) -> None:
    """Refuse a table that no cube can be made of; its rows may be those of any stage of the reduction.

    Raises
    ------
    MusedeepError
        A column is missing, there are no rows, or a keyword is missing or makes no sense.
    """
    check_columns(table.path, table.names)
    header = table.facts
    for key, low, high in (("RA", -360.0, 360.0), ("DEC", -90.0, 90.0), ("EXPTIME", 0.0, math.inf)):
        number_of(header, key, table.path, low=low, high=high)
    if position_scale(table) == 1.0:
        for key, low, high in (("CRVAL1", -360.0, 360.0), ("CRVAL2", -90.0, 90.0)):
            number_of(header, key, table.path, low=low, high=high)
    if table.n_rows == 0:
        raise MusedeepError(f"{table.path}: has no rows; reduce the exposure again")


def group_exposures(
    paths: Sequence[Location], check: Callable[[PixelTable], None] = check_reduced
) -> list[tuple[tuple[Location, ...], PixelTable]]:
    """Group the files of one exposure (one an IFU) by DATE-OBS, ordered by date; each with its table.

    Parameters
    ----------
    check : callable, refuses a table that is of no use

    Raises
    ------
    MusedeepError
        The same exposure twice: two files of one DATE-OBS that hold data of the same IFU.
    """
    result: list[tuple[tuple[Location, ...], PixelTable]] = []
    for tables in tables_of_exposures(paths, check):
        table = tables[0] if len(tables) == 1 else JoinedPixelTable(tables)
        result.append((tuple(one.path for one in tables), table))
    return result


SEEING_SOURCES = (
    ("ESO OCS SGS AG FWHMX AVG", "ESO OCS SGS AG FWHMY AVG"),
    ("ESO TEL IA FWHM",),
    ("ESO TEL AMBI FWHM START", "ESO TEL AMBI FWHM END"),
)
"""Keywords whose mean is the seeing [arcsec], best first: autoguider, image analysis of the active optics, DIMM."""


def seeing(headers: Sequence[fits.Header]) -> list[float] | None:
    """Seeing of each exposure [arcsec] from the best source that all of them have (as the reference does), or None."""
    for keys in SEEING_SOURCES:
        values = [[number_or_none(h, key) or 0.0 for key in keys] for h in headers]
        if all(v > 0 for row in values for v in row):
            return [sum(row) / len(row) for row in values]
    return None


def _no_seeing(headers: Sequence[fits.Header], names: Sequence[str]) -> MusedeepError:
    """What to raise where `seeing` has none: names an exposure without, and its keyword that is no width."""
    k = next((k for k, header in enumerate(headers) if seeing([header]) is None), 0)
    wrong = (key for keys in SEEING_SOURCES for key in keys if key in headers[k])
    wrong = (key for key in wrong if not (number_or_none(headers[k], key) or 0.0) > 0)
    what = "".join(f"keyword {key} is {value_of(headers[k], key)!r}; " for key in wrong)
    return MusedeepError(
        f"{names[k]}: {what}weight=fwhm needs the seeing of every exposure (ESO OCS SGS AG FWHMX/Y AVG, "
        "ESO TEL IA FWHM or ESO TEL AMBI FWHM START/END); use weight=exptime"
    )


def exposure_weights(scheme: str, headers: Sequence[fits.Header], names: Sequence[str]) -> list[float]:
    """Weights of exposures relative to the first (manual 9.14.3, parameter weight), to float32 precision.

    Raises
    ------
    MusedeepError
        Exposure times that are not positive; weight=fwhm without any seeing in the headers.
    """
    if scheme == "none":
        return [1.0] * len(headers)
    times = [number_of(header, "EXPTIME", name) for header, name in zip(headers, names, strict=True)]
    for time, name in zip(times, names, strict=True):
        if not time > 0:
            raise MusedeepError(f"{name}: EXPTIME is {time:g}; correct it, or use weight=none")
    weights = [time / times[0] for time in times]
    if scheme == "fwhm":
        widths = seeing(headers)
        if widths is None:
            raise _no_seeing(headers, names)
        weights = [w * widths[0] / own for w, own in zip(weights, widths, strict=True)]
    elif scheme == "header":
        for k, (header, name) in enumerate(zip(headers, names, strict=True)):
            factor = number_of(header, "ESO DRS MUSE WEIGHT", name, 1.0)
            weights[k] *= factor if factor > 0 else 1.0
    return [float(np.float32(w)) for w in weights]


def load_exposures(
    groups: Sequence[tuple[tuple[Location, ...], PixelTable]],
    weight_scheme: str,
    offsets: OffsetList | None,
) -> list[Exposure]:
    """Read the headers of all exposures, and check that they belong together.

    Raises
    ------
    MusedeepError
        Mixed field modes; positions of different stages, or several exposures in pixels of the field; DATE-OBS without
        a row in the OFFSET_LIST; headers that lack what is needed.
    """
    exposures: list[Exposure] = []
    headers = [table.facts for _, table in groups]
    weights = exposure_weights(weight_scheme, headers, [paths[0].name for paths, _ in groups])
    for (paths, table), header, weight in zip(groups, headers, weights, strict=True):
        name = paths[0].name
        mode = text_of(header, "ESO INS MODE", name, "WFM-NOAO-N")
        date = text_of(header, "DATE-OBS", name)
        if exposures and mode[:3] != exposures[0].mode[:3]:
            raise MusedeepError(
                f"{name}: field mode {mode[:3]} (ESO INS MODE {mode}) does not combine with {exposures[0].mode[:3]} "
                f"of {exposures[0].name}; combine each mode by itself"
            )
        positions = position_scale(table)
        if exposures and positions != exposures[0].scale:
            raise MusedeepError(
                f"{name}: positions have unit '{table.units['xpos']}', those of {exposures[0].name} another; give "
                "exposures of the same stage of the reduction"
            )
        if exposures and positions == PIXEL:
            raise MusedeepError(
                f"{name}: positions are pixels of the field; only one exposure makes a cube of these: apply the "
                "astrometry first"
            )
        placed = ("CRVAL1", "CRVAL2") if positions == 1.0 else ("RA", "DEC")
        row = offsets.for_date(date) if offsets and positions == 0.0 else None
        offset = (ra_difference(row.ra_offset, 0.0), row.dec_offset) if row else (0.0, 0.0)
        scale = row.flux_scale if row and row.flux_scale is not None else 1.0
        exposures.append(
            Exposure(
                paths=tuple(absolute(p) for p in paths),
                date_obs=date,
                mode=mode,
                target=str(value_of(header, "OBJECT") or ""),
                ra=ra_on_circle(number_of(header, placed[0], name) - offset[0]),
                dec=number_of(header, placed[1], name) - offset[1],
                offset=offset,
                flux_scale=scale,
                exptime=number_of(header, "EXPTIME", name),
                weight=weight,
                position_angle=number_of(header, "ESO INS DROT POSANG", name, 0.0),
                n_rows=table.n_rows,
                has_weight="weight" in table.names,
                identity=table.identity,
                scale=positions,
            )
        )
    columns = {e.has_weight for e in exposures}
    if weight_scheme == "none" and len(columns) > 1:
        lacking = next(e.name for e in exposures if not e.has_weight)
        raise MusedeepError(f"{lacking}: no weight column, while other exposures have one; use weight=exptime")
    return exposures


def resampling(
    parameters: ResamplingParameters,
    exposures: Sequence[Exposure],
    *,
    wavelengths: tuple[float, float],
    save: frozenset[str],
    keep_weights: bool,
    rejection: str,
) -> Resampling:
    """The parameters that a box needs.

    Parameters
    ----------
    wavelengths : limits of the rows that count [Angstrom]
    save : products that are wanted
    keep_weights : whether the weight column of a table counts
    rejection : reference or stars
    """
    direction = ALONG_X if exposures[0].scale == PIXEL else slice_direction(exposures[0].position_angle)
    return Resampling(
        method=parameters.resample,
        pixfrac=parameters.pixfrac,
        loop_distance=parameters.ld,
        critical_radius=parameters.rc,
        crtype=parameters.crtype,
        crsigma=parameters.crsigma,
        rejection=rejection,
        slice_direction=direction,
        lambda_low=wavelengths[0],
        lambda_high=wavelengths[1],
        use_weight_column=keep_weights and exposures[0].has_weight,
        exposure_map=bool({"exposures", "zarr"} & save),
        list_rejected="combined" in save,
    )
