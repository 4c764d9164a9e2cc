"""Cards that break the FITS standard: what they become."""

import warnings

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.storage.fits.legal_cards import ascii_text, legal_cards


def raw(text, encoding="latin-1"):
    """A card as a file has it."""
    return text.encode(encoding).decode("latin-1").ljust(80)[:80]


@pytest.mark.parametrize(
    "card",
    [
        "OBJECT  = 'O''Neill   '        / name",
        "EXPTIME =            1.200E+03 / [s]",
        "HIERARCH ESO TEL AMBI PRES START = 743.7 / [hPa]",
        "HIERARCH ESO DET.CHIP X= T",
        "MJD-OBS =                      / not known",
        "A       = (1.0, -2.0)",
        "A       = 1.0E-300",
        "COMMENT anything at all = nan '",
        "END",
        "",
    ],
)
def test_legal_cards_stay(card):
    cards = [raw(card)]
    assert list(legal_cards(cards)) == cards


@pytest.mark.parametrize(
    ("card", "keyword", "value"),
    [
        ("EXPTIME =                  nan / [s]", "EXPTIME", "nan"),
        ("HIERARCH ESO TEL AIRM START = -inf / airmass", "ESO TEL AIRM START", "-inf"),
        ("MJD-OBS =               1.0E+309", "MJD-OBS", "1.0E+309"),
        ("OBJECT  = 'M 83", "OBJECT", "M 83"),
        ("OBJECT  = 'M 83' and more", "OBJECT", "M 83 and more"),
        ("exptime =                 12.5", "EXPTIME", 12.5),
        ("OBJECT  = 'Größe'", "OBJECT", "Gro?e"),
        ("OBJECT  = 'a\tb\0'", "OBJECT", "a b"),
        ("NGC4038", "COMMENT", "NGC4038"),
        ("EXPTIME=12.5", "COMMENT", "EXPTIME=12.5"),
        ("A B     = 1", "COMMENT", "A B     = 1"),
        ("CONTINUE  'of nothing'", "COMMENT", "CONTINUE  'of nothing'"),
    ],
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_others_are_made_legal(card, keyword, value, encoding):
    (found,) = fits.Header.fromstring("".join(legal_cards([raw(card, encoding)]))).cards
    assert (found.keyword, found.value) == (keyword, value)


def test_comments_stay():
    (found,) = fits.Header.fromstring("".join(legal_cards([raw("EXPTIME = nan / [s] café")]))).cards
    assert found.comment == "[s] cafe"


def test_long_strings():
    """CONTINUE belongs to a string that ends in &, whatever characters it has."""
    cards = [raw("NAME    = 'Étoile &'"), raw("CONTINUE  'polaire &' / é"), raw("CONTINUE  'Ã'"), raw("CONTINUE  'x'")]
    header = fits.Header.fromstring("".join(legal_cards(cards)))
    assert header["NAME"] == "Etoile polaire A"
    assert header["COMMENT"][0] == "CONTINUE  'x'"


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=80), max_size=4), st.sampled_from([0, 8, 10, 35]))
def test_any_card_can_be_read(texts, kept):
    start = "EXPTIME = HIERARCH ESO TEL AMBI X = "[-kept:] if kept else ""
    cards = legal_cards([raw(start + text) for text in texts])
    assert all(len(card) == 80 and card.isascii() and card.isprintable() for card in cards)
    assert list(legal_cards(cards)) == list(cards)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = fits.Header.fromstring("".join(cards))
        for card in header.cards:
            assert card.value is not None and card.comment is not None


def test_ascii_text():
    assert ascii_text("NGC 1365 (Fornax)") == "NGC 1365 (Fornax)"
    assert ascii_text("café 漢🙂 Å\udce9\n") == "cafe ?? A? "
