"""QC EXPCOMB, QC SCIPOST: sources in one plane of a cube and their widths (manual 9.14.5).

Against the reference, on seven small cubes of simulated stars (five of three IFUs, two of one IFU): the plane is
the same; on three IFUs with and without rejection of cosmic rays the number of sources is the same (11), 53 of 55
positions are equal and the others one pixel off, the widths differ by 0.2 % (median) and at most 1.7 %, their median by
less than 0.2 %. On strips of a single IFU the reference lists further sources along the edges, most without a
valid width, that are not found here.
"""

from musedeep.kernels.field.sources import find_sources
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.source_quality import source_cards as cards_of
from musedeep.storage.cubes.voxels import CubeVoxels

THRESHOLD = 5.0
"""Detection threshold, in standard deviations of the background (the reference prints it in its log)."""


def source_cards(cube: CubeVoxels, grid: Grid, step: str) -> list[tuple[str, object, str]]:
    """The QC cards of a cube: sources in its central plane (number nz // 2, from 0); see `source_quality`.

    `step` is the word of the recipe in the keywords: EXPCOMB, SCIPOST.
    """
    plane = grid.shape[0] // 2
    sources = find_sources(cube.data.read_box(plane, plane + 1)[0], THRESHOLD)
    scales = abs(grid.cd[0]) * 3600.0, abs(grid.cd[3]) * 3600.0
    return cards_of(step, "combined", sources, grid.wavelengths()[plane], scales)
