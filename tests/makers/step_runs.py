"""Runs of the recipes that make one correction, on small pixel tables."""

from pathlib import Path

import numpy as np
import pytest

from musedeep.cli.main import run
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import REQUIRED


def run_recipe(recipe: str, directory: Path, frames: list[tuple[Path, str]], *parameters: str) -> tuple[int, Path]:
    """Exit status and directory of the products of a recipe."""
    directory.mkdir(exist_ok=True)
    sof = directory / "in.sof"
    sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames))
    status = run(["recipe", recipe, f"--output-dir={directory}", *parameters, str(sof)])
    return status, directory


def product(directory: Path, number: int = 1):
    """Header, and rows in the order of their origin, of a PIXTABLE_REDUCED store, and the units of its columns."""
    table = open_pixel_table(directory / f"PIXTABLE_REDUCED_{number:04d}.zarr")
    rows = table.read(np.array([[0, table.n_rows]]), REQUIRED)
    order = np.argsort(rows["origin"], kind="stable")
    return table.header, {name: values[order] for name, values in rows.items()}, table.units


def by_origin(*tables: dict) -> dict:
    """Rows of tables, joined, in the order of their origin."""
    rows = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    order = np.argsort(rows["origin"], kind="stable")
    return {name: values[order] for name, values in rows.items()}


def refused(
    recipe: str,
    directory: Path,
    frames: list[tuple[Path, str]],
    words: str,
    caplog: pytest.LogCaptureFixture,
    *parameters: str,
):
    """A recipe ends with one line that has some words, and leaves no product."""
    status, _ = run_recipe(recipe, directory, frames, *parameters)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert status != 0
    assert len(lines) == 1
    assert words in lines[0] and "\n" not in lines[0]
    assert not list(directory.glob("PIXTABLE*"))
