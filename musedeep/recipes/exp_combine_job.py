"""A combination as plain data: what is combined, onto which grid, how. Travels to the workers as JSON."""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.kernels.reject import slice_direction
from musedeep.recipes.exp_combine_box import ExposureGeometry, Resampling
from musedeep.recipes.exp_combine_grid import Grid
from musedeep.recipes.exp_combine_parameters import ExpCombineParameters
from musedeep.storage.offset_list import OffsetList
from musedeep.storage.pixel_table import PixelTable, check_reduced, open_exposure, open_pixel_table


@dataclass(frozen=True)
class Exposure:
    """One exposure of the combination.

    Attributes
    ----------
    paths : tuple of str
        Its pixel table: one file or store, or one file an IFU.
    date_obs, mode, target : str
    ra, dec : float
        Pointing after the offset of the OFFSET_LIST [deg].
    offset : (float, float)
        RA_OFFSET, DEC_OFFSET applied [deg].
    flux_scale : float
        FLUX_SCALE applied; 1 if none.
    exptime : float
        [s]
    weight : float
    position_angle : float
        ESO INS DROT POSANG [deg].
    n_rows : int
    has_weight : bool
        Whether the table has a weight column.
    """

    paths: tuple[str, ...]
    date_obs: str
    mode: str
    target: str
    ra: float
    dec: float
    offset: tuple[float, float]
    flux_scale: float
    exptime: float
    weight: float
    position_angle: float
    n_rows: int
    has_weight: bool

    @property
    def name(self) -> str:
        """File name for messages."""
        return Path(self.paths[0]).name + ("" if len(self.paths) == 1 else f" and {len(self.paths) - 1} more")


def geometry(exposure: Exposure, reference: tuple[float, float]) -> ExposureGeometry:
    """What the projection needs of an exposure."""
    return ExposureGeometry(
        declination=math.radians(exposure.dec),
        shift=(exposure.ra - reference[0], exposure.dec - reference[1]),
        flux_scale=exposure.flux_scale,
        weight=exposure.weight,
        seconds=exposure.exptime,
        name=exposure.name,
    )


def group_exposures(paths: Sequence[Path]) -> list[tuple[tuple[Path, ...], PixelTable]]:
    """Group the files of one exposure (one an IFU) by DATE-OBS, ordered by date; each with its table.

    Raises
    ------
    MusedeepError
        The same exposure twice: two files of one DATE-OBS that hold data of the same IFU.
    """
    groups: dict[str, list[tuple[Path, tuple[int, int], PixelTable]]] = {}
    for path in paths:
        table = open_pixel_table(path)
        check_reduced(table)
        facts = table.facts
        ifus = (
            int(facts.get("ESO DRS MUSE PIXTABLE LIMITS IFU LOW", 1)),
            int(facts.get("ESO DRS MUSE PIXTABLE LIMITS IFU HIGH", 24)),
        )
        groups.setdefault(str(facts["DATE-OBS"]), []).append((path, ifus, table))
    result = []
    for date in sorted(groups):
        members = sorted(groups[date], key=lambda m: m[1])
        for (one, a, _), (other, b, _) in pairwise(members):
            if b[0] <= a[1]:
                raise MusedeepError(
                    f"{other}: the same exposure as {one} (DATE-OBS {date}, IFUs {b[0]}-{b[1]} in both); list it once"
                )
        files = tuple(path for path, _, _ in members)
        result.append((files, members[0][2] if len(members) == 1 else open_exposure(list(files))))
    return result


def seeing(header: Any) -> float | None:
    """Best available seeing of an exposure [arcsec], None if the header has none.

    That of the active optics' image analysis (ESO TEL IA FWHM), else of the DIMM (mean of ESO TEL AMBI FWHM
    START and END): the priority of the reference, found by experiment.
    """
    analysis = header.get("ESO TEL IA FWHM")
    if isinstance(analysis, int | float) and analysis > 0:
        return float(analysis)
    values = [header.get("ESO TEL AMBI FWHM " + k) for k in ("START", "END")]
    good = [float(v) for v in values if isinstance(v, int | float) and v > 0]
    return sum(good) / len(good) if good else None


