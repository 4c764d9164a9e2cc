"""The cube without its sky residuals as FITS or as a store, its headers, and the file of eigenspectra.

A FITS cube keeps its extensions, but for DATA (and STAT, if it is scaled): their bytes are copied.
"""

import copy
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.progress import Progress
from musedeep.reduction.headers.cards import ordered
from musedeep.reduction.residuals.sky_planes import bands_of
from musedeep.reduction.residuals.sky_residuals import Cleaned
from musedeep.storage.calibrations.eigenspectra import write_eigenspectra
from musedeep.storage.cubes.exposure_map import mean_planes
from musedeep.storage.cubes.voxels import Voxels
from musedeep.storage.fits.header_cards import Card, card, date_card, utc_now
from musedeep.storage.fits.headers import raw_bytes, value_of
from musedeep.storage.fits.parts import header_bytes
from musedeep.storage.fits.streamed import StreamedFits, without_md5
from musedeep.storage.outputs import appearing_whole, check_space
from musedeep.threads import results_in_order

KEY: Final = "ESO DRS MUSE SKYRES"
"""What begins the keywords that say what was done."""

_DROPPED: Final = re.compile(rf"(SIMPLE|BITPIX|NAXIS|EXTEND|CHECKSUM|DATASUM|DATAMD5|DATE|PIPEFILE|{KEY} .*|)$")


