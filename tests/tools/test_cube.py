"""muse_cube_combine, muse_cube_concatenate, muse_cube_filter: the manual's procedures, and what is refused."""

import errno
import os
import shutil

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits

from musedeep.storage.fits.streamed import StreamedFits
from musedeep.tools.cube import muse_cube_combine, muse_cube_concatenate, muse_cube_filter
from tests.makers import cube_pieces, cubes
from tests.makers.cube_pieces import SHAPE, primary, with_limits, write_cube

ENDS = ((4000.0, 7010.0), (7007.5, 7020.0), (7017.5, 10000.0))
"""Overlaps of two planes, at planes 7, 8 and 15, 16 (from 1)."""


@pytest.fixture
def truth():
    return cubes.values(SHAPE)


@pytest.fixture
def pieces(tmp_path, truth):
    return cube_pieces.overlapping(tmp_path, *truth, ENDS)


@pytest.fixture
def parts(tmp_path, truth):
    return cube_pieces.adjacent(tmp_path, *truth, (0, 9, 10, 24))


def call(tool, *words):
    return tool([str(word) for word in words])


def refused(tool, capsys, tmp_path, *words):
    """The one line of an error; nothing was written."""
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert call(tool, *words) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("musedeep: ")]
    assert len(said) == 1
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    return said[0]


def assert_cube(path, truth):
    with fits.open(path, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DATA", "STAT"]
        for name, values in zip(("DATA", "STAT"), truth, strict=True):
            assert hdus[name].data.dtype == np.dtype(">f4")
            np.testing.assert_array_equal(hdus[name].data, values)
        return hdus[0].header, hdus["DATA"].header


@pytest.mark.filterwarnings("error")
def test_three_overlapping_pieces(tmp_path, truth, pieces, capsys):
    assert call(muse_cube_combine, tmp_path / "CUBE_COMBINED.fits", pieces[1], pieces[2], pieces[0]) == 0
    head, grid = assert_cube(tmp_path / "CUBE_COMBINED.fits", truth)
    assert head["PIPEFILE"] == "CUBE_COMBINED.fits"
    assert head["ESO PRO REC2 PARAM6 VALUE"] == "4000"
    assert head["ESO PRO REC2 PARAM7 VALUE"] == "10000"
    assert grid["CRVAL3"] == cube_pieces.FIRST
    history = "\n".join(head["HISTORY"])
    assert "planes 1 to 7: CUBE_0.fits" in history and "planes 16 to 24: CUBE_2.fits" in history
    assert "planes 8 to 15 (7008.75 to 7017.50 Angstrom)" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "CUBE_0.fits",
        "CUBE_1.fits",
        "CUBE_2.fits",
        "CUBE_COMBINED.fits",
    ]


def test_adjacent_pieces(tmp_path, truth, parts):
    assert call(muse_cube_concatenate, tmp_path / "CUBE_final.fits", *reversed(parts)) == 0
    _, grid = assert_cube(tmp_path / "CUBE_final.fits", truth)
    assert grid["CRVAL3"] == cube_pieces.FIRST and grid["CRPIX3"] == 1.0 and grid["CRPIX1"] == 5.5


def test_stores_give_the_same(tmp_path, truth, parts):
    assert call(muse_cube_concatenate, tmp_path / "all.zarr", *parts) == 0
    store = xr.open_zarr(tmp_path / "all.zarr", chunks=None)
    np.testing.assert_array_equal(store.data, truth[0])
    np.testing.assert_array_equal(store.stat, truth[1])
    assert store.data.attrs["units"] == "unit"
    assert call(muse_cube_concatenate, tmp_path / "first.zarr", *parts[:2]) == 0
    assert call(muse_cube_concatenate, tmp_path / "again.fits", parts[2], tmp_path / "first.zarr") == 0
    head, grid = assert_cube(tmp_path / "again.fits", truth)
    assert head["ESO INS MODE"] == "WFM-NOAO-N"
    assert grid["BUNIT"] == "unit"
    assert grid["CRVAL3"] == cube_pieces.FIRST


