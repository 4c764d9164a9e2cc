"""Headers of raw frames."""

import pytest

from musedeep.simulate.effects import Effects
from musedeep.simulate.headers import DPR, extension_header, primary_header
from musedeep.simulate.optics import Instrument
from musedeep.simulate.pinholes import mask_position
from musedeep.simulate.pointing import local_sidereal_time
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import SMALL, Counts, night_schedule


@pytest.fixture(scope="module")
def exposures():
    counts = Counts(**{**SMALL.__dict__, "masks": 2})
    return {e.kind: e for e in night_schedule("WFM-NOAO-N", make_scene("empty"), 1, counts)}


@pytest.mark.parametrize("kind", DPR)
def test_every_raw_type_is_classified_by_its_header(exposures, kind):
    header = primary_header(exposures[kind])
    found = header["ESO DPR CATG"], header["ESO DPR TYPE"], header["ESO DPR TECH"]
    assert found == (*DPR[kind], "IFU")
    assert list(DPR.values()).count(found[:2]) == 1
    assert header["ESO INS MODE"] == "WFM-NOAO-N" and header["ESO INS OPTI2 NAME"] == "WFM"


@pytest.mark.parametrize(
    ("kind", "lit"), [("BIAS", []), ("FLAT", [1, 2]), ("ILLUM", [1, 2]), ("ARC", [5]), ("MASK", [3, 5]), ("OBJECT", [])]
)
def test_lamps_and_shutters(exposures, kind, lit):
    header = primary_header(exposures[kind])
    on = [n for n in range(1, 7) if header[f"ESO INS LAMP{n} ST"] and header[f"ESO INS SHUT{n} ST"]]
    assert on == lit


def test_times_agree_with_each_other(exposures):
    header = primary_header(exposures["OBJECT"])
    assert header["UTC"] == pytest.approx((header["MJD-OBS"] % 1.0) * 86400.0, abs=1e-3)
    assert header["LST"] == pytest.approx(local_sidereal_time(header["MJD-OBS"]) * 240.0, abs=0.01)
    assert header["ARCFILE"] == f"MUSE.{header['DATE-OBS']}.fits"


def test_frames_of_the_sky_say_where_the_telescope_was(exposures):
    header = primary_header(exposures["OBJECT"])
    for name in ("RA", "DEC", "ESO TEL AIRM START", "ESO TEL PARANG END", "ESO TEL AMBI RHUM", "ESO INS DROT POSANG"):
        assert name in header
    assert header["ESO INS DROT MODE"] == "SKY"
    assert "RA" not in primary_header(exposures["BIAS"])


def test_mask_frames_say_where_the_mask_was(exposures):
    header = primary_header(exposures["MASK"])
    assert header["ESO INS POS3 POS"] == pytest.approx(mask_position(1))


def test_the_extension_describes_the_four_ports():
    detector = Instrument(ifus=(9,), effects=Effects()).ifu(9).detector
    header = extension_header(9, detector)
    assert header["EXTNAME"] == "CHAN09"
    corners = [(header[f"ESO DET OUT{n} X"], header[f"ESO DET OUT{n} Y"]) for n in range(1, 5)]
    assert corners == [(1, 1), (4096, 1), (4096, 4112), (1, 4112)]
    for n, quadrant in enumerate(detector.quadrants, 1):
        assert header[f"ESO DET OUT{n} GAIN"] == pytest.approx(quadrant.gain, abs=1e-4)
        assert header[f"ESO DET OUT{n} RON"] == pytest.approx(quadrant.read_noise, abs=1e-3)
