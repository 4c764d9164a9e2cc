"""The commands `musedeep catalogue` and `musedeep campaign`. Importing this is as cheap as importing `main`."""

from pathlib import Path
from typing import Annotated

import typer

catalogue = typer.Typer(name="catalogue", help="Keep exposures of many nights in a database.", no_args_is_help=True)

Database = Annotated[
    str,
    typer.Option(
        "--database", metavar="FILE|URL", envvar="MUSEDEEP_CATALOGUE", help="SQLite file, or URL of a database."
    ),
]


@catalogue.command("add")
def catalogue_add(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|FILE...",
            help="Raw frames, products and night logs, or directories of them; tables of an archive (.csv .ecsv .vot).",
        ),
    ],
    database: Database = "catalogue.sqlite",
    columns: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Which column of tables is which fact; default: ESO's.")
    ] = None,
    programmes: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Table of programmes (CSV or YAML).")
    ] = None,
) -> int | None:
    """Add exposures, products, night logs and programmes; what is there already stays as it is."""
    from musedeep.cli.catalogue import add_command

    return add_command(paths, database, columns, programmes or [])


@catalogue.command("list")
def catalogue_list(
    database: Database = "catalogue.sqlite",
    where: Annotated[
        list[str] | None, typer.Argument(metavar="FACT=VALUE...", help="As tag=OBJECT target=UDF-10.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List exposures, with grades and comments of night logs."""
    from musedeep.cli.catalogue import list_command

    list_command(database, where or [], json)


@catalogue.command("sets")
def catalogue_sets(
    database: Database = "catalogue.sqlite",
    where: Annotated[
        list[str] | None, typer.Argument(metavar="FACT=VALUE...", help="As tag=OBJECT target=UDF-10.")
    ] = None,
    chosen: Annotated[bool, typer.Option("--chosen", help="A line for each calibration that is chosen.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List frames that are reduced together, with the calibrations of each: the nearest, of all nights."""
    from musedeep.cli.catalogue import sets_command

    sets_command(database, where or [], chosen, json)


@catalogue.command("info")
def catalogue_info(database: Database = "catalogue.sqlite") -> None:
    """Count what a catalogue holds, by type, mode and run."""
    from musedeep.cli.catalogue import info_command

    info_command(database)


campaign = typer.Typer(name="campaign", help="Deep cubes of many targets: plan and run.", no_args_is_help=True)


@campaign.command("scan")
def campaign_scan(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="Plan to write, or to bring up to date.")],
    database: Database = "catalogue.sqlite",
    name: Annotated[str, typer.Option(help="Of the campaign; default: that of the file.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the plan, as max_inputs=null.")
    ] = None,
    today: Annotated[str, typer.Option(hidden=True)] = "",
) -> int | None:
    """Group exposures of a catalogue into targets and products, and write a plan that you edit.

    What you have changed in the plan stays; exposures that are new are undecided.
    """
    from musedeep.cli.campaign import scan_command

    return scan_command(plan, database, name, set_ or [], today)


ThisPlan = Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="Plan of a campaign.", show_default=False)]
ItsDatabase = Annotated[
    str, typer.Option("--database", metavar="FILE|URL", help="Catalogue; default: that of the plan's scan.")
]


@campaign.command("run")
def campaign_run(
    plan: ThisPlan,
    target: Annotated[list[str] | None, typer.Option(help="Only this target; may be given again.")] = None,
    database: ItsDatabase = "",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on this machine (default 1); jobs at most of a cluster.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Tasks at once on this machine; default: one per processor.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Limit for all processes together, for example 4GiB.")] = "4GiB",
    scheduler: Annotated[
        str | None, typer.Option(help="Address, or scheduler file, of a running dask scheduler to use.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Start workers as jobs of a cluster: slurm.", metavar="KIND")
    ] = None,
    cluster_profile: Annotated[
        Path | None,
        typer.Option(help="Profile of the jobs (YAML); default: ~/.config/musedeep/cluster.yaml.", metavar="FILE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print nights, steps, disk, memory and time, and stop.")
    ] = False,
    scale: Annotated[
        str,
        typer.Option(metavar="IFUSxEXPOSURES", help="With --dry-run: also what this would take, for example 24x125."),
    ] = "",
    rates: Annotated[
        Path | None, typer.Option(help="With --dry-run: rates of your machine; see `musedeep rates`.")
    ] = None,
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw nights, recipes and products (.svg .png .pdf; .mmd: Mermaid), and stop."
        ),
    ] = None,
    quality: Annotated[bool, typer.Option(help="Judge products when they are made, as `musedeep qc assess`.")] = True,
) -> int | None:
    """Make the deep cubes of a plan: nights, single exposures, flux scales, offsets, combination.

    The same command again resumes a run that was interrupted, and makes again what has changed.
    """
    from musedeep.cli.campaign_run import run_command
    from musedeep.cli.resources import Resources

    resources = Resources(workers, threads, memory, scheduler, False, cluster=cluster, cluster_profile=cluster_profile)
    return run_command(plan, database, target or [], resources, dry_run, scale, rates, quality, graph)