@dataclass(frozen=True)
class _Map:
    """The exposure map of a store."""

    number: Voxels
    seconds: Voxels

    def images(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Means over wavelength of both, (lines, columns)."""
        return mean_planes(self.number), mean_planes(self.seconds)


def cards_of(cleaned: Cleaned) -> list[Card]:
    """The keywords that say what was done."""
    choices, waves = cleaned.choices, cleaned.spectra.wavelengths
    used = cleaned.data.sky.used
    out: list[Card] = [
        (f"{KEY} VERSION", f"musedeep {__version__}", "by"),
        (f"{KEY} MASK", choices.mask.name if choices.mask else "continuum", "of sources"),
        (f"{KEY} SKY", int(cleaned.mask.sum()), "spaxels"),
        (f"{KEY} PLANES", int(used.sum()), "used"),
        (f"{KEY} LEVEL", "subtracted" if choices.subtract_level else "kept", "of sky"),
        (f"{KEY} STAT", "scaled" if choices.scale_variance else "kept", "variances"),
        (
            f"{KEY} EIGEN",
            choices.eigenspectra.name if choices.eigenspectra else "own",
            "of components",
        ),
        (f"{KEY} SEGMENTS", len(cleaned.spectra.segments), "of wavelength"),
    ]
    for number, segment in enumerate(cleaned.spectra.segments, 1):
        out += [
            (f"{KEY} SEG{number} LAMBDAMIN", float(waves[segment.planes[0]]), "[Angstrom]"),
            (f"{KEY} SEG{number} LAMBDAMAX", float(waves[segment.planes[-1]]), "[Angstrom]"),
            (f"{KEY} SEG{number} COMPONENTS", int(segment.values.size), "subtracted"),
        ]
    return out


def primary_header(cleaned: Cleaned, name: str) -> fits.Header:
    """Primary header of the new cube: that of the input, and what was done."""
    kept = [copy.copy(one) for one in cleaned.cube.primary.cards if not _DROPPED.match(one.keyword)]
    cards: list[Card] = [
        date_card(utc_now()),
        ("PIPEFILE", name, "Filename of data product"),
        *cards_of(cleaned),
    ]
    header = ordered([*kept, *(card(*one) for one in cards)])
    header["HISTORY"] = f"musedeep {__version__}: sky residuals subtracted from {cleaned.cube.path.name}"
    return header


def write_cleaned(path: Path, cleaned: Cleaned, progress: Progress) -> None:
    """Write the cube: FITS, or a store if its name ends in .zarr; it appears when it is whole, and may replace another.

    Raises
    ------
    MusedeepError
        It cannot be written; a store has no place for what the input has.
    """
    need = sum(array.dtype.itemsize for array in cleaned.cube.arrays.values())
    need *= int(np.prod(cleaned.shape, dtype=np.int64))
    check_space(path, need)
    if path.suffix == ".zarr":
        _write_store(path, cleaned, progress)
    else:
        _write_fits(path, cleaned, need, progress)


def _write_fits(path: Path, cleaned: Cleaned, need: int, progress: Progress) -> None:
    cube, new = cleaned.cube, {"DATA": cleaned.data, "STAT": cleaned.stat}
    with appearing_whole(path, need) as partial, StreamedFits(partial) as made:
        made.begin(header_bytes(primary_header(cleaned, path.name), False, 8, ()))
        if cube.is_store:
            from musedeep.storage.cubes.cube_fits import extension_header

            wcs, target, unit = cleaned.axes.wcs(cube.path), *_words(cleaned)
            for name, array in new.items():
                made.begin_image(extension_header(name, target, wcs, name == "STAT", unit=unit), -32, cube.shape)
                _write_planes(made, array, cleaned.threads, progress)
        for unit_ in cube.units[1:]:
            made.begin(raw_bytes(without_md5(unit_.cards)))
            array_ = new.get(unit_.name)
            if array_ is None or array_ is cube.arrays.get(unit_.name):
                made.copy(cube.path, unit_.data_offset, unit_.data_bytes)
            else:
                _write_planes(made, array_, cleaned.threads, progress)
        made.finish()


def _write_planes(made: StreamedFits, array: Voxels, threads: int, progress: Progress) -> None:
    bands = bands_of(array.shape[0])
    progress.begin(array.shape[0], "planes")
    with ThreadPoolExecutor(threads) as pool:

        def of_band(band: tuple[int, int]) -> NDArray[np.float32]:
            return array.read_box(*band).astype(">f4")

        for (z0, z1), values in zip(bands, results_in_order(pool, threads, of_band, bands), strict=True):
            made.write(values)
            progress.advance(z1 - z0)
    progress.stop()


def _words(cleaned: Cleaned) -> tuple[str, str]:
    """Object and unit."""
    return str(value_of(cleaned.cube.primary, "OBJECT") or ""), str(value_of(cleaned.cube.header, "BUNIT") or "")


def _write_store(path: Path, cleaned: Cleaned, progress: Progress) -> None:
    from musedeep.storage.cubes.cube_zarr import write_cube_store

    cube = cleaned.cube
    target, unit = _words(cleaned)
    exposure_map = None
    if {"EXPOSURES", "EXPTIME"} <= set(cube.arrays):
        exposure_map = _Map(cube.arrays["EXPOSURES"], cube.arrays["EXPTIME"])
    write_cube_store(
        path, cleaned, exposure_map, cleaned.axes.wcs(cube.path), target,
        primary=primary_header(cleaned, path.name), unit=unit, progress=progress,
    )  # fmt: skip


def check_output(path: Path, source: Path, others: tuple[str, ...]) -> None:
    """Refuse outputs that make no sense, before anything is computed.

    Parameters
    ----------
    others : arrays of the input beside DATA and STAT

    Raises
    ------
    MusedeepError
        The output is the input, or a store that has no place for DQ.
    """
    if path.exists() and path.samefile(source):
        raise MusedeepError(f"{path}: is the cube itself; give the output another name")
    if path.suffix == ".zarr" and "DQ" in others:
        raise MusedeepError(f"{source}: a store has no place for DQ; give the output a name that ends in .fits")


def save_eigenspectra(path: Path, cleaned: Cleaned, overwrite: bool) -> None:
    """Write the components of the cube for other cubes; see `write_eigenspectra`."""
    header = fits.Header([("OBJECT", _words(cleaned)[0], ""), ("DATE", utc_now(), "")])
    for one in cards_of(cleaned):
        header.append(card(*one))
    write_eigenspectra(path, header, cleaned.axes, cleaned.spectra, overwrite)
