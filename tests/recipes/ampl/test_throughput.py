"""muse_ampl: the light within the filter against what the photodiodes measured."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.recipes.ampl.light import PLANCK_TIMES_LIGHT
from musedeep.recipes.registry import named
from tests.makers import monitoring_frames
from tests.makers.monitoring_frames import CURRENT
from tests.makers.quality_keywords import differences, keywords


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ampl")
    return directory, monitoring_frames.calibrations(directory)


def call(out, lines, *options):
    out.mkdir(exist_ok=True)
    (out / "in.sof").write_text("".join(lines))
    return run(["recipe", "muse_ampl", "--nifu=1", *options, str(out / "in.sof"), "--output-dir", str(out)])


def test_photons_power_and_throughput(frames, tmp_path):
    _, calibrations = frames
    lines = [line for line in [*monitoring_frames.write_ampl(tmp_path), *calibrations] if "GEOMETRY" not in line]
    assert call(tmp_path / "out", lines, "--savemaster", "--savetable") == 0
    out = tmp_path / "out"
    header = fits.getheader(out / "AMPL_CONVOLVED-01.fits")
    photons, energy = (fits.getdata(out / "AMPL_CONVOLVED-01.fits", name) for name in ("PHOTONS", "ENERGY"))
    master, table = fits.getdata(out / "MASTER_AMPL-01.fits", "DATA"), fits.getdata(out / "TABLE_AMPL-01.fits", 1)
    lit = photons > 0
    # a box filter of one half, a wavelength that depends on the row alone
    inner = lit.copy()
    inner[:45] = inner[195:] = False
    assert photons[inner] == pytest.approx(0.5 * master[inner], rel=1e-5)
    wavelength = 6250.0 + 1.25 * (1.0 + np.nonzero(inner)[0])
    assert energy[inner] == pytest.approx(photons[inner] * PLANCK_TIMES_LIGHT / wavelength, rel=1e-5)
    assert header["ESO QC AMPL PHOTONS"] == pytest.approx(photons.sum(dtype=float), rel=1e-6)
    power = energy.sum(dtype=float) / 2.0
    assert header["ESO QC AMPL POWER"] == pytest.approx(power, rel=1e-6)
    assert table["data"].sum(dtype=float) == pytest.approx(header["ESO QC AMPL PHOTONS"], rel=1e-6)
    area = 60.0**2 / 24.0 / 17.05**2
    first, second = 0.3360, 0.4102  # at 6400 Angstrom
    assert header["ESO QC AMPL THRU1"] == pytest.approx(100 * power / area / (CURRENT * 1e-3 / first), rel=0.003)
    assert header["ESO QC AMPL THRU2"] == pytest.approx(100 * power / area / (1.1e-3 * CURRENT / second), rel=0.003)
    each = [header[f"ESO QC AMPL SLICE{k} THRU2"] for k in range(1, 49)]
    assert np.mean(each) == pytest.approx(header["ESO QC AMPL THRU2"], rel=1e-5)
    assert header["ESO QC AMPL THRU2ERR"] == pytest.approx(0.050990 * header["ESO QC AMPL THRU2"], rel=1e-4)
    assert not differences(named("muse_ampl"), keywords(out.glob("*.fits"))["muse_ampl"])
    # pixels of the table are where its origins say
    origin, first_slice = table["origin"], np.nonzero((table["origin"] & 63) == 1)[0]
    offset = fits.getheader(out / "TABLE_AMPL-01.fits")["ESO DRS MUSE PIXTABLE EXP0 IFU01 SLICE01 XOFFSET"]
    y, x = (origin[first_slice] >> 11) & 8191, ((origin[first_slice] >> 24) & 127) + offset
    assert (photons[y - 1, x - 1] == table["data"][first_slice]).all()


def test_area_and_beam(frames, tmp_path):
    directory, calibrations = frames
    lines = monitoring_frames.write_ampl(tmp_path)
    without = [line for line in calibrations if "GEOMETRY" not in line]
    with fits.open(directory / "GEOMETRY_TABLE.fits") as hdus:
        hdus[1].data["width"] *= 1.25
        hdus.writeto(tmp_path / "wider.fits")
    wider = [*without, f"{tmp_path}/wider.fits GEOMETRY_TABLE\n"]
    found = []
    for name, given, options in (("a", without, ()), ("b", wider, ()), ("c", without, ("--fbeam=2.2",))):
        assert call(tmp_path / name, [*lines, *given], *options) == 0
        found.append(fits.getheader(tmp_path / name / "AMPL_CONVOLVED-01.fits"))
    assert found[2]["ESO QC AMPL THRU2"] == pytest.approx(found[0]["ESO QC AMPL THRU2"] / 2, rel=1e-5)
    assert found[2]["ESO QC AMPL THRU1"] == found[0]["ESO QC AMPL THRU1"]
    assert found[1]["ESO QC AMPL POWER"] == found[0]["ESO QC AMPL POWER"]
    # slices of 75 pixels in rows one unit apart have the area of the field
    assert found[1]["ESO QC AMPL THRU1"] == pytest.approx(found[0]["ESO QC AMPL THRU1"] / 1.25, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"left_out": "ESO INS AMPL1 CURR"}, "no ESO INS AMPL1 CURR; give AMPL exposures with readings"),
        ({"left_out": "ESO INS AMPL2 CURR"}, "no ESO INS AMPL2 CURR"),
        ({"left_out": "ESO INS AMPL2 FILTER"}, "no ESO INS AMPL2 FILTER"),
        ({"comment": "[A] current"}, "is not said to be in mA"),
    ],
)
def test_missing_readings_are_one_line(frames, tmp_path, capsys, options, says):
    _, calibrations = frames
    assert call(tmp_path / "out", [*monitoring_frames.write_ampl(tmp_path, **options), *calibrations]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not list((tmp_path / "out").glob("*.fits"))


def test_a_filter_that_is_not_in_the_list_is_refused(frames, tmp_path, capsys):
    _, calibrations = frames
    lines = monitoring_frames.write_ampl(tmp_path)
    with fits.open(tmp_path / "filters.fits", mode="update") as hdus:
        hdus[1].header["EXTNAME"] = "Other"
    assert call(tmp_path / "out", [*lines, *calibrations]) == 1
    assert "no filter Box" in capsys.readouterr().err
