"""Cubes for programs in Python: opened without being read, cut, written, and handed to MPDAF."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.reduction.cube.cutout import Region, celestial, cut, region_of
from musedeep.storage.cubes.content import CubeContent, read_content
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.export import primary_header, write_cube
from musedeep.storage.cubes.viewers import viewer_header
from musedeep.storage.fits.headers import value_of
from musedeep.storage.fits.units import parsed_unit

if TYPE_CHECKING:
    import mpdaf.obj


class Cube:
    """A cube to read, of a FITS file or a store, or a part of one; made by `open_cube` and `cutout`.

    Values are read when they are asked for, and nothing else of the cube is.
    """

    def __init__(self, content: CubeContent) -> None:
        self._content = content

    def __repr__(self) -> str:
        nz, ny, nx = self.shape
        waves = self.wavelengths
        return (
            f"<musedeep.Cube {self.path.name}: {nx} x {ny} x {nz} voxels, {waves[0]:.2f} to {waves[-1]:.2f} Angstrom, "
            f"{', '.join(self.names)}>"
        )

    @property
    def path(self) -> Path:
        """The file or store."""
        return self._content.path

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, lines, columns."""
        return self._content.shape

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays of three axes: DATA, and where there are any STAT, DQ, EXPOSURES, EXPTIME."""
        return tuple(self._content.arrays)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images, for example those of filters."""
        return tuple(one.name for one in self._content.others if one.values is not None)

    @property
    def primary(self) -> fits.Header:
        """A copy of the primary header."""
        return self._content.primary.copy()

    def header(self, name: str = "DATA") -> fits.Header:
        """A copy of the header of an array or image; MusedeepError if there is none of this name."""
        self._known(name)
        if name in self._content.headers:
            return self._content.headers[name].copy()
        return next(one.header for one in self._content.others if one.name == name).copy()

    @property
    def unit(self) -> units.UnitBase | None:
        """The unit of DATA, None if BUNIT means none; that of STAT is its square."""
        return parsed_unit(str(value_of(self._content.header, "BUNIT") or ""))

    @property
    def wcs(self) -> WCS:
        """The coordinates of the three axes: right ascension, declination, wavelength."""
        return WCS(viewer_header(self._content.header, self._content.primary))

    @property
    def celestial(self) -> WCS:
        """The coordinates of the two axes on the sky."""
        return celestial(self._content.header)

    @property
    def wavelengths(self) -> NDArray[np.float64]:
        """Wavelengths of the planes, float64 (planes,) [Angstrom], in air or vacuum as CTYPE3 says."""
        return read_axes(self._content.header, self.path).wavelengths(self.shape[0])

    def read(
        self,
        name: str = "DATA",
        planes: slice = slice(None),
        lines: slice = slice(None),
        columns: slice = slice(None),
    ) -> NDArray[Any]:
        """Values of an array, or a part of them; without a part, all of them are in memory.

        Parameters
        ----------
        name : one of `names`
        planes, lines, columns : slice, without steps; counted from 0

        Returns
        -------
        NDArray
            (planes, lines, columns), of the type in which they are stored, in native byte order.

        Raises
        ------
        MusedeepError
            There is no such array; a slice with steps; damage.
        """
        self._known(name)
        if name not in self._content.arrays:
            raise MusedeepError(f"{self.path}: {name} is an image; read it with image({name!r})")
        array = self._content.arrays[name]
        spans = []
        for one, n in zip((planes, lines, columns), self.shape, strict=True):
            first, last, step = one.indices(n)
            if step != 1:
                raise MusedeepError(f"{self.path}: {one} has steps; read all, and take every {step}th of them")
            spans.append((first, max(first, last)))
        (z0, z1), (y0, y1), (x0, x1) = spans
        values = array.read_region(z0, z1, y0, y1, x0, x1)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    @property
    def data(self) -> NDArray[Any]:
        """All values (planes, lines, columns); they are read each time."""
        return self.read("DATA")

    @property
    def stat(self) -> NDArray[Any]:
        """All variances (planes, lines, columns); MusedeepError if the cube has none."""
        return self.read("STAT")

    def image(self, name: str) -> NDArray[Any]:
        """An image (lines, columns), in native byte order; MusedeepError if there is none of this name."""
        for one in self._content.others:
            if one.name == name and one.values is not None:
                return one.values.astype(one.values.dtype.newbyteorder("="))
        raise MusedeepError(f"{self.path}: no image {name}; there are {', '.join(self.images) or 'none'}")

    def cutout(
        self,
        center: tuple[float, float] | None = None,
        size: float | tuple[float, float] | None = None,
        wavelengths: tuple[float, float] | None = None,
        *,
        pixel: tuple[float, float] | None = None,
    ) -> "Cube":
        """A part of the cube; see `musedeep.cutout`."""
        if center is not None and pixel is not None:
            raise MusedeepError(f"{self.path}: a cutout has one centre; give it on the sky or in pixels")
        both = size if isinstance(size, tuple) or size is None else (float(size), float(size))
        if size is not None and center is None and pixel is None:
            raise MusedeepError(f"{self.path}: a cutout with a size needs a centre; give center or pixel")
        region = region_of(self._content, sky=center, pixel=pixel, size=both, wavelengths=wavelengths)
        return self._part(region)

    def _part(self, region: Region) -> "Cube":
        return Cube(cut(self._content, region))

    def write(self, path: str | Path, *, viewers: bool = False, overwrite: bool = False) -> Path:
        """Write the cube, a FITS file, or a store if the name ends in .zarr; in memory is a band of planes at a time.

        Parameters
        ----------
        viewers : with headers for programs that show cubes, as `musedeep export --for viewers` writes them
        overwrite : replace an existing file or store, when the new one is whole

        Raises
        ------
        MusedeepError
            It exists and may not be replaced, or cannot be written.
        """
        write_cube(self._content, Path(path), viewers=viewers, overwrite=overwrite)
        return Path(path)

    def to_mpdaf(self) -> "mpdaf.obj.Cube":
        """The cube as one of MPDAF, with its variances and headers, in memory.

        Voxels without data, and those that DQ marks, are masked, as MPDAF does when it opens a file.

        Raises
        ------
        MusedeepError
            MPDAF is not installed; the cube cannot be read.
        """
        try:
            from mpdaf.obj import WCS as MpdafWCS
            from mpdaf.obj import Cube as MpdafCube
            from mpdaf.obj import WaveCoord
            from mpdaf.obj.coords import determine_refframe
        except ImportError as error:
            raise MusedeepError(f"MPDAF cannot be imported ({error}); pip install mpdaf") from error
        primary = primary_header(self._content, self.path.name)
        frame, equinox = determine_refframe(primary)
        header = self.header()
        header["NAXIS"] = 3
        for axis, n in enumerate(reversed(self.shape), 1):
            header[f"NAXIS{axis}"] = n
        data = self.read("DATA")
        mask = ~np.isfinite(data)
        if "DQ" in self.names:
            mask |= self.read("DQ") != 0
        stat = self.read("STAT") if "STAT" in self.names else None
        return MpdafCube(
            data=data, mask=mask, var=stat, copy=False, dtype=None,
            wcs=MpdafWCS(header, frame=frame, equinox=equinox), wave=WaveCoord(header),
            unit=self.unit or units.dimensionless_unscaled, primary_header=primary, data_header=header,
        )  # fmt: skip

    def _known(self, name: str) -> None:
        known: Sequence[str] = (*self.names, *self.images)
        if name not in known:
            raise MusedeepError(f"{self.path}: no extension {name}; there are {', '.join(known)}")


