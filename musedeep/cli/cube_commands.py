"""The commands `musedeep export` and `musedeep cutout`. Importing this module is cheap, as that of `main` is."""

from pathlib import Path
from typing import Annotated

import typer

from musedeep.cli.errors import UsageProblem
from musedeep.cli.simulate_commands import Overwrite

For = Annotated[
    str,
    typer.Option("--for", metavar="viewers", help="Of a cube: headers for ds9, CARTA, QFitsView, Cubeviz and others."),
]


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Pixel-table store (path or URL), or cube: FITS file or store.", show_default=False
        ),
    ],
    file: Annotated[
        Path, typer.Argument(metavar="OUT", help="FITS file to make; of a cube also OUT.zarr.", show_default=False)
    ],
    for_: For = "",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads, of a pixel table; default: one per processor.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a pixel-table store into a FITS pixel table, or a cube from FITS to a store, back, or for viewers."""
    from musedeep.cli.convert import export_store
    from musedeep.cli.cubes import export_cube, is_cube

    if for_ or is_cube(Path(source)):
        export_cube(Path(source), file, for_, overwrite)
        return
    export_store(source, file, workers, overwrite)


def cutout(
    cube: Annotated[Path, typer.Argument(metavar="CUBE", help="Cube: FITS file or store.", show_default=False)],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="FITS file to make, or a store, OUT.zarr.", show_default=False)
    ],
    center: Annotated[
        str | None, typer.Option(metavar="RA,DEC", help="Centre: degrees, or hh:mm:ss.s,dd:mm:ss.s.")
    ] = None,
    pixel: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Centre as column and line, the first of which are 1.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="ARCSEC", help="Width and height; one number, or two as in 5,3.")
    ] = None,
    lambda_: Annotated[
        str | None, typer.Option("--lambda", metavar="MIN,MAX", help="Wavelengths, Angstrom; default: all.")
    ] = None,
    for_: For = "",
    overwrite: Overwrite = False,
) -> None:
    """Write a part of a cube: around a place, or of some wavelengths, or both. The rest is not read."""
    from musedeep.cli.cubes import VIEWERS, cut_cube

    if for_ not in ("", VIEWERS):
        raise UsageProblem(f"--for {for_}: there is {VIEWERS}")
    cut_cube(
        cube, output, center=center, pixel=pixel, size=size, wavelengths=lambda_, viewers=bool(for_),
        overwrite=overwrite,
    )  # fmt: skip
