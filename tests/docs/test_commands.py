"""The commands of the README and the tutorials do what these say, and options that other pages name exist.

A block marked `console` holds commands (`$ ...`) and their output. The blocks of a page are run in order in one
directory. Blocks marked `bash` are not run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from musedeep.cli.main import app
from musedeep.recipes.registry import named
from tests.makers.places import ROOT

TUTORIALS = ("docs/start/six-exposures.md", "docs/start/simulated-night.md")
PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

MEASURED = (
    r"-?\d+(\.\d+)? (KiB|MiB|GiB|GB)\b",
    r"(\d+ min )?[\d,]*\d(\.\d+)? s\b",
    r"\d+(\.\d+)? million rows/s",
    r"localhost:\d+",
)
"""Parts of a line that differ from machine to machine."""

PROGRESS = re.compile(
    r"^(compiling kernels|compiled kernels|dashboard:|writing the truth)"
    r"|^\d+/\d+ |, [\d.]+ of [\d.]+ [MG]iB$|, [\d.]+ s, [\d.]+ [MG]iB$"
)
"""Lines that a slow or a fresh machine has in addition; they are left out of both texts."""

STAGES = re.compile(r"^(indexing|boxes|completion) +(\d+) +(?:[\d,]+(?= ))?.*$")
"""Rows of the table of stages: all but the number of tasks is measured."""


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of a kind in a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def steps(page: str) -> list[tuple[str, list[str]]]:
    """Commands of a page, and the lines of output that it states."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line:
            found[-1][1].append(line)
    return found


def plain(lines: list[str], directory: Path) -> list[str]:
    """Lines without what differs from run to run."""
    kept = []
    for line in lines:
        line = line.replace(f"{directory}/", "")
        if PROGRESS.search(line):
            continue
        line = STAGES.sub(r"\1 \2", line)
        for pattern in MEASURED:
            line = re.sub(pattern, "#", line)
        kept.append(" ".join(line.split()))
    return [line for line in kept if line]


def differs(stated: list[str], said: list[str]) -> str:
    """The first stated line that does not come in its turn, empty if all do; `...` skips any number of lines."""
    at, skip = 0, False
    for line in stated:
        if line == "...":
            skip = True
            continue
        here = next((k for k in range(at, len(said)) if said[k] == line), None) if skip else at
        if here is None or here >= len(said) or said[here] != line:
            return line
        at, skip = here + 1, False
    return "" if skip or at == len(said) else f"nothing instead of: {said[at]}"


def run_page(page: str, directory: Path) -> None:
    """Run the commands of a page and compare what they say with what the page states."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }
    for command, stated in steps(page):
        done = subprocess.run(
            ["bash", "-c", command], cwd=directory, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{page}: {command}\n{done.stdout}"
        if stated:
            said = plain(done.stdout.splitlines(), directory)
            missing = differs(plain(stated, directory), said)
            assert not missing, f"{page}: {command}\n{missing}\n" + "\n".join(said)


def lay_out(directory: Path) -> None:
    """Put the demonstration, and the makers that it needs, where the commands expect them."""
    (directory / "demo").mkdir(parents=True, exist_ok=True)
    for path in [*(ROOT / "demo").glob("*.py"), ROOT / "demo" / "selection.yaml"]:
        (directory / "demo" / path.name).write_bytes(path.read_bytes())
    if not (directory / "tests").exists():
        (directory / "tests").symlink_to(ROOT / "tests")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for the commands; exposures that one page makes serve the next."""
    directory = tmp_path_factory.mktemp("pages")
    lay_out(directory)
    return directory


@pytest.mark.parametrize("page", [TUTORIALS[0], "README.md", pytest.param(TUTORIALS[1], marks=pytest.mark.night)])
def test_commands_do_what_the_page_says(page: str, place: Path) -> None:
    assert steps(page)
    if page == "README.md":  # begins with exposures, and without products
        shutil.rmtree(place / "demo" / "output", ignore_errors=True)
        if not (place / "demo" / "data").exists():
            subprocess.run([sys.executable, "demo/make_exposures.py"], cwd=place, check=True)
    run_page(page, place)


@pytest.mark.parametrize("page", TUTORIALS)
def test_pictures_of_a_tutorial_are_made_by_its_commands(page: str) -> None:
    text = "\n".join(command for command, _ in steps(page))
    pictures = re.findall(r"!\[.+?\]\((?:\.\./)+images/(.+?)\.webp\)", (ROOT / page).read_text())
    assert pictures
    for picture in pictures:
        assert f"{picture}.png" in text, f"{page}: no command makes {picture}"


@pytest.mark.parametrize("page", PAGES)
def test_options_on_a_page_exist(page: str) -> None:
    """`musedeep COMMAND ... --option` of every block: command, option, and the parameters of a recipe."""
    group = typer.main.get_command(app)
    for line in "\n".join(blocks(page, "console") + blocks(page, "bash")).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and "=" in words[0] and not words[0].startswith("-"):
            words = words[1:]  # variables
        if not words or words[0] != "musedeep":
            continue
        command, rest = group, words[1:]
        while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
            assert rest[0] in command.commands, line
            command, rest = command.commands[rest[0]], rest[1:]
        known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        if command.name == "recipe" and rest and not rest[0].startswith("-"):
            known |= {f"--{p.name}" for p in named(rest[0]).parameters}
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{line}: no option {word}"


def test_comparison_of_output_sees_differences() -> None:
    assert not differs(["a", "...", "d"], ["a", "b", "c", "d"])
    assert not differs(["a", "..."], ["a", "b"])
    assert differs(["a", "d"], ["a", "b", "d"]) == "d"
    assert differs(["a"], ["a", "b"])
    assert differs(["a", "..."], ["b"]) == "a"
