"""muse_flat on frames of full width and few rows: flat, trace and bad pixels that are put in come out."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.raw_frames import extension, flat_light, raw_image, slice_edges, write_raw

NX, NY = 2048, 128
OPTIONS = ["--nsum=8", "--order=3"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("flats")
    light = flat_light(2 * NY)
    light[70, 61] = 1000.0
    lines = []
    for k in range(3):
        path = write_raw(directory / f"bias{k}.fits", [extension(raw_image(None, NX, NY, k), 1, NX, NY)])
        lines.append(f"{path} BIAS\n")
    (directory / "bias.sof").write_text("".join(lines))
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), "--output-dir", str(directory)]) == 0
    lines = [f"{directory}/MASTER_BIAS-01.fits MASTER_BIAS\n"]
    for k in range(3):
        image = raw_image(light, NX, NY, 10 + k)
        lines.append(f"{write_raw(directory / f'flat{k}.fits', [extension(image, 1, NX, NY)], 5.0)} FLAT\n")
    (directory / "flat.sof").write_text("".join(lines))
    return directory


def test_flat_and_trace(directory, tmp_path):
    sof = str(directory / "flat.sof")
    assert run(["recipe", "muse_flat", *OPTIONS, "--samples=true", sof, "--output-dir", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "MASTER_FLAT-01.fits", "TRACE_SAMPLES-01.fits", "TRACE_TABLE-01.fits",
    ]  # fmt: skip
    with fits.open(tmp_path / "MASTER_FLAT-01.fits", checksum=True) as hdus:
        header, data, dq = hdus[0].header, hdus["DATA"].data, hdus["DQ"].data
    light = flat_light(2 * NY)
    inside = light > 19000
    expected = light / header["ESO QC FLAT MASTER MEAN"]
    assert data.mean(dtype=float) == pytest.approx(1.0, rel=1e-5)
    assert np.std(data[inside] / expected[inside] - 1) == pytest.approx(1 / np.sqrt(3 * 20000), rel=0.1)
    assert dq[70, 61] == 512 | 64
    assert (dq[inside] != 0).mean() < 2e-4
    with fits.open(tmp_path / "TRACE_TABLE-01.fits", checksum=True) as hdus:
        table, quality = hdus[1].data, hdus[0].header
    assert list(table["SliceNo"]) == list(range(1, 49)) and quality["ESO PRO CATG"] == "TRACE_TABLE"
    y = np.arange(1.0, 2 * NY + 1)
    left, right = slice_edges(y, 2 * NY)
    for k, true in enumerate((0.5 * (left + right), left, right)):
        found = np.array([sum(row[f"tc{k}_{i:02d}"] * y**i for i in range(4)) for row in table])
        assert np.abs(found - true).max() < 0.03
    assert table["Width"] == pytest.approx(75.7, abs=0.02)
    assert quality["ESO QC TRACE WIDTHS MEAN"] == pytest.approx(75.7, abs=0.01)
    assert quality["ESO QC TRACE GAPS MIN"] > 8
    with fits.open(tmp_path / "TRACE_SAMPLES-01.fits") as hdus:
        assert len(hdus[1].data) == 48 * 32 and hdus[1].columns.names == ["slice", "y", "mid", "left", "right"]


def test_counts_of_a_flat_that_is_not_normalised(directory, tmp_path):
    sof = str(directory / "flat.sof")
    found = []
    for value in ("true", "false"):
        out = tmp_path / value
        assert run(["recipe", "muse_flat", *OPTIONS, f"--normalize={value}", sof, "--output-dir", str(out)]) == 0
        found.append(fits.open(out / "MASTER_FLAT-01.fits"))
    mean = found[1][0].header["ESO QC FLAT MASTER MEAN"]
    assert found[0]["DATA"].data.mean(dtype=float) == pytest.approx(1.0, rel=1e-5) and mean > 1000.0
    np.testing.assert_allclose(found[1]["DATA"].data, mean * found[0]["DATA"].data, rtol=1e-5)
    np.testing.assert_array_equal(found[1]["DQ"].data, found[0]["DQ"].data)
    header = found[1][0].header
    assert header["ESO PRO REC1 CAL1 CATG"] == "MASTER_BIAS" and "normalize" in list(header.values())


def test_without_trace_there_is_only_the_flat(directory, tmp_path):
    sof = str(directory / "flat.sof")
    assert run(["recipe", "muse_flat", "--trace=false", sof, "--output-dir", str(tmp_path)]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["MASTER_FLAT-01.fits"]


def test_merged_tables(directory, tmp_path):
    """Two IFUs in a file: the tables are extensions CHANnn."""
    lines = []
    for kind in ("bias", "flat"):
        for k in range(3):
            with fits.open(directory / f"{kind}{k}.fits") as hdus:
                second = extension(hdus[1].data, 2, NX, NY)
                path = write_raw(tmp_path / f"{kind}{k}.fits", [second, extension(hdus[1].data, 1, NX, NY)], 5.0)
            lines.append(f"{path} {kind.upper()}\n")
    lines.append(f"{tmp_path}/MASTER_BIAS.fits MASTER_BIAS\n")
    (tmp_path / "x.sof").write_text("".join(lines[:3]))
    assert run(["recipe", "muse_bias", "--merge=true", str(tmp_path / "x.sof"), "--output-dir", str(tmp_path)]) == 0
    (tmp_path / "y.sof").write_text("".join(lines[3:]))
    merge = ["--merge=true", str(tmp_path / "y.sof"), "--output-dir", str(tmp_path)]
    assert run(["recipe", "muse_flat", *OPTIONS, *merge]) == 0
    with fits.open(tmp_path / "TRACE_TABLE.fits", checksum=True) as hdus:
        assert [h.name for h in hdus[1:]] == ["CHAN01", "CHAN02"]
        assert len(hdus[2].data) == 48 and hdus[2].header["ESO DET CHIP ID"] == "chip2"


def test_no_light_and_saturation_are_named(directory, tmp_path, capsys):
    bias = f"{directory}/MASTER_BIAS-01.fits MASTER_BIAS\n"
    for name, image in (("dark", raw_image(None, NX, NY, 3)), ("bright", np.full((384, 4224), 65535, np.uint16))):
        paths = [write_raw(tmp_path / f"{name}{k}.fits", [extension(image, 1, NX, NY)], 5.0) for k in range(3)]
        (tmp_path / f"{name}.sof").write_text(bias + "".join(f"{p} FLAT\n" for p in paths))
        assert run(["recipe", "muse_flat", str(tmp_path / f"{name}.sof"), "--output-dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "slices found" in error or "no light" in error
    assert "saturated" in error
    assert "Traceback" not in error
