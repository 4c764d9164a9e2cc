"""Headers of raw frames."""

import re
from dataclasses import replace

import pytest

from musedeep.simulate.effects import Effects
from musedeep.simulate.exposure import templates
from musedeep.simulate.headers import DPR, TRACKED, extension_header, primary_header
from musedeep.simulate.optics import Instrument
from musedeep.simulate.pinholes import mask_position
from musedeep.simulate.pointing import local_sidereal_time
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import MONITORING, SMALL, night_schedule, single_frames


@pytest.fixture(scope="module")
def exposures():
    counts = replace(SMALL, masks=2, lsf_arcs=1)
    scene = make_scene("empty")
    night = {e.kind: e for e in night_schedule("WFM-NOAO-N", scene, 1, counts)}
    alone = {kind: single_frames(kind, "WFM-NOAO-N", 1, 1, None, scene)[0] for kind in ("ILLUMFLAT", *MONITORING)}
    return night | alone


SAME = {kind: ["ILLUM", "ILLUMFLAT"] for kind in ("ILLUM", "ILLUMFLAT")}
"""The frame has one name for muse_scibasic, and one for muse_illum."""


@pytest.mark.parametrize("kind", DPR)
def test_every_raw_type_is_classified_by_its_header(exposures, kind):
    header = primary_header(exposures[kind])
    found = header["ESO DPR CATG"], header["ESO DPR TYPE"], header["ESO DPR TECH"]
    assert found == (*DPR[kind], "IFU")
    assert [other for other, words in DPR.items() if words == found[:2]] == SAME.get(kind, [kind])
    assert header["ESO INS MODE"] == "WFM-NOAO-N" and header["ESO INS OPTI2 NAME"] == "WFM"


@pytest.mark.parametrize(
    ("kind", "lit"),
    [
        ("BIAS", []),
        ("FLAT", [1, 2]),
        ("ILLUM", [1, 2]),
        ("ARC", [5]),
        ("ARC_LSF", [5]),
        ("MASK", [3, 5]),
        ("OBJECT", []),
    ],
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


def test_flats_are_told_apart_by_their_template(exposures):
    """ESO's rules know FLAT and ILLUM by these patterns."""
    for kind, pattern in (("FLAT", "MUSE_[wn]fm_cal_specflat"), ("ILLUM", "MUSE_[wn]fm_cal_illum")):
        assert re.fullmatch(pattern, primary_header(exposures[kind])["ESO TPL ID"])


@pytest.mark.parametrize(
    ("mode", "filter_name", "scale"),
    [
        ("WFM-NOAO-N", "Blue", 0.2),
        ("WFM-AO-N", "Blue-Na2", 0.2),
        ("WFM-AO-E", "Na", 0.2),
        ("NFM-AO-N", "Blue-Na2", 0.025),
    ],
)
def test_the_nominal_range_has_a_blue_filter(exposures, mode, filter_name, scale):
    header = primary_header(replace(exposures["OBJECT"], mode=mode))
    assert header["ESO INS OPTI1 NAME"] == filter_name
    assert header["ESO INS OPTI2 NAME"] == mode[:3] and header["ESO OCS IPS PIXSCALE"] == scale


def test_a_sequence_is_counted():
    taken = night_schedule("WFM-NOAO-N", make_scene("empty"), 1, SMALL)
    template = templates(taken)
    darks = [primary_header(e, template[e.index]) for e in taken if e.kind == "DARK"]
    assert [(h["ESO TPL EXPNO"], h["ESO TPL NEXP"]) for h in darks] == [(1, 3), (2, 3), (3, 3)]
    assert {h["ESO TPL START"] for h in darks} == {darks[0]["DATE-OBS"][:19]} and len(
        {h["ESO OBS ID"] for h in darks}
    ) == 1
    # all lamps are one sequence
    assert {template[e.index].total for e in taken if e.kind == "ARC"} == {9}


def test_the_seeing_is_there_wherever_a_recipe_looks_for_it(exposures):
    for kind in TRACKED:
        header = primary_header(exposures[kind])
        assert header["ESO TEL IA FWHMLIN"] == header["ESO TEL AMBI FWHM START"] == exposures[kind].seeing
        assert header["ESO OCS SGS AG FWHMX AVG"] == header["ESO OCS SGS AG FWHMY AVG"] >= exposures[kind].seeing


def test_every_card_fits_and_can_be_read_again(exposures):
    for exposure in exposures.values():
        header = primary_header(exposure)
        again = type(header).fromstring(header.tostring())
        assert list(again.items()) == list(header.items())
