"""What esorex says: its lines on the terminal, and its log file."""

import io
import logging
import re
import sys

import pytest

from musedeep.esorex.errors import EsorexProblem
from musedeep.esorex.log import Messages, write
from musedeep.progress import LOG


@pytest.fixture
def messages():
    made = Messages()
    yield made
    made.close()


def test_lines_get_a_time_and_a_thread_as_the_call_goes_on(messages, capsys):
    messages.info("first")
    messages.timed = True
    messages.warning("second")
    messages.threaded, messages.recipe = True, "muse_bias"
    messages.say(logging.INFO, "third", "work")
    messages.error("fourth")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "[ INFO  ] esorex: first"
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[WARNING\] esorex: second", lines[1])
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[ INFO  \] muse_bias: \[tid=000\] third", lines[2])
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[ ERROR \] esorex: \[tid=000\] fourth\n", err)


def test_with_debug_lines_have_the_function(messages, capsys):
    messages.terminal = logging.DEBUG
    messages.info("ours")
    messages.say(logging.DEBUG, "detail", "work")
    assert capsys.readouterr().out == "[ INFO  ] esorex: : ours\n[ DEBUG ] esorex: work: detail\n"


def test_severities_are_those_of_terminal_and_file(messages, capsys, tmp_path):
    messages.terminal = logging.ERROR
    messages.open_file(tmp_path / "a.log", "warning")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        messages.say(level, f"of {level}", "work")
    out, err = capsys.readouterr()
    assert not out and err == "[ ERROR ] esorex: work: of 40\n".replace("work: ", "")
    body = (tmp_path / "a.log").read_text()
    assert re.fullmatch(
        r"\nStart time     : \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\nProgram name   : esorex\nSeverity level : \[WARNING\] \n\n"
        r"\d\d:\d\d:\d\d \[WARNING\] work: \[tid=000\] of 30\n\d\d:\d\d:\d\d \[ ERROR \] work: \[tid=000\] of 40\n",
        body,
    )


def test_the_file_begins_with_the_program_and_the_command(messages, capsys, tmp_path):
    messages.open_file(tmp_path / "a.log", "info")
    messages.begin("3.13.6", "musedeep = 1", ["esorex", "muse_bias", "x y.sof"])
    lines = [line[9:] for line in (tmp_path / "a.log").read_text().splitlines()[5:]]
    assert lines == [
        "[ INFO  ] : [tid=000] This is EsoRex, version 3.13.6",
        "[ INFO  ] : [tid=000] using the libraries: musedeep = 1",
        "[ INFO  ] : [tid=000] Invocation command line was: esorex muse_bias 'x y.sof'",
    ]
    assert capsys.readouterr() == ("", "")


def test_no_file_where_its_level_is_off(messages, tmp_path):
    messages.open_file(tmp_path / "a.log", "off")
    messages.error("wrong")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_does_not_end_the_call(messages, capsys, tmp_path):
    messages.open_file(tmp_path / "missing" / "a.log", "info")
    messages.info("goes on")
    out = capsys.readouterr().out
    assert "cannot be written (No such file or directory)" in out and "goes on" in out


def test_each_call_begins_the_file_anew(tmp_path):
    for text in ("old", "new"):
        one = Messages()
        one.open_file(tmp_path / "a.log", "info")
        one.info(text)
        one.close()
    assert "old" not in (tmp_path / "a.log").read_text()


def test_a_line_is_added_to_the_file_of_another(messages, tmp_path):
    (tmp_path / "a.log").write_text("theirs\n")
    messages.append(tmp_path / "a.log", logging.INFO, "ours")
    messages.append(tmp_path / "missing" / "a.log", logging.INFO, "nowhere")
    assert re.fullmatch(r"theirs\n\d\d:\d\d:\d\d \[ INFO  \] : \[tid=000\] ours\n", (tmp_path / "a.log").read_text())


def test_what_musedeep_logs_is_said_of_the_recipe(messages, capsys):
    messages.recipe = "muse_bias"
    LOG.addHandler(messages)
    try:
        LOG.error("musedeep: something")
    finally:
        LOG.removeHandler(messages)
    assert capsys.readouterr().err == "[ ERROR ] muse_bias: something\n"


def test_places_are_called_by_the_names_that_users_know(messages, capsys, tmp_path):
    messages.call_place(tmp_path / ".esorex-1.part", tmp_path)
    messages.info(f"{tmp_path}/.esorex-1.part/A.fits: disk full")
    assert capsys.readouterr().out == f"[ INFO  ] esorex: {tmp_path}/A.fits: disk full\n"


def test_a_problem_is_said_line_by_line(messages, capsys):
    messages.problem(EsorexProblem(255, "wrong", (logging.WARNING, "advice")))
    assert capsys.readouterr() == ("[WARNING] esorex: advice\n", "[ ERROR ] esorex: wrong\n")


def test_texts_that_a_stream_does_not_have_are_escaped():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    write(stream, "5 \u212b\n")
    assert raw.getvalue() == b"5 \\u212b\n"


def test_a_reader_that_has_gone_does_not_end_the_call(monkeypatch, tmp_path):
    with open(tmp_path / "x", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
    Messages().info("to nobody")
