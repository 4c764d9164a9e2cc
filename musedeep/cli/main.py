"""The command `musedeep`. Importing this module is cheap: each command imports its own modules."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from musedeep import __version__
from musedeep.cli.campaign_commands import campaign, catalogue, qc
from musedeep.cli.cube_commands import cutout, export
from musedeep.cli.errors import INTERRUPTED, OK, WRONG_USAGE, UsageProblem, complain, guarded
from musedeep.cli.psf import psf
from musedeep.cli.simulate_commands import Overwrite, simulate
from musedeep.compiled import announced
from musedeep.errors import DEBUG
from musedeep.start import set_up_process

app = typer.Typer(
    name="musedeep",
    help="MUSE pixel tables to deep datacubes, in bounded memory, on a laptop or a cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Worker processes on this machine (default 1: threads of one process); jobs at most of a cluster."
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Boxes in work at once on this machine; default: one per processor.")
]
IngestWorkers = Annotated[int | None, typer.Option(min=1, help="Threads; default: one per processor.")]
Memory = Annotated[str, typer.Option(help="Limit for all processes together, for example 4GiB.")]
Scheduler = Annotated[str | None, typer.Option(help="Address, or scheduler file, of a running dask scheduler to use.")]
Cluster = Annotated[str | None, typer.Option(help="Start workers as jobs of a cluster: slurm.", metavar="KIND")]
ClusterProfile = Annotated[
    Path | None,
    typer.Option(help="Profile of the jobs (YAML); default: ~/.config/musedeep/cluster.yaml.", metavar="FILE"),
]
Dashboard = Annotated[bool, typer.Option("--dashboard", help="Show dask's dashboard of the run (needs bokeh).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Plots = Annotated[bool, typer.Option("--plots", help="Draw pictures beside the products, as PNG.")]
OutputDir = Annotated[Path | None, typer.Option(help="Directory of the products.")]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Log every task in FILE.jsonl and FILE.log; default: combine, by the products."),
]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"musedeep {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """MUSE pixel tables to deep datacubes, in bounded memory, on a laptop or a cluster."""
    if debug:
        os.environ[DEBUG] = "1"


@app.command()
def combine(
    selection: Annotated[Path, typer.Argument(help="Selection file (YAML).", show_default=False)],
    workers: Workers = None,
    threads: Threads = None,
    memory: Memory = "4GiB",
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    cluster_profile: ClusterProfile = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    output_dir: OutputDir = None,
    scratch: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep chunks of stores there meanwhile, on a disk of each node.")
    ] = None,
    scratch_size: Annotated[
        str | None, typer.Option(help="Limit of --scratch on each node, for example 50GiB; default: 95 % of the disk.")
    ] = None,
    dashboard: Dashboard = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write dask's performance report.")] = None,
    log: Log = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Write no log beside the products.")] = False,
    pieces: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Make pieces, one after the other: 8, of wavelength; 3x2, columns x lines of the field."
        ),
    ] = None,
    piece: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Make one of the pieces, for example 2/8 or 4/3x2; see `musedeep stitch`."),
    ] = None,
) -> None:
    """Combine the exposures of a selection file into a cube.

    The same command resumes a run that was interrupted.
    """
    from musedeep.cli.combine import combine_selection, shares_of
    from musedeep.cli.resources import Resources

    resources = Resources(
        workers, threads, memory, scheduler, overwrite,
        scratch=scratch, scratch_size=scratch_size, report=report, log=log, no_log=no_log,
        cluster=cluster, cluster_profile=cluster_profile, dashboard=dashboard,
    )  # fmt: skip
    combine_selection(selection, resources, output_dir, dry_run, shares_of(piece, pieces))


@app.command()
def stitch(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PIECE...", help="Directories of pieces, or the one that they are in."),
    ],
    output_dir: Annotated[
        Path | None, typer.Option(help="Directory of the products; default: the one that the pieces are in.")
    ] = None,
    memory: Memory = "4GiB",
    threads: IngestWorkers = None,
    overwrite: Overwrite = False,
) -> None:
    """Join the pieces that `musedeep combine --piece` has made into the products of one run.

    Where pieces are missing, the same command goes on when they are there.
    """
    from musedeep.cli.combine import stitch_pieces

    stitch_pieces(paths, output_dir, memory, threads, overwrite)


Storage = Annotated[
    str | None,
    typer.Option(help="Rate of the storage for all workers together, for example 500MB/s; default: unlimited."),
]


@app.command()
def plan(
    selection: Annotated[Path, typer.Argument(help="Selection file (YAML).", show_default=False)],
    workers: Annotated[str, typer.Option(help="Worker processes, for example 1,2,16,256.")] = "1",
    threads_per_worker: Annotated[int, typer.Option(min=1, help="Boxes at once in each worker.")] = 1,
    memory: Annotated[str | None, typer.Option(help="Limit for all workers together, for example 64GiB.")] = None,
    worker_memory: Annotated[str | None, typer.Option(help="Limit for each worker; default: 4GiB.")] = None,
    exposures: Annotated[
        str | None, typer.Option(help="Numbers of exposures like those given, for example 125,275.")
    ] = None,
    lambdamin: Annotated[float | None, typer.Option(help="Angstrom; instead of the parameter.")] = None,
    lambdamax: Annotated[float | None, typer.Option(help="Angstrom; beyond the data: more of the same.")] = None,
    rates: Annotated[Path | None, typer.Option(help="Rates of your machine; see `musedeep rates`.")] = None,
    storage: Storage = None,
    storage_requests: Annotated[
        float | None, typer.Option(min=1, help="Requests that it serves in a second; default: all.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int | None:
    """Simulate a combination: how long it takes, what it reads and the memory it needs, on any number of workers."""
    from musedeep.cli.plan import PlanChoice, plan_command

    choice = PlanChoice(
        workers, threads_per_worker, memory, worker_memory, exposures, lambdamin, lambdamax, rates, storage,
        storage_requests,
    )  # fmt: skip
    return plan_command(selection, choice, json)


@app.command()
def rates(
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="combine.jsonl of runs.", show_default=False)],
    output: Annotated[Path | None, typer.Option(help="Write them to a file; default: print them.")] = None,
    storage: Storage = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> int | None:
    """Measure the rates of this machine from the logs of real runs, for `musedeep plan --rates`."""
    from musedeep.cli.plan import rates_command

    return rates_command(logs, output, storage, overwrite)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
def recipe(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Recipe, for example muse_exp_combine.")] = None,
    workers: Workers = None,
    threads: Threads = None,
    memory: Memory = "4GiB",
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    output_dir: OutputDir = None,
    save_fits: Annotated[bool, typer.Option("--save-fits", help="Write pixel tables as FITS files, too.")] = False,
    plots: Plots = False,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
    help_: Annotated[bool, typer.Option("--help", "-h", help="Frames, parameters and products of the recipe.")] = False,
) -> int | None:
    """Run a recipe on a set-of-frames: musedeep recipe NAME [--parameter=value]... FILE.sof...

    A parameter that is true or false may be given alone, for example --merge, and is then true. Products are written
    into the working directory, under the names of the manual.
    """
    from musedeep.cli.recipe import list_recipes, recipe_help, run_recipe
    from musedeep.cli.resources import Resources

    if list_:
        list_recipes()
    elif name is None:
        print(context.get_help())
        if not help_:
            raise UsageProblem("recipe: which one? `musedeep recipe --list` names them")
    elif help_:
        recipe_help(name)
    else:
        resources = Resources(workers, threads, memory, scheduler, overwrite, save_fits, plots=plots)
        return run_recipe(name, context.args, resources, output_dir or Path("."), dry_run)
    return None


@app.command()
def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="FILE... STORE", help="FITS pixel tables of one exposure, and the store: path or URL."),
    ],
    workers: IngestWorkers = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert FITS pixel tables of one exposure into a pixel-table store."""
    from musedeep.cli.convert import ingest_files

    if len(paths) < 2:
        raise UsageProblem("ingest: give one or more FITS pixel tables, then the store to make")
    ingest_files([Path(p) for p in paths[:-1]], paths[-1], workers, overwrite)


