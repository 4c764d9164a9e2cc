"""What has to be known of an exposure before its rows are read: limits, and which rows lie where."""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.rows.projection import plane_positions, position_limits, relative_positions, voxel_positions
from musedeep.reduction.cube.grid import Grid, Limits
from musedeep.storage.pixel_tables.table import PixelTable, read_blocks
from musedeep.workspace import Workspace

VOXEL_SEGMENT = np.dtype([("start", "i8"), ("stop", "i8"), ("z0", "i4"), ("z1", "i4"), ("y0", "i4"), ("y1", "i4")])
"""Rows [start, stop) lie in planes [z0, z1) and lines [y0, y1)."""

CURVATURE = 5e-6
"""Allowance for the curvature of the sky within a segment's tangent-plane box [deg]."""

FIRST_SEGMENTS = 8
"""Segments read first for each limit."""

BEYOND = 12
"""Voxels beyond the edges of the cube of which rows may still be used (the largest loop distance, and a margin)."""

THICK = 16
"""Planes that a segment spans at most, unless it lies across the end of a slice."""

LINES_PER_BIN = 8
"""Lines of the cube that one bin of the density of rows covers."""


@dataclass(frozen=True)
class Nothing:
    """No row of an exposure is in the range of wavelengths asked for; its own range is [low, high] [Angstrom]."""

    low: float
    high: float