def test_quality_control_is_that_of_the_joined_cube(tmp_path, truth, parts):
    for path in parts:
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["HIERARCH ESO QC EXPCOMB LAMBDA"] = 1.0
            hdus[0].header["HIERARCH ESO QC EXPCOMB NDET"] = 3
            hdus[0].header["HIERARCH ESO QC OTHER THING"] = 5
    assert call(muse_cube_concatenate, tmp_path / "out.fits", *parts) == 0
    head = fits.getheader(tmp_path / "out.fits")
    assert head["ESO QC EXPCOMB LAMBDA"] == cube_pieces.FIRST + 12 * cube_pieces.STEP
    assert head["ESO QC OTHER THING"] == 5


def test_science_data_products(tmp_path, parts):
    for path in parts:
        change(path, "PRIMARY", WAVELMIN=1.0, WAVELMAX=2.0, SPEC_RES=3.0, PIXNOISE=4.0, ABMAGLIM=5.0)
    assert call(muse_cube_concatenate, tmp_path / "out.fits", *parts) == 0
    head = fits.getheader(tmp_path / "out.fits")
    assert (head["WAVELMIN"], head["WAVELMAX"]) == (700.0, 702.875)
    assert 2900 < head["SPEC_RES"] < 3100
    assert "PIXNOISE" not in head and "ABMAGLIM" not in head


def change(path, extension, **cards):
    with fits.open(path, mode="update") as hdus:
        for key, value in cards.items():
            for name in extension.split():
                hdus[name].header[f"HIERARCH {key.replace('_', ' ')}" if key.startswith("ESO") else key] = value


@pytest.mark.parametrize(
    ("extension", "cards", "keyword"),
    [
        ("PRIMARY", {"ESO_INS_MODE": "WFM-AO-N"}, "ESO INS MODE is 'WFM-AO-N'"),
        ("PRIMARY", {"ESO_DRS_MUSE_OFFSET1_DRA": 0.0002}, "ESO DRS MUSE OFFSET1 DRA is 0.0002"),
        ("PRIMARY", {"ESO_DRS_MUSE_FLUX_SCALE2": 1.1}, "ESO DRS MUSE FLUX SCALE2 is 1.1"),
        ("PRIMARY", {"ESO_PRO_REC2_PARAM3_VALUE": "0.8"}, "ESO PRO REC2 PARAM3 VALUE (pixfrac) is '0.8'"),
        ("PRIMARY", {"EXPTIME": 700.0}, "EXPTIME is 700.0"),
        ("DATA STAT", {"CRVAL1": 53.2}, "CRVAL1 is 53.2"),
        ("DATA STAT", {"CRPIX2": 3.0}, "CRPIX2 is 3.0"),
        ("DATA STAT", {"CD2_2": 6e-5}, "CD2_2 is 6e-05"),
        ("DATA STAT", {"CD3_3": 1.0}, "CD3_3 is 1.0"),
        ("DATA STAT", {"CTYPE3": "WAVE"}, "CTYPE3 is 'WAVE'"),
        ("DATA", {"BUNIT": "adu"}, "BUNIT of DATA is 'adu'"),
    ],
)
@pytest.mark.parametrize("tool", [muse_cube_combine, muse_cube_concatenate])
def test_pieces_that_differ(tmp_path, pieces, parts, capsys, tool, extension, cards, keyword):
    given = pieces if tool is muse_cube_combine else parts
    change(given[1], extension, **cards)
    line = refused(tool, capsys, tmp_path, tmp_path / "out.fits", *given)
    assert keyword in line and str(given[1]) in line


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (((4000, 7010), (7012.5, 10000)), "leaves a gap of 2.0 planes"),
        (((4000, 7010), (7010, 10000)), "does not overlap"),
        (((4000, 7010), (7009.5, 10000)), "overlap by 0.40 planes"),
        (((4000, 10000), (7007.5, 7020)), "one lies within the other"),
        (((4000, 7015), (7005, 7020), (7012.5, 10000)), "overlap already"),
        (((7005, 7015), (7012.5, 10000)), "lambdamin is 7005"),
        (((4000, 7015), (7012.5, 7020)), "lambdamax is 7020"),
    ],
)
def test_pieces_that_overlap_wrongly(tmp_path, truth, capsys, ends, said):
    paths = cube_pieces.overlapping(tmp_path, *truth, ends)
    line = refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *paths)
    assert said in line and "lambdam" in line and "PARAM" in line


