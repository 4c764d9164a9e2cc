"""How the sky is subtracted from an exposure, one function for each value of `skymethod` of muse_scipost.

- model: `by_model` measures the sky of the exposure, models it and gives the correction.
- subtract-model: `by_given_model` takes lines and continuum from files.
- simple: `by_spectrum` measures the spectrum of the sky of the exposure, which is the same for all slices.
- none: no correction.

The rows are those after refraction and flux (simple takes counts, too), before velocity and place. A correction is to
be put on the exposure with `ExposureRows.corrected`. SKY_CONTINUUM may end within the data: rows beyond
`reduction.correct.sky.sky_range` are to be left out then (`ExposureRows.within`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musedeep.progress import Progress
from musedeep.reduction.correct.sky import check_calibrated, check_not_subtracted, subtract_model, subtract_spectrum
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction
from musedeep.reduction.sky.exposure import MeasuredSky, SkyChoice, measure_sky
from musedeep.reduction.sky.line_fit import LineFit
from musedeep.reduction.sky.model import SkyModel
from musedeep.storage.calibrations.lsf_profile import LsfProfile
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable
from musedeep.storage.calibrations.sky_lines import SkyLineTable
from musedeep.storage.calibrations.sky_mask import SkyMask
from musedeep.storage.pixel_tables.table import RowSource


@dataclass(frozen=True)
class SubtractedSky:
    """How the sky of an exposure is subtracted, and what it is; None for what the method does not need.

    Attributes
    ----------
    corrections : to be put on the exposure
    measured : image, mask, spectrum, as SKY_IMAGE, SKY_MASK, SKY_SPECTRUM have them
    model : lines and continuum, as SKY_LINES, SKY_CONTINUUM have them
    fit : of the lines, for pictures
    """

    corrections: list[Correction]
    measured: MeasuredSky | None = None
    model: SkyModel | None = None
    fit: LineFit | None = None


def by_model(
    observation: Observation,
    sources: Sequence[RowSource],
    lines: SkyLineTable,
    lsfs: Mapping[int, LsfProfile],
    choice: SkyChoice,
    *,
    continuum: SkyContinuumTable | None = None,
    mask: SkyMask | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SubtractedSky:
    """skymethod=model: the lines of a table are fitted to the sky of the exposure.

    Parameters
    ----------
    sources : rows of its IFUs, flux-calibrated
    lines : SKY_LINES, of which ratios of fluxes within groups count
    lsfs : line-spread functions of all IFUs (`read_lsf_profiles(paths, ifus_of(header, name))`)
    choice : skymodel_fraction, skymodel_ignore, ...
    continuum : SKY_CONTINUUM, which is subtracted as it is
    mask : SKY_MASK, in which the sky is looked for

    Raises
    ------
    MusedeepError
        The sky is subtracted already; the exposure is not flux-calibrated; a mask of another size or place; no sky; no
        line within the spectrum.
    """
    check_not_subtracted(observation)
    check_calibrated(observation, sources)
    measured = measure_sky(sources, (observation.ra, observation.dec), choice, mask, workers=workers, progress=progress)
    model, fit = measured.model(lines, lsfs, choice, continuum)
    return SubtractedSky(subtract_model(observation, sources, model, lsfs), measured, model, fit)


def by_given_model(
    observation: Observation,
    sources: Sequence[RowSource],
    lines: SkyLineTable,
    continuum: SkyContinuumTable,
    lsfs: Mapping[int, LsfProfile],
) -> SubtractedSky:
    """skymethod=subtract-model: lines and continuum as they are; raises as `subtract_model`."""
    model = SkyModel(lines, continuum)
    return SubtractedSky(subtract_model(observation, sources, model, lsfs), None, model)


def by_spectrum(
    observation: Observation,
    sources: Sequence[RowSource],
    choice: SkyChoice,
    *,
    mask: SkyMask | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SubtractedSky:
    """skymethod=simple: the spectrum of the sky of the exposure, in whatever unit; raises as `measure_sky`."""
    check_not_subtracted(observation)
    measured = measure_sky(sources, (observation.ra, observation.dec), choice, mask, workers=workers, progress=progress)
    table = measured.table(choice)
    return SubtractedSky(subtract_spectrum(observation, table), measured)
