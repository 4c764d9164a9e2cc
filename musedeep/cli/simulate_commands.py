"""The commands `musedeep simulate ...`. Importing this module is cheap, as that of `main` is."""

from pathlib import Path
from typing import Annotated

import typer

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing products, once the new are whole.")]
simulate = typer.Typer(name="simulate", help="Simulate raw frames whose truth is known.", no_args_is_help=True)

Ifus = Annotated[str, typer.Option(help="IFUs, for example 1,5,11-13.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same bits.")]
Mode = Annotated[str, typer.Option(help="INS MODE, for example WFM-NOAO-N.")]
SceneName = Annotated[str, typer.Option(help="deep-field, nebula, cluster, empty, or the path of a FITS cube.")]
RightAscension = Annotated[float | None, typer.Option("--ra", help="Put the scene there, degrees.")]
Declination = Annotated[float | None, typer.Option("--dec", help="Put the scene there, degrees.")]
FillNan = Annotated[bool, typer.Option("--fill-nan", help="Fill NaN of a cube from their neighbours.")]
Without = Annotated[str, typer.Option(help="Effects to leave out, for example cosmic_rays,telluric.")]
Compress = Annotated[bool, typer.Option("--compress", help="Write tile-compressed files, .fits.fz.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Processes; default: one per processor.")]
NewDirectory = Annotated[Path, typer.Argument(metavar="OUTDIR", help="Directory to make.", show_default=False)]


@simulate.command()
def night(
    directory: NewDirectory,
    ifus: Ifus = "1-24",
    seed: Seed = 1,
    mode: Mode = "WFM-NOAO-N",
    scene: SceneName = "deep-field",
    ra: RightAscension = None,
    dec: Declination = None,
    fill_nan: FillNan = False,
    exposures: Annotated[int | None, typer.Option(min=1, help="Science exposures; default 4, or 2 if small.")] = None,
    exposure_time: Annotated[float, typer.Option(min=1.0, max=86400.0, help="Of a science exposure, s.")] = 600.0,
    small: Annotated[bool, typer.Option("--small", help="The fewest calibrations that reduce.")] = False,
    masks: Annotated[int, typer.Option(min=0, help="Steps of the pinhole mask; muse_geometry needs 50.")] = 0,
    lsf_arcs: Annotated[int, typer.Option(min=0, help="Of each lamp, a long series for muse_lsf.")] = 0,
    without: Without = "",
    compress: Compress = False,
    workers: Processes = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a night: raw frames, static calibrations, sets-of-frames for every recipe, and the truth."""
    from musedeep.cli.simulate import Choice, simulate_night_command

    choice = Choice(ifus, seed, mode, scene, ra, dec, fill_nan, without, compress, workers, overwrite)
    simulate_night_command(directory, choice, exposures, exposure_time, small, masks, lsf_arcs)


@simulate.command("campaign")
def simulate_campaign(
    request: Annotated[Path, typer.Argument(metavar="CAMPAIGN.yaml", help="What it shall hold.", show_default=False)],
    directory: NewDirectory,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="No pixels: thousands of headers.")] = False,
    workers: Processes = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a campaign of many nights: raw frames, night logs, programmes, static calibrations, and the truth."""
    from musedeep.cli.simulate import simulate_campaign_command

    simulate_campaign_command(request, directory, headers_only, workers, overwrite)


@simulate.command()
def frame(
    kind: Annotated[str, typer.Argument(help="Raw tag, for example FLAT (manual, table 6.1).", show_default=False)],
    directory: NewDirectory,
    ifus: Ifus = "1-24",
    number: Annotated[int, typer.Option(min=1, help="Frames; of each lamp for arcs.")] = 1,
    lamp: Annotated[str | None, typer.Option(help="Of arcs: Ne, Xe or HgCd; default: each.")] = None,
    exposure_time: Annotated[
        float | None, typer.Option(min=1.0, max=86400.0, help="Of DARK, SKY and OBJECT frames, s.")
    ] = None,
    seed: Seed = 1,
    mode: Mode = "WFM-NOAO-N",
    scene: SceneName = "deep-field",
    ra: RightAscension = None,
    dec: Declination = None,
    fill_nan: FillNan = False,
    without: Without = "",
    compress: Compress = False,
    workers: Processes = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate raw frames of one type."""
    from musedeep.cli.simulate import Choice, simulate_frame_command

    choice = Choice(ifus, seed, mode, scene, ra, dec, fill_nan, without, compress, workers, overwrite)
    simulate_frame_command(kind, directory, choice, number, lamp, exposure_time)
