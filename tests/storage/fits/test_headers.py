"""Values of headers: what is taken, and that what is not is named with file and keyword."""

from unittest.mock import patch

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.storage.fits import headers
from musedeep.storage.fits.headers import (
    HeaderUnit,
    integer_of,
    merge_headers,
    number_of,
    number_or_none,
    parse_cards,
    scan_file,
    text_of,
    value_of,
)
from tests.makers.pixel_tables import write_exposure


def header(*cards):
    return parse_cards([card.ljust(80) for card in cards])


def test_numbers():
    h = header("A       = 12", "B       = 1.5D2", "C       =", "A       = 13")
    assert number_of(h, "A", "f.fits") == 12.0
    assert number_of(h, "B", "f.fits", high=150.0) == 150.0
    assert number_of(h, "C", "f.fits", 7.0) == 7.0
    assert number_of(h, "D", "f.fits", -1.0) == -1.0
    assert integer_of(h, "B", "f.fits") == 150
    assert value_of(h, "C") is None and number_or_none(h, "D") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [("nan", "'nan'"), ("'12'", "'12'"), ("T", "True"), ("1E400", "'1E400'"), ("(1, 2)", r"\(1\+2j\)"), ("-1", "-1")],
)
def test_what_is_no_number_is_named(value, shown):
    h = header(f"EXPTIME = {value}")
    with pytest.raises(MusedeepError, match=rf"f\.fits: keyword EXPTIME is {shown}, expected a number >= 0; correct"):
        number_of(h, "EXPTIME", "f.fits", low=0.0)
    assert number_or_none(h, "EXPTIME") == (-1.0 if value == "-1" else None)


def test_ranges_fractions_and_missing_keywords():
    h = header("RA      = 1E9", "N       = 1.5", "OBJECT  = ' '")
    with pytest.raises(MusedeepError, match=r"keyword RA is 1000000000\.0, expected a number from -360 to 360"):
        number_of(h, "RA", "f.fits", low=-360, high=360)
    with pytest.raises(MusedeepError, match=r"keyword N is 1\.5, expected a whole number"):
        integer_of(h, "N", "f.fits")
    with pytest.raises(MusedeepError, match=r"f\.fits: keyword DEC is missing in the header; restore it"):
        number_of(h, "DEC", "f.fits")
    with pytest.raises(MusedeepError, match=r"f\.fits: keyword OBJECT is empty in the header; restore it"):
        text_of(h, "OBJECT", "f.fits")
    with pytest.raises(MusedeepError, match=r"f\.fits: keyword DATE is missing"):
        text_of(h, "DATE", "f.fits")


def test_texts():
    h = header("OBJECT  = ' Cas A '", "N       = 3", "MODE    =")
    assert text_of(h, "OBJECT", "f.fits") == "Cas A"
    assert text_of(h, "N", "f.fits") == "3"
    assert text_of(h, "MODE", "f.fits", "WFM") == "WFM"


def test_headers_of_other_types_merge():
    limits = "HIERARCH ESO DRS MUSE PIXTABLE LIMITS X LOW = "
    merged = "HIERARCH ESO DRS MUSE PIXTABLE MERGED = "
    h = merge_headers([header(limits + "2.5", merged + "'one'"), header(limits + "nan"), header(limits + "-1.5")])
    assert h["ESO DRS MUSE PIXTABLE LIMITS X LOW"] == -1.5
    assert h["ESO DRS MUSE PIXTABLE MERGED"] == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"SIMPLE  =                    T", b"SIMPLE  =                    F", "no FITS header at byte 0"),
        (b"NAXIS1  =", b"NAXIS1  = -2 /", r"HDU 1 has no valid FITS header \(NAXIS1 is -2\)"),
        (b"NAXIS1  =", b"NAXIS1  = nan /", r"HDU 1 has no valid FITS header \(NAXIS1 is nan\)"),
        (b"NAXIS1  =", b"NAXIS1  = 99999999999999 /", "truncated"),
        (b"PCOUNT  =", b"PCOUNT  = -9 /", r".*\(PCOUNT is -9\)"),
        (b"BITPIX  =                  -32", b"BITPIX  =                  -33", r".*\(BITPIX is -33\)"),
    ],
)
def test_structures_that_make_no_sense(tmp_path, old, new, message):
    path = tmp_path / "b.fits"
    write_exposure(path, slices=(7,), wavelength=(7000.0, 7003.0))
    raw = path.read_bytes()
    place = raw.index(old)
    path.write_bytes(raw[:place] + new + raw[place + len(new) :])
    with pytest.raises(MusedeepError, match=rf"b\.fits: {message}"):
        scan_file(path)


@pytest.mark.parametrize("more", [0, 40])
def test_axes_that_are_given_twice_are_refused(tmp_path, more):
    path = tmp_path / "twice.fits"
    hdu = fits.PrimaryHDU()
    for k in range(more):
        hdu.header[f"KEY{k}"] = k
    hdu.writeto(path)
    raw = path.read_bytes()
    end = raw.index(b"END".ljust(80))
    card = b"NAXIS   = 99999999999999999999".ljust(80)
    path.write_bytes(raw[:end] + card + raw[end : end + 80] + raw[end + 160 :])
    with pytest.raises(MusedeepError, match=r"twice\.fits: HDU 0 has no valid FITS header \(NAXIS is given twice\)"):
        scan_file(path)


KEYS = ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS")
VALUES = ("8", "-32", "2", "1", "0", "007", "3.", "T", "'2'", "", "-1", "99999999999999999999", "2 / axes", "2/", "1E1")
WAYS = ("{:<8}= {:>20}", "{:<8}={}", "{:<8}=   {}   / what it is", "{} = {}", " {:<7}= {}")
PLAIN = {"BITPIX": "-32", "NAXIS": "2", "NAXIS1": "7", "NAXIS2": "3", "PCOUNT": "0", "GCOUNT": "1"}


@given(
    st.dictionaries(
        st.sampled_from(KEYS), st.tuples(st.sampled_from(VALUES), st.sampled_from(WAYS), st.booleans()), max_size=3
    ),
    st.sets(st.sampled_from(KEYS), max_size=1),
)
def test_sizes_are_those_that_astropy_finds(changes, missing):
    """However the cards that say them are written."""
    cards = []
    for key, value in PLAIN.items():
        value, way, small = changes.get(key, (value, WAYS[0], False))
        if key not in missing:
            cards.append(way.format(key.lower() if small else key, value))
    unit = HeaderUnit(tuple(card.ljust(80) for card in [*cards, *[""] * (35 - len(cards)), "END"]), 0)

    def found():
        try:
            return HeaderUnit(unit.cards, 0).data_bytes
        except (ValueError, KeyError, TypeError, fits.VerifyError) as error:
            return type(error), str(error)

    plain = found()
    with patch.object(headers, "_plain_integers", lambda cards: None):
        assert plain == found()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_names_are_those_that_astropy_finds(rest):
    card = f"EXTNAME = {rest}".ljust(80)
    unit = HeaderUnit((card, "END".ljust(80)), 0)
    try:
        expected = text_of(parse_cards([card]), "EXTNAME", "", "")
    except (ValueError, fits.VerifyError) as error:
        with pytest.raises(type(error)):
            _ = unit.name
    else:
        assert unit.name == expected
