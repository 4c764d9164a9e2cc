"""`musedeep plan` and `musedeep rates` on the command line."""

import json
import re
from dataclasses import replace

import pytest

from musedeep.cli.main import run
from musedeep.graph.forecast.rates import SECONDS, Rates
from tests.makers.pixel_tables import write_dithers


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exposures")
    write_dithers(directory, 3, step=0.0, slices=tuple(range(1, 13)), wavelength=(7000.0, 7015.0))
    (directory / "selection.yaml").write_text("exposures: ['PIXTABLE*.fits']\noutput: out\n")
    return directory


def simulated(capsys, directory, *options, status=0):
    assert run(["plan", str(directory / "selection.yaml"), "--json", *options]) == status
    return json.loads(capsys.readouterr().out)


def test_a_table_of_workers_and_exposures(directory, capsys):
    options = ["--workers", "1,2,16", "--exposures", "125,275"]
    assert run(["plan", str(directory / "selection.yaml"), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Simulated"
    header = next(k for k, line in enumerate(lines) if line.startswith("exposures"))
    rows = [line.split()[:3] for line in lines[header + 1 : header + 7]]
    assert rows == [[e, w, "1"] for e in ("125", "275") for w in ("1", "2", "16")]
    assert lines[header + 8] == "Time of the workers, and the file system while boxes are computed"
    scaling = [re.split("  +", line.strip()) for line in lines[header + 9 :]]
    assert scaling[0][2:5] == ["efficiency", "rows", "margins"] and scaling[0][-1] == "written/s"
    assert [row[:2] for row in scaling[1:]] == [row[:2] for row in rows]
    for row in scaling[1:]:
        assert sum(int(share.removesuffix(" %")) for share in row[3:10]) == pytest.approx(100, abs=4)
        assert (row[2] == "1.00") == (row[1] == "1") or float(row[2]) > 0.9
        assert re.fullmatch(r"[\d,]+", row[11]) and row[12].endswith("iB")
    assert not (directory / "out").exists()
    assert sorted(p.suffix for p in directory.iterdir()) == [".fits"] * 3 + [".yaml"]


def test_json_says_the_same_for_other_programs(directory, capsys):
    data = simulated(capsys, directory, "--workers", "1,4", "--threads-per-worker", "2", "--worker-memory", "2GiB")
    one, four = data["runs"]
    assert (one["workers"], four["workers"], one["threads"], four["memory"]) == (1, 4, 2, 8 * 2**30)
    assert data["refused"] == []
    for entry in data["runs"]:
        assert sum(entry["stages"].values()) <= entry["seconds"]
        assert entry["worker_peak_memory"] <= entry["peak_memory"] <= entry["memory"]
        assert sum(entry["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert entry["file_system"]["bytes_in"] >= 24 * entry["rows"]
        assert entry["file_system"]["bytes_out"] == entry["bytes_written"]
        assert entry["exposures"] == 3 and entry["rows"] > 0 and entry["bytes_read"] > 24 * entry["rows"]


def test_wavelengths_beyond_the_data(directory, capsys):
    (little,) = simulated(capsys, directory)["runs"]
    (much,) = simulated(capsys, directory, "--lambdamin", "4750", "--lambdamax", "9350")["runs"]
    # 3681 planes of 12 to 13 in the data
    assert much["rows"] == pytest.approx(little["rows"] * 3681 / 12, rel=0.1)
    assert much["file_system"] is None and little["file_system"]["reads"] > 0
    assert run(["plan", str(directory / "selection.yaml"), "--lambdamin", "4750", "--lambdamax", "9350"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("?")
    (half,) = simulated(capsys, directory, "--lambdamax", "7007")["runs"]
    assert 0.3 * little["rows"] < half["rows"] < 0.7 * little["rows"]


def test_a_storage_with_a_limit_of_requests(directory, capsys):
    (free,) = simulated(capsys, directory, "--rates", str(_no_time(directory)))["runs"]
    (bound,) = simulated(capsys, directory, "--rates", str(_no_time(directory)), "--storage-requests", "100")["runs"]
    asked = sum(free["file_system"][name] for name in ("opens", "reads", "writes"))
    assert bound["seconds"] - free["seconds"] == pytest.approx(asked / 100, rel=0.01)
    assert bound["shares"]["storage"] > 0.9 and free["shares"]["storage"] == 0


def _no_time(directory):
    path = directory.parent / f"{directory.name}-rates.json"
    path.write_text(replace(Rates(), **dict.fromkeys(SECONDS, 0.0)).to_json())
    return path


def test_what_does_not_fit_is_said(directory, capsys):
    options = ["--workers", "1,64", "--memory", "2GiB"]
    assert run(["plan", str(directory / "selection.yaml"), *options]) == 1
    captured = capsys.readouterr()
    assert "3 exposures, 64 workers: memory limit 2048 MiB is too small" in captured.err
    assert captured.err.strip().splitlines()[-1].startswith("musedeep: ")
    assert "Simulated" in captured.out


def test_rates_of_a_real_run_serve_the_plan(directory, tmp_path, capsys, monkeypatch):
    # boxes small enough for several of them
    from musedeep.graph.combine import plan as planning

    defaults = planning.make_plan.__defaults__
    monkeypatch.setattr(planning.make_plan, "__defaults__", (*defaults[:-1], 1 << 20))
    command = ["combine", str(directory / "selection.yaml"), "--output-dir", str(tmp_path / "out"), "--threads", "1"]
    assert run(command) == 0
    log = str(tmp_path / "out" / "combine.jsonl")
    output = tmp_path / "rates.json"
    capsys.readouterr()
    assert run(["rates", log]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert run(["rates", log, "--output", str(output)]) == 0
    assert json.loads(output.read_text()) == printed
    assert "measured" in capsys.readouterr().out
    data = simulated(capsys, directory, "--rates", str(output))
    assert "drizzle" in data["rates"] and data["runs"][0]["seconds"] > 0
    assert run(["rates", log, "--output", str(output)]) == 1
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--workers", "0"], 2, "--workers 0: not right"),
        (["--workers", "1,x"], 2, "--workers 1,x: not right"),
        (["--workers", ""], 2, "not right"),
        (["--exposures", "-3"], 2, "--exposures -3"),
        (["--memory", "lots"], 2, "--memory lots: not an amount"),
        (["--worker-memory", "0"], 2, "--worker-memory 0"),
        (["--memory", "4GiB", "--worker-memory", "4GiB"], 2, "give one of them"),
        (["--storage", "fast"], 2, "--storage fast"),
        (["--storage-requests", "0"], 2, "storage-requests"),
        (["--threads-per-worker", "0"], 2, "threads-per-worker"),
        (["--lambdamin", "8000", "--lambdamax", "7000"], 2, "--lambdamin 8000 is not below --lambdamax 7000"),
        (["--rates", "none.json"], 1, "none.json: cannot be read"),
        (["--lambdamin", "8000"], 1, "no rows between lambdamin=8000"),
        (["--workers", "64", "--memory", "1GiB"], 1, "would do"),
    ],
)
def test_wrong_use_is_one_line(directory, capsys, options, status, message):
    assert run(["plan", str(directory / "selection.yaml"), *options]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("musedeep: ") and message in lines[-1]
    assert [line for line in lines if line.startswith("musedeep: ")] == lines[-1:]


def test_rates_of_no_log(tmp_path, capsys):
    (tmp_path / "x.jsonl").write_text("nothing\n")
    assert run(["rates", str(tmp_path / "x.jsonl")]) == 1
    assert "no structured log" in capsys.readouterr().err
    assert run(["rates"]) == 2
