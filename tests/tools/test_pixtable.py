"""muse_pixtable_dump, muse_pixtable_crop, muse_pixtable_erase_slice, beside numpy and the example of the manual."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.pixel_tables import subset as pixel_table_subset
from musedeep.storage.pixel_tables.export import export
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.tools.pixtable import muse_pixtable_crop, muse_pixtable_dump, muse_pixtable_erase_slice
from tests.makers.pixel_tables import DRS, primary_header, write_exposure, write_rows

UNITS = {"xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2"}
MANUAL = "-78.72976685 -141.46130371 6346.222 1.35237e+01 0x00000000 1.62160e+01 0.0000e+00 0 1 47 1438 79 1470 1"
SMALL = {"slices": (9, 10, 11), "wavelength": (7000.0, 7040.0)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks even of small tables."""
    monkeypatch.setattr(pixel_table_subset, "ROWS_AT_ONCE", 3001)


def columns(path):
    """All columns of a pixel table, in the order of the file."""
    with fits.open(path, checksum=True) as hdus:
        if isinstance(hdus[1], fits.BinTableHDU):
            return {name: np.array(hdus[1].data[name]) for name in hdus[1].columns.names}
        return {hdu.name.lower(): np.array(hdu.data).ravel() for hdu in hdus[1:] if hdu.is_image}


def same(found, expected, mask):
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name][mask], err_msg=name)


def scibasic_table(path, n=40):
    """Rows as muse_scibasic makes them, the first that of the manual."""
    rng = np.random.default_rng(3)
    first = {"xpos": -78.72976685, "ypos": -141.46130371, "lambda": 6346.222, "data": 13.5237, "stat": 16.2160}
    rows = {k: (v + np.r_[0.0, rng.uniform(0, 5, n - 1)]).astype(np.float32) for k, v in first.items()}
    rows["dq"] = np.r_[0, np.full(n - 1, 512 + 64)].astype(np.int32)
    x, y = np.r_[50, rng.integers(1, 78, n - 1)], np.r_[1438, rng.integers(1, 4113, n - 1)]
    slices = np.r_[1, rng.integers(1, 49, n - 1)]
    rows["origin"] = (x << 24 | y << 11 | 1 << 6 | slices).astype(np.int32)
    header = fits.Header([("EXPTIME", 600.0), ("RA", 53.16), ("DEC", -27.78)])
    for number in range(1, 49):
        header[f"{DRS}EXP0 IFU01 SLICE{number:02d} XOFFSET"] = 84 * number - 87
    write_rows(path, header, rows, units=UNITS)
    return rows, x + 84 * slices - 87, y, slices


