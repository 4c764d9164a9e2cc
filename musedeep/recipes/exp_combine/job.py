"""The exposures of muse_exp_combine: their pixel tables, weights and offsets, and how they are resampled."""

from collections.abc import Sequence

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.kernels.cube.reject import slice_direction
from musedeep.recipes.exp_combine.recipe import ExpCombineParameters
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.job import Exposure
from musedeep.sky_angles import ra_difference, ra_on_circle
from musedeep.storage.fits.headers import number_of, number_or_none, text_of, value_of
from musedeep.storage.offset_list import OffsetList
from musedeep.storage.pixel_tables.open import JoinedPixelTable, tables_of_exposures
from musedeep.storage.pixel_tables.table import PixelTable, check_reduced
from musedeep.storage.stores.location import Location, absolute


def group_exposures(paths: Sequence[Location]) -> list[tuple[tuple[Location, ...], PixelTable]]:
    """Group the files of one exposure (one an IFU) by DATE-OBS, ordered by date; each with its table.

    Raises
    ------
    MusedeepError
        The same exposure twice: two files of one DATE-OBS that hold data of the same IFU.
    """
    result: list[tuple[tuple[Location, ...], PixelTable]] = []
    for tables in tables_of_exposures(paths, check_reduced):
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
    parameters: ExpCombineParameters,
    offsets: OffsetList | None,
) -> list[Exposure]:
    """Read the headers of all exposures, and check that they belong together.

    Raises
    ------
    MusedeepError
        Mixed field modes; DATE-OBS without a row in the OFFSET_LIST; headers that lack what is needed.
    """
    exposures: list[Exposure] = []
    headers = [table.facts for _, table in groups]
    weights = exposure_weights(parameters.weight, headers, [paths[0].name for paths, _ in groups])
    for (paths, table), header, weight in zip(groups, headers, weights, strict=True):
        name = paths[0].name
        mode = text_of(header, "ESO INS MODE", name, "WFM-NOAO-N")
        date = text_of(header, "DATE-OBS", name)
        if exposures and mode[:3] != exposures[0].mode[:3]:
            raise MusedeepError(
                f"{name}: field mode {mode[:3]} (ESO INS MODE {mode}) does not combine with {exposures[0].mode[:3]} "
                f"of {exposures[0].name}; combine each mode by itself"
            )
        row = offsets.for_date(date) if offsets else None
        offset = (ra_difference(row.ra_offset, 0.0), row.dec_offset) if row else (0.0, 0.0)
        scale = row.flux_scale if row and row.flux_scale is not None else 1.0
        exposures.append(
            Exposure(
                paths=tuple(absolute(p) for p in paths),
                date_obs=date,
                mode=mode,
                target=str(value_of(header, "OBJECT") or ""),
                ra=ra_on_circle(number_of(header, "RA", name) - offset[0]),
                dec=number_of(header, "DEC", name) - offset[1],
                offset=offset,
                flux_scale=scale,
                exptime=number_of(header, "EXPTIME", name),
                weight=weight,
                position_angle=number_of(header, "ESO INS DROT POSANG", name, 0.0),
                n_rows=table.n_rows,
                has_weight="weight" in table.names,
                identity=table.identity,
            )
        )
    columns = {e.has_weight for e in exposures}
    if parameters.weight == "none" and len(columns) > 1:
        lacking = next(e.name for e in exposures if not e.has_weight)
        raise MusedeepError(f"{lacking}: no weight column, while other exposures have one; use weight=exptime")
    return exposures


def resampling(parameters: ExpCombineParameters, exposures: Sequence[Exposure]) -> Resampling:
    """The parameters that a box needs."""
    return Resampling(
        method=parameters.resample,
        pixfrac=parameters.pixfrac,
        loop_distance=parameters.ld,
        critical_radius=parameters.rc,
        crtype=parameters.crtype,
        crsigma=parameters.crsigma,
        rejection=parameters.rejection,
        slice_direction=slice_direction(exposures[0].position_angle),
        lambda_low=parameters.lambdamin,
        lambda_high=parameters.lambdamax,
        use_weight_column=parameters.weight == "none" and exposures[0].has_weight,
        exposure_map=bool({"exposures", "zarr"} & parameters.save),
        list_rejected="combined" in parameters.save,
    )
