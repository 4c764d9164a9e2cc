"""muse_scibasic on frames of full width and few rows: places, wavelengths and fluxes that are put in come out."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.table import REQUIRED
from tests.makers.exposure_frames import (  # fmt: skip
    DISPERSION,
    FIRST,
    ILLUMINATION,
    LINE,
    NAMES,
    NX,
    NY,
    ROWS,
    SHIFT,
    sky_light,
    wavelengths,
    write_set,
)
from tests.makers.raw_frames import extension, flat_light, raw_image, write_raw


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("exposures")
    write_set(directory)
    return directory


def frames(directory, tmp_path, *more, without=(), objects=(0,), tag="OBJECT"):
    """A set-of-frames of exposures and the calibrations; `more` are lines of its own."""
    lines = [f"{directory}/object{k}.fits {tag}" for k in objects]
    lines += [f"{directory}/{n}.fits {n.removesuffix('-01')}" for n in NAMES if n not in without]
    sof = tmp_path / "in.sof"
    sof.write_text("\n".join([*lines, *more]) + "\n")
    return str(sof)


def reduced(sof, tmp_path, *options):
    """The products of a call that has to work."""
    lines = [*options, "--skyneighbours=false"]
    if not any(option.startswith("--skylines") for option in options):
        lines.append(f"--skylines={LINE}")
    assert run(["recipe", "muse_scibasic", *lines, sof, "--output-dir", str(tmp_path)]) == 0
    return tmp_path


def everything(path):
    table = open_pixel_table(path)
    return table, table.read(np.array([[0, table.n_rows]], np.int64), REQUIRED)


def test_store_of_an_exposure(directory, tmp_path):
    out = reduced(frames(directory, tmp_path), tmp_path)
    assert sorted(p.name for p in out.iterdir()) == [
        "OBJECT_RED_0001-01.fits",
        "PIXTABLE_OBJECT_0001-01.zarr",
        "in.sof",
    ]
    table, rows = everything(out / "PIXTABLE_OBJECT_0001-01.zarr")
    header = table.header
    assert header["EXTNAME"] == "CHAN01" and header["ESO PRO CATG"] == "PIXTABLE_OBJECT"
    assert header["ESO DRS MUSE PIXTABLE TYPE"] == "GEOFULL" and header["ESO QC SCIBASIC NSATURATED"] == 0
    assert header["ESO QC SCIBASIC LAMBDA SHIFT"] == pytest.approx(SHIFT, abs=0.01)
    number, y = rows["origin"] & 63, (rows["origin"] >> 11) & 8191
    assert np.unique(number).tolist() == list(range(1, 49)) and np.bincount(number)[1:].min() > 74 * ROWS
    assert rows["lambda"] == pytest.approx(FIRST + DISPERSION * y + header["ESO QC SCIBASIC LAMBDA SHIFT"], abs=2e-3)
    # CCD slice n is row 49 - n of the geometry; left to right on the CCD is down in x
    for n in (1, 20, 48):
        here = number == n
        centre = np.repeat([-75.0, 0.0, 75.0, 30.0], 12)[48 - n]
        assert rows["xpos"][here].min() == pytest.approx(centre - 37.5, abs=0.6)
        assert rows["xpos"][here].max() == pytest.approx(centre + 37.5, abs=0.6)
        assert np.median(rows["ypos"][here]) == pytest.approx(48 - n, abs=0.05)
        order = np.argsort((rows["origin"][here] >> 24) + 1000 * y[here])
        assert (np.diff(rows["xpos"][here][order][:70]) < 0).all()
    # the flat is gone, the sky is there: its level in electrons of the flat's mean
    flat = fits.getheader(directory / "MASTER_FLAT-01.fits")["ESO QC FLAT MASTER MEAN"]
    away = (np.abs(rows["lambda"] - LINE) > 8) & (rows["dq"] == 0)
    level = np.median(rows["data"][away]) / (40.0 * flat / 20000.0)
    assert level == pytest.approx(1.0, abs=0.02)
    noise = (rows["data"] - np.median(rows["data"][away]))[away & (number == 10)]
    assert np.median(np.abs(noise)) * 1.4826 == pytest.approx(np.sqrt(np.median(rows["stat"][away])), rel=0.15)


def test_illumination_and_twilight(directory, tmp_path):
    """ILLUM takes out the slices' differences; a twilight cube of 0.5 doubles everything."""
    more = (f"{directory}/illum.fits ILLUM", f"{directory}/TWILIGHT_CUBE.fits TWILIGHT_CUBE")
    out = reduced(frames(directory, tmp_path, *more), tmp_path, "--saveimage=false", "--save-fits")
    assert not list(out.glob("*RED*"))
    table, rows = everything(out / "PIXTABLE_OBJECT_0001-01.fits")
    header = table.header
    factors = np.array([header[f"ESO DRS MUSE PIXTABLE ILLUM{k}"] for k in range(1, 49)])
    assert factors == pytest.approx((1 / ILLUMINATION) / np.mean(1 / ILLUMINATION), abs=1e-3)
    assert header["ESO DRS MUSE PIXTABLE ILLUM MEAN"] == pytest.approx(1.0)
    assert header["ESO DRS MUSE PIXTABLE ILLUM STDEV"] == pytest.approx(factors.std(ddof=1))
    assert header["ESO DRS MUSE FLAT FLUX SKY"] == 123.5
    assert header["ESO PRO REC1 RAW2 CATG"] == "ILLUM" and header["ESO PRO DATANCOM"] == 2
    bright = (np.abs(rows["lambda"] - LINE) < 1.3) & (rows["dq"] == 0)
    number = rows["origin"] & 63
    level = np.array([rows["data"][bright & (number == k)].mean() for k in range(1, 49)])
    assert level / level.mean() == pytest.approx(1.0, abs=0.01)
    store = everything(out / "PIXTABLE_OBJECT_0001-01.zarr")[1]
    assert sorted(store["data"].tolist()) == sorted(rows["data"].tolist())
    plain = reduced(frames(directory, tmp_path), tmp_path / "plain", "--saveimage=false")
    once = everything(plain / "PIXTABLE_OBJECT_0001-01.zarr")[1]
    assert rows["data"][bright].mean() / once["data"][np.abs(once["lambda"] - LINE) < 1.3].mean() == pytest.approx(
        2.0, rel=0.01
    )
    with fits.open(out / "PIXTABLE_OBJECT_0001-01.fits", checksum=True) as hdus:
        assert [h.name for h in hdus[1:]] == [*REQUIRED, "PIXTABLE_FLAT_FIELD"]
        assert hdus["data"].shape == (rows["data"].size, 1) and hdus["data"].header["BUNIT"] == "count"
        field = hdus["PIXTABLE_FLAT_FIELD"].data
        assert field["data"][5:-5] == pytest.approx(np.median(field["data"]), rel=0.01)
    # what the store exports is the same file, byte for byte but for the time of its checksums
    assert run(["export", str(out / "PIXTABLE_OBJECT_0001-01.zarr"), str(out / "again.fits")]) == 0
    with fits.open(out / "again.fits", checksum=True) as again, fits.open(out / "PIXTABLE_OBJECT_0001-01.fits") as one:
        for a, b in zip(again, one, strict=True):
            assert a.header.get("DATASUM") == b.header.get("DATASUM")
        assert again[0].header["DATAMD5"] == one[0].header["DATAMD5"]


