"""`musedeep qc`."""

import json

import pytest

from musedeep.cli.main import run
from musedeep.selection.catalogue.database import Catalogue
from tests.makers.finished_campaign import finished_campaign


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """A campaign of two products whose quality is known, and its catalogue."""
    monkeypatch.chdir(tmp_path)
    finished_campaign(tmp_path, products=2, exposures=3, shape=(6, 40, 40), stars=4, shifted={1: 0.5})
    Catalogue.open("catalogue.sqlite", create=True).close()
    return tmp_path


def test_assess_list_and_plot(judged, capsys):
    assert run(["qc", "assess", "deep.yaml", "--product", "FIELD-001"]) == 0
    said = capsys.readouterr().out
    assert "FIELD-001: QCFLAG 001000000" in said and "misaligned" in said and "arcsec from its place" in said
    assert "1 products, 1 with a score of 1, 0 could not be judged" in said
    assert (judged / "deep/figures/abmaglim.png").exists()
    assert run(["qc", "assess", "deep.yaml", "--no-figures"]) == 0
    said = capsys.readouterr().out
    assert "FIELD-001: QCFLAG" in said and said.count("(as it was)") == 1
    assert run(["qc", "list"]) == 0
    assert "QC MUSEDEEP ABMAGLIM" in capsys.readouterr().out
    assert run(["qc", "list", "--keyword", "histo_17", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["object"] for row in rows} == {"FIELD-001", "FIELD-002"} and all(row["number"] < 0 for row in rows)
    assert run(["qc", "list", "--keyword", "QCFLAG", "--product", "FIELD-002"]) == 0
    assert "001000000" in capsys.readouterr().out
    assert run(["qc", "list", "--json"]) == 0
    facts = {fact["keyword"]: fact for fact in json.loads(capsys.readouterr().out)}
    assert facts["QC MUSEDEEP EXPOSURES"] == {
        "keyword": "QC MUSEDEEP EXPOSURES", "values": 2, "least": 3.0, "median": 3.0, "most": 3.0,
    }  # fmt: skip
    assert run(["qc", "plot", "fwhm", "fwhm.png"]) == 0
    assert run(["qc", "plot", "abmaglim", "depth.png", "--against", "fwhm"]) == 0
    assert "depth.png: 6 values" in capsys.readouterr().out
    assert (judged / "fwhm.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["assess", "none.yaml"], "none.yaml: no such plan"),
        (["assess", "deep.yaml", "--product", "FEILD-001"], "no finished product FEILD-001; did you mean FIELD-001?"),
        (["assess", "deep.yaml", "--ranges", "none.yaml"], "none.yaml: no such file of reference ranges"),
        (["list"], "no quality parameters"),
        (["list", "--database", "none.sqlite"], "none.sqlite: no such catalogue"),
        (["plot", "fwhm", "a.png"], "no quality parameters"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(judged, capsys, words, said):
    assert run(["qc", *words]) in (1, 2)
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and err.count("\n") == 1


def test_keywords_and_products_that_are_not_there(judged, capsys):
    assert run(["qc", "assess", "deep.yaml", "--no-figures"]) == 0
    for words, said in (
        (["list", "--keyword", "HISTO_71"], "HISTO_71: no such keyword; did you mean HISTO_17?"),
        (["list", "--keyword", "fwhm", "--product", "FIELD-02"], "no such product; did you mean FIELD-002?"),
        (["plot", "QCFLAG", "a.png"], "QCFLAG: no such keyword"),
        (["plot", "histo_17", "a.png", "--against", "fwhm"], "no product has both"),
        (["plot", "fwhm", "a.xyz"], ".xyz is no format for pictures"),
    ):
        capsys.readouterr()
        assert run(["qc", *words]) in (1, 2)
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


def test_without_a_catalogue_values_stay_beside_the_products(judged, capsys):
    (judged / "catalogue.sqlite").unlink()
    assert run(["qc", "assess", "deep.yaml", "--no-figures"]) == 0
    assert "no such catalogue; values are kept beside the products alone" in capsys.readouterr().err
    assert (judged / "deep/products/FIELD-002/v1/quality.json").exists()
