"""Eigenspectra of sky residuals: a FITS file that takes the components of one cube to another.

EIGENSPECTRA : float32 (components, planes), orthonormal, in units of the noise; 0 outside of their segment
PLANES : table, a row per plane: wavelength, standard deviation of the noise (NaN if the plane was not used), segment
    (from 1; 0 of none)
SEGMENTS : table, a row per segment: number, how many components it has, variance of the noise along any direction
COMPONENTS : table, a row per component: its segment, its eigenvalue
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.storage.cubes.cube_axes import CubeAxes
from musedeep.storage.fits.hdus import numbers, open_hdus, write_hdus
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.headers import text_of
from musedeep.storage.fits.table import Column, table_hdu

TOLERANCE: Final = 0.02
"""Largest difference of two wavelength grids [planes]."""

_TABLES: Final = {
    "PLANES": (Column("wavelength", "D", "Angstrom"), Column("noise", "E"), Column("segment", "J")),
    "SEGMENTS": (Column("segment", "J"), Column("components", "J"), Column("noise", "D")),
    "COMPONENTS": (Column("segment", "J"), Column("eigenvalue", "D")),
}
_WHAT: Final = "file of eigenspectra, as --save-eigenspectra of musedeep sky-residuals writes it"


@dataclass(frozen=True)
class Eigensegment:
    """Components of a segment of wavelengths.

    Attributes
    ----------
    planes : int64 (n,)
    spectra : float32 (components, n)
    values : float64 (components,), eigenvalues
    noise : variance of the noise along any direction
    """

    planes: NDArray[np.int64]
    spectra: NDArray[np.float32]
    values: NDArray[np.float64]
    noise: float


@dataclass(frozen=True)
class Eigenspectra:
    """Components of sky residuals.

    Attributes
    ----------
    wavelengths : float64 (planes,) [Angstrom]
    medium : CTYPE of the wavelengths: AWAV, WAVE, or one of them with -LOG
    noise : float32 (planes,), NaN of planes that were not used
    segments : sequence of Eigensegment
    """

    wavelengths: NDArray[np.float64]
    medium: str
    noise: NDArray[np.float32]
    segments: tuple[Eigensegment, ...]

    def check_grid(self, own: Path, axes: CubeAxes, planes: int, path: Path) -> None:
        """Raise MusedeepError if a cube (of `path`) has another wavelength grid than these eigenspectra (of `own`)."""
        others = axes.wavelengths(planes)
        same = others.size == self.wavelengths.size and self.medium == axes.types[2]
        if same and float(np.abs(self.wavelengths - others).max()) < TOLERANCE * axes.step:
            return
        mine, its = (
            f"{waves.size} planes from {waves[0]:.2f} to {waves[-1]:.2f} Angstrom ({kind})"
            for waves, kind in ((self.wavelengths, self.medium), (others, axes.types[2]))
        )
        raise MusedeepError(
            f"{own}: eigenspectra of {mine}, but {path} has {its}; give eigenspectra of a cube on the same grid of "
            "wavelengths"
        )


def write_eigenspectra(
    path: Path, primary: fits.Header, axes: CubeAxes, made: Eigenspectra, overwrite: bool = False
) -> None:
    """Write eigenspectra; the file appears when it is whole.

    Raises
    ------
    MusedeepError
        The file exists and may not be replaced, or cannot be written.
    """
    counts = [segment.values.size for segment in made.segments]
    # without components, an image of one spectrum of zeros: FITS knows no empty ones
    image = np.zeros((max(sum(counts), 1), made.noise.size), np.float32)
    member = np.zeros(made.noise.size, np.int32)
    for number, segment in enumerate(made.segments, 1):
        first = sum(counts[: number - 1])
        image[first : first + segment.values.size, segment.planes] = segment.spectra
        member[segment.planes] = number
    spectra = fits.ImageHDU(image, name="EIGENSPECTRA")
    add(
        spectra.header, ("CTYPE1", made.medium), ("CUNIT1", "Angstrom"), ("CRPIX1", axes.crpix[2]),
        ("CRVAL1", axes.crval[2]), ("CDELT1", axes.step),
    )  # fmt: skip
    numbering = np.arange(1, len(counts) + 1)
    values: dict[str, dict[str, Any]] = {
        "PLANES": {"wavelength": made.wavelengths, "noise": made.noise, "segment": member},
        "SEGMENTS": {
            "segment": numbering, "components": counts, "noise": [segment.noise for segment in made.segments],
        },
        "COMPONENTS": {
            "segment": np.repeat(numbering, counts),
            "eigenvalue": np.concatenate([segment.values for segment in made.segments]),
        },
    }  # fmt: skip
    tables = [table_hdu(columns, values[name], name) for name, columns in _TABLES.items()]
    write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=primary), spectra, *tables]), overwrite)


def read_eigenspectra(path: Path) -> Eigenspectra:
    """Read eigenspectra.

    Raises
    ------
    MusedeepError
        No FITS file, or one without eigenspectra as `write_eigenspectra` writes them.
    """
    with open_hdus(path, _WHAT) as hdus:
        missing = next((name for name in ("EIGENSPECTRA", *_TABLES) if name not in hdus), None)
        if missing:
            raise MusedeepError(f"{path}: no extension {missing}; give a {_WHAT}")
        medium = text_of(hdus["EIGENSPECTRA"].header, "CTYPE1", path)
        image = np.array(hdus["EIGENSPECTRA"].data, np.float32)
        columns = {
            (name, column.name): numbers(hdus[name], column.name)
            for name, wanted in _TABLES.items()
            for column in wanted
        }
    wavelengths, noise = columns["PLANES", "wavelength"], columns["PLANES", "noise"]
    owner, values = columns["COMPONENTS", "segment"], columns["COMPONENTS", "eigenvalue"]
    if image.shape != (max(values.size, 1), wavelengths.size) or not np.isfinite(image).all():
        raise MusedeepError(f"{path}: EIGENSPECTRA does not fit the tables, or is not finite; give a {_WHAT}")
    segments = []
    for number, variance in zip(columns["SEGMENTS", "segment"], columns["SEGMENTS", "noise"], strict=True):
        planes = np.flatnonzero(columns["PLANES", "segment"] == number)
        spectra = np.ascontiguousarray(image[: values.size][owner == number][:, planes])
        segments.append(Eigensegment(planes, spectra, values[owner == number], float(variance)))
    return Eigenspectra(wavelengths, medium, noise.astype(np.float32), tuple(segments))