def test_pieces_that_are_not_adjacent(tmp_path, truth, parts, capsys):
    line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / "out.fits", parts[0], parts[2])
    assert "leaves a gap of 1 planes" in line and "CRVAL3" in line
    change(parts[1], "DATA STAT", CRVAL3=cube_pieces.FIRST + 8 * cube_pieces.STEP)
    line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / "out.fits", *parts)
    assert "overlaps by 1 planes" in line
    change(parts[1], "DATA STAT", CRVAL3=cube_pieces.FIRST + 9.3 * cube_pieces.STEP)
    line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / "out.fits", *parts)
    assert "CRVAL3" in line and "0.300 of a plane" in line
    line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / "out.fits", parts[0], parts[0])
    assert "given twice" in line


def test_limits_inside_the_own_grid(tmp_path, truth, capsys):
    paths = cube_pieces.adjacent(tmp_path, *truth, (0, 10, 24), margin=-1)
    line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / "out.fits", *paths)
    assert "lambdamax is 7010" in line and "PARAM7 VALUE" in line and "leaves a gap" in line


def test_another_grid_than_that_of_the_first(tmp_path, truth, pieces, capsys):
    write_cube(pieces[1], truth[0][:, :, 1:], truth[1][:, :, 1:], primary(with_limits(*ENDS[1])))
    assert "NAXIS1 is 6" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)
    write_cube(pieces[1], truth[0][1:], truth[1][1:], primary(with_limits(*ENDS[1])))
    assert "NAXIS3 is 23" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)


def test_a_piece_that_is_empty_within_its_limits(tmp_path, truth, pieces, capsys):
    data, stat = (values.copy() for values in truth)
    data[:10] = stat[:10] = np.nan
    write_cube(pieces[1], data, stat, primary(with_limits(*ENDS[1])))
    line = refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)
    assert "plane 8 (7008.750 Angstrom) is empty" in line and "lambdamin 7007.5" in line


def test_planes_that_are_empty_in_all_pieces(tmp_path, truth):
    data, stat = truth
    data[5:10] = stat[5:10] = np.nan
    paths = cube_pieces.overlapping(tmp_path, data, stat, ENDS)
    assert call(muse_cube_combine, tmp_path / "out.fits", *paths) == 0
    assert_cube(tmp_path / "out.fits", truth)


def test_without_parameters(tmp_path, truth, parts, pieces, capsys):
    write_cube(pieces[0], *truth, primary({}))
    line = refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)
    assert "no parameter lambdamin in the header (ESO PRO REC2 PARAMi NAME and VALUE)" in line
    for path in parts:
        with fits.open(path, mode="update") as hdus:
            for key in [key for key in hdus[0].header if key.startswith("ESO PRO REC")]:
                hdus[0].header.remove(key)
    assert call(muse_cube_concatenate, tmp_path / "out.fits", *parts) == 0
    assert capsys.readouterr().err.count("is not checked") == 3
    assert_cube(tmp_path / "out.fits", truth)


def test_without_stat(tmp_path, truth, pieces, capsys):
    write_cube(pieces[2], truth[0], None, primary(with_limits(*ENDS[2])))
    assert "STAT" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)
    for path, ends in zip(pieces, ENDS, strict=True):
        write_cube(path, truth[0], None, primary(with_limits(*ends)))
    assert "no extension STAT" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)


def test_with_dq(tmp_path, truth, pieces, capsys):
    dq = np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE)
    for path, ends in zip(pieces[:2], ENDS, strict=False):
        write_cube(path, *truth, primary(with_limits(*ends)), further=[fits.ImageHDU(dq, name="DQ")])
    assert "DQ" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.fits", *pieces)
    write_cube(pieces[2], *truth, primary(with_limits(*ENDS[2])), further=[fits.ImageHDU(dq, name="DQ")])
    assert call(muse_cube_combine, tmp_path / "out.fits", *pieces) == 0
    with fits.open(tmp_path / "out.fits", checksum=True) as hdus:
        np.testing.assert_array_equal(hdus["DQ"].data, dq)
    assert "no place for DQ" in refused(muse_cube_combine, capsys, tmp_path, tmp_path / "out.zarr", *pieces)


