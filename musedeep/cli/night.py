"""`musedeep classify`, `associate` and `reduce`: a night's files, its sets-of-frames, and its reduction."""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from musedeep.cli.errors import BAD_INPUT, INTERRUPTED, OK, UsageProblem, complain
from musedeep.cli.progress import TerminalProgress
from musedeep.cli.report import UNCUT, as_data, print_facts, print_table, size_on_disk, table_of
from musedeep.cli.resources import Resources
from musedeep.cli.text import duration, size_text
from musedeep.errors import MusedeepError, nearest
from musedeep.processors import available_processors
from musedeep.recipes.registry import modules, night_recipes

if TYPE_CHECKING:
    from musedeep.graph.night.run import NightOutcome, NightRequest
    from musedeep.selection.night.associate import Night
    from musedeep.selection.night.classify import Frame


@dataclass(frozen=True)
class NightChoice:
    """Which night, as given on the command line; `reduced` is None for the default."""

    directories: Sequence[Path]
    reduced: Path | None
    mode: str
    night: str
    ifus: str
    darks: bool = False
    use: Sequence[str] = ()

    @property
    def products(self) -> Path:
        """Directory of the products, absolute."""
        return (self.reduced or self.directories[0] / "reduced").absolute()

    def files(self) -> dict[str, Path]:
        """Files to be taken, by tag; UsageProblem for a tag that no recipe takes, or a file that is not there."""
        known = {one.name for recipe in night_recipes() for one in recipe.inputs if not one.raw and not one.nearest}
        found: dict[str, Path] = {}
        for word in self.use:
            tag, equals, name = word.partition("=")
            if not (equals and name):
                raise UsageProblem(f"--use {word}: write TAG=FILE, as in OUTPUT_WCS=grid.fits")
            if tag not in known:
                near = nearest(tag, sorted(known))
                raise UsageProblem(f"--use {word}: no recipe takes {tag}" + (f"; did you mean {near}?" if near else ""))
            if tag in found:
                raise UsageProblem(f"--use {word}: {tag} is given twice; one file is used for all")
            if not Path(name).exists():
                raise UsageProblem(f"--use {word}: no such file; correct the path")
            found[tag] = Path(name).absolute()
        return found

    def numbers(self) -> tuple[int, ...]:
        """The IFUs; none if all."""
        from musedeep.cli.simulate import parse_ifus

        return parse_ifus(self.ifus) if self.ifus else ()


def classify_command(directories: Sequence[Path], as_json: bool, output: Path | None, overwrite: bool) -> int:
    """Print the tags of files as a table or as JSON; status 1 if one is unknown."""
    from musedeep.selection.night.classify import classify_files, fits_files
    from musedeep.storage.outputs import refuse_existing

    if output is not None:
        refuse_existing(output, overwrite)
    frames = classify_files(fits_files(directories))
    text = json.dumps([as_data(asdict(frame)) for frame in frames], indent=1)
    if output is not None:
        _write_text(output, text + "\n")
    elif as_json:
        print(text)
    else:
        _print_frames(frames)
    unknown = [frame for frame in frames if not frame.tag]
    for frame in unknown:
        complain(f"{frame.path}: unknown: {frame.reason}")
    return BAD_INPUT if unknown else OK


def _write_text(path: Path, text: str) -> None:
    from musedeep.storage.outputs import appearing_whole

    with appearing_whole(path, len(text)) as partial:
        partial.write_text(text)


