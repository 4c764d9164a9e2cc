"""What dask itself shows of a run: the dashboard's address, and its performance report as an HTML file."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.graph.workers.executor import Executor
from musedeep.storage.outputs import appearing_whole, partial_name


def dashboard_address(executor: Executor) -> str | None:
    """Where the dashboard is to be seen, or None where none runs (it needs dask, and the package bokeh).

    That of local workers listens on this machine alone, that of jobs as their profile says; a scheduler that was given
    has its own rules.
    """
    return None if find_spec("bokeh") is None else executor.dashboard()


def check_dashboard() -> None:
    """Refuse, before any work, a dashboard that could not be shown: raises MusedeepError if bokeh is not installed."""
    if find_spec("bokeh") is None:
        raise MusedeepError("--dashboard needs the package bokeh; pip install 'musedeep[dashboard]', or leave it out")


def check_report(path: Path) -> None:
    """Refuse, before any work, a report that could not be written.

    Raises MusedeepError if the name is not that of an HTML file, its directory does not exist, or bokeh is not
    installed.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise MusedeepError(f"{path}: the performance report is an HTML file; give a name that ends in .html")
    if not path.parent.is_dir():
        raise MusedeepError(f"{path}: the directory {path.parent} does not exist; create it first")
    if find_spec("bokeh") is None:
        raise MusedeepError(
            f"{path}: the performance report needs the package bokeh; pip install 'musedeep[dashboard]', "
            "or leave --report out"
        )


@contextmanager
def performance_report(executor: Executor, path: Path | None) -> Iterator[None]:
    """Write dask's report of what is done within; only if that succeeds. A former report is replaced.

    Raises MusedeepError if the file cannot be written.
    """
    if path is None:
        yield
        return
    from distributed import performance_report as dask_report

    report: Any = dask_report(filename=str(partial_name(path)))
    client = executor.client
    with client.as_current():
        report.__enter__()
        yield
        with appearing_whole(path):
            report.__exit__(None, None, None)