def test_binary_table_format(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_PIXTABLE_SAVE_AS_TABLE", "1")
    out = reduced(frames(directory, tmp_path), tmp_path, "--saveimage=false")
    with fits.open(out / "PIXTABLE_OBJECT_0001-01.fits", checksum=True) as hdus:
        assert hdus[1].columns.names == list(REQUIRED) and hdus[1].columns["data"].unit == "count"
    table, rows = everything(out / "PIXTABLE_OBJECT_0001-01.fits")
    assert table.format == "FITS binary table"
    store = everything(out / "PIXTABLE_OBJECT_0001-01.zarr")[1]
    assert sorted(store["origin"].tolist()) == sorted(rows["origin"].tolist())


def test_exposures_are_numbered_by_tag_and_may_be_combined(directory, tmp_path):
    sky = f"{directory}/object1.fits SKY"
    out = reduced(frames(directory, tmp_path, sky, objects=(0, 1)), tmp_path, "--resample=true")
    names = {p.name for p in out.iterdir()}
    for stem in ("OBJECT_0001", "OBJECT_0002", "SKY_0001"):
        tag, number = stem.split("_")
        assert {f"PIXTABLE_{stem}-01.zarr", f"{tag}_RED_{number}-01.fits", f"{tag}_RESAMPLED_{number}-01.fits"} <= names
    with fits.open(out / "SKY_RESAMPLED_0001-01.fits", checksum=True) as hdus:
        image, header = hdus["DATA"].data, hdus["DATA"].header
    row = round((LINE - header["CRVAL2"]) / header["CD2_2"])
    assert np.abs(np.argmax(np.median(image, axis=1)) - row) <= 1 and header["CD2_2"] == 1.25
    assert image.shape[1] in range(48 * 75, 48 * 77 + 1)
    both = reduced(frames(directory, tmp_path, objects=(0, 1)), tmp_path / "both", "--combine=average")
    assert sorted(p.name for p in both.iterdir()) == ["OBJECT_RED_0001-01.fits", "PIXTABLE_OBJECT_0001-01.zarr"]
    with fits.open(both / "OBJECT_RED_0001-01.fits") as hdus:
        mean, header = hdus["DATA"].data, hdus[0].header
    parts = [fits.getdata(out / f"OBJECT_RED_000{k}-01.fits", "DATA") for k in (1, 2)]
    lit = flat_light(ROWS, 1.0) > 0.9
    assert mean[lit] == pytest.approx((0.5 * (parts[0] + parts[1]))[lit], rel=1e-4, abs=1e-2)
    assert header["ESO PRO DATANCOM"] == 2 and header["ESO PRO REC1 RAW2 CATG"] == "OBJECT"


def test_reduced_image_gives_the_same_table(directory, tmp_path):
    out = reduced(frames(directory, tmp_path), tmp_path, "--crop=false")
    sof = tmp_path / "reduced.sof"
    names = [n for n in NAMES if "MASTER" not in n]
    lines = [f"{directory}/{n}.fits {n.removesuffix('-01')}" for n in names]
    sof.write_text("\n".join([f"{out}/OBJECT_RED_0001-01.fits REDUCED", *lines]))
    reduced(str(sof), tmp_path, "--crop=false")
    first = everything(out / "PIXTABLE_OBJECT_0001-01.zarr")
    second = everything(out / "PIXTABLE_REDUCED_0001-01.zarr")
    for name in REQUIRED:
        assert np.array_equal(first[1][name], second[1][name]), name
    assert second[0].header["ESO PRO REC2 RAW1 CATG"] == "REDUCED"
    assert "ESO DRS MUSE OVSC1 MEAN" not in second[0].header


def test_cosmic_rays_get_their_flag(directory, tmp_path):
    light = sky_light()
    places = [(40, 60), (90, 1000), (200, 3000)]
    for y, x in places:
        light[y, x] += 3000.0
    path = write_raw(tmp_path / "hit.fits", [extension(raw_image(light, NX, NY, 77), 1, NX, NY)], 600.0)
    out = reduced(frames(directory, tmp_path, f"{path} STD", objects=()), tmp_path, "--cr=dcr", "--skylines=none")
    dq = fits.getdata(out / "STD_RED_0001-01.fits", "DQ")
    assert all(dq[place] & 32 for place in places)
    # rows of a bright line may look like gaps, those of the continuum may not
    away = (flat_light(ROWS, 1.0) > 0.9) & (np.abs(wavelengths() - LINE) > 10)[:, None]
    assert ((dq & 32) != 0)[away].mean() < 1e-3
    header = everything(out / "PIXTABLE_STD_0001-01.zarr")[0].header
    assert header["ESO QC SCIBASIC LAMBDA SHIFT"] == 0.0


def test_same_bits_with_any_number_of_threads(directory, tmp_path, monkeypatch):
    found = []
    for n in (1, 5):
        monkeypatch.setattr("musedeep.processors.limits", lambda n=n: [n])
        out = reduced(frames(directory, tmp_path), tmp_path / str(n), "--saveimage=false")
        found.append(everything(out / "PIXTABLE_OBJECT_0001-01.zarr")[1])
    for name in REQUIRED:
        assert found[0][name].tobytes() == found[1][name].tobytes()


def failure(capsys, status, sof, *options):
    """The one line of a call that must fail."""
    capsys.readouterr()
    assert run(["recipe", "muse_scibasic", *options, sof]) == status
    error = capsys.readouterr().err
    assert "Traceback" not in error and len(error.strip().splitlines()) == 1, error
    return error


def test_bad_input_is_named(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def sof(*more, **how):
        return frames(directory, tmp_path, *more, **how)

    assert "OBJECT, STD, SKY, ASTROMETRY" in failure(capsys, 1, sof(objects=()))
    assert "MASTER_FLAT" in failure(capsys, 1, sof(without=("MASTER_FLAT-01",)))
    assert "TRACE_TABLE" in failure(capsys, 1, sof(without=("TRACE_TABLE-01",)))
    assert "1 GEOMETRY_TABLE, found 2" in failure(capsys, 1, sof(f"{directory}/WAVECAL_TABLE-01.fits GEOMETRY_TABLE"))
    other = sof(f"{directory}/WAVECAL_TABLE-02.fits WAVECAL_TABLE", without=("WAVECAL_TABLE-01",))
    assert "CHAN02" in failure(capsys, 1, other)
    assert "CHAN05" in failure(capsys, 1, sof(), "--nifu=5")
    assert "nifu=25" in failure(capsys, 2, sof(), "--nifu=25")
    assert "skylines" in failure(capsys, 2, sof(), "--skylines=5577,green")
    assert "skybinsize=0" in failure(capsys, 2, sof(), "--skybinsize=0")
    assert "xbox=1" in failure(capsys, 2, sof(), "--xbox=1", "--cr=dcr")
    assert "dlambda" in failure(capsys, 2, sof(), "--dlambda=-1")
    assert "cr=dcr" in failure(capsys, 2, sof(objects=(0, 1)), "--cr=dcr", "--combine=median")
    assert "--skylines" in failure(capsys, 2, sof(), "--skyline=none")
    assert "dcr" in failure(capsys, 2, sof(), "--cr=dcrr")
    assert not list(tmp_path.glob("PIXTABLE*"))


def test_bad_frames_are_named(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cut = tmp_path / "cut.fits"
    cut.write_bytes((directory / "object0.fits").read_bytes()[:1_000_000])
    assert "cut.fits" in failure(capsys, 1, frames(directory, tmp_path, f"{cut} OBJECT", objects=()))
    chip = tmp_path / "chip.fits"
    hdu = extension(raw_image(None, NX, NY, 1), 1, NX, NY, {"ESO DET CHIP ID": "other"})
    write_raw(chip, [hdu], 600.0)
    assert "CHIP ID" in failure(capsys, 1, frames(directory, tmp_path, f"{chip} OBJECT", objects=()))
    dark = write_raw(tmp_path / "dark.fits", [extension(np.full((384, 4224), 1200, "u2"), 1, NX, NY)], 5.0)
    assert "ILLUM" in failure(capsys, 1, frames(directory, tmp_path, f"{dark} ILLUM"))
    with fits.open(directory / "TRACE_TABLE-01.fits") as hdus:
        for name in hdus[1].columns.names[2:]:
            hdus[1].data[name] = 0.0
        hdus.writeto(tmp_path / "failed.fits")
    bad = frames(directory, tmp_path, f"{tmp_path}/failed.fits TRACE_TABLE", without=("TRACE_TABLE-01",))
    assert "8.2" in failure(capsys, 1, bad)
    assert "exists already" in failure_of_second_run(directory, tmp_path, capsys)


def test_a_damaged_calibration_is_named_beside_good_ones_of_other_ifus(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        kind, whole = name.removesuffix("-01"), (directory / f"{name}.fits").read_bytes()
        damaged, other = tmp_path / f"{name}.fits", tmp_path / "other.fits"
        other.write_bytes(whole.replace(b"CHAN01", b"CHAN02"))
        lines = [f"{damaged} {kind}"] + [f"{other} {kind}"] * name.endswith("-01")
        for content in (whole[:-2880], b"no FITS file" * 300, gzip.compress(whole)[:-9]):
            damaged.write_bytes(content)
            assert f"{damaged}: " in failure(capsys, 1, frames(directory, tmp_path, *lines, without=(name,)))
    assert not list(tmp_path.glob("PIXTABLE*"))


def failure_of_second_run(directory, tmp_path, capsys):
    sof = frames(directory, tmp_path)
    reduced(sof, tmp_path)
    return failure(capsys, 1, sof)


def test_slices_without_a_trace_are_left_out(directory, tmp_path):
    with fits.open(directory / "TRACE_TABLE-01.fits") as hdus:
        for name in hdus[1].columns.names[2:]:
            hdus[1].data[name][6] = 0.0
        hdus.writeto(tmp_path / "failed.fits")
    sof = frames(directory, tmp_path, f"{tmp_path}/failed.fits TRACE_TABLE", without=("TRACE_TABLE-01",))
    out = reduced(sof, tmp_path)
    number = everything(out / "PIXTABLE_OBJECT_0001-01.zarr")[1]["origin"] & 63
    assert sorted(set(range(1, 49)) - set(number.tolist())) == [7]