def test_a_logarithmic_axis(tmp_path, truth):
    """Pieces of one logarithmic axis have one CRVAL3."""
    paths = []
    for k, (first, last) in enumerate(((0, 9), (9, 24))):
        grid = cube_pieces.grid_cards(CTYPE3="AWAV-LOG", CRPIX3=1.0 - first)
        paths.append(write_cube(tmp_path / f"{k}.fits", truth[0][first:last], truth[1][first:last], primary(), grid))
    assert call(muse_cube_concatenate, tmp_path / "out.fits", *paths) == 0
    _, grid = assert_cube(tmp_path / "out.fits", truth)
    assert grid["CTYPE3"] == "AWAV-LOG" and grid["CRPIX3"] == 1.0


def spoil(path, what):
    data, stat = cubes.values(SHAPE)
    if what == "axes":
        write_cube(path, data, stat, grid=cube_pieces.grid_cards(CTYPE1="AWAV", CTYPE3="RA---TAN"))
    elif what == "instrument":
        write_cube(path, data, stat, primary(INSTRUME="SINFONI"))
    elif what == "cut off":
        path.write_bytes(path.read_bytes()[:-4000])
    elif what == "two axes":
        write_cube(path, data[0], stat[0])
    elif what == "integers":
        write_cube(path, np.nan_to_num(data).astype(np.int16), stat)
    elif what == "scaled":
        change(path, "DATA", BSCALE=2.0)
    elif what == "no step":
        write_cube(path, data, stat, grid=cube_pieces.grid_cards(CD3_3=None))
    elif what == "nanometres":
        write_cube(path, data, stat, grid=cube_pieces.grid_cards(CUNIT3="nm"))
    elif what == "no cube":
        path.write_text("hello")
    elif what == "no DATA":
        fits.PrimaryHDU(header=primary()).writeto(path, overwrite=True)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("axes", "CTYPE1 is 'AWAV'"), ("instrument", "INSTRUME is 'SINFONI'"), ("cut off", "truncated"),
        ("two axes", "DATA is no array of three axes (NAXIS 2)"), ("integers", "BITPIX of DATA is 16"),
        ("scaled", "BSCALE of DATA is 2.0"), ("no step", "CD3_3 is missing"), ("nanometres", "CUNIT3 is 'nm'"),
        ("no cube", "no FITS header"), ("no DATA", "no extension DATA"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tool", [muse_cube_combine, muse_cube_concatenate, muse_cube_filter])
def test_what_is_no_cube(tmp_path, pieces, capsys, tool, what, said):
    spoil(pieces[1], what)
    words = [pieces[1]] if tool is muse_cube_filter else [tmp_path / "out.fits", *pieces]
    line = refused(tool, capsys, tmp_path, *words)
    assert str(pieces[1]) in line and said in line


@pytest.mark.parametrize("tool", [muse_cube_combine, muse_cube_concatenate])
def test_outputs_are_kept(tmp_path, pieces, parts, capsys, tool):
    given = pieces if tool is muse_cube_combine else parts
    out = tmp_path / "out.fits"
    out.write_text("precious")
    assert "exists already" in refused(tool, capsys, tmp_path, out, *given)
    assert "one of the pieces" in refused(tool, capsys, tmp_path, "--overwrite", given[0], *given)
    assert "does not exist" in refused(tool, capsys, tmp_path, tmp_path / "nowhere" / "out.fits", *given)
    assert call(tool, "--overwrite", out, *given) == 0
    assert fits.getdata(out, "DATA").shape == SHAPE
    assert call(tool, tmp_path / "one.fits", given[0]) == 2


@pytest.fixture
def filter_list(tmp_path):
    wave = np.arange(6995.0, 7016.0, 5.0)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("lambda", "D", array=wave), fits.Column("throughput", "D", array=[0.0, 0.5, 1.0, 0.5, 0.0])]
    )
    table.header["ZP_VEGA"], table.header["ZP_AB"] = 21.1, 21.2
    red = fits.BinTableHDU.from_columns(
        [fits.Column("lambda", "D", array=[8000.0, 8100.0]), fits.Column("throughput", "D", array=[1.0, 1.0])]
    )
    path = tmp_path / "filter_list.fits"
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        table.name, red.name = "Johnson_V", "Cousins_I"
        fits.HDUList([fits.PrimaryHDU(), table, red]).writeto(path)
    return path


def expected_image(data, wave):
    weight = np.interp(wave, [6995, 7000, 7005, 7010, 7015], [0, 0.5, 1.0, 0.5, 0], left=0, right=0)[:, None, None]
    good = np.isfinite(data)
    norm = (weight * good).sum(0)
    return np.where(norm > 0, np.nansum(weight * data, axis=0) / np.where(norm > 0, norm, 1), np.nan)


