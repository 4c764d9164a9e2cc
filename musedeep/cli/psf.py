"""`musedeep psf`: measure the PSF of a cube and write it into its header. Importing this module is cheap."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musedeep.cli.errors import UsageProblem
from musedeep.errors import MusedeepError

if TYPE_CHECKING:
    from musedeep.reduction.psf.cube_psf import CubePsf, PsfRequest

MOST_DEGREE = 9
"""Of the polynomials: MPDAF's keywords count coefficients with two digits."""


def psf(
    cube: Annotated[Path, typer.Argument(help="Cube, FITS or a store.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a cube with the PSF here; default: replace the cube."),
    ] = None,
    stars: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Stars to use: FITS, ECSV or CSV with RA and DEC (deg).")
    ] = None,
    fields: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGE", help="IMAGE_FOV of each pointing of a mosaic, which get a PSF each; repeat it."),
    ] = None,
    fwhm_degree: Annotated[int, typer.Option(min=0, max=MOST_DEGREE, help="Of the polynomial of the width.")] = 3,
    beta_degree: Annotated[int, typer.Option(min=0, max=MOST_DEGREE, help="Of the polynomial of the exponent.")] = 2,
    bins: Annotated[int, typer.Option(min=2, help="Bins of wavelength.")] = 40,
    snr: Annotated[float, typer.Option(min=5.0, help="Least signal to noise of a star in the mean image.")] = 30.0,
    sampled: Annotated[
        bool, typer.Option("--sampled", help="Profile at the middles of spaxels, not averaged over them.")
    ] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Draw width and exponent, as PNG.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the PSF that the cube has, and existing files.")
    ] = False,
) -> None:
    """Measure the PSF of a cube from its stars, and write it as MPDAF's FSF keywords.

    A table of the stars, CUBE_psf.fits, is written beside the cube.
    """
    from musedeep.reduction.psf.cube_psf import PsfRequest

    if output is not None and output.suffix == ".zarr" and not cube.is_dir():
        raise UsageProblem(f"{output}: a FITS cube stays a FITS cube; give a name that ends in .fits")
    request = PsfRequest(stars, fields or (), fwhm_degree, beta_degree, bins, snr, not sampled)
    _run(cube, output or cube, request, plots, dry_run, overwrite)


def _run(path: Path, target: Path, request: "PsfRequest", plots: bool, dry_run: bool, overwrite: bool) -> None:
    from musedeep.cli.progress import shown
    from musedeep.reduction.psf.cube_psf import measure_cube
    from musedeep.reduction.psf.fields import field_map
    from musedeep.reduction.psf.model import KEYWORDS, keyword_cards
    from musedeep.reduction.psf.report import draw_psf, write_tables
    from musedeep.storage.cubes.field_view import read_plane
    from musedeep.storage.cubes.open_cube import open_cube
    from musedeep.storage.cubes.primary_cards import Image, with_cards
    from musedeep.storage.outputs import refuse_existing

    cube = open_cube(path)
    table, picture = (target.with_name(f"{target.stem}_psf.{ending}") for ending in ("fits", "png"))
    if not dry_run:
        for one in (table, *([picture] if plots else []), *([target] if target.resolve() != path.resolve() else [])):
            refuse_existing(one, overwrite)
        if "FSFMODE" in cube.primary and not overwrite:
            raise MusedeepError(f"{path}: has a PSF already (FSFMODE); --overwrite replaces it")
    with shown(lambda _: "nothing was written, start again") as progress:
        found = measure_cube(cube, request, progress)
        progress.stop()
    _print(found)
    if dry_run:
        return
    models = [one.model for one in found.measured]
    image: Image | None = None
    if found.fields:
        image = (read_plane(cube.header, path).cards(), field_map(found.fields))
    write_tables(table, found, cube.primary, overwrite)
    if plots:
        draw_psf(picture, found, str(cube.primary.get("OBJECT", path.name)) or path.name, overwrite)
    with_cards(cube, target, keyword_cards(models), KEYWORDS, {"FIELDMAP": image})
    print(f"{target}: FSF keywords{' and FIELDMAP' if found.fields else ''} written; stars: {table}")


def _print(found: "CubePsf") -> None:
    """What was found: one line for the sources, one for each PSF."""
    from collections import Counter

    import numpy as np

    reasons = Counter(str(why) for why in found.candidates.why)
    used = reasons.pop("used", 0)
    words = ", ".join(f"{number} {why}" for why, number in reasons.most_common())
    print(f"{used} stars used of {found.candidates.x.size} sources" + (f" ({words})" if words else ""))
    ends = np.array([found.range[0], 0.5 * sum(found.range), found.range[1]])
    for k, one in enumerate(found.measured, 1):
        where = f"field {k}, {int(one.kept.sum())} stars: " if found.fields else ""
        print(
            f"{where}FWHM {_three(one.model.fwhm_at(ends))} arcsec, beta {_three(one.model.beta_at(ends))} at "
            f"{ends[0]:.0f}, {ends[1]:.0f}, {ends[2]:.0f} Angstrom"
        )


def _three(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
