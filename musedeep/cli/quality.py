"""`musedeep qc`: judge the products of a campaign, list and plot quality parameters of a catalogue."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from musedeep.cli.campaign import read_plan_of
from musedeep.cli.catalogue import need, open_catalogue
from musedeep.cli.errors import BAD_INPUT, OK, UsageProblem, complain
from musedeep.cli.report import UNCUT, print_table, table_of
from musedeep.errors import MusedeepError, nearest

if TYPE_CHECKING:
    from musedeep.campaign.quality import Judged
    from musedeep.selection.catalogue.database import Catalogue

Row = dict[str, Any]

TIME = "mjd"
"""What values are plotted against, unless another keyword is given."""
OUTLINE = ("misaligned", "extreme satellite", "satellite", "craters", "gradients", "quadrant", "fewer exposures")
"""Kinds of findings that are told on the terminal."""
NAMED = 8
"""Findings of a product that are told; the others are counted."""


def assess_command(
    plan_path: Path,
    database: str,
    products: Sequence[str],
    ranges: Path | None,
    figures: bool,
    raws: bool,
    again: bool,
    workers: int,
) -> int:
    """Judge the products of a campaign; status 1 if one cannot be judged."""
    need("matplotlib")
    _, place = read_plan_of(plan_path, database)
    from musedeep.campaign.quality import folders_of
    from musedeep.quality.record import campaign_folder

    campaign = campaign_folder(plan_path.absolute())
    folders = folders_of(campaign, products)
    judged = judge_products(campaign, folders, place, ranges, figures, raws, again, workers)
    failed = sum(one.quality is None for one in judged)
    flagged = sum(one.quality is not None and any(s.score == 1 for s in one.quality.scores) for one in judged)
    print(f"{campaign}: {len(judged)} products, {flagged} with a score of 1, {failed} could not be judged")
    return BAD_INPUT if failed else OK


def judge_products(
    campaign: Path,
    folders: Sequence[Path],
    database: str,
    ranges: Path | None = None,
    figures: bool = True,
    raws: bool = True,
    again: bool = False,
    workers: int = 1,
) -> "list[Judged]":
    """Judge products, say what came of each, draw the campaign's figure, and keep the values in its catalogue.

    Raises MusedeepError for a file of ranges that is not right, or a catalogue that cannot be written.
    """
    from musedeep.campaign.quality import assess_products, draw_campaign, store_quality

    judged = assess_products(folders, ranges, figures, raws, again, workers, _tell)
    if figures:
        draw_campaign(campaign)
    if "://" not in database and not Path(database).exists():
        complain(f"{database}: no such catalogue; values are kept beside the products alone")
        return judged
    with open_catalogue(database) as catalogue:
        store_quality(catalogue, [one.folder for one in judged if one.quality is not None])
    return judged


def _tell(one: "Judged") -> None:
    """Say what came of a product."""
    if one.quality is None:
        complain(f"{one.name} cannot be judged: {one.why}")
        return
    failed = list(dict.fromkeys(score.name for score in one.quality.scores if score.score == 1))
    words = f"score of 1: {', '.join(failed)}" if failed else "all scores 0"
    print(f"{one.name}: QCFLAG {one.quality.flag}, {words}" + ("" if one.new else " (as it was)"), flush=True)
    if not one.new:
        return
    findings = [finding for finding in one.quality.findings if finding.kind in OUTLINE]
    for finding in findings[:NAMED]:
        print(f"  {finding.exposure + ': ' if finding.exposure else ''}{finding.text}")
    if len(findings) > NAMED:
        print(f"  {len(findings) - NAMED} more findings in {one.folder / 'quality.json'}")


def list_command(database: str, keywords: Sequence[str], products: Sequence[str], as_json: bool) -> None:
    """Print quality parameters of a catalogue: the values of some, or an overview of all."""
    with open_catalogue(database) as catalogue:
        rows = _rows(catalogue, products)
    if not rows:
        raise MusedeepError(f"{database}: no quality parameters; `musedeep qc assess PLAN` finds those of products")
    if not keywords:
        _print_overview(rows, as_json)
        return
    known = list(dict.fromkeys(row["keyword"] for row in rows))
    wanted = [_keyword(word, known) for word in keywords]
    chosen = [row for row in rows if row["keyword"] in wanted]
    if as_json:
        print(json.dumps(chosen, indent=1))
        return
    table = table_of(("product", "file", "category", "date", "HDU", "keyword"), ("value",))
    for row in chosen:
        value = row["text"] if row["number"] is None else f"{row['number']:.6g}"
        words = (
            row["object"],
            Path(row["path"]).name,
            row["category"],
            row["date_obs"],
            row["hdu"],
            row["keyword"],
            value,
        )
        table.add_row(*(Text(word or "") for word in words))
    print_table(table, UNCUT)
    print(f"{len(chosen)} values")


def plot_command(
    database: str, keyword: str, against: str, output: Path, products: Sequence[str], overwrite: bool
) -> None:
    """Draw a quality parameter of all products against time or another parameter."""
    need("matplotlib")
    from musedeep.reduction.pictures import draw

    with open_catalogue(database) as catalogue:
        rows = _rows(catalogue, products)
    known = list(dict.fromkeys(row["keyword"] for row in rows if row["number"] is not None))
    if not known:
        raise MusedeepError(f"{database}: no quality parameters; `musedeep qc assess PLAN` finds those of products")
    chosen = _keyword(keyword, known)
    other = TIME if against.lower() == TIME else _keyword(against, known)
    points = _points(rows, chosen, other)
    if not points:
        raise MusedeepError(f"{database}: no product has both {chosen} and {other}; see `musedeep qc list`")

    def drawing(figure: Any) -> None:
        _draw_points(figure.add_subplot(), points, chosen, other)

    draw(drawing, output, overwrite, (8.6, 5.2))
    print(f"{output}: {sum(len(values) for values in points.values())} values of {chosen}")


def _rows(catalogue: "Catalogue", products: Sequence[str]) -> list[Row]:
    """Quality parameters with the facts of their products, by date."""
    files = {row["path"]: row for row in catalogue.rows("products")}
    if products:
        known = {str(row["object"]) for row in files.values()}
        for name in products:
            if name not in known:
                near = nearest(name, sorted(known))
                raise UsageProblem(f"--product {name}: no such product" + (f"; did you mean {near}?" if near else ""))
        files = {path: row for path, row in files.items() if row["object"] in products}
    keys = ("category", "date_obs", "mode", "object", "ob_id", "run")
    rows = [
        dict(row) | {key: files[row["path"]][key] for key in keys}
        for row in catalogue.rows("quality")
        if row["path"] in files
    ]
    return sorted(rows, key=lambda row: (row["date_obs"] or "", row["path"], row["keyword"], row["hdu"]))


def _keyword(word: str, known: Sequence[str]) -> str:
    """The keyword that a word means: whole, or its last words, in any case."""
    bare = " ".join(word.upper().split()).removeprefix("HIERARCH ").removeprefix("ESO ")
    if bare in known:
        return bare
    found = [one for one in known if one.upper().endswith(f" {bare}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageProblem(f"{word}: which of {', '.join(found[:4])}{' ...' if len(found) > 4 else ''}?")
    short = {one.rpartition(" ")[2]: one for one in known}
    near = nearest(bare, [*known, *short])
    raise UsageProblem(f"{word}: no such keyword" + (f"; did you mean {near}?" if near else "; see `musedeep qc list`"))


def _print_overview(rows: Sequence[Row], as_json: bool) -> None:
    values: dict[str, list[Row]] = {}
    for row in rows:
        values.setdefault(row["keyword"], []).append(row)
    facts = []
    for keyword, some in sorted(values.items()):
        numbers = np.array([row["number"] for row in some if row["number"] is not None], np.float64)
        statistics = (numbers.min(), np.median(numbers), numbers.max()) if numbers.size else (None,) * 3
        facts.append(
            {"keyword": keyword, "values": len(some), **dict(zip(("least", "median", "most"), statistics, strict=True))}
        )
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    table = table_of(("keyword",), ("values", "least", "median", "most"))
    for fact in facts:
        numbers_text = ["" if fact[key] is None else f"{fact[key]:.6g}" for key in ("least", "median", "most")]
        table.add_row(*(Text(str(word)) for word in (fact["keyword"], fact["values"], *numbers_text)))
    print_table(table, UNCUT)
    print(f"{len(facts)} keywords")


def _points(rows: Sequence[Row], chosen: str, other: str) -> dict[str, list[tuple[float, float]]]:
    """Pairs of values, by category of the product."""
    from musedeep.selection.dates import mjd_of

    second = {(row["path"], row["hdu"]): row["number"] for row in rows if row["keyword"] == other}
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["keyword"] != chosen or row["number"] is None:
            continue
        x = mjd_of(row["date_obs"] or "") if other == TIME else second.get((row["path"], row["hdu"]))
        if x is not None and np.isfinite(x):
            points.setdefault(row["category"] or "", []).append((x, row["number"]))
    return points


def _draw_points(axes: Any, points: dict[str, list[tuple[float, float]]], chosen: str, other: str) -> None:
    from musedeep.quality.ranges import read_ranges
    from musedeep.reduction.pictures import FAINT, SYMBOLS, grid, title

    colours = ("#1f5fa8", "#b8121f", "#0b7d3b", "#e0a100", "#7a3fa0", "#16808a")
    number = sum(len(some) for some in points.values())
    title(axes, chosen, f"{number} values against {'time' if other == TIME else other}")
    for k, (category, some) in enumerate(sorted(points.items(), key=lambda item: -len(item[1]))):
        xs, ys = np.array(some).T
        axes.plot(xs, ys, SYMBOLS[k % len(SYMBOLS)], color=colours[k % len(colours)], ms=5, alpha=0.75, label=category)
    scored = read_ranges().get(chosen.rpartition(" ")[2].lower())
    for limit in (scored.low, scored.high) if scored else ():
        low, high = axes.get_ylim()
        # a limit far away would squeeze the points
        if limit is not None and low - (high - low) < limit < high + (high - low):
            axes.axhline(limit, color=FAINT, ls="--", lw=1)
            axes.text(1.0, limit, f" limit {limit:g}", transform=axes.get_yaxis_transform(), fontsize=8.5, color=FAINT)
    axes.set_xlabel("MJD [d]" if other == TIME else other)
    axes.set_ylabel(chosen.rpartition(" ")[2])
    axes.ticklabel_format(useOffset=False, style="plain", axis="x")
    grid(axes)
    axes.legend(fontsize=9)
