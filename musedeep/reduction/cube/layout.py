"""Where each piece of a cube lies, and what their cube is.

There are two kinds of pieces:

1. Adjacent pieces (manual 7.3.4): each has the grid of its part of the cube. The voxels of each are moved by whole
   voxels to their place; together they have to fill the cube, each voxel once.
2. Overlapping pieces (manual 7.3.3): each has the grid of the whole cube, and values between its `lambdamin` and
   `lambdamax`. A plane comes from the piece within whose limits it lies; where two pieces overlap, the cut is in the
   middle of the overlap.

The record of the recipe (ESO PRO RECn PARAMi) has the limits. Near a limit voxels lack pixels beyond it. How far it
matters (`piece.reach_of`) follows from the parameters: a pixel contributes to voxels within `ld` planes, or within its
size after drizzling; whether it is rejected as a cosmic ray depends on all pixels within one plane of its own voxel.
Adjacent pieces never had pixels beyond their grids to decide on cosmic rays, whatever their limits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.progress import LOG
from musedeep.reduction.cube.piece import CLOSE, WAVELENGTHS, Piece, Shape, compare, refuse_differing
from musedeep.reduction.cube.share import PIECE
from musedeep.storage.cubes.cube_axes import CubeAxes
from musedeep.storage.fits.headers import value_of


@dataclass(frozen=True)
class Place:
    """Voxels of a piece, and where they go: first plane, line and column in the piece and in the cube; their number."""

    piece: int
    source: Shape
    target: Shape
    size: Shape

    @property
    def end(self) -> Shape:
        """The plane, line and column after the last in the cube."""
        z, y, x = (first + n for first, n in zip(self.target, self.size, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Layout:
    """A cube of pieces.

    Attributes
    ----------
    pieces : in the order of their wavelengths, then of their places
    places : which voxels come from where
    shape, axes : of the cube
    limits : lambdamin and lambdamax of all pieces together; None if a header does not have them
    """

    pieces: tuple[Piece, ...]
    places: tuple[Place, ...]
    shape: Shape
    axes: CubeAxes
    limits: tuple[float, float] | None


def adjacent(pieces: Iterable[Piece], *, spatial: bool = False, gaps: bool = False) -> Layout:
    """The cube that adjacent pieces make: along the wavelength, or with `spatial` in any direction.

    Parameters
    ----------
    pieces : at least one, in any order
    spatial : see `refuse_differing`
    gaps : voxels that no piece has stay empty

    Raises
    ------
    MusedeepError
        Pieces differ, their grids are not parts of one, they overlap, or leave gaps.
    """
    ordered = sorted(pieces, key=lambda p: (float(p.axes.wavelengths(1)[0]), -p.axes.crpix[1], -p.axes.crpix[0]))
    refuse_differing(ordered, spatial=spatial)
    first = ordered[0]
    starts = [_offset(first, one) for one in ordered]
    lowest = [min(start[k] for start in starts) for k in range(3)]
    places = []
    for number, (one, start) in enumerate(zip(ordered, starts, strict=True)):
        z, y, x = (value - low for value, low in zip(start, lowest, strict=True))
        places.append(Place(number, (0, 0, 0), (z, y, x), one.shape))
    nz, ny, nx = (max(place.end[k] for place in places) for k in range(3))
    if spatial:
        _check_filling(ordered, places, (nz, ny, nx), gaps)
    else:
        _check_succession(ordered, places, gaps)
        _check_edges(ordered, places)
    axes = replace(
        first.axes,
        crpix=(first.axes.crpix[0] - lowest[2], first.axes.crpix[1] - lowest[1], first.axes.crpix[2] - lowest[0]),
    )
    return Layout(tuple(ordered), tuple(places), (nz, ny, nx), axes, _all_limits(ordered))


def _offset(first: Piece, one: Piece) -> Shape:
    """Where the first voxel of a piece lies among those of the first piece, in whole voxels."""
    waves = one.axes.wavelengths(one.shape[0])
    ends = [first.axes.plane_of(float(w)) for w in (waves[0], waves[-1])]
    z, y, x = round(ends[0]), *(round(first.axes.crpix[k] - one.axes.crpix[k]) for k in (1, 0))
    if abs(ends[0] - z) > CLOSE:
        raise MusedeepError(
            f"{one.path}: its first plane, at {waves[0]:.3f} Angstrom (CRVAL3), lies {ends[0] - np.floor(ends[0]):.3f} "
            f"of a plane beside the planes of {first.path}; give grids that are parts of one"
        )
    if abs(ends[1] - z - (one.shape[0] - 1)) > CLOSE:
        raise MusedeepError(f"{one.path}: CD3_3 is {one.axes.step:g}, its planes drift away from those of {first.path}")
    for k, found in ((1, y), (0, x)):
        shift = first.axes.crpix[k] - one.axes.crpix[k]
        if abs(shift - found) > CLOSE:
            raise MusedeepError(
                f"{one.path}: CRPIX{k + 1} lies {abs(shift - found):.3f} of a spaxel beside the spaxels of "
                f"{first.path}; give grids that are parts of one"
            )
    return z, y, x


def _check_succession(pieces: Sequence[Piece], places: Sequence[Place], gaps: bool) -> None:
    """Refuse gaps and overlaps along the wavelength; names the place."""
    for before, after, end, place in zip(pieces, pieces[1:], places, places[1:], strict=False):
        n = place.target[0] - end.end[0]
        if n == 0 or (n > 0 and gaps):
            continue
        last = before.axes.wavelengths(before.shape[0])[-1]
        found = after.axes.wavelengths(1)[0]
        what = f"leaves a gap of {n} planes after" if n > 0 else f"overlaps by {-n} planes with"
        remedy = "give the piece between" if n > 0 else "make pieces that are adjacent, or use muse_cube_combine"
        raise MusedeepError(
            f"{after.path}: {what} {before.path}: its first plane is at {found:.3f} Angstrom (CRVAL3, CRPIX3), the "
            f"last of that at {last:.3f}; {remedy}"
        )


def _check_edges(pieces: Sequence[Piece], places: Sequence[Place]) -> None:
    """Refuse pieces whose wavelength limits leave their planes empty where they meet; warn where too little is known.

    The outer ends of the cube are those of the data.
    """
    # pieces of one job (`musedeep combine --piece`) are made with the pixels beyond
    jobs = {value_of(one.cube.primary, PIECE + "JOB") for one in pieces}
    if any(one.rejects for one in pieces) and (None in jobs or len(jobs) > 1):
        LOG.info(
            "cosmic rays within three planes of where pieces meet were found without the pixels beyond: a few voxels "
            "there may differ from those of one combination; pieces of one grid that overlap (muse_cube_combine) do not"
        )
    for number, one in enumerate(pieces):
        try:
            low, high = one.limits()
        except MusedeepError as error:
            LOG.warning(f"{error}; whether its first and last planes are complete is not checked")
            continue
        waves, half = one.axes.wavelengths(one.shape[0]), 0.5 * one.axes.step
        for name, margin, edge, checked in (
            ("lambdamin", waves[0] - low, waves[0], number > 0),
            ("lambdamax", high - waves[-1], waves[-1], number + 1 < len(pieces)),
        ):
            if checked:
                _check_margin(one, name, float(margin) / one.axes.step, float(edge), half)


def _check_margin(one: Piece, name: str, margin: float, edge: float, half: float) -> None:
    limit = one.limits()[name == "lambdamax"]
    if margin < 0.5 - CLOSE:
        raise MusedeepError(
            f"{one.path}: {name} is {limit:g} ({one.limit_keyword(name)}), which leaves a gap at its plane at "
            f"{edge:.3f} Angstrom (it reaches {half:g} farther); make it with limits about three planes wider"
        )
    reach = one.reach(rejection=False)
    if reach is not None and margin < reach - CLOSE:
        LOG.warning(
            f"{one.path}: {name} = {limit:g} is {margin:.1f} planes from its plane at {edge:.3f} Angstrom, but pixels "
            f"up to {reach:.1f} planes away contribute to it; make it with limits about three planes wider"
        )


def _check_filling(pieces: Sequence[Piece], places: Sequence[Place], shape: Shape, gaps: bool) -> None:
    """Refuse pieces that overlap or do not fill the cube."""
    for a, b in ((a, b) for k, a in enumerate(places) for b in places[k + 1 :]):
        common = [min(a.end[k], b.end[k]) - max(a.target[k], b.target[k]) for k in range(3)]
        if min(common) > 0:
            raise MusedeepError(
                f"{pieces[b.piece].path}: overlaps with {pieces[a.piece].path} (CRPIXi, NAXISi) by {common[2]} x "
                f"{common[1]} x {common[0]} voxels; give pieces that are adjacent"
            )
    filled, wanted = sum(int(np.prod(place.size)) for place in places), int(np.prod(shape))
    if filled < wanted and not gaps:
        raise MusedeepError(
            f"{pieces[0].path} and {len(pieces) - 1} others: the pieces leave gaps (CRPIXi, NAXISi), {wanted - filled} "
            f"of {wanted} voxels are in none of them; give the pieces that are missing"
        )


def overlapping(pieces: Iterable[Piece]) -> Layout:
    """The cube that overlapping pieces on one grid make.

    Parameters
    ----------
    pieces : at least one, in any order

    Raises
    ------
    MusedeepError
        Pieces differ; a header has no limits; the limits leave gaps, overlap too little, or hold one another.
    """
    ordered = sorted(pieces, key=lambda p: p.limits())
    refuse_differing(ordered)
    first = ordered[0]
    nz, ny, nx = first.shape
    for one in ordered[1:]:
        compare("NAXIS3", first, one, nz, one.shape[0])
        if _offset(first, one) != (0, 0, 0):
            a, b = first.axes, one.axes
            compare("CRVAL3", first, one, a.crval[2], b.crval[2])
            compare("CRPIX3", first, one, a.crpix[2], b.crpix[2])
            compare("CD3_3", first, one, a.step, b.step)
    waves = first.axes.wavelengths(nz)
    cuts = [0, *(_cut(a, b, waves) for a, b in pairwise(ordered)), nz]
    for before, after in zip(ordered, ordered[2:], strict=False):
        if after.limits()[0] <= before.limits()[1]:
            raise MusedeepError(
                f"{after.path}: lambdamin is {after.limits()[0]:g} ({after.limit_keyword('lambdamin')}), where two "
                f"pieces overlap already: {before.path} has lambdamax {before.limits()[1]:g}; leave one of them out"
            )
    _check_ends(ordered, waves)
    places = [
        Place(number, (low, 0, 0), (low, 0, 0), (high - low, ny, nx))
        for number, (low, high) in enumerate(pairwise(cuts))
    ]
    for number, place in enumerate(places):
        if place.size[0] <= 0:
            raise MusedeepError(
                f"{ordered[number].path}: no plane of the cube lies between the middles of its overlaps "
                f"(lambdamin, lambdamax); leave it out"
            )
    return Layout(tuple(ordered), tuple(places), first.shape, first.axes, _all_limits(ordered))


def _cut(before: Piece, after: Piece, waves: NDArray[np.float64]) -> int:
    """The first plane that comes from the later of two pieces."""
    (low, high), (low_after, high_after) = before.limits(), after.limits()
    limit = f"lambdamin is {low_after:g} ({after.limit_keyword('lambdamin')})"
    other = f"lambdamax of {before.path} is {high:g}"
    if low_after <= low or high_after <= high:
        raise MusedeepError(
            f"{after.path}: {limit}, lambdamax {high_after:g}, {before.path} has {low:g} to {high:g}: one lies within "
            "the other; leave one of them out"
        )
    middle = 0.5 * (low_after + high)
    cut = int(np.searchsorted(waves, middle))
    step = float(np.diff(waves[max(cut - 1, 0) : cut + 1]).sum()) or before.axes.step
    overlap = (high - low_after) / step
    if overlap <= 0:
        what = f"leaves a gap of {-overlap:.1f} planes" if overlap < 0 else "does not overlap"
        raise MusedeepError(f"{after.path}: {limit}, {other}: {what}; make pieces that overlap by two planes or more")
    if overlap < 1.0 - CLOSE:
        raise MusedeepError(
            f"{after.path}: {limit}, {other}: they overlap by {overlap:.2f} planes, less than one, which leaves the "
            "plane there incomplete; make pieces that overlap by two planes or more"
        )
    reach = before.reach()
    if reach is not None and overlap < 2.0 * reach - CLOSE:
        LOG.info(
            f"{before.path.name}, {after.path.name}: overlap by {overlap:.1f} planes at {middle:.2f} Angstrom; a few "
            f"voxels there may differ from those of one combination, which overlaps of {2.0 * reach:g} planes exclude"
        )
    return cut


def _check_ends(pieces: Sequence[Piece], waves: NDArray[np.float64]) -> None:
    """Refuse pieces that leave planes at the ends of the grid empty."""
    half = 0.5 * pieces[0].axes.step
    for one, name, limit, edge, sign in (
        (pieces[0], "lambdamin", pieces[0].limits()[0], float(waves[0]), -1),
        (pieces[-1], "lambdamax", pieces[-1].limits()[1], float(waves[-1]), 1),
    ):
        if sign * (edge - limit) > half:
            raise MusedeepError(
                f"{one.path}: {name} is {limit:g} ({one.limit_keyword(name)}), but the grid goes to {edge:.3f} "
                "Angstrom, which no piece has; give the missing piece"
            )


def _all_limits(pieces: Sequence[Piece]) -> tuple[float, float] | None:
    if any(p.record is None or not set(WAVELENGTHS) <= set(p.record.parameters) for p in pieces):
        return None
    limits = [p.limits() for p in pieces]
    return min(low for low, _ in limits), max(high for _, high in limits)
