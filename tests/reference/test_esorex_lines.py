"""Command lines of esorex, run unmodified by esorex and by ours: exit status, kind of error, files that are made."""

import re
import sys

import pytest

from tests.makers.esorex_inputs import write_inputs
from tests.makers.esorex_lines import command_lines, run_line, write_program

pytestmark = [pytest.mark.reference, pytest.mark.usefixtures("reference_installed")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The frames of the sets-of-frames."""
    directory = tmp_path_factory.mktemp("inputs")
    write_inputs(directory)
    return directory


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A directory with our esorex."""
    return write_program(tmp_path_factory.mktemp("programs") / "bin", sys.executable)


@pytest.mark.parametrize("one", command_lines(), ids=lambda one: one.line[:60])
def test_line(one, inputs, ours, tmp_path):
    for of_ours, programs in ((False, None), (True, ours)):
        outcome = run_line(one, tmp_path / f"{of_ours}", inputs, programs)
        assert outcome.status == one.expected("status", of_ours), outcome.output
        assert outcome.kind == one.expected("kind", of_ours), outcome.output
        assert outcome.products == one.expected("makes", of_ours)
        assert re.search(one.shows, outcome.output, re.MULTILINE)
