"""muse_lingain: the gain and the read-out noise of the frames come out, and what cannot be measured is refused."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.recipes.registry import named
from tests.makers import monitoring_frames
from tests.makers.quality_keywords import differences, keywords
from tests.makers.raw_frames import GAIN, NOISE

SMALL = "--ybox=25", "--linearmax=3.2", "--order=2", "--ctsbin=0.3", "--signalbin=0.3"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lingain")
    return directory, monitoring_frames.calibrations(directory), monitoring_frames.write_series(directory)


def call(directory, out, lines, *options):
    out.mkdir(exist_ok=True)
    (out / "in.sof").write_text("".join(lines))
    return run(["recipe", "muse_lingain", "--nifu=1", *options, str(out / "in.sof"), "--output-dir", str(out)])


def test_gain_noise_and_non_linearity(frames, tmp_path):
    directory, calibrations, series = frames
    assert call(directory, tmp_path, [*series, *calibrations], *SMALL) == 0
    path = tmp_path / "NONLINEARITY_GAIN-01.fits"
    header, table = fits.getheader(path), fits.getdata(path, "NONLINEARITY")
    for number, gain in enumerate(GAIN, 1):
        key = f"ESO QC LINGAIN OUT{number} "
        assert header[key + "GAIN"] == pytest.approx(gain, rel=0.01)
        assert header[key + "CONAD"] * header[key + "GAIN"] == pytest.approx(1.0)
        # the noise of the frames is in adu, and rounding to whole numbers adds to it
        expected = np.hypot(NOISE, 1.0 / np.sqrt(12.0)) * header[key + "GAIN"]
        assert header[key + "RON"] == pytest.approx(expected, rel=0.01)
        assert header[key + "COUNTS MIN"] >= 100.0
        # a linear detector, percent
        assert np.nanmax(np.abs(table["deviation"][number - 1])) < 0.2
    assert header["ESO PRO REC1 RAW1 CATG"] == "LINGAIN_LAMP_OFF" and header["ESO PRO DATANCOM"] == 10
    assert not differences(named("muse_lingain"), keywords([path])["muse_lingain"])


def test_a_pair_of_unequal_flux_is_left_out(frames, tmp_path, capsys):
    directory, calibrations, series = frames
    with fits.open(directory / "LINGAIN_LAMP_ON-4-1.fits") as hdus:
        hdus[1].data = (hdus[1].data * 0.97).astype(np.uint16)
        hdus.writeto(tmp_path / "dimmer.fits")
    changed = [f"{tmp_path}/dimmer.fits LINGAIN_LAMP_ON\n" if "ON-4-1" in line else line for line in series]
    assert call(directory, tmp_path / "out", [*changed, *calibrations], *SMALL) == 0
    assert "dimmer.fits: fluxes differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (lambda line: "ON-1-" in line, "all 2 LINGAIN_LAMP_ON are of 0.5 s"),
        (lambda line: "ON-1-1" in line or "ON-2-1" in line, "not two of each"),
        (lambda line: "ON-1" in line or "ON-2-1" in line, "not two of each"),
        (lambda line: False, "needs at least 2 LINGAIN_LAMP_ON"),
    ],
)
def test_lamp_exposures_of_one_level_are_refused(frames, tmp_path, capsys, wanted, says):
    directory, calibrations, series = frames
    lines = [line for line in series if "OFF" in line or wanted(line)]
    assert call(directory, tmp_path, [*lines, *calibrations], *SMALL) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*NONLIN*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--gainlimit=1e6",), "the gain needs 3"),
        (("--linearmin=1", "--linearmax=1.1"), "the non-linearity needs signals from linearmin"),
        (("--xgap=60",), "no window of 25 rows"),
    ],
)
def test_parameters_that_leave_nothing_are_refused(frames, tmp_path, capsys, options, says):
    directory, calibrations, series = frames
    given = [one for one in SMALL if one.partition("=")[0] not in {o.partition("=")[0] for o in options}]
    assert call(directory, tmp_path, [*series, *calibrations], *given, *options) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
