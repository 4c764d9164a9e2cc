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


@campaign.command("deliver")
def campaign_deliver(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="Plan of a campaign that has run.")],
    target: Annotated[list[str] | None, typer.Option(help="Only this target, or product; may be repeated.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Default: delivery/ in the campaign's folder.")
    ] = None,
    database: Annotated[
        str, typer.Option("--database", metavar="FILE|URL", help="Catalogue; default: that of the plan.")
    ] = "",
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