@pytest.fixture
def cube(tmp_path, truth):
    return write_cube(tmp_path / "DATACUBE.fits", *truth)


WAVES = cube_pieces.FIRST + cube_pieces.STEP * np.arange(SHAPE[0])


def test_images_in_files(tmp_path, truth, cube, filter_list, capsys):
    assert call(muse_cube_filter, "-f", "white,Johnson_V", cube, filter_list) == 0
    with fits.open(tmp_path / "DATACUBE_Johnson_V.fits", checksum=True) as hdus:
        np.testing.assert_allclose(hdus["DATA"].data, expected_image(truth[0], WAVES), rtol=1e-5, atol=1e-6)
        head = hdus[0].header
        assert head["ESO PRO CATG"] == "IMAGE_FOV" and head["OBJECT"] == "field (Johnson_V)"
        assert head["PIPEFILE"] == "DATACUBE_Johnson_V.fits" and "SPECSYS" not in head
        assert head["ESO DRS MUSE FILTER ZPVEGA"] == 21.1 and head["ESO DRS MUSE FILTER ZPAB"] == 21.2
        # samples every Angstrom from 6995; covered from 7000 to 7030: 0.5 ... 1 ... 0 of all
        assert head["ESO DRS MUSE FILTER FRACTION"] == pytest.approx(90.0, abs=1e-4)
        assert hdus["DATA"].header["CTYPE1"] == "RA---TAN" and hdus["DATA"].header["BUNIT"] == "unit"
    assert "covers 90.00 % of filter Johnson_V" in capsys.readouterr().err
    white = fits.getdata(tmp_path / "DATACUBE_white.fits", "DATA")
    good = np.isfinite(truth[0])
    mean = np.where(good, truth[0], 0).sum(0) / np.where(good.any(0), good.sum(0), np.nan)
    np.testing.assert_allclose(white, mean, atol=1e-6)


def test_images_are_appended(tmp_path, truth, cube, filter_list, capsys):
    fits.setval(cube, "DATAMD5", value="0" * 32, ext=0)
    before = cube.read_bytes()
    os.chmod(cube, 0o640)
    assert call(muse_cube_filter, "-x", "-f", "Johnson_V", cube, filter_list) == 0
    assert cube.stat().st_mode & 0o777 == 0o640
    with fits.open(cube, checksum=True) as hdus, fits.conf.set_temp("extension_name_case_sensitive", True):
        assert [hdu.header.get("EXTNAME") for hdu in hdus] == [None, "DATA", "STAT", "Johnson_V"]
        np.testing.assert_array_equal(hdus["DATA"].data, truth[0])
        np.testing.assert_allclose(hdus[3].data, expected_image(truth[0], WAVES), rtol=1e-5, atol=1e-6)
        assert "DATAMD5" not in hdus[0].header
        assert hdus[3].header["OBJECT"] == "field (Johnson_V)"
        assert hdus[3].header["ESO DRS MUSE FILTER NAME"] == "Johnson_V"
    assert len(cube.read_bytes()) > len(before)
    line = refused(muse_cube_filter, capsys, tmp_path, "-x", "-f", "Johnson_V", cube, filter_list)
    assert "has an extension Johnson_V already" in line
    assert call(muse_cube_filter, "-x", "--overwrite", "-f", "Johnson_V,white", cube, filter_list) == 0
    with fits.open(cube) as hdus:
        assert [hdu.name.upper() for hdu in hdus] == ["PRIMARY", "DATA", "STAT", "JOHNSON_V", "WHITE"]


def test_a_store_is_filtered(tmp_path, truth, parts, filter_list, capsys):
    assert call(muse_cube_concatenate, tmp_path / "all.zarr", *parts) == 0
    assert call(muse_cube_filter, "-f", "Johnson_V", tmp_path / "all.zarr", filter_list) == 0
    image = fits.getdata(tmp_path / "all_Johnson_V.fits", "DATA")
    np.testing.assert_allclose(image, expected_image(truth[0], WAVES), rtol=1e-5, atol=1e-6)
    assert "-x" in refused(muse_cube_filter, capsys, tmp_path, "-x", tmp_path / "all.zarr")
    shutil.rmtree(tmp_path / "all.zarr" / "data" / "c")
    line = refused(muse_cube_filter, capsys, tmp_path, "-f", "white", tmp_path / "all.zarr")
    assert "chunk data/c/0/0/0 is lost" in line


