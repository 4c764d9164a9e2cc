"""Kept products are taken when they are whole, and made once where several processes need them."""

import os
import subprocess
import sys

import pytest

from tests.makers.kept_products import PLACE, is_whole, kept, key_of, remove_oldest, sources
from tests.makers.places import ROOT


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The kept products of each test are its own."""
    monkeypatch.setenv(PLACE, str(tmp_path / "kept"))
    return tmp_path / "kept"


class Maker:
    """Makes two files, and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self, directory):
        self.times += 1
        (directory / "raw").mkdir(parents=True)
        (directory / "raw" / "one.fits").write_bytes(b"1" * 1000)
        (directory / "two.fits").write_bytes(b"2" * 500)


def test_they_are_made_once(place):
    make = Maker()
    for _ in range(2):
        with kept("night", "a", make) as directory:
            assert directory == place / "night-a"
            assert (directory / "raw" / "one.fits").read_bytes() == b"1" * 1000
    with kept("night", "b", make):
        pass
    assert make.times == 2


@pytest.mark.parametrize("damage", ["a bit", "shorter", "missing", "one more", "no list", "half a list", "moved"])
def test_what_is_damaged_is_made_anew(place, damage):
    make = Maker()
    with kept("night", "a", make) as directory:
        pass
    listed, file = place / "night-a.json", directory / "raw" / "one.fits"
    if damage == "a bit":
        file.write_bytes(b"1" * 500 + b"0" + b"1" * 499)
    elif damage == "shorter":
        file.write_bytes(b"1" * 999)
    elif damage == "missing":
        file.unlink()
    elif damage == "one more":
        (directory / "three.fits").write_bytes(b"3")
    elif damage == "no list":
        listed.unlink()
    elif damage == "half a list":
        listed.write_text(listed.read_text()[:100])
    else:
        listed.write_text(listed.read_text().replace(str(directory), "/elsewhere/night-a"))
    with kept("night", "a", make) as directory:
        assert is_whole(directory) and file.read_bytes() == b"1" * 1000
    assert make.times == 2


def test_what_was_interrupted_is_not_taken(place):
    make = Maker()

    def interrupted(directory):
        make(directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), kept("night", "a", interrupted):
        pass
    assert (place / "night-a" / "two.fits").exists()
    with kept("night", "a", make):
        pass
    assert make.times == 2


PROCESS = """
import sys, time
from tests.makers.kept_products import kept
def make(directory):
    directory.mkdir()
    time.sleep(0.3)
    (directory / "made").write_text(sys.argv[1])
with kept("night", "a", make) as directory:
    print((directory / "made").read_text())
"""


def test_of_several_processes_one_makes_them():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROCESS]
    running = [
        subprocess.Popen([*command, str(k)], stdout=subprocess.PIPE, text=True, env=environment) for k in range(3)
    ]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1 and said <= {"0\n", "1\n", "2\n"}


def test_the_oldest_that_nobody_uses_go(place):
    make = Maker()
    for k, key in enumerate("abcd"):
        with kept("night", key, make):
            pass
        os.utime(place / f"night-{key}.json", (k + 1, k + 1))
    (place / "night-half").mkdir()
    with kept("night", "a", make):
        os.utime(place / "night-a.json", (0.5, 0.5))
        remove_oldest(3000, place / "night-d")
        assert sorted(path.name for path in place.iterdir() if path.is_dir()) == ["night-a", "night-d"]
        assert sorted(path.name for path in place.glob("*.json")) == ["night-a.json", "night-d.json"]


LOADED = """
import sys
import musedeep.cli.simulate, musedeep.simulate.night, musedeep.simulate.schedule, musedeep.simulate.effects
from musedeep.recipes import registry
registry.declared()
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "musedeep"), sep="\\n")
"""


def test_the_night_of_the_reference_is_keyed_by_all_that_makes_it():
    from tests.reference.conftest import night_sources

    files = {str(path) for path in night_sources()}
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert len(loaded) > 50
    shown = {name for name in loaded if "/musedeep/cli/" in name or "/musedeep/graph/" in name}
    assert loaded - shown <= files and str(ROOT / "musedeep/cli/simulate.py") in files
    assert any(name.endswith(".ecsv") for name in files)
    # a recipe's work has no part in it
    assert not [name for name in files if name.endswith(("/recipes/flat/master.py", "/cli/progress.py"))]


def test_sources_follow_every_kind_of_import(tmp_path):
    package = tmp_path / "toy"
    for name, text in {
        "__init__.py": "",
        "begin.py": "from toy import near\nfrom toy.below.deep import value\n",
        "near.py": "def late():\n    import toy.late\n",
        "late.py": "import toy.other as o\n",
        "other.py": "import numpy\n",
        "unused.py": "",
        "below/__init__.py": "from toy.above import one\n",
        "below/deep.py": "",
        "above.py": "",
        "tables/t.ecsv": "",
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = {str(path.relative_to(package)) for path in sources("toy.begin", root=tmp_path)}
    everything = {str(path.relative_to(package)) for path in package.rglob("*.*")}
    assert found == everything - {"unused.py"}
    assert sources("toy.begin", ("toy.near",), tmp_path) == sorted(
        package / name
        for name in ("__init__.py", "begin.py", "below/__init__.py", "below/deep.py", "above.py", "tables/t.ecsv")
    )


def test_a_key_changes_with_a_file_and_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.makers.kept_products.ROOT", tmp_path)
    file = tmp_path / "a.py"
    file.write_text("1")
    keys = {key_of([file]), key_of([file], "--small"), key_of([]), key_of([file])}
    file.write_text("2")
    assert len(keys | {key_of([file])}) == 4