def exposure_weight(scheme: str, header: Any, first: Any, name: str) -> float:
    """Weight of an exposure relative to the first (manual 9.14.3, parameter weight)."""
    if scheme == "none":
        return 1.0
    weight = float(header["EXPTIME"]) / float(first["EXPTIME"])
    if scheme == "fwhm":
        own, reference = seeing(header), seeing(first)
        if own is None or reference is None:
            raise MusedeepError(f"{name}: weight=fwhm needs ESO TEL IA FWHM or ESO TEL AMBI FWHM START/END in the header; use weight=exptime")
        weight *= reference / own
    elif scheme == "header":
        value = header.get("ESO DRS MUSE WEIGHT")
        if value is None:
            raise MusedeepError(f"{name}: weight=header needs the keyword ESO DRS MUSE WEIGHT; add it or use weight=exptime")
        weight *= float(value)
    return weight


def load_exposures(
    groups: Sequence[tuple[tuple[Path, ...], PixelTable]],
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
    first = None
    for paths, table in groups:
        header = table.facts
        first = first or header
        name = Path(paths[0]).name
        mode = str(header.get("ESO INS MODE", "WFM-NOAO-N"))
        if exposures and mode[:3] != exposures[0].mode[:3]:
            raise MusedeepError(
                f"{name}: field mode {mode[:3]} (ESO INS MODE {mode}) does not combine with {exposures[0].mode[:3]} "
                f"of {exposures[0].name}; combine each mode by itself"
            )
        row = offsets.for_date(str(header["DATE-OBS"])) if offsets else None
        offset = (row.ra_offset, row.dec_offset) if row else (0.0, 0.0)
        scale = row.flux_scale if row and row.flux_scale is not None else 1.0
        exposures.append(
            Exposure(
                paths=tuple(os.path.abspath(p) for p in paths),
                date_obs=str(header["DATE-OBS"]),
                mode=mode,
                target=str(header.get("OBJECT", "")),
                ra=float(header["RA"]) - offset[0],
                dec=float(header["DEC"]) - offset[1],
                offset=offset,
                flux_scale=scale,
                exptime=float(header["EXPTIME"]),
                weight=exposure_weight(parameters.weight, header, first, name),
                position_angle=float(header.get("ESO INS DROT POSANG", 0.0)),
                n_rows=table.n_rows,
                has_weight="weight" in table.names,
            )
        )
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
        use_weight_column=parameters.weight == "none" and all(e.has_weight for e in exposures),
        exposure_map=bool({"exposures", "zarr"} & parameters.save),
        list_rejected="combined" in parameters.save,
    )


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to compute any box."""

    exposures: tuple[Exposure, ...]
    reference: tuple[float, float]
    grid: Grid
    how: Resampling

    def geometries(self) -> list[ExposureGeometry]:
        """The exposures as the projection sees them."""
        return [geometry(e, self.reference) for e in self.exposures]

    def to_json(self) -> str:
        """As JSON, from which `from_json` makes an equal job."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "Job":
        """The job that `to_json` wrote."""
        raw = json.loads(text)
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in raw["grid"].items()}
        how = {k: tuple(v) if isinstance(v, list) else v for k, v in raw["how"].items()}
        exposures = [{k: tuple(v) if isinstance(v, list) else v for k, v in e.items()} for e in raw["exposures"]]
        return Job(
            exposures=tuple(Exposure(**e) for e in exposures),
            reference=tuple(raw["reference"]),
            grid=Grid(**tuples),
            how=Resampling(**how),
        )

    def fingerprint(self) -> str:
        """A hash of the job and of the identity (size, time of change) of its input files."""
        digest = hashlib.sha256(self.to_json().encode())
        for exposure in self.exposures:
            for path in exposure.paths:
                status = os.stat(path)
                digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
        return digest.hexdigest()