app.command()(export)
app.command()(cutout)


@app.command()
def info(
    path: Annotated[
        str, typer.Argument(help="Pixel table, store (path or URL), cube or selection file.", show_default=False)
    ],
) -> None:
    """Summarise a pixel table, a store, a cube or a selection file."""
    from musedeep.cli.info import print_info

    print_info(path)


Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Directories of raw frames and static calibrations.")
]
ChosenMode = Annotated[str, typer.Option("--mode", help="INS MODE, for example WFM-NOAO-N, if there are several.")]
ChosenNight = Annotated[
    str, typer.Option("--night", help="Date of the evening, for example 2014-12-09, if there are several.")
]
ChosenIfus = Annotated[str, typer.Option("--ifus", help="IFUs, for example 1,5,11-13; default: all there are.")]
Darks = Annotated[bool, typer.Option("--darks", help="Make master darks, and subtract them in all later recipes.")]
Use = Annotated[
    list[str] | None,
    typer.Option("--use", metavar="TAG=FILE", help="Take this file for a tag, for example OUTPUT_WCS=grid.fits."),
]


@app.command()
def classify(
    directories: Directories,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with the keywords that association needs.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the JSON to a file.")] = None,
    overwrite: Overwrite = False,
) -> int | None:
    """Name the tag of each file, from its DPR and PRO keywords; the unknown files with the reason."""
    from musedeep.cli.night import classify_command

    return classify_command(directories, json, output, overwrite)


