"""muse_geometry on frames of full width and few rows: the geometry that is put in comes out; bad input is refused."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.mask_frames import (
    NX,
    NY,
    SKY,
    draw_geometry,
    mask_light,
    write_calibrations,
    write_catalog,
    write_mask,
)
from tests.makers.raw_frames import raw_image

IFUS = (11, 14)
N = 50
LIMITS = ["--lambdamin=6030", "--lambdamax=6130"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("masks")
    lines = write_calibrations(directory, IFUS)
    truth = {ifu: draw_geometry(ifu) for ifu in IFUS}
    for k in range(N):
        images = {}
        for ifu in IFUS:
            light = mask_light(truth[ifu], 12.2 + 0.03 * k)
            images[ifu] = raw_image(light, NX, NY, 7 * k + ifu)
        lines.append(f"{write_mask(directory / f'mask{k:02d}.fits', k, images)} MASK\n")
    (directory / "geometry.sof").write_text("".join(lines))
    return directory


@pytest.fixture(scope="module")
def products(directory):
    """All products of both IFUs, with a MASK_CHECK and reduced exposures."""
    output = directory / "out"
    sof = directory / "check.sof"
    sof.write_text((directory / "geometry.sof").read_text() + f"{directory}/mask20.fits MASK_CHECK\n")
    assert run(["recipe", "muse_geometry", *LIMITS, str(sof), "--output-dir", str(output)]) == 0
    return output


def table_of(path):
    with fits.open(path, checksum=True) as hdus:
        return hdus[0].header, hdus[1].data


def test_geometry_of_two_ifus_apart(products):
    header, table = table_of(products / "GEOMETRY_UNSMOOTHED.fits")
    assert len(table) == 96 and header["ESO PRO CATG"] == "GEOMETRY_UNSMOOTHED"
    assert list(table["SliceSky"][:48]) == list(range(1, 49))
    truth = np.concatenate([draw_geometry(ifu) for ifu in IFUS])
    number = {(ifu, k + 1): 48 * n + k for n, ifu in enumerate(IFUS) for k in range(48)}
    at = [number[int(a), int(b)] for a, b in zip(table["SubField"], table["SliceCCD"], strict=True)]
    assert list(table["SliceSky"]) == list(np.tile(SKY, 2)[at])
    for name, k, limit in (("x", 0, 0.005), ("y", 1, 0.002), ("angle", 2, 0.005), ("width", 3, 0.015)):
        difference = table[name] - truth[at, k]
        if name in "xy":
            # one shift for all: x counts from the central gap, y from slice 18 of an IFU in the middle
            difference -= np.median(difference)
        assert np.abs(difference).max() < limit, name
        assert (table[name + "err"] > 0).all()
    assert table["y"][(table["SubField"] == 11) & (table["SliceSky"] == 18)] == 0
    assert header["ESO QC GEO TABLE NBAD"] == 0
    assert header["ESO QC GEO GAPPOS MEAN"] == pytest.approx(0.0, abs=1e-6)
    assert header["ESO QC GEO MASK ANGLE"] == pytest.approx(np.median(truth[:, 2]), abs=0.002)
    assert header["ESO QC GEO IFU11 WLEN1"] == pytest.approx(6030.0)
    # one passage of a hole: the peak is sqrt(2 pi) x dispersion over step times as bright as a step
    expected = 40000.0 * np.sqrt(2 * np.pi) * 0.5 / (0.03 * 1.705 / 0.2)
    assert header["ESO QC GEO IFU14 WLEN3 FLUX MEDIAN"] == pytest.approx(expected, rel=0.01)


def test_products(products):
    header = table_of(products / "GEOMETRY_TABLE.fits")[0]
    assert header["ESO QC GEO SMOOTH NX"] > 0 and header["ESO QC GEO SMOOTH NWIDTH"] > 0
    header, spots = table_of(products / "SPOTS_TABLE-14.fits")
    assert len(spots) == 6 * 48 * 3 * N and header["EXTNAME"] == "CHAN14"
    assert set(np.unique(spots["SpotNo"])) == {1, 2, 3} and set(np.unique(spots["SubField"])) == {14}
    assert np.nanmedian(spots["xfwhm"]) == pytest.approx(2.3548 * 1.1, rel=0.01)
    assert header["ESO QC GEO EXP3 FWHM MEDIAN"] == pytest.approx(2.3548, rel=0.01)
    with fits.open(products / "MASK_COMBINED-11.fits", checksum=True) as hdus:
        combined = hdus["DATA"].data
    total = np.zeros_like(combined, float)
    for k in range(1, N + 1):
        with fits.open(products / f"MASK_REDUCED_{k:04d}-11.fits") as hdus:
            total += hdus["DATA"].data
            assert hdus[0].header["ESO PRO CATG"] == "MASK_REDUCED"
    assert np.allclose(combined, total / N, atol=1e-2)
    with fits.open(products / "GEOMETRY_CUBE.fits", checksum=True) as hdus:
        names = [hdu.name.lower() for hdu in hdus]
        data, missing, white = hdus["DATA"].data, hdus["DQ"].data, hdus[4].data
    assert names == ["primary", "data", "dq", "stat", "white", "white_dq"]
    assert data.shape[0] == 81 and 301 <= data.shape[2] <= 302
    # the rows between the two IFUs are empty
    empty = (missing != 0).all(axis=(0, 2))
    assert 20 <= empty.sum() <= 24 and not empty[:11].any() and (data[:, empty] == 0).all()
    assert np.allclose(white[0], data[:, 0].mean(0, where=missing[:, 0] == 0), rtol=1e-4, atol=1e-3)
    with fits.open(products / "GEOMETRY_CHECK_0001.fits", checksum=True) as hdus:
        assert hdus[0].header["ESO PRO CATG"] == "GEOMETRY_CHECK" and hdus["DATA"].data.shape == white.shape


def test_one_ifu_alone(directory, products, tmp_path, monkeypatch):
    # with another number of threads than for both
    monkeypatch.setattr("musedeep.processors.limits", lambda: [5])
    options = ["--ifu1=12", "--ifu2=20", "--saveimage=false", "--smooth=0", *LIMITS]
    sof = str(directory / "geometry.sof")
    assert run(["recipe", "muse_geometry", *options, sof, "--output-dir", str(tmp_path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "GEOMETRY_CUBE.fits", "GEOMETRY_TABLE.fits", "GEOMETRY_UNSMOOTHED.fits", "MASK_COMBINED-14.fits",
        "SPOTS_TABLE-14.fits",
    ]  # fmt: skip
    header, alone = table_of(tmp_path / "GEOMETRY_TABLE.fits")
    assert header["ESO QC GEO SMOOTH NY"] == -1
    assert np.array_equal(alone["y"], table_of(tmp_path / "GEOMETRY_UNSMOOTHED.fits")[1]["y"])
    spots, others = (table_of(path / "SPOTS_TABLE-14.fits")[1] for path in (tmp_path, products))
    assert spots.tobytes() == others.tobytes()
    both = table_of(products / "GEOMETRY_UNSMOOTHED.fits")[1][48:]
    # the measured distance of the holes, and with it the scale of y, depends on all IFUs
    assert np.ptp(alone["y"] - both["y"]) < 1e-4
    assert np.ptp(alone["x"] - both["x"]) < 1e-9


def test_compressed_exposures(directory, products, tmp_path, lines):
    changed = []
    for line in lines:
        path, tag = line.split()
        if tag == "MASK":
            with fits.open(path) as hdus:
                made = [
                    hdus[0],
                    fits.CompImageHDU(hdus["CHAN14"].data, hdus["CHAN14"].header, compression_type="RICE_1"),
                ]
                path = tmp_path / (path.rpartition("/")[2] + ".fz")
                fits.HDUList(made).writeto(path)
        changed.append(f"{path} {tag}\n")
    (tmp_path / "fz.sof").write_text("".join(changed))
    output = tmp_path / "out"
    command = ["recipe", "muse_geometry", *LIMITS, "--saveimage=false", "--ifu1=14", str(tmp_path / "fz.sof")]
    assert run([*command, "--output-dir", str(output)]) == 0
    assert len(list(output.iterdir())) == 5
    spots, others = (table_of(path / "SPOTS_TABLE-14.fits")[1] for path in (output, products))
    assert all(np.array_equal(spots[name], others[name], equal_nan=True) for name in ("xc", "yc", "flux", "bg", "VPOS"))


def test_barycenter(directory, tmp_path):
    options = ["--ifu1=11", "--ifu2=11", "--saveimage=false", "--centroid=barycenter", *LIMITS]
    sof = str(directory / "geometry.sof")
    assert run(["recipe", "muse_geometry", *options, sof, "--output-dir", str(tmp_path)]) == 0
    table = table_of(tmp_path / "GEOMETRY_UNSMOOTHED.fits")[1]
    truth = draw_geometry(11)[table["SliceCCD"] - 1]
    assert np.ptp(table["x"] - truth[:, 0]) < 0.02 and np.abs(table["width"] - truth[:, 3]).max() < 0.03


def refused(directory, tmp_path, capsys, lines, *options):
    sof = tmp_path / "bad.sof"
    sof.write_text("".join(lines))
    status = run(["recipe", "muse_geometry", *options, str(sof), "--output-dir", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert status == 1 and captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def lines(directory):
    return (directory / "geometry.sof").read_text().splitlines(keepends=True)


def test_too_few_exposures(directory, tmp_path, capsys, lines):
    message = refused(directory, tmp_path, capsys, lines[:-1])
    assert "at least 50 MASK" in message and "found 49" in message


def test_missing_tag(directory, tmp_path, capsys, lines):
    message = refused(directory, tmp_path, capsys, [line for line in lines if "WAVECAL" not in line])
    assert "WAVECAL_TABLE" in message


def test_ifus_that_are_not_there(directory, tmp_path, capsys, lines):
    message = refused(directory, tmp_path, capsys, lines, "--ifu1=1", "--ifu2=5")
    assert "11, 14" in message
    assert "ifu1=9 is above ifu2=3" in refused(directory, tmp_path, capsys, lines, "--ifu1=9", "--ifu2=3")


def test_calibration_of_another_ifu(directory, tmp_path, capsys, lines):
    others = [line for line in lines if "TRACE_TABLE-11" not in line]
    message = refused(directory, tmp_path, capsys, others, "--ifu2=11")
    assert "IFU 11" in message and "TRACE_TABLE-14" in message


def test_one_ifu_fails_the_other_goes_on(directory, tmp_path, capsys, lines):
    sof = tmp_path / "bad.sof"
    sof.write_text("".join(line for line in lines if "MASTER_BIAS-11" not in line))
    command = ["recipe", "muse_geometry", *LIMITS, "--saveimage=false", str(sof), "--output-dir", str(tmp_path)]
    assert run(command) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert len(table_of(tmp_path / "GEOMETRY_TABLE.fits")[1]) == 48


def test_too_few_lines(directory, tmp_path, capsys, lines):
    faint = write_catalog(tmp_path / "faint.fits", 900.0)
    changed = [line for line in lines if "LINE_CATALOG" not in line] + [f"{faint} LINE_CATALOG\n"]
    message = refused(directory, tmp_path, capsys, changed)
    assert "faint.fits" in message and "needs 6" in message


@pytest.mark.parametrize(
    ("cards", "word"),
    [
        ({"ESO INS POS3 POS": None}, "ESO INS POS3 POS"),
        ({"ESO INS DROT POSANG": 0.0}, "POSANG"),
        ({"ESO INS POS3 POS": 12.5}, "full sequence"),
    ],
)
def test_keywords_of_the_mask(directory, tmp_path, capsys, lines, cards, word):
    image = raw_image(None, NX, NY)
    paths = [write_mask(tmp_path / f"m{k}.fits", k, {11: image}, **cards) for k in range(N)]
    changed = [line for line in lines if not line.endswith(" MASK\n")] + [f"{p} MASK\n" for p in paths]
    message = refused(directory, tmp_path, capsys, changed, "--ifu2=11")
    assert word in message


def test_dark_exposures(directory, tmp_path, capsys, lines):
    image = raw_image(None, NX, NY)
    paths = [write_mask(tmp_path / f"m{k}.fits", k, {11: image}) for k in range(N)]
    changed = [line for line in lines if not line.endswith(" MASK\n")] + [f"{p} MASK\n" for p in paths]
    message = refused(directory, tmp_path, capsys, changed, "--ifu2=11")
    assert "three spots" in message and not (tmp_path / "out" / "MASK_COMBINED-11.fits").exists()


def test_no_wavelengths(directory, tmp_path, capsys, lines):
    assert "lambdamin" in refused(directory, tmp_path, capsys, lines, "--lambdamin=7300")


def test_unknown_centroid(directory, tmp_path, capsys):
    sof = str(directory / "geometry.sof")
    assert run(["recipe", "muse_geometry", "--centroid=gauss", sof, "--output-dir", str(tmp_path)]) == 2
    assert "gaussian" in capsys.readouterr().err


def test_existing_products(directory, products, capsys):
    sof = str(directory / "geometry.sof")
    assert run(["recipe", "muse_geometry", sof, "--output-dir", str(products)]) == 1
    assert "--overwrite" in capsys.readouterr().err
