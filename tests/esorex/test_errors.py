"""The end of a call: its status and lines."""

import logging

from musedeep.esorex.errors import EsorexProblem


def test_lines_without_a_level_are_errors():
    problem = EsorexProblem(255, "bad", (logging.WARNING, "look"))
    assert problem.lines == ((logging.ERROR, "bad"), (logging.WARNING, "look"))
    assert problem.status == 255
    assert str(problem) == "bad; look"
