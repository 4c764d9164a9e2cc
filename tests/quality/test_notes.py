"""Known features of deep cubes that concern a product."""

import numpy as np
import pytest

from musedeep.quality.notes import fewer_exposures, notes
from musedeep.quality.record import ExposureRecord, ProductRecord


def product(method="standard", **each):
    """Two exposures; `each` gives values of both."""
    exposures = [
        ExposureRecord(
            name=f"E{k}",
            date_obs="",
            mjd=57920.0,
            exposure_time=600.0,
            **{key: values[k] for key, values in each.items()},
        )
        for k in range(2)
    ]
    return ProductRecord(name="a", target="a", category="DATACUBE_DEEP", method=method, exposures=exposures)


@pytest.mark.parametrize(
    ("one", "values", "said"),
    [
        (product(mode=["WFM-AO-N", "WFM-NOAO-N"]), {}, "modes are mixed (WFM-AO-N, WFM-NOAO-N)"),
        (product(mode=["WFM-AO-E", "WFM-AO-E"]), {}, "bumps and wiggles"),
        (product(), {"barycentric_span": 41.0}, "differ by 41 km/s"),
        (product("crowded"), {}, "sources dominate ABMAGLIM"),
        (product(sky=[True, True], transparency=[1.0, 0.7]), {}, "transparencies differ"),
        (product(), {"pixnoise": 4.996}, "PIXNOISE is at the end"),
        (product(), {"abmaglim": 26.1, "abmaglim_local": 26.7}, "measures gradients"),
        (product(), {"quadrant_step": 2.5}, "background of quadrants"),
        (product(saturated=[10, 4000]), {}, "4000 saturated pixels"),
    ],
)
def test_each_is_told(one, values, said):
    (finding,) = notes(one, values)
    assert said in finding.text


def test_an_ordinary_product_has_none():
    ordinary = product(mode=["WFM-NOAO-N", "WFM-NOAO-N"], sky=[True, True], transparency=[1.0, 0.95], saturated=[1, 2])
    values = {"barycentric_span": 3.0, "pixnoise": 2.0, "abmaglim": 26.0, "abmaglim_local": 26.1, "quadrant_step": 0.2}
    assert notes(ordinary, values) == []


def test_a_notch_with_fewer_exposures_and_the_step_of_the_flux():
    waves = 5700.0 + 1.25 * np.arange(300)
    number = np.full(300, 4.0)
    number[84:213] = 2.0
    light = np.where(number == 2.0, 97.0, 100.0)
    (finding,) = fewer_exposures(waves, number, light, 4)
    assert finding.text.startswith("2 of 4 exposures from 5805 to 5965 Angstrom")
    assert finding.value == pytest.approx(0.97)
    assert fewer_exposures(waves, np.full(300, 4.0), light, 4) == []
    # what lacks at the ends of the cube is no notch
    number[:] = 4.0
    number[:30] = 3.0
    assert fewer_exposures(waves, number, light, 4) == []
