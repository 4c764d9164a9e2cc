"""A piece of a cube, made by a combination of its own: what its header says, and whether pieces belong together.

Pieces were made from the same exposures, with the same parameters but for the wavelength limits, on grids that are
parts of one grid. What differs is named by its keyword. `layout` puts them together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import DISPERSION
from musedeep.progress import LOG
from musedeep.reduction.cube.parameters import fractions
from musedeep.storage.cubes.cube_axes import CubeAxes, read_axes
from musedeep.storage.cubes.open_cube import OpenCube, open_cube
from musedeep.storage.fits.headers import value_of

WAVELENGTHS: Final = ("lambdamin", "lambdamax")
"""Parameters by which pieces differ."""

CLOSE: Final = 1e-3
"""Of a voxel: grids that differ by less are the same."""

_NOT_OF_VOXELS: Final = (*WAVELENGTHS, "save", "filter", "format")
_PRIMARY: Final = ("ESO INS MODE", "ESO PRO CATG", "DATE-OBS", "EXPTIME", "ESO PRO DATANCOM", "SPECSYS")
_APPLIED: Final = re.compile(r"ESO DRS MUSE (OFFSET\d+ .*|FLUX SCALE\d+)$")
_RECORD: Final = re.compile(r"ESO PRO REC(\d+) ID$")

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class RecipeRecord:
    """What a header says of the recipe that made the cube: ESO PRO RECn.

    Attributes
    ----------
    number : n
    recipe : its name
    parameters : value by name, as text
    keywords : the keyword of each value
    raws : file names of its input frames
    """

    number: int
    recipe: str
    parameters: dict[str, str]
    keywords: dict[str, str]
    raws: tuple[str, ...]
    program: str


def read_record(primary: fits.Header) -> RecipeRecord | None:
    """The record of the last recipe; None if there is none."""
    numbers = [int(match[1]) for match in map(_RECORD.match, list(primary)) if match]
    if not numbers:
        return None
    start = f"ESO PRO REC{max(numbers)} "
    parameters, keywords, raws = {}, {}, []
    for key in [key for key in primary if key.startswith(start)]:
        word = key.removeprefix(start)
        if re.match(r"PARAM\d+ NAME$", word):
            value = key.removesuffix("NAME") + "VALUE"
            name = str(primary[key])
            parameters[name], keywords[name] = str(primary.get(value, "")), value
        elif re.match(r"RAW\d+ NAME$", word):
            raws.append(str(primary[key]))
    program = str(primary.get(f"{start}PIPE ID", ""))
    return RecipeRecord(max(numbers), str(primary[f"{start}ID"]), parameters, keywords, tuple(raws), program)


@dataclass(frozen=True)
class Piece:
    """A piece of a cube: an open cube, its axes, and the record of its recipe."""

    cube: OpenCube
    axes: CubeAxes
    record: RecipeRecord | None

    @property
    def path(self) -> Path:
        """Of the cube."""
        return self.cube.path

    @property
    def shape(self) -> Shape:
        """Planes, lines, columns."""
        return self.cube.shape

    def limits(self) -> tuple[float, float]:
        """`lambdamin`, `lambdamax` [Angstrom]; MusedeepError if the header does not have them."""
        record = self.record
        found = [record.parameters.get(name) if record else None for name in WAVELENGTHS]
        try:
            low, high = (float(value) for value in found if value is not None)
        except ValueError:
            which = next((n for n, value in zip(WAVELENGTHS, found, strict=True) if value is None), WAVELENGTHS[0])
            number = record.number if record else "n"
            raise MusedeepError(
                f"{self.path}: no parameter {which} in the header (ESO PRO REC{number} PARAMi NAME and VALUE), which "
                "says which wavelengths it holds; give a cube as muse_exp_combine or muse_scipost wrote it"
            ) from None
        if not 0 <= low < high:
            raise MusedeepError(
                f"{self.path}: lambdamin {low:g} is not below lambdamax {high:g} (ESO PRO REC PARAMi VALUE); correct it"
            )
        return low, high

    def limit_keyword(self, name: str) -> str:
        """The keyword of a limit, for messages."""
        return self.record.keywords.get(name, name) if self.record else name

    def reach(self, rejection: bool = True) -> float | None:
        """See `reach_of`; None if the header does not say."""
        return reach_of(self.record.parameters, self.axes.step, rejection) if self.record else None

    @property
    def rejects(self) -> bool:
        """Whether cosmic rays were rejected, as far as the header says."""
        return self.reach() != self.reach(rejection=False)


def read_piece(path: Path) -> Piece:
    """Open a piece; raises as `open_cube` and `read_axes`."""
    cube = open_cube(path)
    return Piece(cube, read_axes(cube.header, path), read_record(cube.primary))


def reach_of(parameters: dict[str, str], step: float, rejection: bool = True) -> float | None:
    """How far from a plane pixels lie that change its voxels, in planes; None where parameters are missing.

    Parameters
    ----------
    parameters : of the recipe
    step : thickness of the planes [Angstrom]
    rejection : also those pixels whose values decide whether others are rejected
    """
    try:
        method, distance = parameters["resample"], int(parameters["ld"])
        rejects = rejection and float(parameters["crsigma"]) > 0
        size = fractions(parameters["pixfrac"])[2] * DISPERSION / step
    except (KeyError, ValueError):
        return None
    reach = distance + 0.5
    if method == "nearest":
        reach = 0.5
    elif method == "drizzle":
        reach = min(reach, 0.5 * (1.0 + size))
    # the voxel of a pixel that far away ends up to half a plane farther; its sample, one plane more
    return float(np.ceil(reach - 0.5)) + 1.5 if rejects else reach


def refuse_differing(pieces: Sequence[Piece], *, spatial: bool = False) -> None:
    """Refuse pieces that are not of one cube.

    Parameters
    ----------
    spatial : pieces may lie beside each other on the sky, made from those exposures that are there

    Raises
    ------
    MusedeepError
        Names the keyword that differs, and both values.
    """
    first = pieces[0]
    for one in pieces[1:]:
        if not spatial:
            applied = {key for p in (first, one) for key in p.cube.primary if _APPLIED.match(key)}
            for key in (*_PRIMARY, *sorted(applied)):
                compare(key, first, one, value_of(first.cube.primary, key), value_of(one.cube.primary, key))
        else:
            mode = [value_of(p.cube.primary, _PRIMARY[0]) for p in (first, one)]
            compare(_PRIMARY[0], first, one, mode[0], mode[1])
        _compare_grids(first, one, spatial)
        for name in ("DATA", "STAT"):
            headers = [p.cube.headers.get(name) for p in (first, one)]
            if headers[0] is not None and headers[1] is not None:
                units = [str(value_of(h, "BUNIT") or "") for h in headers if h is not None]
                compare(f"BUNIT of {name}", first, one, units[0], units[1])
        _compare_records(first, one, spatial)
    names = [set(p.cube.arrays) & {"DATA", "STAT", "DQ"} for p in pieces]
    for one, found in zip(pieces, names, strict=True):
        for name in sorted(found ^ names[0]):
            has, lacks = (one, first) if name in found else (first, one)
            raise MusedeepError(f"{lacks.path}: no extension {name}, which {has.path} has; give pieces with the same")


def _compare_grids(first: Piece, one: Piece, spatial: bool) -> None:
    a, b = first.axes, one.axes
    for i in range(3):
        compare(f"CTYPE{i + 1}", first, one, a.types[i], b.types[i])
        compare(f"CUNIT{i + 1}", first, one, a.units[i].lower(), b.units[i].lower())
    scale = max(map(abs, a.cd))
    extent = max(*first.shape[1:], *one.shape[1:])
    for k in range(4):
        near = abs(a.cd[k] - b.cd[k]) * extent <= CLOSE * scale
        compare(f"CD{k // 2 + 1}_{k % 2 + 1}", first, one, a.cd[k], b.cd[k], near)
    for i in (0, 1):
        compare(f"CRVAL{i + 1}", first, one, a.crval[i], b.crval[i], abs(a.crval[i] - b.crval[i]) <= CLOSE * scale)
        if not spatial:
            compare(f"NAXIS{i + 1}", first, one, first.shape[2 - i], one.shape[2 - i])
            near = abs(a.crpix[i] - b.crpix[i]) <= CLOSE
            compare(f"CRPIX{i + 1}", first, one, a.crpix[i], b.crpix[i], near)
    if not a.logarithmic:
        near = abs(a.step - b.step) * max(first.shape[0], one.shape[0]) <= CLOSE * a.step
        compare("CD3_3", first, one, a.step, b.step, near)


def _compare_records(first: Piece, one: Piece, spatial: bool) -> None:
    a, b = first.record, one.record
    if a is None or b is None:
        return
    compare(f"ESO PRO REC{b.number} ID", first, one, a.recipe, b.recipe)
    for name in {**a.parameters, **b.parameters}:
        if name in _NOT_OF_VOXELS:
            continue
        keyword = b.keywords.get(name) or a.keywords[name]
        compare(f"{keyword} ({name})", first, one, a.parameters.get(name), b.parameters.get(name))
    if a.raws != b.raws and not spatial:
        LOG.warning(
            f"{one.path}: the input frames that its header names (ESO PRO REC{b.number} RAWi NAME) are not those of "
            f"{first.path}; they have to hold the same exposures"
        )
    if a.program != b.program:
        LOG.warning(f"{one.path}: made by {b.program}, {first.path} by {a.program}; their planes may differ a little")


def compare(key: str, first: Piece, one: Piece, expected: Any, found: Any, same: bool | None = None) -> None:
    """Refuse a piece whose value of a keyword differs from that of the first; `same` says so where == does not."""
    if expected == found if same is None else same:
        return
    has = [f"is {v!r}" if v is not None else "is missing" for v in (found, expected)]
    raise MusedeepError(
        f"{one.path}: {key} {has[0]}, in {first.path} it {has[1]}; pieces of one cube have the same: make them again"
    )
