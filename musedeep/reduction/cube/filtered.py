"""Field images of a finished cube: the integral over filter curves (manual 7.3.5), in one pass over its planes.

The method is that of the recipes (`depth.collapse_cube`): weights of the curve at each plane, planes count alike,
voxels that are empty, or flagged in an extension DQ, are left out.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError, nearest
from musedeep.progress import LOG
from musedeep.reduction.cube.depth import collapse_cube
from musedeep.reduction.headers.cards import ordered
from musedeep.storage.calibrations.filters import Filter, filter_names, read_filters
from musedeep.storage.cubes.cube_axes import CubeAxes
from musedeep.storage.cubes.open_cube import OpenCube
from musedeep.storage.cubes.voxels import Voxels
from musedeep.storage.fits.header_cards import Card, card, date_card, extension_cards, header_of, utc_now
from musedeep.storage.fits.headers import value_of

COMPLETE: Final = 99.0
"""Covered fraction [%] below which the zero points of a filter make no sense (manual 7.3.5)."""

_SPATIAL: Final = re.compile(r"(C(TYPE|UNIT|RPIX|RVAL|SYER|DELT)[12]|(CD|PC)[12]_[12])$")
_NOT_OF_IMAGES: Final = re.compile(
    r"(SIMPLE|BITPIX|NAXIS|EXTEND|CHECKSUM|DATASUM|DATAMD5|DATE|PIPEFILE|SPECSYS|PRODCATG|ASSON\d+|"
    r"ESO PRO CATG|ESO DRS MUSE FILTER .*|)$"
)


@dataclass(frozen=True)
class _Values:
    """The values of a cube as `CubeVoxels`; variances are not asked for."""

    data: Voxels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape

    @property
    def stat(self) -> Voxels:
        raise AssertionError


@dataclass(frozen=True)
class FilteredImage:
    """A field image: its filter, float32 (lines, columns), the cards of the filter."""

    curve: Filter
    image: NDArray[np.float32]
    cards: tuple[Card, ...]


def filtered_images(
    cube: OpenCube, axes: CubeAxes, names: Sequence[str], filter_list: Path | None
) -> list[FilteredImage]:
    """The images of a cube through filters.

    Parameters
    ----------
    names : of filters; white is built in
    filter_list : FILTER_LIST with the others

    Raises
    ------
    MusedeepError
        A filter is not to be had, or meets no plane of the cube; an image would be empty.
    """
    curves, missing = read_filters(filter_list, tuple(names))
    if missing:
        known = ["white", *(filter_names(filter_list) if filter_list else [])]
        near = nearest(missing[0], known)
        hint = f"did you mean {near}?" if near else f"it has {', '.join(known[1:]) or 'none'}"
        where = (
            f"{filter_list}: no extension {missing[0]}" if filter_list else f"filter {missing[0]} needs a FILTER_LIST"
        )
        raise MusedeepError(f"{where}, a table of the filter; {hint if filter_list else 'give one'}")
    waves = axes.wavelengths(cube.shape[0])
    weights = [curve.at(waves) for curve in curves]
    for curve, weight in zip(curves, weights, strict=True):
        if not weight.any():
            low, high = curve.wavelength[0], curve.wavelength[-1]
            raise MusedeepError(
                f"{cube.path}: has planes from {waves[0]:.2f} to {waves[-1]:.2f} Angstrom, none of them within filter "
                f"{curve.name} ({low:.2f} to {high:.2f}); leave the filter out"
            )
    images, _ = collapse_cube(_Values(cube.unflagged), weights)
    made = []
    for curve, image in zip(curves, images, strict=True):
        if not np.isfinite(image).any():
            raise MusedeepError(
                f"{cube.path}: all planes within filter {curve.name} are empty (NaN); leave the filter out"
            )
        cards = tuple(curve.cards(*axes.covered(cube.shape[0])))
        fraction = float(np.float32(cards[-1][1]))  # type: ignore[arg-type]
        if fraction < COMPLETE and any(point is not None for point in curve.zero_points):
            LOG.warning(
                f"{cube.path}: covers {fraction:.2f} % of filter {curve.name}; its zero points are of no use below "
                f"{COMPLETE:g} %"
            )
        made.append(FilteredImage(curve, image, cards))
    return made


def image_primary(cube: OpenCube, made: FilteredImage, name: str) -> fits.Header:
    """Primary header of an IMAGE_FOV: that of the cube, the filter, and the object with its name."""
    kept = [copy.copy(c) for c in cube.primary.cards if not _NOT_OF_IMAGES.match(c.keyword)]
    now = utc_now()
    cards: list[Card] = [
        date_card(now),
        ("OBJECT", f"{_target(cube)} ({made.curve.name})", ""),
        ("PIPEFILE", name, "Filename of data product"),
        ("DATAMD5", "0" * 32, "MD5 checksum"),
        ("ESO PRO CATG", "IMAGE_FOV", "Category of pipeline product frame"),
        *made.cards,
    ]
    return ordered([*kept, *(card(*c) for c in cards)])


def image_header(cube: OpenCube) -> fits.Header:
    """Header of the extension of an IMAGE_FOV."""
    cards = [("INHERIT", True, ""), *extension_cards("DATA", "DATA", {}), *_unit(cube)]
    return _with_coordinates(cube, [], cards)


def extension_of(cube: OpenCube, made: FilteredImage) -> fits.Header:
    """Header of a field image in the file of the cube."""
    name = made.curve.name
    first: list[Card] = [("OBJECT", f"{_target(cube)} ({name})", "")]
    text = "reconstructed image (data values)"
    return _with_coordinates(cube, first, [*extension_cards(name, "DATA", {}, text), *_unit(cube), *made.cards])


def _with_coordinates(cube: OpenCube, first: Sequence[Card], cards: Sequence[Card]) -> fits.Header:
    """The cards, with the coordinates of the cube on the sky between them, as they stand there."""
    found = [(c.keyword, c.value, c.comment) for c in cube.header.cards if _SPATIAL.match(c.keyword)]
    return header_of([*first, *found, *cards])


def _target(cube: OpenCube) -> str:
    return str(value_of(cube.primary, "OBJECT") or "")


def _unit(cube: OpenCube) -> list[Card]:
    unit = value_of(cube.header, "BUNIT")
    return [("BUNIT", unit, "")] if unit else []
