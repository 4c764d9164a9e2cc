"""Combinations with --scratch: the same bits whatever the scratch disk does, and nothing left on it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from musedeep.cli.main import run as musedeep
from musedeep.cli.output import log_shown
from musedeep.progress import Silent
from musedeep.storage.pixel_tables.ingest import ingest
from tests.makers.pixel_tables import write_dithers
from tests.makers.places import ROOT
from tests.makers.store_runs import assert_same, run

BOXES = {"box_bytes": 8 << 20}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    here = tmp_path_factory.mktemp("stores")
    paths, _ = write_dithers(here, 2, ifus=(12,), wavelength=(7000.0, 7030.0), slices=range(1, 49, 4))
    return [ingest([p], p.with_suffix(".zarr"), chunk_rows=2000) for p in paths]


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


class After(Silent):
    """Calls a function after the first box."""

    def __init__(self, after):
        self.after = after

    def advance(self, rows):
        if self.after:
            self.after()
            self.after = None


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_cube_and_a_clean_disk(stores, undisturbed, disk, tmp_path, workers):
    seen = []
    progress = After(lambda: seen.extend(p for p in disk.rglob("*") if p.is_file()))
    run(stores, tmp_path / "out", progress, workers=workers, scratch=str(disk), **BOXES)
    assert_same(tmp_path / "out", undisturbed)
    assert len(seen) > 5
    assert list(disk.iterdir()) == []


def test_on_the_command_line(stores, disk, tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(f"exposures: [{stores[0]}, {stores[1]}]\noutput: out\n")
    arguments = ["combine", str(tmp_path / "s.yaml"), "--scratch", str(disk)]
    assert musedeep([*arguments, "--scratch-size", "1MiB"]) == 0
    assert list(disk.iterdir()) == []
    assert musedeep([*arguments, "--scratch-size", "much", "--overwrite"]) == 2
    assert "--scratch-size much: not an amount of disk" in capsys.readouterr().err
    assert musedeep(["combine", str(tmp_path / "s.yaml"), "--scratch-size", "1GiB"]) == 2
    assert "give --scratch DIR, too" in capsys.readouterr().err


def test_a_failed_run_leaves_nothing(stores, disk, tmp_path):
    def stop():
        assert any(disk.rglob("data*"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stores, tmp_path / "out", After(stop), scratch=str(disk), **BOXES)
    assert list(disk.iterdir()) == []


@pytest.fixture
def small_disk(disk):
    """A file system of one MiB, nearly full."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        (disk / "of others").write_bytes(bytes((1 << 20) - (64 << 10)))
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(stores, undisturbed, small_disk, tmp_path, workers):
    def fill():
        descriptor = os.open(small_disk / "of others", os.O_WRONLY | os.O_APPEND)
        try:
            while True:
                os.write(descriptor, bytes(4096))
        except OSError:
            os.close(descriptor)

    said = []
    with log_shown(said.append):
        run(stores, tmp_path / "out", After(fill), workers=workers, scratch=str(small_disk), **BOXES)
    assert_same(tmp_path / "out", undisturbed)
    said = [text for text in said if "scratch" in text]
    assert len(said) == 1
    assert str(small_disk) in said[0] and "No space left on device; going on without it" in said[0]
    assert [p.name for p in small_disk.iterdir()] == ["of others"]


def test_a_disk_that_is_not_there(stores, undisturbed, tmp_path):
    said = []
    with log_shown(said.append):
        run(stores, tmp_path / "out", scratch=str(tmp_path / "none"), **BOXES)
    assert_same(tmp_path / "out", undisturbed)
    assert len([text for text in said if "No such file or directory; going on without it" in text]) == 1


@pytest.mark.parametrize("who", ["a worker", "all"])
def test_sigkill(stores, undisturbed, disk, tmp_path, who):
    code = (
        "from pathlib import Path\n"
        "from musedeep.graph.combine.exp_combine import Request, combine\n"
        "from musedeep.progress import Silent\n"
        "from musedeep.recipes.exp_combine.recipe import RECIPE\n"
        "class Slow(Silent):\n"
        "    def advance(self, rows):\n"
        "        print('box', flush=True)\n"
        "if __name__ == '__main__':\n"
        f"    paths = [Path(p) for p in {[str(s) for s in stores]!r}]\n"
        f"    request = Request(paths, RECIPE.parse({{'crsigma': 5}}), Path({str(tmp_path / 'out')!r}),\n"
        f"                      workers=2, threads=2, scratch={str(disk)!r}, box_bytes={BOXES['box_bytes']})\n"
        "    combine(request, Slow())\n"
    )
    (tmp_path / "run.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "box\n"
    family = psutil.Process(process.pid).children(recursive=True)
    workers = [p for p in family if not p.children() and "resource_tracker" not in " ".join(p.cmdline())]
    assert any(disk.rglob("data*"))
    for victim in workers[:1] if who == "a worker" else [psutil.Process(process.pid), *family]:
        victim.send_signal(signal.SIGKILL)
    if who == "a worker":
        assert process.wait(120) == 0
    else:
        process.wait(60)
        until = time.monotonic() + 30
        while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family):
            assert time.monotonic() < until
            time.sleep(0.1)
        left = [p for p in disk.rglob("data*") if p.is_file()]
        assert left  # nobody could remove it; what is cut in the middle does no harm
        for k, file in enumerate(left):
            file.write_bytes(file.read_bytes()[: -1 - k])
        outcome = run(stores, tmp_path / "out", scratch=str(disk), **BOXES)
        assert outcome.resumed_boxes >= 1
    process.stdout.close()
    assert_same(tmp_path / "out", undisturbed)
    assert list(disk.iterdir()) == []
