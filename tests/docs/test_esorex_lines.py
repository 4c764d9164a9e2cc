"""The page with the command lines of esorex follows from the corpus."""

from tests.makers.esorex_lines import PAGE, command_lines, renewed


def test_the_page_is_that_of_the_corpus():
    page = PAGE.read_text()
    assert page == renewed(page), "run `python -m tests.makers.esorex_lines`"


def test_the_corpus():
    lines = command_lines()
    assert len(lines) >= 80
    assert len({(one.line, *one.files.values()) for one in lines}) == len(lines)
    assert all(bool(one.why) == bool(one.ours) for one in lines)
