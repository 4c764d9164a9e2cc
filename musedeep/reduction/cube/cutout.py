"""Cutouts: a part of the field and of the wavelengths of a cube, read without the rest.

1. The centre, on the sky or in pixels, is brought to a place among columns and lines by the coordinates of DATA. The
   size becomes a whole number of columns and lines, that nearest to it, at least one.
2. Planes are those whose wavelengths lie in the range given, ends included.
3. Parts of the region that lie beyond the cube are left out.
4. Arrays and field images are cut, and their reference pixels (CRPIXi) moved by whole pixels, so that each voxel keeps
   its coordinates to the last bit that the header holds. All other cards are kept, but for the depth of a science data
   product, which is that of the whole.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.progress import LOG
from musedeep.reduction.cube.science_product import resolving_power
from musedeep.storage.cubes.content import CubeContent, Other
from musedeep.storage.cubes.cube_axes import SKY, CubeAxes, read_axes
from musedeep.storage.cubes.voxels import RegionVoxels
from musedeep.storage.fits.headers import number_or_none

_OF_WHOLE: Final = ("PIXNOISE", "ABMAGLIM")
"""Keywords of science data products that are measured on the whole cube."""

_TIE: Final = 1e-6
"""Pixels: a place between two pixels belongs to the upper one, whatever the rounding of its coordinates."""

_REFERENCE: Final = re.compile(r"CRPIX([123])[A-Z]?$")


@dataclass(frozen=True)
class Region:
    """Planes, lines and columns [low, high), counted from 0."""

    planes: tuple[int, int]
    lines: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of planes, lines and columns."""
        (z0, z1), (y0, y1), (x0, x1) = self.planes, self.lines, self.columns
        return z1 - z0, y1 - y0, x1 - x0