def test_dump_is_that_of_the_manual(tmp_path, capsys):
    path = tmp_path / "PIXTABLE_OBJECT_0001-01.fits"
    rows, x, y, slices = scibasic_table(path)
    assert muse_pixtable_dump([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'# MUSE pixel table "{path}", showing 40 rows starting at index 0 of 40'
    assert " ".join(lines[1].split()) == (
        "# xpos ypos lambda data dq stat weight exposure IFU xCCD yCCD xRaw yRaw slice"
    )
    assert "[count]" in lines[3] and "[count**2]" in lines[4]
    assert lines[5].split() == MANUAL.split()
    table = np.array([line.split() for line in lines[5:]])
    np.testing.assert_array_equal(table[:, [9, 10, 13]].astype(int), np.stack([x, y, slices], 1))
    # raw frames have 32 pixels of prescan, and 64 of overscan in the middle
    np.testing.assert_array_equal(table[:, 11].astype(int), x + np.where(x <= 2048, 32, 96))
    np.testing.assert_array_equal(table[:, 12].astype(int), y + np.where(y <= 2056, 32, 96))
    np.testing.assert_array_equal(table[:, 0].astype(np.float32), rows["xpos"])
    assert set(table[1:, 4]) == {"0x00000240"}


def test_dump_of_a_part_and_of_a_store(tmp_path, capsys):
    path = tmp_path / "pt.fits"
    rows = write_exposure(path, weight=True, ifus=(3, 4), **SMALL).rows
    assert muse_pixtable_dump(["-s", "5000", "-c", "7", str(path)]) == 0
    part = capsys.readouterr().out.splitlines()
    assert len(part) == 5 + 7
    table = np.array([line.split() for line in part[5:]])
    np.testing.assert_array_equal(table[:, 8].astype(int), rows["origin"][5000:5007] >> 6 & 31)
    np.testing.assert_allclose(table[:, 1].astype(float), rows["ypos"][5000:5007], rtol=1e-7)
    np.testing.assert_allclose(table[:, 6].astype(float), rows["weight"][5000:5007], rtol=1e-4)
    ingest([path], tmp_path / "pt.zarr")
    assert muse_pixtable_dump(["-s", "5000", "-c", "7", str(tmp_path / "pt.zarr")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == part[1:]


def test_dump_of_several_exposures(tmp_path, capsys):
    path = tmp_path / "PIXTABLE_COMBINED.fits"
    header, rows = combined_table(path)
    for start, exposure in ((0, "1"), (header[DRS[9:] + "EXP1 LAST"], "1"), (header[DRS[9:] + "EXP2 FIRST"], "2")):
        assert muse_pixtable_dump(["-s", str(start), "-c", "1", str(path)]) == 0
        words = capsys.readouterr().out.splitlines()[5].split()
        assert words[7] == exposure
        # the offset of slices differs between the exposures
        x = (rows["origin"][start] >> 24) + 84 * (rows["origin"][start] & 63) - 70 - (100 if exposure == "2" else 0)
        assert int(words[9]) == x


def test_dump_without_offsets(tmp_path, capsys):
    path = tmp_path / "pt.fits"
    rows = write_exposure(tmp_path / "x.fits", **SMALL).rows
    write_rows(path, fits.Header(), rows)
    assert muse_pixtable_dump(["-c", "1", str(path)]) == 0
    words = capsys.readouterr().out.splitlines()[5].split()
    assert words[9] == words[11] == "-"


def combined_table(path):
    """Two exposures, positioned, in one table."""
    parts = [write_exposure(path.with_name(f"{k}.fits"), seed=k, **SMALL).rows for k in (1, 2)]
    parts[1] = {name: column[:-500] for name, column in parts[1].items()}
    rows = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    rng = np.random.default_rng(0)
    rows["xpos"], rows["ypos"] = rng.uniform(-0.01, 0.01, (2, rows["xpos"].size)).astype(np.float32)
    header = primary_header(rows, ra=150.1, dec=2.2, posang=0.0, date_obs="2014-09-20T03:00:00.000", exptime=1.0)
    n = parts[0]["xpos"].size
    for key in [k for k in header if "XOFFSET" in k]:
        number = int(key.split("SLICE")[1][:2])
        del header[key]
        header[f"{DRS}EXP1 IFU12 SLICE{number:02d} XOFFSET"] = 84 * number - 70
        header[f"{DRS}EXP2 IFU12 SLICE{number:02d} XOFFSET"] = 84 * number - 170
    for key, value in {
        "EXP1 FIRST": 0, "EXP1 LAST": n - 1, "EXP2 FIRST": n, "EXP2 LAST": rows["xpos"].size - 1, "COMBINED": 2,
    }.items():  # fmt: skip
        header[DRS + key] = value
    header["PIPEFILE"] = "PIXTABLE_COMBINED.fits"
    write_rows(path, header, rows, units={**UNITS, "xpos": "deg", "ypos": "deg"})
    return header, rows


@pytest.mark.parametrize("fmt", ["image", "table"])
def test_crop(tmp_path, capsys, fmt):
    path, out = tmp_path / "pt.fits", tmp_path / "cut.fits"
    rows = write_exposure(path, fmt=fmt, flat_field=True, shuffle=True, weight=True, **SMALL).rows
    with fits.open(path, mode="update", checksum=True) as hdus:
        hdus[0].header["DATAMD5"] = "0" * 32
    arguments = ["-y1", "-1e-4", "-l1", "7005.5", "-l2", "+7015", str(path), str(out)]
    assert muse_pixtable_crop(arguments) == 0
    mask = (rows["ypos"] >= -1e-4) & (rows["lambda"] >= 7005.5) & (rows["lambda"] <= 7015)
    assert 0 < mask.sum() < mask.size
    same(columns(out), rows, mask)
    text = capsys.readouterr().out.splitlines()
    assert text[0] == f'MUSE pixel table "{path}" ({mask.size} rows)'
    assert text[1] == "  cropping to lambda = 7005.50..7015.00 Angstrom"
    assert text[3].startswith("                ypos = -1.000e-04..")
    assert text[3].endswith(" rad")
    assert text[4] == f'MUSE pixel table "{out}" ({mask.sum()} rows) saved'
    with fits.open(path) as before, fits.open(out, checksum=True) as after:
        assert [h.name for h in after] == [h.name for h in before]
        np.testing.assert_array_equal(after[-1].data, before[-1].data)
        old, new = before[0].header, after[0].header
        assert new["DATAMD5"] not in (old["DATAMD5"], "0" * 32)
        limit = "ESO DRS MUSE PIXTABLE LIMITS "
        assert new[limit + "LAMBDA HIGH"] == pytest.approx(rows["lambda"][mask].max(), rel=1e-6)
        assert new[limit + "Y LOW"] == pytest.approx(rows["ypos"][mask].min(), rel=1e-6)
        changed = {key for key in new if new[key] != old.get(key)}
        assert {key for key in changed if "LIMITS" not in key} == {"DATAMD5", "CHECKSUM"}


def test_crop_of_a_store_is_that_of_the_file(tmp_path):
    path = tmp_path / "pt.fits"
    write_exposure(path, flat_field=True, shuffle=True, **SMALL)
    ingest([path], tmp_path / "pt.zarr", band_width=7.0)
    for name, source in (("a.fits", path), ("b.fits", tmp_path / "pt.zarr"), ("c.zarr", tmp_path / "pt.zarr")):
        assert muse_pixtable_crop(["-l1", "7012", "-l2", "7023", "-x2", "3", str(source), str(tmp_path / name)]) == 0
    export(tmp_path / "c.zarr", tmp_path / "c.fits")
    expected = (tmp_path / "a.fits").read_bytes()
    assert (tmp_path / "b.fits").read_bytes() == expected
    assert (tmp_path / "c.fits").read_bytes() == expected
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_crop_of_a_positioned_table_is_in_absolute_degrees(tmp_path):
    path, out = tmp_path / "pt.fits", tmp_path / "cut.fits"
    header, rows = combined_table(path)
    assert muse_pixtable_crop(["-x1", "150.095", "-y2", "2.203", str(path), str(out)]) == 0
    mask = (rows["xpos"].astype(float) + 150.1 >= 150.095) & (rows["ypos"].astype(float) + 2.2 <= 2.203)
    same(columns(out), rows, mask)
    after = fits.getheader(out)
    assert after["PIPEFILE"] == "cut.fits"
    n = int(mask[: header["ESO DRS MUSE PIXTABLE EXP1 LAST"] + 1].sum())
    ends = [after[f"ESO DRS MUSE PIXTABLE EXP{k} {end}"] for k in (1, 2) for end in ("FIRST", "LAST")]
    assert ends == [0, n - 1, n, int(mask.sum()) - 1]
    assert after["ESO DRS MUSE PIXTABLE LIMITS X LOW"] == pytest.approx(150.095, abs=2e-5)


def test_columns_that_the_manual_does_not_list_are_cut_too(tmp_path):
    path, out = tmp_path / "PIXTABLE_SUBTRACTED.fits", tmp_path / "cut.fits"
    rows = write_exposure(path, **SMALL).rows
    extra = np.arange(rows["xpos"].size, dtype=np.float64)
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(extra.reshape(-1, 1), name="LINE_LAMBDA"))
    assert muse_pixtable_crop(["-l2", "7010", str(path), str(out)]) == 0
    np.testing.assert_array_equal(columns(out)["line_lambda"], extra[rows["lambda"] <= 7010])


@pytest.mark.parametrize("fmt", ["image", "table"])
def test_erase_slice(tmp_path, capsys, fmt):
    path, out = tmp_path / "pt.fits", tmp_path / "erased.fits"
    rows = write_exposure(path, fmt=fmt, ifus=(12, 14), **SMALL).rows
    assert muse_pixtable_erase_slice([str(path), "14", "11", str(out)]) == 0
    gone = ((rows["origin"] >> 6 & 31) == 14) & ((rows["origin"] & 63) == 11)
    same(columns(out), rows, ~gone)
    text = capsys.readouterr().out
    assert f"erased {gone.sum()} rows of slice 11 of IFU 14" in text
    assert f"({(~gone).sum()} rows) saved" in text
    table = open_pixel_table(out)
    assert table.n_rows == (~gone).sum()


def test_erase_slice_of_all_exposures_of_a_store(tmp_path):
    path = tmp_path / "pt.fits"
    _, rows = combined_table(path)
    ingest([path], tmp_path / "pt.zarr")
    assert muse_pixtable_erase_slice([str(tmp_path / "pt.zarr"), "12", "9", str(tmp_path / "e.fits")]) == 0
    same(columns(tmp_path / "e.fits"), rows, (rows["origin"] & 63) != 9)


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "message"),
    [
        (muse_pixtable_dump, ["-s", "99999999", "{pt}"], 1, "index 99999999"),
        (muse_pixtable_dump, ["-c", "0", "{pt}"], 2, "positive number"),
        (muse_pixtable_dump, ["-c", "many", "{pt}"], 2, "invalid int"),
        (muse_pixtable_dump, ["{new}"], 1, "no such file"),
        (muse_pixtable_crop, ["{pt}", "{new}"], 2, "at least one of"),
        (muse_pixtable_crop, ["-l1", "7010", "-l2", "7005", "{pt}", "{new}"], 2, "holds nothing"),
        (muse_pixtable_crop, ["-l1", "9000", "{pt}", "{new}"], 1, "no rows would be left"),
        (muse_pixtable_crop, ["-l1", "7005", "{pt}", "{pt}"], 1, "exists already"),
        (muse_pixtable_crop, ["-l1", "7005", "{text}", "{new}"], 1, "no FITS header"),
        (muse_pixtable_erase_slice, ["{pt}", "13", "10", "{new}"], 1, "only of IFU 12"),
        (muse_pixtable_erase_slice, ["{pt}", "12", "20", "{new}"], 1, "slice 20 of IFU 12 has no rows"),
        (muse_pixtable_erase_slice, ["{pt}", "25", "20", "{new}"], 2, "25 is not in 1 to 24"),
        (muse_pixtable_erase_slice, ["{pt}", "12", "10"], 2, "required: pixtable_out"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, tool, arguments, status, message):
    names = {"pt": tmp_path / "pt.fits", "new": tmp_path / "new.fits", "text": tmp_path / "text"}
    write_exposure(names["pt"], **SMALL)
    names["text"].write_text("no pixel table")
    before = names["pt"].read_bytes()
    assert tool([a.format(**names) for a in arguments]) == status
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not names["new"].exists()
    assert names["pt"].read_bytes() == before


def test_in_place_if_asked(tmp_path):
    path = tmp_path / "pt.fits"
    rows = write_exposure(path, **SMALL).rows
    assert muse_pixtable_crop(["--overwrite", "-l1", "7010", str(path), str(path)]) == 0
    same(columns(path), rows, rows["lambda"] >= 7010)


def test_usage_without_arguments(capsys):
    for tool in (muse_pixtable_dump, muse_pixtable_crop, muse_pixtable_erase_slice):
        assert tool([]) == 2
        assert capsys.readouterr().err.startswith(f"usage: {tool.__name__} ")


def test_dump_into_a_closed_pipe(tmp_path):
    path = tmp_path / "pt.fits"
    write_exposure(path, ifus=(12, 13), **SMALL)
    code = f"import sys; from musedeep.tools.pixtable import muse_pixtable_dump as d; sys.exit(d([{str(path)!r}]))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
