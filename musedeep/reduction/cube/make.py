"""A cube of exposures made in this process, band by band: what recipes do that are tasks of a night themselves.

`graph.combine` makes the same cube, with the same bits, on any number of processes; and can be interrupted.

1. The rows of all exposures are surveyed (`row_survey`), which fixes the grid.
2. The cube is laid out on disk, and its bands are made one after the other (`planes.bands_of`), and written.
3. Rejected rows are kept beside it, for a combined pixel table.
4. The recipe completes its products from these (`CubeRecipe.finish`).
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from musedeep.errors import MusedeepError
from musedeep.kernels.cube.voxels import PIXEL
from musedeep.processors import available_processors
from musedeep.progress import Progress, Silent
from musedeep.reduction.cube.field_grid import pixel_grid
from musedeep.reduction.cube.grid import Grid, Limits, check_grid, grid_on_sky, nothing_in_cube
from musedeep.reduction.cube.job import CUBE, MAP, REJECTED, CubeRecipe, Job, farthest, geometry
from musedeep.reduction.cube.planes import Part, bands_of
from musedeep.reduction.cube.row_survey import RowSurvey, survey_rows
from musedeep.storage.cubes.cube_fits import CubeFile
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.cubes.output_wcs import read_output_wcs
from musedeep.storage.outputs import make_directory, write_error

LEAST_MEMORY: Final = 64 << 20
"""Working memory where the limit leaves less [bytes]."""

MOST_MEMORY: Final = 1 << 30
"""Working memory of the bands: with more, hardly any row is saved from being read twice [bytes]."""

BASE_BYTES: Final = 300 << 20
"""Of a process, before any rows are read."""


def make_cube_here(
    cube: CubeRecipe,
    *,
    memory: int,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    with_cube: bool = True,
) -> list[Path]:
    """Make a cube and the other products of its recipe; returns their paths.

    Parameters
    ----------
    cube : CubeRecipe
    memory : limit of the process [bytes]
    workers : threads
    overwrite : replace existing products, once the new ones are whole
    progress : of planes
    with_cube : whether the cube has to be made, or only what takes no cube (see `CubeRecipe.finish`)

    Raises
    ------
    MusedeepError
        Bad input, an existing output without `overwrite`, no good row in the cube, no space.
    """
    cube.check_existing(overwrite)
    cube.open_inputs()
    wcs = read_output_wcs(cube.output_wcs) if cube.output_wcs else None
    exposures, tables = cube.exposures()
    how, reference = cube.resampling(exposures), (exposures[0].ra, exposures[0].dec)
    surveys = []
    for exposure, table in zip(exposures, tables, strict=True):
        g = geometry(exposure, reference)
        limits = how.lambda_low, how.lambda_high
        surveys.append(survey_rows([table], g.declination, workers, shift=g.shift, wavelengths=limits))
    limits_all = Limits.union([_limits(one) for one in surveys])
    grid: Grid
    if exposures[0].scale == PIXEL:
        if wcs:
            raise MusedeepError(
                f"{wcs.path}: an OUTPUT_WCS is on the sky, the positions of {exposures[0].name} are pixels of the "
                "field; apply the astrometry first, or leave it out"
            )
        grid = check_grid(pixel_grid(surveys[0].limits, cube.steps))
    else:
        narrow = exposures[0].mode.startswith("NFM")
        grid = grid_on_sky(limits_all, reference, cube.steps, narrow, wcs, farthest(exposures))
    job = Job(tuple(exposures), reference, limits_all, grid, how)
    make_directory(cube.output)
    with TemporaryDirectory(prefix=".musedeep-work-", dir=cube.output) as directory:
        work = Path(directory)
        room = max(memory - BASE_BYTES, LEAST_MEMORY)
        try:
            if with_cube:
                cube.create(work, job)
                if not _fill(job, surveys, work, min(room, MOST_MEMORY), workers, progress or Silent()):
                    raise nothing_in_cube(grid, limits_all, reference, cube.output_wcs)
            return cube.finish(work, job, room, workers or available_processors())
        except OSError as error:
            raise write_error(cube.output / CUBE, error, grid.n_voxels * 8) from error


def _limits(survey: RowSurvey) -> Limits:
    return Limits(*((float(low), float(high)) for low, high in survey.limits))


def _fill(job: Job, surveys: list[RowSurvey], work: Path, memory: int, workers: int | None, progress: Progress) -> int:
    """Write all voxels, and the rejected rows; returns the number of voxels that have a value."""
    cube = CubeFile.reopen(work / CUBE)
    exposure_map = ExposureMapFile.reopen(work / MAP) if job.how.exposure_map else None
    parts = [Part(survey, one) for survey, one in zip(surveys, job.geometries(), strict=True)]
    filled = 0
    for band in bands_of(parts, job.grid, job.how, memory=memory, workers=workers, progress=progress):
        for box, made in band:
            cube.write_box(box.z0, box.y0, made.data, made.stat)
            if exposure_map and made.number is not None and made.seconds is not None:
                exposure_map.write_box(box.z0, box.y0, made.number, made.seconds)
            if made.rejected is not None and made.rejected.size:
                np.save(work / REJECTED.format(*box.corners), made.rejected)
            filled += int(np.count_nonzero(np.isfinite(made.data)))
    return filled