def test_a_damaged_chunk(tmp_path, parts, capsys):
    assert call(muse_cube_concatenate, tmp_path / "all.zarr", *parts) == 0
    chunk = tmp_path / "all.zarr" / "data" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-30])
    line = refused(muse_cube_filter, capsys, tmp_path, tmp_path / "all.zarr")
    assert str(tmp_path / "all.zarr") in line and "cannot be read" in line
    end = cube_pieces.grid_cards(cube_pieces.FIRST + SHAPE[0] * cube_pieces.STEP)
    after = write_cube(tmp_path / "after.fits", *cubes.values(SHAPE), primary(with_limits(7020)), end)
    for out in ("twice.zarr", "twice.fits"):
        line = refused(muse_cube_concatenate, capsys, tmp_path, tmp_path / out, tmp_path / "all.zarr", after)
        assert "cannot be read" in line


def test_flagged_voxels_and_no_stat(tmp_path, truth, filter_list):
    dq = np.zeros(SHAPE, np.int32)
    dq[2, 3, 4] = 32
    path = write_cube(tmp_path / "c.fits", truth[0], None, further=[fits.ImageHDU(dq, name="DQ")])
    assert call(muse_cube_filter, "-f", "Johnson_V", path, filter_list) == 0
    data = np.where(dq == 0, truth[0], np.nan)
    image = fits.getdata(tmp_path / "c_Johnson_V.fits", "DATA")
    np.testing.assert_allclose(image, expected_image(data, WAVES), rtol=1e-5, atol=1e-6)


def test_filters_that_are_of_no_use(tmp_path, truth, cube, filter_list, capsys):
    line = refused(muse_cube_filter, capsys, tmp_path, "-f", "Cousins_I", cube, filter_list)
    assert "none of them within filter Cousins_I (8000.00 to 8100.00)" in line
    line = refused(muse_cube_filter, capsys, tmp_path, "-f", "Jonson_V", cube, filter_list)
    assert f"{filter_list}: no extension Jonson_V" in line and "did you mean Johnson_V?" in line
    line = refused(muse_cube_filter, capsys, tmp_path, "-f", "Johnson_V", cube)
    assert "FILTER_LIST" in line
    empty = write_cube(tmp_path / "empty.fits", np.full_like(truth[0], np.nan), truth[1])
    line = refused(muse_cube_filter, capsys, tmp_path, empty)
    assert "all planes within filter white are empty" in line
    assert call(muse_cube_filter, "-f", "white,white", cube) == 2


def test_interrupted(tmp_path, parts, cube, monkeypatch):
    """Ctrl-C leaves nothing, and the cube as it was."""
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(StreamedFits, "finish", interrupt)
    monkeypatch.setattr("musedeep.storage.cubes.cube_zarr.missing_shards", interrupt)
    assert call(muse_cube_filter, "-x", cube) == 130
    assert call(muse_cube_concatenate, tmp_path / "out.fits", *parts) == 130
    assert call(muse_cube_concatenate, tmp_path / "out.zarr", *parts) == 130
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("place", ["check", "write"])
@pytest.mark.parametrize("what", ["combine", "concatenate", "filter", "append", "store"])
def test_a_full_disk(tmp_path, pieces, parts, cube, capsys, monkeypatch, place, what):
    if place == "check":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    else:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(StreamedFits, "begin_image", full)
        monkeypatch.setattr("musedeep.reduction.cube.products.sign", full)
        monkeypatch.setattr("musedeep.storage.cubes.cube_zarr._write", full)
    tool, words = {
        "combine": (muse_cube_combine, [tmp_path / "out.fits", *pieces]),
        "concatenate": (muse_cube_concatenate, [tmp_path / "out.fits", *parts]),
        "filter": (muse_cube_filter, [cube]),
        "append": (muse_cube_filter, ["-x", cube]),
        "store": (muse_cube_concatenate, [tmp_path / "out.zarr", *parts]),
    }[what]
    line = refused(tool, capsys, tmp_path, *words)
    assert "MiB free" in line or "disk full" in line or "No space left" in line
