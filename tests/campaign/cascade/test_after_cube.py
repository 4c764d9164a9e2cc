"""The command on a finished cube: what it makes lies beside the cube, and it cannot change the cube unseen."""

import sys

import pytest
from pydantic import ValidationError

from musedeep.campaign.cascade.after_cube import AFTER, run_after_cube, to_be_run
from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, read_record
from musedeep.selection.campaign.cascade_settings import CascadeSettings, command_words

SCRIPT = "import shutil, sys; shutil.copy(*sys.argv[1:]); print('done')"
COPY = f'{sys.executable} -c "{SCRIPT}" {{cube}} {{folder}}/clean.fits'


@pytest.fixture
def product(tmp_path):
    """A campaign with one product: its folder and record."""
    folder = tmp_path / "a campaign" / "products" / "field 1" / "v1"
    folder.mkdir(parents=True)
    (folder / "DATACUBE_DEEP.fits").write_bytes(b"a cube")
    record = ProductRecord(name="field 1", target="field", category="DATACUBE_DEEP", key="abc")
    record.cube = "products/field 1/v1/DATACUBE_DEEP.fits"
    return folder, record


def run(product, command):
    folder, record = product
    return run_after_cube(command, record, folder, folder.parents[2])


def test_it_writes_beside_the_cube_and_is_recorded(product):
    folder, record = product
    assert to_be_run(COPY, record) and not to_be_run("", record)
    found = run(product, COPY)
    assert found.failure == "" and found.files == ["products/field 1/v1/after/clean.fits"]
    assert (folder / AFTER / "clean.fits").read_bytes() == b"a cube"
    log = (folder.parents[2] / found.log).read_text().splitlines()
    assert log[0].startswith("$ ") and "DATACUBE_DEEP.fits" in log[0] and log[1:] == ["done"]
    assert found.words[-2] == str(folder / "DATACUBE_DEEP.fits")
    assert read_record(ProductRecord, folder / PRODUCT).after_cube == found
    # once is enough, unless the plan has another one
    assert not to_be_run(COPY, record) and to_be_run("true", record)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sh -c 'echo no light; exit 3'", "sh ended with status 3: no light"),
        ("sh -c 'kill -9 $$'", "sh ended with signal 9"),
        ("no-such-command {cube}", "no-such-command cannot be run (No such file or directory)"),
    ],
)
def test_a_failure_is_a_line_and_is_tried_again_in_an_empty_folder(product, command, said):
    folder, record = product
    (folder / AFTER).mkdir()
    (folder / AFTER / "old").touch()
    assert run(product, command).failure.startswith(said)
    assert list((folder / AFTER).iterdir()) == [] and to_be_run(command, record) and record.key == "abc"
    assert (folder / "DATACUBE_DEEP.fits").read_bytes() == b"a cube"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("sh -c 'echo x > \"$0\"' {cube}", "DATACUBE_DEEP.fits"),
        ("touch {cube}", "DATACUBE_DEEP.fits"),
        ("touch ../more.fits", "more.fits"),
        ("rm {cube}", "DATACUBE_DEEP.fits"),
    ],
)
def test_a_command_that_changes_the_product_is_found_out(product, command, name):
    folder, _ = product
    with pytest.raises(MusedeepError, match=f"it has changed {name}, and is to write into {{folder}} alone"):
        run(product, command)
    record = read_record(ProductRecord, folder / PRODUCT)
    assert record.key == "" and record.after_cube.failure


def test_it_runs_again_if_it_was_interrupted(product, monkeypatch):
    folder, _ = product
    run(product, COPY)
    monkeypatch.setattr("subprocess.run", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(product, COPY)
    assert to_be_run(COPY, read_record(ProductRecord, folder / PRODUCT))


def test_words_keep_their_blanks_and_unknown_names_are_refused():
    assert command_words("a 'b {x}' {y}", {"x": "1 2", "y": "3; rm 4"}) == ["a", "b 1 2", "3; rm 4"]
    for wrong, said in (("zap {cub}", "no {cub} there; there are {cube}"), ("zap 'x", "quotes end"), (" ", "nothing")):
        with pytest.raises(ValidationError, match=said):
            CascadeSettings(after_cube=wrong)
    assert CascadeSettings().after_cube == ""