@campaign.command("status")
def campaign_status(plan: ThisPlan, database: ItsDatabase = "") -> int | None:
    """Say of each product of a plan whether it is made and up to date, and what a person has decided."""
    from musedeep.cli.campaign_run import status_command

    return status_command(plan, database)


@campaign.command("review")
def campaign_review(
    plan: ThisPlan,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this machine; 0: any that is free.")] = 8321,
    by: Annotated[str, typer.Option(metavar="NAME", help="Of the reviewer; default: the login name.")] = "",
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Write the pages into a folder instead."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Look at products in a browser; accept, reject, certify them, exclude exposures.

    Decisions are kept beside the products, and in the plan. The page is for this machine only.
    """
    from musedeep.cli.campaign_review import review_command

    review_command(plan, port, by, export, overwrite)


@campaign.command("deliver")
def campaign_deliver(
    plan: ThisPlan,
    target: Annotated[list[str] | None, typer.Option(help="Only this target, or product; may be repeated.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Default: delivery/ in the campaign's folder.")
    ] = None,
    database: ItsDatabase = "",
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Names of keywords, reference and DOI of the delivery.")
    ] = None,
    uncertified: Annotated[
        bool, typer.Option("--uncertified", help="Deliver products that nobody has certified, too.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Only products of which all inputs are public.")] = False,
    invalid: Annotated[
        bool, typer.Option("--invalid", help="Deliver products, too, with which `musedeep validate` finds fault.")
    ] = False,
    today: Annotated[str, typer.Option(hidden=True)] = "",
) -> int | None:
    """Write a folder for each certified product, as the archive takes it, and an index of all.

    A version that has been delivered is never replaced; a deeper one supersedes it.
    """
    from musedeep.cli.campaign_deliver import DeliveryChoice, deliver_command

    choice = DeliveryChoice(target or [], output, database, settings, uncertified, public, invalid, today)
    return deliver_command(plan, choice)


qc = typer.Typer(name="qc", help="Quality of products: judge, list, plot.", no_args_is_help=True)

OfProducts = Annotated[
    list[str] | None, typer.Option("--product", metavar="NAME", help="Only this product; may be given again.")
]


@qc.command("assess")
def qc_assess(
    plan: ThisPlan,
    product: OfProducts = None,
    database: ItsDatabase = "",
    ranges: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Reference ranges in the place of some of the package's.")
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw figures.")] = True,
    raws: Annotated[bool, typer.Option(help="Count bright pixels of the raw frames that are there.")] = True,
    again: Annotated[bool, typer.Option("--again", help="Judge those that have not changed, too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with a product.")] = 1,
) -> int | None:
    """Judge finished products: scores, QCFLAG, misaligned exposures, satellites; quality.json and figures of each."""
    from musedeep.cli.quality import assess_command

    return assess_command(plan, database, product or [], ranges, figures, raws, again, workers)


@qc.command("list")
def qc_list(
    database: Database = "catalogue.sqlite",
    keyword: Annotated[
        list[str] | None, typer.Option(metavar="KEYWORD", help="As ABMAGLIM or 'QC EXPCOMB NDET'; may be given again.")
    ] = None,
    product: OfProducts = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List quality parameters of a catalogue: the values of some, or an overview of all."""
    from musedeep.cli.quality import list_command

    list_command(database, keyword or [], product or [], json)


@qc.command("plot")
def qc_plot(
    keyword: Annotated[str, typer.Argument(metavar="KEYWORD", help="As ABMAGLIM.", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="FILE.png", help="Picture to draw.", show_default=False)],
    against: Annotated[str, typer.Option(metavar="KEYWORD", help="mjd, or another parameter.")] = "mjd",
    database: Database = "catalogue.sqlite",
    product: OfProducts = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing picture.")] = False,
) -> None:
    """Draw a quality parameter against time or another parameter."""
    from musedeep.cli.quality import plot_command

    plot_command(database, keyword, against, output, product or [], overwrite)
