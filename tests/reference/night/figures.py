"""The figures that tests of the second stage noted, as a table of markdown: a line a figure, a column a mode.

    python -m tests.reference.night.figures build/figures/WFM-AO-N.xml build/figures/NFM-AO-N.xml

`make test-reference-all` writes these files; a mode is the name of its file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from astropy.table import Table

from tests.reference.night.night_files import as_markdown


def figures_of(path: Path) -> dict[tuple[str, str], str]:
    """The figures of a run, by file of tests and name.

    Parameters
    ----------
    path : of the report that pytest wrote with --junitxml
    """
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        file = case.get("classname", "").rpartition(".test_")[2]
        for one in case.iter("property"):
            found[file, one.get("name", "")] = one.get("value", "")
    return found


def table_of(paths: Sequence[Path]) -> Table:
    """The figures of several runs: test, figure, and a column for each mode, with a dash where it has none."""
    runs = {path.stem: figures_of(path) for path in paths}
    keys = list(dict.fromkeys(key for run in runs.values() for key in run))
    rows = [(*key, *(run.get(key, "-") for run in runs.values())) for key in sorted(keys, key=lambda key: key[0])]
    return Table(rows=rows, names=("test", "figure", *runs))


if __name__ == "__main__":
    print(as_markdown(table_of([Path(name) for name in sys.argv[1:]])))
