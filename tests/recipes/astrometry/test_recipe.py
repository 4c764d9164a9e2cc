"""Declaration of muse_astrometry: parameters of version 2.8.7, and what is refused."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.recipes.astrometry.recipe import RECIPE, pixel_of

DEFAULTS = {
    "centroid": "moffat", "detsigma": 1.5, "radius": 3.0, "faccuracy": 0.0, "niter": 2, "rejsigma": 3.0,
    "rotcenter": "-0.01,-1.20", "lambdamin": 4000.0, "lambdamax": 10000.0, "lambdaref": 7000.0, "darcheck": "none",
}  # fmt: skip


def test_parameters_are_those_of_the_reference_in_their_order():
    assert {p.name: p.default for p in RECIPE.parameters} == DEFAULTS
    assert [p.name for p in RECIPE.parameters] == list(DEFAULTS)
    assert RECIPE.recorded({}) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rotcenter": "1.0"}, "rotcenter=1.0 is not two numbers"),
        ({"rotcenter": "a,b"}, "rotcenter=a,b is not two numbers"),
        ({"rotcenter": "1,2000"}, "far from the field"),
        ({"niter": 0}, "niter=0 is out of range"),
        ({"radius": 0}, "radius=0"),
        ({"detsigma": 0}, "detsigma=0"),
        ({"centroid": "lorentz"}, "gaussian, moffat, box"),
        ({"lambdamin": 9000, "lambdamax": 5000}, "lambdamin=9000 is not below"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(MusedeepError, match=message):
        RECIPE.parse(given)


def test_the_axis_is_read():
    assert pixel_of(RECIPE.parse({"rotcenter": "0.5, -2"}).rotcenter) == (0.5, -2.0)
