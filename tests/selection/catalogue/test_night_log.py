"""Night logs: what they say, lines that somebody has added, logs that have been cut off, and the real one."""

import math
from pathlib import Path

import pytest

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.night_log import read_night_log
from tests.makers.header_files import NIGHT_LOG

REAL = Path(__file__).parents[4] / "shared/data/real/MUSE.2017-06-16T01:34:56.867.NL.txt"


def written(path, text):
    path.write_text(text)
    return path


def test_what_a_log_says(tmp_path):
    log = read_night_log(written(tmp_path / "a.NL.txt", NIGHT_LOG))
    assert (log.ob_id, log.ob_name, log.target, log.container) == ("200419123", "UDF_10_1", "UDF-10", "77")
    assert (log.run, log.ob_start, log.grade) == ("094.A-0205(B)", "2016-10-02T02:55:00", "B")
    assert log.comments == "Seeing out of constraints for the second exposure. Repeated once."
    seeing, sky, twilight = log.constraints
    assert (seeing.fulfilled, seeing.requested) == ("1.1", "0.8") and log.requested("Seeing") == 0.8
    assert (sky.fulfilled, sky.requested) == ("YES", "CLR") and twilight.fulfilled == ""
    assert math.isnan(log.requested("Strehl"))
    assert log.weather == (
        ("22:04", "ThickCirrus", "clouds at sunset New update at 22:40: clouds are going"),
        ("23:16", "Clear", ""),
    )
    first, second = log.files
    assert first.name == "MUSE.2016-10-02T03:04:05.678" and (first.airmass, first.seeing) == (1.062, 0.71)
    assert second.airmass == 1.1 and math.isnan(second.seeing)


def test_no_grade_and_no_container(tmp_path):
    text = NIGHT_LOG.replace("\t \tB", "\t \t_").replace("Container:  77", "Container:  0")
    log = read_night_log(written(tmp_path / "a.NL.txt", text))
    assert log.grade == "" and log.container == ""


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ("OB: ", "no line 'OB:'"),
        ("Constraint  ", "has no grade, so it has been cut off"),
        ("Grade:  ", "has no grade, so it has been cut off"),
        ("Original Filename", "has no table of files, so it has been cut off"),
    ],
)
def test_logs_cut_off(tmp_path, cut, said):
    path = written(tmp_path / "a.NL.txt", NIGHT_LOG[: NIGHT_LOG.index(cut)])
    with pytest.raises(MusedeepError, match=said) as error:
        read_night_log(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(MusedeepError, match="cannot be read"):
        read_night_log(tmp_path / "a.NL.txt")


@pytest.mark.skipif(not REAL.exists(), reason="the real night log is not there")
def test_the_real_log():
    log = read_night_log(REAL)
    assert (log.ob_id, log.run, log.grade, log.container) == ("1755413", "60.A-9100(G)", "X", "")
    assert log.requested("Seeing") == 2.0 and log.requested("Airmass") == 5.0
    assert len(log.weather) == 11 and log.weather[0][1] == "ThickCirrus"
    assert [one.seeing for one in log.files] == [0.47, 0.52, 0.4, 0.44, 0.38, 0.49]
    assert log.files[0].name == "MUSE.2017-06-16T01:34:56.867"
