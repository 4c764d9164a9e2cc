"""`musedeep campaign review`: what it says, and what is wrong in one line."""

import socket
import urllib.request

import pytest

from musedeep.cli.main import run
from tests.makers.review_server import review_server
from tests.makers.reviewed_campaign import copied, reviewed_campaign


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return reviewed_campaign(tmp_path_factory.mktemp("reviewed"))


@pytest.fixture
def plan(made, tmp_path):
    return copied(made, tmp_path)


def review(*words):
    return run(["campaign", "review", *map(str, words)])


def test_export(plan, tmp_path, capsys):
    out = tmp_path / "pages"
    assert review(plan, "--export", out) == 0
    assert capsys.readouterr().out == f"{out}/index.html: 2 products\n" and (out / "index.html").exists()
    assert review(plan, "--export", out, "--overwrite") == 0


def test_serves_until_it_is_interrupted(plan):
    with review_server(plan) as address:
        assert address.startswith("http://127.0.0.1:") and len(address.split("token=")[1]) >= 40
        with urllib.request.urlopen(address.split("?")[0]) as answer:
            assert "FIELD-002" in answer.read().decode()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["none.yaml"], 1, "none.yaml: no such plan"),
        (["empty.yaml"], 1, "empty: no finished product; make them with `musedeep campaign run"),
        (["broken.yaml"], 1, "broken.yaml: unknown key 'targts'; did you mean targets?"),
        (["deep.yaml", "--overwrite"], 2, "--overwrite belongs to --export"),
        (["deep.yaml", "--export", "none/pages"], 1, "the directory"),
        (["deep.yaml", "--export", "deep"], 1, "deep: exists already"),
        (["deep.yaml", "--export", "deep", "--overwrite"], 1, "deep: is no export of a review, and is not replaced"),
    ],
)
def test_what_is_wrong(plan, tmp_path, capsys, monkeypatch, words, status, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yaml").write_text("campaign: empty\n")
    (tmp_path / "broken.yaml").write_text("campaign: empty\ntargts: []\n")
    assert review(*words) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_port_that_is_taken(plan, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert review(plan, "--port", other.getsockname()[1]) == 1
    assert "Address already in use; give another --port, or 0 for any" in capsys.readouterr().err


def test_without_its_packages(plan, capsys, monkeypatch):
    monkeypatch.setattr("musedeep.cli.catalogue.find_spec", lambda name: None if name == "flask" else True)
    assert review(plan) == 1
    assert "this needs flask; install it with pip install 'musedeep[campaign]'" in capsys.readouterr().err