def _print_frames(frames: "Sequence[Frame]") -> None:
    table = table_of(("file", "tag", "mode", "read-out", "IFUs"), ("s", "°C"))
    for frame in frames:
        seconds = "" if frame.exposure_time != frame.exposure_time else f"{frame.exposure_time:g}"
        warm = "" if frame.temperature != frame.temperature else f"{frame.temperature:.1f}"
        tag = Text(frame.tag) if frame.tag else Text("unknown", "red")
        # what headers and names hold is no markup
        words = [Text(word) for word in (frame.mode, frame.read_out, _ranges(frame.ifus), seconds, warm)]
        table.add_row(Text(str(frame.path)), tag, *words)
    print_table(table, UNCUT)
    counts = Counter(frame.tag or "unknown" for frame in frames)
    print(f"{len(frames)} files: " + ", ".join(f"{n} {tag}" for tag, n in sorted(counts.items())))


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers as 1-3,7."""
    # n - k is the same within a run
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _associated(
    choice: NightChoice, parameters: Mapping[str, Mapping[str, str]] | None = None
) -> "tuple[Night, list[str]]":
    """The night, with the parameters given for recipes, and files that cannot be read, a line each."""
    from musedeep.selection.night.associate import Wish, associate
    from musedeep.selection.night.classify import classify_files, fits_files

    ifus = choice.numbers()
    paths = [p.absolute() for p in fits_files(choice.directories) if not _made_here(p, choice)]
    frames = classify_files(paths)
    files = choice.files()
    wish = Wish(choice.products, choice.mode, choice.night, ifus, choice.darks, parameters or {}, files)
    unread = [f"{f.path}: {f.reason}; left out" for f in frames if not f.tag]
    try:
        return associate(frames, wish), unread
    except MusedeepError:
        for line in unread:
            complain(line)
        raise


def _made_here(path: Path, choice: NightChoice) -> bool:
    """Whether a file is the product of a reduction of this night, and so none of its inputs."""
    places = {os.path.realpath(place) for place in (choice.products, choice.directories[0] / "reduced")}
    places -= {os.path.realpath(directory) for directory in choice.directories}
    return any(Path(os.path.realpath(path)).is_relative_to(place) for place in places)


def associate_command(choice: NightChoice, output: Path | None, dry_run: bool, overwrite: bool) -> int:
    """Write the sets-of-frames of a night and name them; status 1 if a set is left out."""
    from musedeep.storage.outputs import make_directory, refuse_existing
    from musedeep.storage.set_of_frames import write_set_of_frames

    night, unread = _associated(choice)
    directory = output or choice.directories[0] / "sof"
    paths = {one.name: directory / f"{one.name}.sof" for one in night.sets}
    if not dry_run:
        make_directory(directory)
        for path in paths.values():
            refuse_existing(path, overwrite)
        for one in night.sets:
            write_set_of_frames(paths[one.name], one.frames, overwrite)
    _print_sets(night, None if dry_run else directory)
    problems = night.problem_lines()
    for line in [*unread, *night.notes, *problems]:
        complain(line)
    return BAD_INPUT if unread or problems else OK


def _print_sets(night: "Night", directory: Path | None) -> None:
    table = table_of(("set", "recipe", "frames"), ())
    for one in night.sets:
        counts = Counter(tag for _, tag in one.frames)
        table.add_row(one.name, one.recipe, Text(", ".join(f"{n} {tag}" for tag, n in counts.items())))
    print_table(table, UNCUT)
    where = f" in {directory}" if directory else ""
    print(f"{len(night.sets)} sets-of-frames{where}: {night.mode}, night {night.night or 'of calibrations'}")


def _given_parameters(words: Sequence[str]) -> dict[str, dict[str, str]]:
    """RECIPE.PARAMETER=VALUE by recipe."""
    given: dict[str, dict[str, str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        recipe, dot, parameter = name.partition(".")
        if not (equals and dot and parameter):
            raise UsageProblem(f"--set {word}: write RECIPE.PARAMETER=VALUE, as in muse_flat.samples=true")
        if parameter in ("nifu", "merge"):
            raise UsageProblem(f"--set {word}: the run sets {parameter} itself; see --ifus")
        given.setdefault(recipe, {})[parameter] = value
    return given


def _kinds(given: str) -> tuple[str, ...]:
    """Kinds of products to be discarded."""
    from musedeep.graph.night.discards import KINDS

    kinds = tuple(filter(None, given.split(",")))
    for kind in kinds:
        if kind not in KINDS:
            near = nearest(kind, list(KINDS))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(KINDS)}"
            raise UsageProblem(f"--discard {kind}: {hint}")
    return kinds


def reduce_command(choice: NightChoice, resources: Resources, until: str, words: Sequence[str], dry_run: bool) -> int:
    """Reduce a night; status 1 if a task failed."""
    from musedeep.graph.night.plan import check_step, steps_until

    memory = resources.memory_bytes()
    profile = resources.profile()
    given = _given_parameters(words)
    try:
        until = check_step(until)
    except MusedeepError as error:
        raise UsageProblem(f"--until: {error}") from None
    night, unread = _associated(choice, given)
    problems = night.problem_lines(steps_until(until))
    for line in [*unread, *night.notes]:
        complain(line)
    if problems:
        for line in problems[:-1]:
            complain(line)
        raise MusedeepError(problems[-1])
    from musedeep.graph.night.run import NightRequest, reduce_night
    from musedeep.graph.workers.interrupts import as_interrupts

    request = NightRequest(
        sets=night.sets,
        output=choice.products,
        modules=modules(),
        parameters=given,
        until=until,
        overwrite=resources.overwrite,
        save_fits=resources.save_fits,
        plots=resources.plots,
        discard=_kinds(resources.discard),
        workers=resources.workers,
        threads=resources.threads or available_processors(),
        memory=memory,
        scheduler=resources.scheduler,
        cluster=profile,
        dashboard=resources.dashboard,
    )
    from musedeep.cli.run_log import RunLog

    log = RunLog(resources.log, late=False) if resources.log is not None and not dry_run else None
    with as_interrupts(), log or nullcontext(), TerminalProgress(memory) as progress:

        def leave() -> None:
            # threads cannot be stopped, and would have to be waited for: what they make is thrown away at the next
            # start; worker processes are ended by the cluster
            if request.cluster or (request.workers or 1) > 1:
                return
            progress.stop()
            complain("interrupted; the same command resumes where it stopped")
            sys.stdout.flush()
            os._exit(INTERRUPTED)

        outcome = reduce_night(request, progress, dry_run, leave)
    if dry_run:
        return _print_plan(outcome, request) or (BAD_INPUT if unread else OK)
    _print_outcome(outcome, request, progress.peak_bytes)
    return BAD_INPUT if unread or outcome.failed or outcome.lost else OK


def _by_step(names: Sequence[str], outcome: "NightOutcome") -> dict[str, int]:
    steps = {task.name: task.frames.step for task in outcome.plan.tasks}
    return Counter(steps[name] for name in names)


def _print_plan(outcome: "NightOutcome", request: "NightRequest") -> int:
    """What `--dry-run` prints; status 1 if the disk does not hold what is to be made."""
    from musedeep.graph.night.disk import check_room

    todo, done = _by_step(outcome.made, outcome), _by_step(outcome.earlier, outcome)
    steps = dict.fromkeys(task.frames.step for task in outcome.plan.tasks)
    disk = outcome.disk
    facts = []
    for step in steps:
        words = [f"{todo[step]} tasks"]
        words += [f"about {disk.by_step[step] / 1e9:.3g} GB"] if disk.by_step.get(step) else []
        words += [f"{done[step]} done already"] if done[step] else []
        facts.append((step, ", ".join(words)))
    largest = max(outcome.plan.tasks, key=lambda task: task.cost.memory)
    facts.append(("largest task", f"{largest.name}, about {size_text(largest.cost.memory)}"))
    facts.append(("disk", f"about {disk.need / 1e9:.3g} GB are needed, {disk.free / 1e9:.3g} GB are free"))
    for name, size in disk.images.items():
        facts.append(("not written", f"reduced images, {size / 1e9:.3g} GB; --set {name}=true writes them"))
    facts.append(("products", str(request.output)))
    print_facts("Plan", facts)
    for name in outcome.made:
        task = outcome.plan.by_name()[name]
        needs = f"  after {', '.join(task.needs)}" if task.needs else ""
        print(f"{name:<26} {task.frames.recipe:<15} {len(task.frames.frames):>3} frames{needs}")
    try:
        check_room(request.output, disk)
    except MusedeepError as error:
        complain(str(error))
        return BAD_INPUT
    return OK


def _print_outcome(outcome: "NightOutcome", request: "NightRequest", peak: int) -> None:
    """What a finished run prints: tasks a step, what failed, what was skipped because of it."""
    made, earlier = _by_step(outcome.made, outcome), _by_step(outcome.earlier, outcome)
    failed, skipped = _by_step(list(outcome.failed), outcome), _by_step(list(outcome.skipped), outcome)
    steps = {task.name: task.frames.step for task in outcome.plan.tasks}
    facts = []
    for step in dict.fromkeys(steps.values()):
        took = [seconds for name, seconds in outcome.took.items() if steps[name] == step]
        words = [f"{made[step]} done" + (f" ({duration(sum(took) / len(took))} each)" if took else "")]
        others = ((earlier, "earlier"), (failed, "failed"), (skipped, "skipped"))
        words += [f"{n[step]} {word}" for n, word in others if n[step]]
        facts.append((step, ", ".join(words)))
    print_facts(f"{request.output}:", facts)
    for name, needs in outcome.skipped.items():
        complain(f"{name} skipped: needs {', '.join(needs)}")
    for name, failure in outcome.lost.items():
        complain(f"{name} went on without: {failure}")
    for name, failure in outcome.failed.items():
        complain(f"{name} failed: {failure}")
    size = sum(size_on_disk(path) for path in outcome.products)
    print(
        f"{len(outcome.plan.tasks)} tasks, {len(outcome.made)} done now, {len(outcome.earlier)} earlier, "
        f"{len(outcome.failed)} failed, {len(outcome.skipped)} skipped, in {duration(outcome.seconds)}; "
        f"{len(outcome.products)} products ({size_text(size)}), "
        + (f"{len(outcome.discarded)} products discarded, " if outcome.discarded else "")
        + f"peak memory {size_text(peak)}"
    )
