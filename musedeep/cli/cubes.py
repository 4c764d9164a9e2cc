"""`musedeep export` of cubes and `musedeep cutout`: what the options mean, and what the user sees."""

import re
import time
from pathlib import Path

from musedeep.cli.errors import UsageProblem
from musedeep.cli.progress import TerminalProgress, shown
from musedeep.cli.report import size_on_disk
from musedeep.cli.text import duration, size_text

VIEWERS = "viewers"
"""The value of --for."""


def is_cube(path: Path) -> bool:
    """Whether `musedeep export` is to take a path for a cube: a FITS file, or a store with the coordinates of one."""
    if not path.is_dir():
        return path.is_file()
    try:
        return '"fits_wcs"' in (path / "zarr.json").read_text()
    except (OSError, ValueError):
        return False


def export_cube(path: Path, output: Path, purpose: str, overwrite: bool) -> None:
    """Convert a cube."""
    if purpose not in ("", VIEWERS):
        raise UsageProblem(f"--for {purpose}: there is {VIEWERS}")
    from musedeep.storage.cubes.content import read_content
    from musedeep.storage.cubes.export import write_cube

    began = time.monotonic()
    with shown(_nothing) as progress:
        write_cube(read_content(path), output, viewers=bool(purpose), overwrite=overwrite, progress=progress)
    print(f"{output}: {size_text(size_on_disk(output))}, in {duration(time.monotonic() - began)}")


def cut_cube(
    path: Path,
    output: Path,
    *,
    center: str | None,
    pixel: str | None,
    size: str | None,
    wavelengths: str | None,
    viewers: bool,
    overwrite: bool,
) -> None:
    """Write a cutout of a cube."""
    if center is not None and pixel is not None:
        raise UsageProblem("--center and --pixel: give one of them")
    if center is None and pixel is None and wavelengths is None:
        raise UsageProblem("cutout: of what? give --center RA,DEC or --pixel X,Y with --size, or --lambda MIN,MAX")
    if (center is None and pixel is None) != (size is None):
        raise UsageProblem("--size, --center: give both, the size in arcsec and the centre in degrees (or --pixel)")
    sky = None if center is None else place_on_sky(center)
    place = None if pixel is None else _pair("--pixel", pixel, "a column and a line as in 150.5,160")
    extent = None if size is None else _pair("--size", size, "arcsec as in 5 or 5,3", single=True)
    span = None if wavelengths is None else _pair("--lambda", wavelengths, "Angstrom as in 6500,6620")
    from musedeep.reduction.cube.cutout import cut, region_of
    from musedeep.storage.cubes.content import read_content
    from musedeep.storage.cubes.export import write_cube

    began = time.monotonic()
    content = read_content(path)
    part = cut(content, region_of(content, sky=sky, pixel=place, size=extent, wavelengths=span))
    with shown(_nothing) as progress:
        write_cube(part, output, viewers=viewers, overwrite=overwrite, progress=progress)
    shape = " x ".join(str(n) for n in reversed(part.shape))
    print(f"{output}: {shape} voxels, {size_text(size_on_disk(output))}, in {duration(time.monotonic() - began)}")


def _pair(option: str, text: str, expected: str, single: bool = False) -> tuple[float, float]:
    """The two numbers that an option gives; with `single`, one counts twice."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if single and len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2:
        raise UsageProblem(f"{option} {text}: give {expected}")
    return numbers[0], numbers[1]


_SEXAGESIMAL = re.compile(r"([+-]?)(\d+):(\d+):(\d+(?:\.\d*)?)\Z")


def place_on_sky(text: str) -> tuple[float, float]:
    """Right ascension and declination [deg] of a text: two numbers of degrees, or hh:mm:ss.s,dd:mm:ss.s."""
    words = [word.strip() for word in text.split(",")]
    found = [_SEXAGESIMAL.match(word) for word in words]
    if len(words) == 2 and all(found):
        values = []
        for one in found:
            assert one is not None
            value = int(one[2]) + int(one[3]) / 60 + float(one[4]) / 3600
            values.append(-value if one[1] == "-" else value)
        return values[0] * 15.0, values[1]
    return _pair("--center", text, "degrees as in 53.1625,-27.7914 or 03:32:39.0,-27:47:29")


def _nothing(progress: TerminalProgress) -> str:
    """What an interrupted conversion leaves."""
    return "nothing was written, start again"
