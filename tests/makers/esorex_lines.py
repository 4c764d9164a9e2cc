"""The corpus of command lines of esorex: each with what esorex 3.13.6 does, and what ours does if that differs."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.makers.esorex_inputs import sets_of_frames
from tests.makers.places import ROOT

PAGE = ROOT / "docs" / "validation" / "esorex-lines.md"
FILE = ROOT / "tests" / "reference" / "esorex_lines.yaml"

KINDS = {
    "unknown option": r"Command line parameter '.*' not recognized",
    "value missing": r"needs an argument|No destination given|mandatory option|no argument|has no value|prefix",
    "wrong type": r"'Type mismatch'",
    "out of range": r"outside the permitted range",
    "no such choice": r"'Input data do not match'",
    "no set-of-frames": r"Unable to open SOF file",
    "frame missing": r"Could not open the input file",
    "recipe failed": r"Execution of recipe '\w+' failed",
    "unknown recipe": r"Unable to find recipe",
    "no directory": r"is not a valid directory",
    "no configuration file": r"could not be found",
    "unknown key": r"not recognised in configuration file",
    "no key=value": r"does not fit 'key=value' format",
    "wrong value in file": r"Error parsing/interpreting entry",
    "quotes": r"Quoting mismatch|Unescaped quote",
    "no such file": r"could not be opened for reading",
    "file not written": r"Unable to create configuration file",
}
"""Kinds of what esorex itself says, by what the line contains."""


@dataclass(frozen=True)
class CommandLine:
    """A command line.

    Attributes
    ----------
    group : of lines that belong together
    line : for bash, in a directory with the sets-of-frames
    status, kind : exit status of esorex, and the kind of its first error; empty: it says none
    shows : what its output contains, a regular expression
    makes : files that are there afterwards, but for logs
    files : text by name, written before
    ours, why : what ours does instead: some of status, kind, makes; and the reason
    """

    group: str
    line: str
    status: int = 0
    kind: str = ""
    shows: str = ""
    makes: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    ours: dict[str, object] = field(default_factory=dict)
    why: str = ""

    def expected(self, name: str, of_ours: bool) -> object:
        """Status, kind or files of esorex, or of ours."""
        value = self.ours.get(name, getattr(self, name)) if of_ours else getattr(self, name)
        return tuple(value) if name == "makes" else value


@dataclass(frozen=True)
class Outcome:
    """What a line did: exit status, all that it printed, files in its directory."""

    status: int
    output: str
    files: tuple[str, ...]

    @property
    def products(self) -> tuple[str, ...]:
        """The files that are no logs."""
        return tuple(name for name in self.files if not name.endswith(".log"))

    @property
    def kind(self) -> str:
        """The kind of the first error of esorex itself."""
        for line in self.output.splitlines():
            if re.search(r"\[ ERROR \] esorex:", line):
                return next((kind for kind, pattern in KINDS.items() if re.search(pattern, line)), f"other: {line}")
        return ""


def command_lines() -> list[CommandLine]:
    """The corpus."""
    groups = yaml.safe_load(FILE.read_text())
    return [CommandLine(one["group"], **entry) for one in groups for entry in one["lines"]]


def run_line(one: CommandLine, directory: Path, inputs: Path, programs: Path | None = None) -> Outcome:
    """Run a line in a new directory, with a home of its own.

    Parameters
    ----------
    inputs : where `write_inputs` has put the frames
    programs : directory with the esorex that is meant; None: that of the system
    """
    home = directory / "home"
    home.mkdir(parents=True)
    for name, text in (sets_of_frames() | one.files).items():
        (directory / name).write_text(text)
    before = {path for path in directory.rglob("*") if path.is_file()}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ESOREX")}
    environment |= {"HOME": str(home), "RAW_DATA": str(inputs / "raw"), "MUSE_CAL": str(inputs / "reduced")}
    environment.setdefault("OMP_NUM_THREADS", "2")
    if programs is not None:
        environment["PATH"] = f"{programs}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", one.line], cwd=directory, env=environment, capture_output=True, text=True, errors="replace"
    )
    after = {path for path in directory.rglob("*") if path.is_file() or path.is_symlink()} - before
    files = tuple(sorted(str(path.relative_to(directory)) for path in after))
    return Outcome(done.returncode, done.stdout + done.stderr, files)


def write_program(directory: Path, python: str) -> Path:
    """A directory with an esorex that is ours."""
    directory.mkdir()
    program = directory / "esorex"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(python)} -m musedeep.esorex.main "$@"\n'
    )
    program.chmod(0o755)
    return directory


def table() -> str:
    """The corpus as tables in Markdown, one for each group; `python -m tests.makers.esorex_lines` renews the page."""
    parts: dict[str, list[str]] = {}
    for one in command_lines():
        rows = parts.setdefault(
            one.group, [f"## {one.group}", "", "| command line | esorex | musedeep-esorex |", "|---|---|---|"]
        )
        rows.append(
            f"| {_shown(one)} | {_does(one, False)} | {_does(one, True) + '; ' + one.why if one.ours else 'the same'} |"
        )
    return "\n\n".join("\n".join(rows) for rows in parts.values()) + "\n"


def _shown(one: CommandLine) -> str:
    files = "".join(f"; {name}: {_code(' '.join(text.split(chr(10))).strip())}" for name, text in one.files.items())
    return _code(one.line) + files


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _does(one: CommandLine, of_ours: bool) -> str:
    kind = one.expected("kind", of_ours)
    shown = f"`{re.sub(r' [+]: ?', ' : ', one.shows).replace(chr(92), '').strip('^$ ')}`" if one.shows else ""
    what = kind or ", ".join(filter(None, [*one.expected("makes", of_ours), shown]))
    return f"{one.expected('status', of_ours)}{f', {what}' if what else ''}"


def renewed(page: str) -> str:
    """The page with the tables as they follow from the corpus."""
    lines = command_lines()
    other = sum(bool(one.ours) for one in lines)
    head = re.sub(
        r"\d+ command lines, .*? differently", f"{len(lines)} command lines, {other} differently", page, flags=re.S
    )
    return head[: head.index("## ")] + table()


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
