"""Keywords of the PSF, as MPDAF writes and reads them."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from musedeep.errors import MusedeepError
from musedeep.reduction.psf.model import KEYWORDS, PsfModel, keyword_cards, read_models
from musedeep.storage.fits.header_cards import card

NUMBERS = st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=10).map(np.array)
MODELS = st.builds(PsfModel, NUMBERS, NUMBERS, st.just((4750.0, 9350.0)), st.just(True))
WAVES = np.linspace(4750.0, 9350.0, 7)


def header(models):
    return fits.Header([card(*one) for one in keyword_cards(models)])


@given(models=st.lists(MODELS, min_size=1, max_size=4))
def test_written_models_are_read_again(models):
    made = header(models)
    assert all(KEYWORDS.match(str(one)) for one in made.cards)
    found = read_models(made, "cube.fits")
    assert len(found) == len(models)
    for one, other in zip(found, models, strict=True):
        assert np.array_equal(one.fwhm_at(WAVES), other.fwhm_at(WAVES))
        assert np.array_equal(one.beta_at(WAVES), other.beta_at(WAVES))


@given(models=st.lists(MODELS, min_size=1, max_size=3))
def test_mpdaf_reads_them(models):
    fsf = pytest.importorskip("mpdaf.MUSE").FSFModel
    made = header(models)
    made["CD1_1"], made["CD1_2"], made["CD2_1"], made["CD2_2"] = -0.2 / 3600, 0.0, 0.0, 0.2 / 3600
    made["CTYPE1"], made["CTYPE2"], made["CUNIT1"], made["CUNIT2"] = "RA---TAN", "DEC--TAN", "deg", "deg"
    found = fsf.read(made)
    for one, other in zip(found if len(models) > 1 else [found], models, strict=True):
        assert np.allclose(one.get_fwhm(WAVES), other.fwhm_at(WAVES), rtol=1e-12)
        assert np.allclose(one.get_beta(WAVES), other.beta_at(WAVES), rtol=1e-12)
        assert np.allclose(one.get_fwhm(WAVES, unit="pix"), other.fwhm_at(WAVES) / 0.2, rtol=1e-9)


def test_cards_that_belong_to_no_psf_stay():
    for text in ("FSFOO   = 1", "NFIELDSX= 1", "OBJECT  = 'FSFMODE ='", "FSF00   = 2"):
        assert not KEYWORDS.match(text)
    for text in ("FSFMODE =", "FSFLB2  = 9000", "FSF03B11= 0.1", "FSF00BET= 2.8", "NFIELDS =", "FSFSAMP = 'sampled'"):
        assert KEYWORDS.match(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("FSFMODE", None, "no PSF in its header"),
        ("FSFMODE", "MOFFAT1", "FSFMODE is 'MOFFAT1', expected 2"),
        ("FSFLB2", 4000.0, "expected a larger FSFLB2"),
        ("FSF00F01", None, "keyword FSF00F01 is missing"),
    ],
)
def test_wrong_keywords(key, value, message):
    made = header([PsfModel(np.array([0.1, 0.7]), np.array([2.8]), (4750.0, 9350.0))])
    del made[key]
    if value is not None:
        made[key] = value
    with pytest.raises(MusedeepError, match=message):
        read_models(made, "cube.fits")