@app.command()
def associate(
    directories: Directories,
    output_dir: Annotated[Path | None, typer.Option(help="Directory of the sets; default: sof/ in the first.")] = None,
    reduced: Annotated[
        Path | None, typer.Option(help="Where products are, or will be; default: reduced/ in the first.")
    ] = None,
    mode: ChosenMode = "",
    night: ChosenNight = "",
    ifus: ChosenIfus = "",
    darks: Darks = False,
    use: Use = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the sets and write nothing.")] = False,
    overwrite: Overwrite = False,
) -> int | None:
    """Write the sets-of-frames of a whole night, for either pipeline."""
    from musedeep.cli.night import NightChoice, associate_command

    choice = NightChoice(directories, reduced, mode, night, ifus, darks, use or [])
    return associate_command(choice, output_dir, dry_run, overwrite)


@app.command()
def reduce(
    directories: Directories,
    until: Annotated[
        str, typer.Option(help="Last step, for example flat, scipost, align (exp_align) or combine (exp_combine).")
    ] = "scibasic",
    workers: Workers = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Tasks at once on this machine; default: one per processor.")
    ] = None,
    memory: Memory = "4GiB",
    scheduler: Scheduler = None,
    cluster: Cluster = None,
    cluster_profile: ClusterProfile = None,
    dashboard: Dashboard = False,
    dry_run: DryRun = False,
    ifus: ChosenIfus = "",
    mode: ChosenMode = "",
    night: ChosenNight = "",
    darks: Darks = False,
    use: Use = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="RECIPE.PARAMETER=VALUE", help="A parameter of a recipe.")
    ] = None,
    save_fits: Annotated[bool, typer.Option("--save-fits", help="Write pixel tables as FITS files, too.")] = False,
    discard: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="Remove pixel-tables (of muse_scibasic), masters, or both, when everything that reads them is done.",
        ),
    ] = "",
    plots: Plots = False,
    output_dir: Annotated[Path | None, typer.Option(help="Of the products; default: reduced/ in the first.")] = None,
    overwrite: Overwrite = False,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Log every task in FILE.jsonl and FILE.log; default: no log.")
    ] = None,
) -> int | None:
    """Reduce a night from raw frames to pixel tables, or to a cube: every recipe, over all exposures and IFUs.

    The same command again does the missing tasks, and those whose files or parameters have changed.
    """
    from musedeep.cli.night import NightChoice, reduce_command
    from musedeep.cli.resources import Resources

    choice = NightChoice(directories, output_dir, mode, night, ifus, darks or until == "dark", use or [])
    resources = Resources(
        workers, threads, memory, scheduler, overwrite, save_fits,
        log=log, cluster=cluster, cluster_profile=cluster_profile, plots=plots, discard=discard,
        dashboard=dashboard,
    )  # fmt: skip
    return reduce_command(choice, resources, until, set_ or [], dry_run)


