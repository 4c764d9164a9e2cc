"""The notebooks of the documentation run from beginning to end, and are kept without output."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.makers.places import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> tuple[Path, nbformat.NotebookNode]:
    return request.param, nbformat.read(request.param, as_version=4)


def test_it_runs(notebook, tmp_path, monkeypatch):
    """In the directory of the notebook, with temporary files in another."""
    path, content = notebook
    for key, value in (("PYTHONPATH", str(ROOT)), ("TMPDIR", str(tmp_path)), ("IPYTHONDIR", str(tmp_path / "ipython"))):
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path / "matplotlib")))
    NotebookClient(content, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    said = "\n".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "aerg/s/dm**2/angstrom" in said or "attoerg" in said
    pictures = sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    assert pictures == 2


def test_it_is_kept_without_output(notebook):
    _, content = notebook
    for cell in content.cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
    nbformat.validate(content)


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS] == ["cubes.ipynb"]
