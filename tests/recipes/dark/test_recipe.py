"""muse_dark on small frames: the dark current and hot pixels that are put in come out."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.raw_frames import extension, raw_image, write_biases, write_raw

SECONDS, RATE = 1800.0, 40.0


@pytest.fixture
def darks(tmp_path):
    light = np.full((300, 400), RATE * SECONDS / 3600)
    light[33, 44] = 5000.0
    sof, _ = write_biases(tmp_path, n=5)
    assert run(["recipe", "muse_bias", str(sof), "--output-dir", str(tmp_path)]) == 0
    lines = [f"{tmp_path}/MASTER_BIAS-01.fits MASTER_BIAS\n"]
    for k in range(4):
        # one exposure is longer than the others
        factor = 1.5 if k == 3 else 1.0
        image = raw_image(light * factor, seed=100 + k)
        path = write_raw(tmp_path / f"dark{k}.fits", [extension(image)], SECONDS * factor)
        lines.append(f"{path} DARK\n")
    path = tmp_path / "dark.sof"
    path.write_text("".join(lines))
    return path


def test_dark_current_and_hot_pixels(darks):
    assert run(["recipe", "muse_dark", "--nifu=1", str(darks), "--output-dir", str(darks.parent)]) == 0
    with fits.open(darks.parent / "MASTER_DARK-01.fits") as hdus:
        header, data, dq, stat = hdus[0].header, hdus["DATA"].data, hdus["DQ"].data, hdus["STAT"].data
    assert np.median(data) == pytest.approx(RATE, rel=0.02)
    assert header["ESO QC DARK MASTER DC"] == pytest.approx(RATE, rel=0.02)
    assert header["EXPTIME"] == 3600.0 and header["ESO PRO CATG"] == "MASTER_DARK"
    assert dq[33, 44] == 256 and data[33, 44] == pytest.approx(10000, rel=0.05)
    assert header["ESO QC DARK MASTER NBADPIX"] == (dq == 256).sum() < 200
    # photons of all frames, and the variance of the bias (no read-out noise; see docs/background/frames.md)
    assert np.median(stat) > RATE * 2 / 4.5


def test_exposure_time_of_the_master_dark(darks):
    """The manual's normalize; the dark current is that of an hour whatever it is."""
    for given, exptime in (("900", 900.0), ("-1", SECONDS)):
        out = darks.parent / given
        assert (
            run(["recipe", "muse_dark", "--nifu=1", f"--normalize={given}", str(darks), "--output-dir", str(out)]) == 0
        )
        with fits.open(out / "MASTER_DARK-01.fits") as hdus:
            header, data = hdus[0].header, hdus["DATA"].data
        assert np.median(data) == pytest.approx(RATE * exptime / 3600.0, rel=0.02)
        assert header["EXPTIME"] == exptime
        assert header["ESO QC DARK MASTER DC"] == pytest.approx(RATE, rel=0.02)
    # unscaled, the longer one of four counts as it is
    out = darks.parent / "unscaled"
    assert run(["recipe", "muse_dark", "--scale=false", str(darks), "--output-dir", str(out)]) == 0
    assert np.median(fits.getdata(out / "MASTER_DARK-01.fits", "DATA")) == pytest.approx(RATE * 1.125, rel=0.02)


@pytest.fixture
def full_size(tmp_path):
    """Three even darks of full-size frames, and a master bias."""
    size = {"nx": 2048, "ny": 2056}
    light = np.full((4112, 4096), 0.5)
    for kind, electrons, calibration in (
        ("BIAS", None, ""),
        ("DARK", light, f"{tmp_path}/MASTER_BIAS-01.fits MASTER_BIAS\n"),
    ):
        lines = [calibration]
        for k in range(3):
            hdu = extension(raw_image(electrons, seed=k + (10 if calibration else 0), **size), **size)
            lines.append(f"{write_raw(tmp_path / f'{kind}{k}.fits', [hdu], 1800.0)} {kind}\n")
        (tmp_path / f"{kind}.sof").write_text("".join(lines))
    assert run(["recipe", "muse_bias", str(tmp_path / "BIAS.sof"), "--output-dir", str(tmp_path)]) == 0
    return tmp_path / "DARK.sof"


def test_model(full_size):
    directory = full_size.parent
    assert run(["recipe", "muse_dark", "--model=true", str(full_size), "--output-dir", str(directory)]) == 0
    with fits.open(directory / "MODEL_DARK-01.fits") as model, fits.open(directory / "MASTER_DARK-01.fits") as dark:
        header = model[0].header
        assert header["ESO PRO CATG"] == "MODEL_DARK" and header["PIPEFILE"] == "MODEL_DARK-01.fits"
        assert header["EXPTIME"] == 3600.0 and header["ESO DRS MUSE OVSC1 MEAN"] == pytest.approx(1200, abs=10)
        assert not [key for key in header if key.startswith("ESO QC")]
        assert "ESO QC DARK MASTER NBADPIX" in dark[0].header
        assert [hdu.name for hdu in model] == [hdu.name for hdu in dark]
        assert [hdu.header.get("BUNIT") for hdu in model] == [hdu.header.get("BUNIT") for hdu in dark]
        data, good = model["DATA"].data, dark["DQ"].data == 0
        # half an electron in half an hour
        assert np.abs(data - 1.0).mean() < 0.05 and np.abs(data[1000:3000] - 1.0).max() < 0.1
        assert np.mean(dark["DATA"].data[good]) == pytest.approx(data[good].mean(), abs=0.02)
        assert (model["STAT"].data >= dark["STAT"].data).all()
        assert ((model["DQ"].data & dark["DQ"].data) == dark["DQ"].data).all()


def test_what_darks_need(darks, capsys):
    lines = darks.read_text().splitlines(keepends=True)
    darks.write_text("".join(lines[1:]))
    assert run(["recipe", "muse_dark", str(darks)]) == 1
    assert "needs at least 1 MASTER_BIAS, found 0" in capsys.readouterr().err
    darks.write_text("".join(lines))
    assert run(["recipe", "muse_dark", "--overscan=offset", str(darks)]) == 1
    assert "made with overscan=vpoly" in capsys.readouterr().err
    assert run(["recipe", "muse_dark", "--model=true", str(darks)]) == 1
    assert "400 x 300 pixels, model=true is for 4096 x 4112; leave it out" in capsys.readouterr().err
    with fits.open(darks.parent / "MASTER_BIAS-01.fits", mode="update") as hdus:
        hdus[0].header["EXTNAME"] = "CHAN09"
    assert run(["recipe", "muse_dark", str(darks)]) == 1
    assert "no MASTER_BIAS of IFU 1" in capsys.readouterr().err