@app.command()
def statics(
    directory: Annotated[Path, typer.Argument(metavar="OUTDIR", help="Directory of the files.", show_default=False)],
    mode: Annotated[str, typer.Option(help="Instrument mode of the geometry.")] = "WFM-NOAO-N",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated instrument.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write the static calibrations (arc and sky lines, extinction, standard stars, filters ...) as FITS files.

    Prints them as lines of a set-of-frames. Geometry and bad pixels are those of the simulated instrument.
    """
    from musedeep.cli.statics import print_statics

    print_statics(directory, mode, seed, overwrite)


@app.command()
def validate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Cubes, images and maps of a delivery, or its directories.")
    ],
    raw: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Compare with the raw frames in this directory, too.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    checksums: Annotated[bool, typer.Option(help="Read all data, and compare checksums.")] = True,
) -> int | None:
    """Check science data products as ESO's archive does (Phase 3): one line per problem."""
    from musedeep.cli.validate import validate_command

    return validate_command(paths, raw or [], json, checksums)


@app.command("sky-residuals")
def sky_residuals(
    cube: Annotated[Path, typer.Argument(help="Cube, FITS or store.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="FITS cube, or a store (.zarr); default: CUBE_SKYRES.")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Image that is not 0 on sources, or SKY_MASK; default: by their continuum."),
    ] = None,
    segments: Annotated[
        str, typer.Option(help="Of wavelength: auto, one, paper, or limits, for example 5400,7200.")
    ] = "auto",
    components: Annotated[int | None, typer.Option(min=0, help="Of each segment; default: as many as show.")] = None,
    eigenspectra: Annotated[Path | None, typer.Option(metavar="FILE", help="Components of another cube.")] = None,
    save_eigenspectra: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the components.")] = None,
    keep_level: Annotated[
        bool, typer.Option("--keep-level", help="Leave the median of the sky of each plane.")
    ] = False,
    scale_variance: Annotated[
        bool, typer.Option("--scale-variance", help="Scale STAT to what is left in the sky of each plane.")
    ] = False,
    memory: Memory = "4GiB",
    threads: IngestWorkers = None,
    overwrite: Overwrite = False,
) -> None:
    """Subtract the sky residuals of a finished cube by principal components (Soto et al. 2016)."""
    from musedeep.cli.sky_residuals import SkyResidualsOptions, sky_residuals_command

    options = SkyResidualsOptions(
        output, mask, segments, components, eigenspectra, save_eigenspectra, keep_level, scale_variance,
        memory, threads, overwrite,
    )  # fmt: skip
    sky_residuals_command(cube, options)


app.command()(psf)
for part in (simulate, catalogue, campaign, qc):
    app.add_typer(part)


def _invoke(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    try:
        # with standalone_mode off, the parser raises what it finds instead of printing boxes and exiting
        status = command.main(args=list(arguments), prog_name="musedeep", standalone_mode=False)
    except Exception as error:
        describe = getattr(error, "format_message", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            return WRONG_USAGE  # the help has been printed
        if type(error).__name__ == "Abort":
            raise KeyboardInterrupt from None
        if describe is None:
            raise
        context = getattr(error, "ctx", None)
        name = context.command_path if context else "musedeep"
        complain(f"{describe().rstrip('.')}; see `{name} --help`")
        return WRONG_USAGE
    if status == INTERRUPTED:  # the parser's own answer to Ctrl-C, which says nothing
        raise KeyboardInterrupt
    return status if isinstance(status, int) else OK


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0 done; 1 bad input or a failed run; 2 wrong usage; 130 interrupted.
    """
    set_up_process()
    if arguments is not None:
        return guarded(lambda: _invoke(arguments))
    with announced():
        status = guarded(lambda: _invoke(sys.argv[1:]))
    # a second Ctrl-C, while threads end, ends the process at once and without a traceback
    signal.signal(signal.SIGINT, lambda *_: os._exit(status))
    # the process ends: no last search for garbage
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(run())