class ArrayRegion:
    """A region of an array, as `RegionVoxels`."""

    def __init__(self, array: RegionVoxels, region: Region) -> None:
        self._array, self._region = array, region
        self.shape, self.dtype = region.shape, array.dtype
        z0, z1 = region.planes
        self.ends = tuple(end - z0 for end in getattr(array, "ends", ()) if z0 < end < z1)

    def read_box(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_box`."""
        return self.read_stored(z0, z1, y0, y1).astype(self.dtype.newbyteorder("="), copy=False)

    def read_stored(self, z0: int, z1: int, y0: int = 0, y1: int | None = None) -> NDArray[Any]:
        """See `Voxels.read_stored`."""
        return self.read_region(z0, z1, y0, self.shape[1] if y1 is None else y1, 0, self.shape[2])

    def read_region(self, z0: int, z1: int, y0: int, y1: int, x0: int, x1: int) -> NDArray[Any]:
        """See `RegionVoxels.read_region`."""
        z, y, x = self._region.planes[0], self._region.lines[0], self._region.columns[0]
        return self._array.read_region(z + z0, z + z1, y + y0, y + y1, x + x0, x + x1)


def region_of(
    content: CubeContent,
    *,
    sky: tuple[float, float] | None = None,
    pixel: tuple[float, float] | None = None,
    size: tuple[float, float] | None = None,
    wavelengths: tuple[float, float] | None = None,
) -> Region:
    """The region of a cube that is asked for, as far as it lies in the cube.

    Parameters
    ----------
    sky : right ascension, declination of the centre [deg]
    pixel : column, line of the centre, counted from 1 as in FITS; default, without `sky`: the whole field
    size : along the columns and along the lines of the cube [arcsec]
    wavelengths : shortest, longest [Angstrom]; default: all

    Raises
    ------
    MusedeepError
        A size that is not positive; a range without wavelengths; a region outside the cube; no coordinates.
    """
    path, (nz, ny, nx) = content.path, content.shape
    axes = read_axes(content.header, path)
    planes = (0, nz) if wavelengths is None else _planes(axes, nz, wavelengths, path)
    if sky is None and pixel is None:
        return Region(planes, (0, ny), (0, nx))
    if size is None or not all(math.isfinite(one) and one > 0 for one in size):
        given = "none" if size is None else " x ".join(f"{one:g}" for one in size)
        raise MusedeepError(f"{path}: size of the cutout is {given}; give a positive number of arcsec")
    on_sky = axes.types[:2] == SKY
    if not on_sky and sky is not None:
        raise MusedeepError(
            f"{path}: CTYPE1, CTYPE2 are '{axes.types[0]}', '{axes.types[1]}', which are not on the sky (RA---TAN, "
            "DEC--TAN); give the centre in pixels"
        )
    scale = (math.hypot(axes.cd[0], axes.cd[2]), math.hypot(axes.cd[1], axes.cd[3]))
    if not on_sky or not min(scale) > 0:
        raise MusedeepError(f"{path}: no scale of pixels on the sky in the header; leave out the centre and the size")
    if sky is not None:
        if not (-90.0 <= sky[1] <= 90.0 and math.isfinite(sky[0])):
            raise MusedeepError(f"{path}: centre {sky[0]:g}, {sky[1]:g} is no place on the sky; give degrees")
        x, y = (float(one) + 1.0 for one in celestial(content.header).all_world2pix(*sky, 0))
        what = f"RA {sky[0]:.6f}, DEC {sky[1]:.6f}"
    else:
        assert pixel is not None
        (x, y), what = pixel, f"pixel {pixel[0]:g}, {pixel[1]:g}"
    spans = []
    for place, arcsec, step, n in zip((x, y), size, scale, (nx, ny), strict=True):
        count = max(1, math.floor(arcsec / 3600.0 / step + 0.5))
        # a place without an image on this plane is nowhere
        first = math.floor(place - 1.0 - (count - 1) / 2.0 + 0.5 + _TIE) if math.isfinite(place) else n
        spans.append((max(first, 0), min(first + count, n), count))
    if any(low >= high for low, high, _ in spans):
        raise MusedeepError(
            f"{path}: the region about {what} is outside the field, which is {_field(content, nx, ny)}; give another "
            "centre"
        )
    (x0, x1, columns), (y0, y1, lines) = spans
    if (x1 - x0, y1 - y0) != (columns, lines):
        LOG.warning(
            f"{path}: {columns} x {lines} pixels about {what} reach beyond the field; {x1 - x0} x {y1 - y0} of them "
            "are in it"
        )
    return Region(planes, (y0, y1), (x0, x1))


def _planes(axes: CubeAxes, n: int, wavelengths: tuple[float, float], path: Path) -> tuple[int, int]:
    low, high = wavelengths
    if not low <= high:
        raise MusedeepError(f"{path}: wavelengths {low:g} to {high:g}; give the shorter one first")
    waves = axes.wavelengths(n)
    margin = 1e-6 * axes.step  # a wavelength that was copied from a list is that of its plane
    first, last = np.searchsorted(waves, [low - margin, high + margin])
    if first == last:
        raise MusedeepError(
            f"{path}: no plane between {low:g} and {high:g} Angstrom; the cube has {waves[0]:.2f} to {waves[-1]:.2f}"
        )
    return int(first), int(last)


def _field(content: CubeContent, nx: int, ny: int) -> str:
    corners = celestial(content.header).all_pix2world([0, nx - 1, 0, nx - 1], [0, 0, ny - 1, ny - 1], 0)
    centre = celestial(content.header).all_pix2world((nx - 1) / 2, (ny - 1) / 2, 0)
    # of a field across RA 0
    ra = (np.asarray(corners[0]) - float(centre[0]) + 180.0) % 360.0 - 180.0 + float(centre[0])
    return (
        f"RA {ra.min() % 360:.5f} to {ra.max() % 360:.5f}, DEC {corners[1].min():.5f} to {corners[1].max():.5f}, "
        f"{nx} x {ny} pixels"
    )


def celestial(header: fits.Header) -> WCS:
    """The coordinates of the two spatial axes of a cube."""
    keys = ("CRPIX", "CRVAL", "CTYPE", "CUNIT", "CDELT")
    matrix = [f"{kind}{i}_{j}" for kind in ("CD", "PC") for i in (1, 2) for j in (1, 2)]
    wanted = {f"{key}{i}" for key in keys for i in (1, 2)} | {*matrix, "RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"}
    return WCS(fits.Header([card for card in header.cards if card.keyword in wanted]))


def cut(content: CubeContent, region: Region) -> CubeContent:
    """The part of a cube in a region; its values are read later."""
    (y0, y1), (x0, x1) = region.lines, region.columns
    headers = {name: _moved(header, region) for name, header in content.headers.items()}
    arrays: dict[str, RegionVoxels] = {name: ArrayRegion(array, region) for name, array in content.arrays.items()}
    others = []
    for one in content.others:
        if one.values is not None and one.values.shape == content.shape[1:]:
            one = Other(one.name, _moved(one.header, region), one.values[y0:y1, x0:x1], one.unit)
        others.append(one)
    history = (
        f"musedeep cutout {__version__}: of {content.path.name}",
        *(
            f"{what} {low + 1} to {high} of {n}"
            for what, (low, high), n in zip(
                ("planes", "lines", "columns"),
                (region.planes, region.lines, region.columns),
                content.shape,
                strict=True,
            )
        ),
    )
    primary = _primary(content, region)
    return CubeContent(content.path, primary, headers, arrays, tuple(others), (*content.history, *history))


def _moved(header: fits.Header, region: Region) -> fits.Header:
    moved = header.copy()
    starts: Sequence[int] = region.columns[0], region.lines[0], region.planes[0]
    for key in list(moved):
        if found := _REFERENCE.match(key):
            value = number_or_none(moved, key)
            if value is not None:
                moved[key] = value - starts[int(found[1]) - 1]
    return moved


def _primary(content: CubeContent, region: Region) -> fits.Header:
    """The primary header, with the wavelengths of a science data product those of the region."""
    if "WAVELMIN" not in content.primary:
        return content.primary
    primary = content.primary.copy()
    for key in _OF_WHOLE:
        primary.remove(key, ignore_missing=True)
    waves = read_axes(content.header, content.path).wavelengths(content.shape[0])[slice(*region.planes)]
    primary["WAVELMIN"], primary["WAVELMAX"] = float(waves[0]) / 10.0, float(waves[-1]) / 10.0
    primary["SPEC_RES"] = resolving_power(0.5 * float(waves[0] + waves[-1]))
    return primary
