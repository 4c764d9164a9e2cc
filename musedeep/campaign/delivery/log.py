"""The log of a delivered product: one text file that a person reads, and from which each step can be repeated.

Section 1 says what the product is. Section 2 has every step: a script (lines that begin with `> `) and the log of the
recipe (lines that begin with `| `). Section 3 is the "Selection file for this combined datacube" of MUSE-DEEP: OBs with
names, requested seeing (AMBI_REQ), grades and comments, then all raw frames.

    cd CAMPAIGN && sed -n 's/^> //p' r.MUSE.2014-12-09T23:35:55.434_dpc.log | sh

repeats all steps; products go to the folder again/, or $AGAIN.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from musedeep import __version__
from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.delivery.names import Names, original_name
from musedeep.errors import MusedeepError
from musedeep.quality.record import StepRecord
from musedeep.storage.outputs import write_error

TITLES: Final = ("1. Product", "2. Steps", "3. Selection file for this combined datacube")
SCRIPT, SAID = "> ", "| "
OB_COLUMNS: Final = ("PRODUCT", "OBID", "OBNAME", "RUN", "AMBI_REQ", "GRADE", "COMMENT")
RAW_COLUMNS: Final = ("RAW", "DATE-OBS", "EXPTIME", "INSMODE", "OBID")
UNKNOWN: Final = "-"


@dataclass(frozen=True)
class DeliveredLog:
    """What a log says.

    Attributes
    ----------
    facts : of section 1, name to values
    steps : heading, script and log of each step
    obs, raws : rows of section 3, by the names of their columns
    """

    facts: dict[str, list[str]] = field(default_factory=dict)
    steps: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    obs: list[dict[str, str]] = field(default_factory=list)
    raws: list[dict[str, str]] = field(default_factory=list)


def write_log(path: Path, product: Finished, names: Names, facts: Mapping[str, Sequence[str]]) -> list[str]:
    """Write the log of a product; what is missing in it, for a message.

    Parameters
    ----------
    facts : of section 1
    """
    missing: list[str] = []
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in _lines(product, names, facts, missing))
    except OSError as error:
        raise write_error(path, error, 0) from error
    return missing


def _lines(product: Finished, names: Names, facts: Mapping[str, Sequence[str]], missing: list[str]) -> Iterator[str]:
    yield f"{names.log}: log of {names.cube}, written by musedeep {__version__}"
    yield from _title(TITLES[0])
    width = max(map(len, facts), default=0) + 1
    for name, values in facts.items():
        for value in values:
            yield f"{name + ':':{width}} {_one_line(value)}"
    yield from _title(TITLES[1])
    yield "In the folder of the campaign, each step is repeated by the lines that begin with '> ':"
    yield f"    sed -n 's/^> //p' {names.log} | sh"
    yield ""
    yield f"{SCRIPT}set -e"
    yield f"{SCRIPT}again=${{AGAIN:-again}}"
    shown: dict[str, int] = {}
    for number, step in enumerate(product.record.steps, 1):
        yield ""
        label = f" ({step.label})" if step.label else ""
        yield f"--- 2.{number} {step.recipe}{label}, {step.seconds:.1f} s"
        for line in script(step, number):
            yield f"{SCRIPT}{line}"
        if step.log and step.log in shown:
            yield f"{SAID}(see step 2.{shown[step.log]})"
            continue
        shown[step.log] = number
        yield from _said(product.path(step.log) if step.log else None, step, number, missing)
    yield from _title(TITLES[2])
    yield from _selection(product)


def _title(text: str) -> Iterator[str]:
    yield from ("", "=" * len(text), text, "=" * len(text), "")


def _said(path: Path | None, step: StepRecord, number: int, missing: list[str]) -> Iterator[str]:
    """The log of a recipe."""
    if path is None or not path.is_file():
        missing.append(f"the log of step {number}, {step.recipe}" + (f" ({path})" if path else ""))
        yield f"{SAID}(there is no log of this step)"
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            yield f"{SAID}{line.rstrip()}"


def script(step: StepRecord, number: int) -> list[str]:
    """A shell script that repeats a step: its set-of-frames, and the command."""
    name = f"{number:04d}_{step.recipe}"
    given = [shlex.quote(f"--{key}={parameter_text(value)}") for key, value in step.parameters.items()]
    return [
        f'mkdir -p "$again"/{name}',
        f"cat > \"$again\"/{name}.sof <<'END'",
        *(" ".join(frame) for frame in step.inputs),
        "END",
        " ".join(
            ["musedeep", "recipe", step.recipe, *given, f'"$again"/{name}.sof', "--output-dir", f'"$again"/{name}']
        ),
    ]


def parameter_text(value: Any) -> str:
    """A parameter as the command line takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(parameter_text, value))
    return str(value)


def _selection(product: Finished) -> Iterator[str]:
    """Section 3."""
    yield "\t".join(OB_COLUMNS)
    for row in selected_obs(product):
        yield "\t".join(_one_line(row[column]) or UNKNOWN for column in OB_COLUMNS)
    yield ""
    yield "\t".join(RAW_COLUMNS)
    for one in product.exposures:
        words = (one.name, one.date_obs, f"{one.exposure_time:g}", one.mode, one.ob_id)
        yield "\t".join(_one_line(word) or UNKNOWN for word in words)


def selected_obs(product: Finished) -> list[dict[str, str]]:
    """Executions of OBs in the order of time: the name of their combined cube, request, grade and comment."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in product.exposures:
        candidate = product.known.get(one.name)
        start = candidate.exposure.ob_start if candidate else ""
        request = candidate.requested_seeing if candidate else float("nan")
        found.setdefault(
            (one.ob_id or one.name, start),
            {
                "PRODUCT": original_name("CB", "C", one.ob_id, one.name, one.mode),
                "OBID": one.ob_id,
                "OBNAME": one.ob_name,
                "RUN": one.run,
                "AMBI_REQ": f"{request:g}" if request == request else "",
                "GRADE": candidate.grade if candidate else "",
                "COMMENT": candidate.comments if candidate else "",
            },
        )
    return list(found.values())


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def read_log(path: Path) -> DeliveredLog:
    """Read a delivered log; MusedeepError if it cannot be read, or lacks one of its three sections."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise MusedeepError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    # what recipes have said may hold anything, but each of its lines is marked
    places = [next((k for k, line in enumerate(lines) if line == title), -1) for title in TITLES]
    if min(places) < 0:
        raise MusedeepError(f"{path}: no section '{TITLES[places.index(-1)]}'; give the log of a delivered product")
    first, second, third = (lines[a + 2 : b] for a, b in zip(places, [*places[1:], len(lines) + 1], strict=True))
    found = DeliveredLog()
    for line in first:
        name, colon, value = line.partition(":")
        if colon:
            found.facts.setdefault(name, []).append(value.strip())
    for line in second:
        if line.startswith("--- "):
            found.steps.append((line[4:], [], []))
        elif found.steps and line.startswith(SCRIPT):
            found.steps[-1][1].append(line[len(SCRIPT) :])
        elif found.steps and line.startswith(SAID):
            found.steps[-1][2].append(line[len(SAID) :])
    columns: list[str] = []
    for line in third:
        words = line.split("\t")
        if words[0] in (OB_COLUMNS[0], RAW_COLUMNS[0]):
            columns = words
        elif line and columns:
            row = {key: "" if word == UNKNOWN else word for key, word in zip(columns, words, strict=False)}
            (found.obs if columns[0] == OB_COLUMNS[0] else found.raws).append(row)
    return found
