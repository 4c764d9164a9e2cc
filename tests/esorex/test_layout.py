"""Lines of text as esorex breaks them."""

from hypothesis import given
from hypothesis import strategies as st

from musedeep.esorex.layout import broken, hanging, listed, sentence


@given(st.text("ab ", max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_breaking_loses_nothing_and_keeps_to_the_width(text, first, others):
    lines = broken(text, first, others)
    assert " ".join(lines) == text
    for k, line in enumerate(lines):
        assert len(line) <= (others if k else first) or " " not in line


def test_lists():
    assert listed("muse_bias", "one two", 80) == "  muse_bias             : one two"
    assert listed("a" * 22, "one", 80) == f"  {'a' * 22}: one"
    assert listed("a" * 23, "one", 80) == f"  {'a' * 23}  : one"
    assert listed("a", "one two three", 34) == f"  a{' ' * 21}: one two\n{' ' * 26}three"
    assert hanging("Recipe: ", "one two three", 16, 2) == "Recipe: one two\n  three"


def test_sentences_end_with_a_full_stop():
    assert sentence("One") == sentence("One. ") == "One."
