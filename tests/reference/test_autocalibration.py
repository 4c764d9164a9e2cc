"""Autocalibration against the reference on the same pixel tables, and against the truth; factors are exchanged."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.simulate.slice_flux import flux_factor
from musedeep.storage.calibrations.autocal_factors import read_autocal_factors

pytestmark = [pytest.mark.reference, pytest.mark.modes]

FACTORS, MASK = "AUTOCAL_FACTORS_0001.fits", "AUTOCAL_MASK_0001.fits"
PLAIN = {"skymethod": "none", "rvcorr": "none"}


@pytest.fixture(scope="module")
def frames(second_stage):
    """Set-of-frames of the first exposure; without Raman lines, whose fit takes the reference minutes."""
    return [(path, tag) for path, tag in second_stage.frames("scipost-1") if tag != "RAMAN_LINES"]


@pytest.fixture(scope="module")
def theirs(frames, esorex_recipe, tmp_path_factory):
    """Directory of the reference's products."""
    place = tmp_path_factory.mktemp("reference") / "deepfield"
    given = PLAIN | {"autocalib": "deepfield", "save": "autocal"}
    return esorex_recipe(place, "muse_scipost", frames, given)


@pytest.fixture(scope="module")
def ours(second_stage, frames):
    """Directory of our products."""
    given = PLAIN | {"autocalib": "deepfield", "save": "autocal", "water": "false"}
    return second_stage.ours("scipost-1", *(f"--{name}={value}" for name, value in given.items()), frames=frames)


def test_masks_agree(ours, theirs):
    ours, theirs = (fits.getdata(place / MASK) for place in (ours, theirs))
    assert ours.shape == theirs.shape
    assert (ours == theirs).mean() > 0.995


def test_factors_agree_within_three_per_mille(ours, theirs, figure):
    one, other = (read_autocal_factors(place / FACTORS) for place in (ours, theirs))
    np.testing.assert_array_equal(one.limits, other.limits)
    has_data = other.points > 0
    np.testing.assert_array_equal(one.points > 0, has_data)
    ratio = one.factors[has_data] / other.factors[has_data] - 1.0
    assert figure("factors of slices, share within 0.3 per cent", (np.abs(ratio) < 0.003).mean()) > 0.98
    assert figure("factors of slices, median difference", np.median(np.abs(ratio))) < 2e-4
    np.testing.assert_array_equal(one.factors[~has_data], other.factors[~has_data])


def test_what_is_left_of_the_true_errors_is_no_more_than_in_the_reference(night, ours, theirs, figure):
    """The factors without those of an exposure without errors are not known: what is left holds those, too."""
    one, other = (read_autocal_factors(place / FACTORS) for place in (ours, theirs))
    file = str(night.exposures_of("OBJECT")[0]["file"])
    header = fits.getheader(night.product("PIXTABLE_OBJECT_0001", night.ifus[0]))
    low, high = (header[f"ESO DRS MUSE PIXTABLE LIMITS LAMBDA {end}"] for end in ("LOW", "HIGH"))
    left = []
    for factors in (one, other):
        of_ifu = []
        for ifu in night.ifus:
            table = Table.read(night.directory / "truth" / f"slice-flux-{ifu:02d}.ecsv", format="ascii.ecsv")
            table = table[table["file"] == file]
            coefficients = np.array([table[f"c{k}"] for k in range(3)]).T
            middles = 0.5 * (np.maximum(factors.limits[:-1], low) + np.minimum(factors.limits[1:], high))
            true = np.array([flux_factor(c, middles) for c in coefficients])
            of_ifu.append(factors.factors[ifu - 1] * true)
        values = np.concatenate(of_ifu)
        left.append(float(np.std(values / values.mean(axis=0))))
    for name, value in zip(("ours", "reference"), left, strict=True):
        figure(f"steps between slices that are left, {name}", value)
    assert left[0] <= left[1] * 1.02
    assert left[0] < 0.01


def test_factors_are_exchanged(second_stage, frames, ours, theirs, esorex_recipe, tmp_path):
    given = PLAIN | {"autocalib": "user", "save": "individual"}
    made = esorex_recipe(tmp_path / "user", "muse_scipost", [*frames, (ours / FACTORS, "AUTOCAL_FACTORS")], given)
    mine = second_stage.ours(
        "scipost-1", "--save-fits", "--water=false", *(f"--{name}={value}" for name, value in given.items()),
        frames=[*frames, (str(theirs / FACTORS), "AUTOCAL_FACTORS")],
    )  # fmt: skip
    values = []
    for place in (made, mine):
        with fits.open(place / "PIXTABLE_REDUCED_0001.fits") as hdus:
            assert "ESO DRS MUSE PIXTABLE AUTOCAL" in hdus[0].header
            values.append(np.sort(np.asarray(hdus["data"].data[:, 0], np.float32)))
    # the factors agree, and so do the data: medians and tails of all rows
    for share in (0.05, 0.5, 0.95):
        at = [float(v[int(share * v.size)]) for v in values]
        assert at[0] == pytest.approx(at[1], rel=2e-3)
