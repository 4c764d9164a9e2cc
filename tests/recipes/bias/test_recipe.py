"""muse_bias on small frames: what goes in comes out, every way of calling it, and one line for every mistake."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.storage.calibrations.badpix_table import BAD_PIXEL, BadPixelTable, write_badpix_table
from tests.makers.raw_frames import BIAS, GAIN, NOISE, extension, raw_image, write_biases, write_raw


def call(sof, *options):
    return run(["recipe", "muse_bias", str(sof), "--output-dir", str(sof.parent / "out"), *options])


def product(sof, name="MASTER_BIAS-01.fits"):
    with fits.open(sof.parent / "out" / name) as hdus:
        return hdus[0].header, *(hdus[e].data.astype(float if e != "DQ" else int) for e in ("DATA", "DQ", "STAT"))


def last_line(capsys):
    error = capsys.readouterr().err.strip()
    assert "Traceback" not in error
    return error.splitlines()[-1]


def test_level_noise_and_variance(tmp_path, capsys):
    sof, _ = write_biases(tmp_path, n=6)
    assert call(sof, "--nifu=1") == 0
    assert capsys.readouterr().out.strip().endswith("MASTER_BIAS-01.fits")
    header, data, dq, stat = product(sof)
    assert data.shape == (300, 400) and not (dq & ~8192).any()
    for n, (rows, columns) in enumerate([(0, 0), (0, 200), (150, 200), (150, 0)], 1):
        quadrant = data[rows : rows + 150, columns : columns + 200]
        assert abs(quadrant.mean()) < 0.1
        true = np.hypot(NOISE, 12**-0.5)
        assert header[f"ESO QC BIAS MASTER{n} RON"] == pytest.approx(true * GAIN[n - 1], rel=0.02)
        assert np.median(stat[rows : rows + 150, columns : columns + 200]) == pytest.approx(true**2 / 6, rel=0.05)
        assert header[f"ESO QC BIAS LEVEL{n} MEAN"] == pytest.approx(BIAS[n - 1] + 0.5, abs=1.5)
        assert header[f"ESO DRS MUSE OVSC{n} MEAN"] == pytest.approx(BIAS[n - 1] + 0.5, abs=1.5)
        # the slope of the bias is the overscan's, and goes with it
        assert abs(header[f"ESO QC BIAS MASTER{n} SLOPE Y"]) < 1e-3
    assert header["ESO PRO CATG"] == "MASTER_BIAS" and header["EXTNAME"] == "CHAN01"
    assert header["ESO PRO REC1 RAW6 NAME"] == "bias5.fits" and header["ESO PRO DATANCOM"] == 6
    assert "ESO DPR TYPE" not in header and "ESO DET OUT1 OVSCX" not in header and "ESO DET OUT1 GAIN" in header


@pytest.mark.parametrize("overscan", ["none", "offset", "vpoly:0"])
def test_ways_of_using_the_overscan(tmp_path, overscan):
    paths = []
    for k, shift in enumerate((0.0, 3.0, -2.0)):
        image = np.round(raw_image(seed=k, slope=0.0).astype(float) + (shift if overscan != "none" else 0))
        paths.append(write_raw(tmp_path / f"{k}.fits", [extension(image.astype(np.uint16))]))
    sof = tmp_path / "x.sof"
    sof.write_text("".join(f"{p} BIAS\n" for p in paths))
    assert call(sof, f"--overscan={overscan}", "--combine=average") == 0
    header, data, _, _ = product(sof)
    level = 0.0 if "vpoly" in overscan else header["ESO DRS MUSE OVSC1 MEAN"]
    assert data[:150, :200].mean() == pytest.approx(level, abs=0.1)
    assert header.get("ESO DRS MUSE OVSC1 POLY NCOEFF") == (1 if "vpoly" in overscan else None)


def test_saturated_pixels_known_bad_pixels_and_bad_columns(tmp_path):
    paths = []
    for k in range(4):
        image = raw_image(seed=k)
        image[40, 40] = 65535
        image[41, 40] = 65535 if k == 0 else image[41, 40]
        rng = np.random.default_rng(k)
        image[52:182, 100] += rng.poisson(60, 130).astype(np.uint16) + 20 * (np.arange(130) % 3).astype(np.uint16)
        paths.append(write_raw(tmp_path / f"{k}.fits", [extension(image)]))
    table = BadPixelTable()
    table.add(1, np.array([(33, 33, 512, 0), (297, 247, 256, 0)], BAD_PIXEL))
    write_badpix_table(tmp_path / "bad.fits", table)
    sof = tmp_path / "x.sof"
    sof.write_text("".join(f"{p} BIAS\n" for p in paths) + f"{tmp_path / 'bad.fits'} BADPIX_TABLE\n")
    assert call(sof) == 0
    header, data, dq, _ = product(sof)
    # a saturated pixel makes its short column look bright, too
    assert dq[8, 8] & ~8192 == 4096 and dq[9, 8] & ~8192 == 0 and abs(data[9, 8]) < 10
    assert dq[0, 0] == 512
    # raw pixel 297, 247 from 1 is the first one of the upper right quadrant
    assert dq[150, 200] == 256
    assert (dq[20:150, 68] == 8192).sum() >= 128 and (dq[:, 60:68] & 8192 == 0).all()
    assert [header[f"ESO QC BIAS INPUT{i} NSATURATED"] for i in range(1, 5)] == [2, 1, 1, 1]
    assert header["ESO QC BIAS MASTER NSATURATED"] == 1
    assert header["ESO QC BIAS MASTER NBADPIX"] == (dq & 8192 != 0).sum()


@pytest.mark.parametrize(("nifu", "merge"), [("0", False), ("-1", True)])
def test_all_ifus_apart_or_merged(tmp_path, nifu, merge):
    sof, _ = write_biases(tmp_path, ifus=(7, 2))
    assert call(sof, f"--nifu={nifu}", f"--merge={str(merge).lower()}", "--workers", "2") == 0
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == (["MASTER_BIAS.fits"] if merge else ["MASTER_BIAS-02.fits", "MASTER_BIAS-07.fits"])
    if merge:
        with fits.open(tmp_path / "out/MASTER_BIAS.fits", checksum=True) as hdus:
            assert [h.name for h in hdus[1:]] == [f"CHAN{i}.{n}" for i in ("02", "07") for n in ("DATA", "DQ", "STAT")]
            assert hdus[1].header["ESO DET CHIP ID"] == "chip2" and "ESO QC BIAS MASTER1 RON" in hdus[1].header


def test_one_ifu_that_fails_does_not_stop_the_others(tmp_path, capsys):
    sof, paths = write_biases(tmp_path, ifus=(1, 3))
    with fits.open(paths[2], mode="update") as hdus:
        hdus["CHAN03"].header["ESO DET READ CURID"] = 5
    assert call(sof) == 1
    assert "IFU 3:" in last_line(capsys)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["MASTER_BIAS-01.fits"]


def test_existing_products_stay_unless_told(tmp_path, capsys):
    sof, _ = write_biases(tmp_path)
    assert call(sof) == 0
    assert call(sof) == 1
    assert "--overwrite" in last_line(capsys)
    assert call(sof, "--overwrite") == 0


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--nifu=30"], 2, "nifu=30 is out of range, -1 to 24; the default is 0"),
        (["--nifu=5"], 1, "no extension CHAN05"),
        (["--overscan=poly"], 2, "overscan=poly is not none, offset, vpoly"),
        (["--ovscignore=40"], 1, "leaves no overscan"),
        (["--combine=minmax", "--nlow=2"], 1, "more than the 3 frames"),
        (["--combine=sigclipp"], 2, "did you mean sigclip?"),
        (["--ovscsigm=3"], 2, "did you mean --ovscsigma?"),
    ],
)
def test_wrong_parameters_are_named(tmp_path, capsys, options, status, message):
    sof, _ = write_biases(tmp_path)
    assert call(sof, *options) == status
    assert message in last_line(capsys)


def test_bad_sets_of_frames_are_named(tmp_path, capsys):
    sof, paths = write_biases(tmp_path)
    sof.write_text("".join(f"{p} BIAS\n" for p in paths[:2]))
    assert call(sof) == 1
    assert "needs at least 3 BIAS, found 2" in last_line(capsys)
    paths[2].write_bytes(paths[2].read_bytes()[:50000])
    sof.write_text("".join(f"{p} BIAS\n" for p in paths))
    assert call(sof, "--nifu=1") == 1
    assert "truncated" in last_line(capsys)
    high = raw_image(seed=9) + np.uint16(400)
    write_raw(tmp_path / "high.fits", [extension(high)])
    sof.write_text("".join(f"{p} BIAS\n" for p in [*paths[:2], tmp_path / "high.fits"]))
    assert call(sof, "--nifu=1") == 1
    assert "overscan level of port 1 is 16" in last_line(capsys)


def test_packed_compressed_and_renamed_frames_make_the_same_bias(tmp_path, capsys):
    """Of several IFUs, one after the other in the file; the bytes tell how a file is packed, not its name."""
    extensions = [[extension(raw_image(seed=7 * k + ifu), ifu) for ifu in (3, 11, 7)] for k in range(3)]
    plain = [write_raw(tmp_path / f"MUSE.{k}.fits", hdus).read_bytes() for k, hdus in enumerate(extensions)]
    compressed = [write_raw(tmp_path / f"c{k}.fits", hdus, compress=True) for k, hdus in enumerate(extensions)]
    tiles = [path.read_bytes() for path in compressed]
    kinds = {
        "MUSE.{}.fits": plain, "MUSE.{}.FITS": plain, "MUSE.{}.fits.fz": tiles, "tiles.{}.FITS": tiles,
        "MUSE.{}.fits.gz": [gzip.compress(raw, 1) for raw in plain], "not-packed.{}.fits.gz": plain,
        "packed.{}.fits": [gzip.compress(raw, 1) for raw in plain],
        "MUSE.{}.fits.fz.gz": [gzip.compress(raw, 1) for raw in tiles],
    }  # fmt: skip
    expected = None
    for number, (name, contents) in enumerate(kinds.items()):
        sof = tmp_path / str(number) / "bias.sof"
        sof.parent.mkdir()
        paths = [sof.parent / name.format(k) for k in range(3)]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        sof.write_text("".join(f"{path} BIAS\n" for path in paths))
        assert call(sof, "--nifu=0") == 0, capsys.readouterr().err
        images = [product(sof, f"MASTER_BIAS-{ifu:02d}.fits") for ifu in (3, 7, 11)]
        assert [image[0]["ESO PRO REC1 RAW2 NAME"] for image in images] == [name.format(1)] * 3
        found = [values for image in images for values in image[1:]]
        expected = expected or found
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other, name)
    assert abs(expected[0][:150, :200].mean()) < 0.1 and not np.array_equal(expected[0], expected[3])


def test_frames_packed_otherwise_are_refused_by_name(tmp_path, capsys):
    sof, paths = write_biases(tmp_path)
    for start, program, command in (
        (b"\x1f\x9d\x90", "compress", "uncompress"), (b"BZh9", "bzip2", "bunzip2"), (b"\xfd7zXZ\0", "xz", "unxz")
    ):  # fmt: skip
        paths[1].write_bytes(start + bytes(5000))
        assert call(sof, "--nifu=1") == 1
        assert f"{paths[1]}: packed by {program}; unpack it with {command} and give the result" in last_line(capsys)


def test_a_packed_frame_that_is_cut_or_damaged_is_named(tmp_path, capsys):
    sof, paths = write_biases(tmp_path, ifus=(1, 2))
    packed = gzip.compress(paths[1].read_bytes(), 1)
    short = gzip.compress(paths[1].read_bytes()[:-5760], 1)
    for content in (packed[: len(packed) // 4], packed[:20], packed[:-40000], short, short[:300] + short[400:]):
        paths[1].write_bytes(content)
        assert call(sof, "--nifu=2") == 1
        line = last_line(capsys)
        assert f"{paths[1]}: " in line and ("damaged or cut off" in line or "truncated" in line), line
    assert not list((tmp_path / "out").iterdir())


def test_a_frame_without_any_ifu_is_named_though_there_are_enough_others(tmp_path, capsys):
    sof, paths = write_biases(tmp_path, 4)
    with fits.open(paths[2], mode="update") as hdus:
        del hdus[1].header["EXTNAME"]
    assert run(["recipe", "muse_bias", "--nifu=1", str(sof), "--output-dir", str(tmp_path / "out")]) == 1
    assert "bias2.fits: no extension CHAN01" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.fits"))