def _corner_positions(
    index: NDArray, declination: float, shift: tuple[float, float], scale: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Relative RA and declination [deg] of the four corners of each segment's box, float64 (4, segments).

    `scale` is that of `kernels.cube.voxels.Pointing`.
    """
    sd, cd = math.sin(declination), math.cos(declination)
    ra, dec = [], []
    for x in (index["x_min"], index["x_max"]):
        for y in (index["y_min"], index["y_max"]):
            xi, eta = x.astype(np.float64), y.astype(np.float64)
            if scale:
                ra.append(xi * scale + shift[0])
                dec.append(eta * scale + shift[1])
                continue
            a = np.arctan2(xi, cd - eta * sd)
            d = np.arctan2(np.cos(a) * (sd + eta * cd), cd - eta * sd)
            ra.append(np.rad2deg(a) + shift[0])
            dec.append(np.rad2deg(d - declination) + shift[1])
    return np.array(ra), np.array(dec)


def exposure_limits(
    table: PixelTable, index: NDArray, declination: float, shift: tuple[float, float], low: float, high: float
) -> Limits | Nothing:
    """Limits of the relative positions and wavelengths of the rows with low <= wavelength <= high, or Nothing.

    Parameters
    ----------
    index : SEGMENT array, of the table; its boxes tell which few rows have to be read
    declination : float, of the exposure's pointing [rad]
    shift : (float, float), pointing minus reference position [deg]
    low, high : float [Angstrom]
    """
    nothing = Nothing(float(index["lambda_min"].min()), float(index["lambda_max"].max()))
    index = index[(index["lambda_max"] >= low) & (index["lambda_min"] <= high)]
    if index.size == 0:
        return nothing
    ra, dec = _corner_positions(index, declination, shift)
    limits = np.array([np.inf, -np.inf] * 3)
    # wavelengths of segments that no cut goes through are limits already
    whole = (index["lambda_min"] >= low) & (index["lambda_max"] <= high)
    if whole.any():
        limits[4], limits[5] = index["lambda_min"][whole].min(), index["lambda_max"][whole].max()
    # how far each segment might push each limit, all as "smaller is farther"
    bounds = np.array([
        ra.min(0) - CURVATURE, -(ra.max(0) + CURVATURE), dec.min(0) - CURVATURE, -(dec.max(0) + CURVATURE),
        np.maximum(index["lambda_min"], low), -np.minimum(index["lambda_max"], high),
    ])  # fmt: skip
    signs = np.array([1.0, -1.0] * 3)
    few = min(FIRST_SEGMENTS, index.size)
    todo = np.zeros(index.size, bool)
    todo[np.argpartition(bounds[:4], few - 1, axis=1)[:, :few].ravel()] = True
    seen = np.zeros(index.size, bool)
    workspace = Workspace()
    while todo.any():
        chosen = index[todo]
        ranges = np.stack([chosen["start"], chosen["stop"]], axis=1)
        for rows, _ in read_blocks(table, ranges, ("xpos", "ypos", "lambda"), workspace.array):
            n = rows["xpos"].size
            out_ra, out_dec = workspace.array("ra", n, np.float32), workspace.array("dec", n, np.float32)
            relative_positions(rows["xpos"], rows["ypos"], declination, *shift, out_ra, out_dec)
            position_limits(out_ra, out_dec, rows["lambda"], low, high, limits)
        seen |= todo
        todo = (bounds < (signs * limits)[:, None]).any(axis=0) & ~seen
    if not np.isfinite(limits).all():
        return nothing
    return Limits((limits[0], limits[1]), (limits[2], limits[3]), (limits[4], limits[5]))


def locate_segments(
    index: NDArray,
    grid: Grid,
    declination: float,
    shift: tuple[float, float],
    scale: float = 0.0,
    columns: tuple[int, int] | None = None,
) -> NDArray:
    """Which planes and lines of the cube the segments of a table may fall into.

    Parameters
    ----------
    index : SEGMENT array
    declination, shift : see `exposure_limits`
    scale : see `kernels.cube.voxels.Pointing`
    columns : (int, int), optional, segments whose rows no voxel of the columns [first, last) needs are left out, too

    Returns
    -------
    VOXEL_SEGMENT array, without the segments outside the cube, in the order that `select_ranges` needs: those of
    more than THICK planes, then the others by their first plane.
    """
    ra, dec = _corner_positions(index, declination, shift, scale)
    x, y = np.empty(ra.size), np.empty(ra.size)
    voxel_positions(
        ra.ravel().astype(np.float32), dec.ravel().astype(np.float32), *grid.offset, math.radians(grid.crval[1]),
        grid.inverse_cd(), np.array(grid.crpix[:2]), x, y,
    )  # fmt: skip
    margin = 0.05 + CURVATURE * np.abs(grid.inverse_cd()).sum()
    corners_x, corners_y = x.reshape(ra.shape), y.reshape(ra.shape)
    z_low, z_high = np.empty(index.size), np.empty(index.size)
    plane_positions(index["lambda_min"].copy(), grid.spectral(), z_low)
    plane_positions(index["lambda_max"].copy(), grid.spectral(), z_high)
    nz, ny, nx = grid.shape
    out = np.empty(index.size, VOXEL_SEGMENT)
    out["start"], out["stop"] = index["start"], index["stop"]
    limit = 2**30
    for name, value in (
        ("z0", np.floor(z_low + 0.49)), ("z1", np.floor(z_high + 0.51) + 1),
        ("y0", np.floor(corners_y.min(0) - margin + 0.5)), ("y1", np.floor(corners_y.max(0) + margin + 0.5) + 1),
    ):  # fmt: skip
        out[name] = np.clip(value, -limit, limit)
    left, right = (columns[0] - margin, columns[1] + margin) if columns else (0, nx)
    inside = (corners_x.max(0) > left - BEYOND) & (corners_x.min(0) < right + BEYOND)
    for first, last, n in (("z0", "z1", nz), ("y0", "y1", ny)):
        inside &= (out[last] > -BEYOND) & (out[first] < n + BEYOND)
        # rows just beyond an edge count to the voxels at the edge
        out[first] = np.minimum(out[first], n - 1)
        out[last] = np.maximum(out[last], 1)
    out = out[inside]
    thin = out["z1"] - out["z0"] <= THICK
    return out[np.lexsort((out["z0"], thin))]


def row_density(segments: NDArray, grid: Grid) -> NDArray[np.float32]:
    """Expected rows per plane and bin of lines, float32 (planes, ceil(lines / LINES_PER_BIN)).

    The rows of a segment are taken to spread evenly over its box.
    """
    nz, ny, _ = grid.shape
    bins = -(-ny // LINES_PER_BIN)
    change = np.zeros((nz + 1, bins + 1), np.float64)
    z0, z1 = np.clip(segments["z0"], 0, nz), np.clip(segments["z1"], 0, nz)
    y0 = np.clip(segments["y0"] // LINES_PER_BIN, 0, bins)
    y1 = np.clip(-(-segments["y1"] // LINES_PER_BIN), 0, bins)
    n = segments["stop"] - segments["start"]
    share = n / (
        (segments["z1"] - segments["z0"]) * (-(-segments["y1"] // LINES_PER_BIN) - segments["y0"] // LINES_PER_BIN)
    )
    for z, y, sign in ((z0, y0, 1), (z0, y1, -1), (z1, y0, -1), (z1, y1, 1)):
        change += sign * np.bincount(z * (bins + 1) + y, share, change.size).reshape(change.shape)
    return change.cumsum(0).cumsum(1)[:nz, :bins].astype(np.float32)


def select_ranges(segments: NDArray, z0: int, z1: int, y0: int, y1: int) -> NDArray[np.int64]:
    """Row ranges of the segments that may have rows in a box, adjacent ones merged, int64 (n, 2).

    Parameters
    ----------
    segments : VOXEL_SEGMENT array
        In the order of `locate_segments`; only those near the planes of the box are looked at.
    z0, z1, y0, y1 : int, planes [z0, z1) and lines [y0, y1)
    """
    begin, end = segments["z0"], segments["z1"]
    everything = range(segments.size)
    n_thick = bisect_left(everything, True, key=lambda k: end[k] - begin[k] <= THICK)
    first = bisect_left(everything, z0 - THICK, n_thick, key=lambda k: begin[k])
    last = bisect_left(everything, z1, first, key=lambda k: begin[k])
    near = np.concatenate([segments[:n_thick], segments[first:last]])
    near = near[(near["z1"] > z0) & (near["z0"] < z1) & (near["y1"] > y0) & (near["y0"] < y1)]
    near = near[np.argsort(near["start"], kind="stable")]
    start, stop = near["start"], near["stop"]
    if start.size == 0:
        return np.empty((0, 2), np.int64)
    new = np.r_[True, start[1:] != stop[:-1]]
    last = np.r_[new[1:], True]
    return np.stack([start[new], stop[last]], axis=1)


def require_rows(limits: list[Limits | Nothing], names: list[str], low: float, high: float) -> list[Limits]:
    """The limits of all exposures, or an error that names the first without a row in the wavelength range."""
    for one, name in zip(limits, names, strict=True):
        if isinstance(one, Nothing):
            raise MusedeepError(
                f"{name}: no rows between lambdamin={low:g} and lambdamax={high:g} Angstrom, but from {one.low:.1f} to "
                f"{one.high:.1f}; choose a range that it covers, or leave it out"
            )
    return [one for one in limits if isinstance(one, Limits)]