def open_cube(path: str | Path) -> Cube:
    """Open a cube, a FITS file or a store; its values are read when they are asked for.

    Raises
    ------
    MusedeepError
        It is no cube, or is cut off or damaged; a chunk of a store is lost.
    """
    return Cube(read_content(Path(path)))


def cutout(
    cube: str | Path | Cube,
    center: tuple[float, float] | None = None,
    size: float | tuple[float, float] | None = None,
    wavelengths: tuple[float, float] | None = None,
    *,
    pixel: tuple[float, float] | None = None,
) -> Cube:
    """A part of a cube, of which nothing is read yet.

    Parameters
    ----------
    cube : path of a FITS file or store, or a `Cube`
    center : right ascension, declination [deg]
    size : width and height along the axes of the cube [arcsec]; one number for both
    wavelengths : shortest, longest [Angstrom]; default: all
    pixel : column and line of the centre, counted from 1 as in FITS, instead of `center`; without either, the whole
        field

    Returns
    -------
    Cube
        It has `data`, `stat`, `wcs`, and `write` and `to_mpdaf`.

    Raises
    ------
    MusedeepError
        The region lies outside the cube; a size that is not positive; a centre without a size.
    """
    whole = cube if isinstance(cube, Cube) else open_cube(cube)
    return whole.cutout(center, size, wavelengths, pixel=pixel)
