"""The PSF of made-up cubes against their truth."""

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.reduction.psf.cube_psf import PsfRequest, measure_cube
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers.star_cubes import typical


def measured(path, **request):
    return measure_cube(open_cube(path), PsfRequest(bins=20, **request), Silent())


def errors(made, psf, field=0):
    model = psf.measured[field].model
    return np.abs(model.fwhm_at(made.wavelengths) / made.fwhm(made.wavelengths) - 1.0)


@pytest.mark.parametrize("seed", range(1, 5))
def test_width_at_all_wavelengths(tmp_path, seed):
    made = typical(seed)
    psf = measured(made.write(tmp_path / "cube.fits"))
    assert psf.candidates.used.sum() == 6
    assert errors(made, psf).max() < 0.004
    model = psf.measured[0].model
    assert np.abs(model.beta_at(made.wavelengths) - made.beta(made.wavelengths)).max() < 0.1
    assert 0.9 < psf.measured[0].scatter < 1.1
    assert np.abs(psf.excess).max() < 0.02 and psf.residual.max() < 0.02


def test_bins_alone_agree_with_the_truth_within_their_errors(tmp_path):
    made = typical(2)
    one = measured(made.write(tmp_path / "cube.fits")).measured[0]
    off = (one.bins[:, 0] - made.fwhm(one.wavelengths)) / one.errors[:, 0]
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.6


def test_a_galaxy_is_left_out(tmp_path):
    made = typical(3)
    made.widen = {0: 1.4, 3: 1.1}
    psf = measured(made.write(tmp_path / "cube.fits"))
    assert psf.candidates.used.sum() == 4
    assert errors(made, psf).max() < 0.01


def test_of_given_stars_that_disagree_none_is_left_out(tmp_path):
    made = typical(3)
    made.widen = {0: 1.3}
    path = made.write(tmp_path / "cube.fits")
    found = measured(path)
    (tmp_path / "stars.csv").write_text(
        "\n".join(["name,RA,Dec", *(f"s,{ra:.8f},{dec:.8f}" for ra, dec in zip(found.ra, found.dec, strict=True))])
    )
    psf = measured(path, stars=tmp_path / "stars.csv")
    assert psf.candidates.used.sum() == psf.candidates.x.size == 6
    assert errors(made, psf).max() > 0.01


def test_close_pairs_and_edges_are_left_out(tmp_path):
    made = typical(4)
    made.places = np.vstack([made.places, made.places[0] + [6.0, 2.0], [[58.0, 30.0]]])
    made.fluxes = np.append(made.fluxes, [0.3 * made.fluxes[0], 20000.0])
    psf = measured(made.write(tmp_path / "cube.fits"))
    near = np.hypot(*(np.column_stack([psf.candidates.x, psf.candidates.y]) - made.places[0]).T) < 8.0
    assert set(psf.candidates.why[near]) == {"neighbour"}
    assert not psf.candidates.used[psf.candidates.x > 55].any()
    assert errors(made, psf).max() < 0.004


def test_sampled_profiles_are_wider(tmp_path):
    made = typical(5)
    path = made.write(tmp_path / "cube.fits")
    wider = measured(path, integrated=False).measured[0].model.fwhm_at(made.wavelengths)
    # the square of the width of a spaxel, 1/12 pixel**2 of variance, is added
    ratio = wider / made.fwhm(made.wavelengths)
    assert (ratio > 1.005).all() and (ratio < 1.05).all()


def test_gap_of_the_laser_and_without_stat(tmp_path, caplog):
    made = typical(6)
    made.stat = False

    def gap(data):
        data[4:7] = np.nan

    psf = measured(made.write(tmp_path / "cube.fits", gap))
    assert "same weight" in caplog.text
    assert errors(made, psf).max() < 0.01
    assert not ((psf.measured[0].wavelengths > 5600) & (psf.measured[0].wavelengths < 6350)).any()


def test_faint_stars_lower_the_degree_or_stay_within_two_per_cent(tmp_path):
    made = typical(7, bright=3000.0)
    assert errors(made, measured(made.write(tmp_path / "cube.fits"))).max() < 0.02


def test_saturated_stars(tmp_path):
    def clipped(data):
        np.minimum(data, 1000.0, out=data)

    made = typical(1)
    made.fluxes[:] = 60000.0
    path = made.write(tmp_path / "cube.fits", clipped)
    with pytest.raises(MusedeepError, match=r"no star for the PSF; sources: [0-9]+ saturated;"):
        measured(path)


def test_stars_with_gaps_in_their_middle(tmp_path):
    made = typical(1)

    def holes(data):
        for x, y in np.rint(made.places).astype(int):
            data[:, y - 1 : y + 2, x - 1 : x + 2] = np.nan

    with pytest.raises(MusedeepError, match="no star for the PSF"):
        measured(made.write(tmp_path / "cube.fits", holes))


def test_no_star(tmp_path):
    made = typical(1)
    made.fluxes = np.zeros(6)
    with pytest.raises(MusedeepError, match=r"cube.fits: no star for the PSF; sources: .*--stars"):
        measured(made.write(tmp_path / "cube.fits"))
    (tmp_path / "stars.csv").write_text("RA,DEC\n10.0,20.0\n")
    with pytest.raises(MusedeepError, match=r"stars.csv: no star for the PSF; sources: 1 outside the field"):
        measured(tmp_path / "cube.fits", stars=tmp_path / "stars.csv")


def test_a_cube_without_values(tmp_path):
    def empty(data):
        data[:] = np.nan

    with pytest.raises(MusedeepError, match="no voxel of DATA has a value"):
        measured(typical(1).write(tmp_path / "cube.fits", empty))
