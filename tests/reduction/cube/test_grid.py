"""Where the cube lies: fields across right ascension 0, and grids that no row lies in."""

import math

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.graph.combine.run import WORK
from musedeep.progress import Silent
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.grid import Grid, Limits, grid_from_limits, grid_from_output_wcs
from musedeep.storage.cubes.output_wcs import OutputWCS
from musedeep.storage.offset_list import OffsetRow, write_offset_list
from tests.makers.pixel_tables import write_exposure

FAR = 150.0
"""A right ascension where nothing can go wrong; the other fields are turned by it, exactly."""

STEP = 2.0**-12
"""0.88 arcsec in degrees, in numbers that add up without rounding."""

DITHERS = ((-1, 0, 0.0), (2, 1, 90.0), (-3, -1, 215.0))
"""Of each exposure: steps along right ascension and declination, and position angle [deg]."""

SPAXEL = 0.2 / 3600


def field(directory, turn, dec):
    """Exposures around right ascension FAR - turn; their rows do not depend on it."""
    directory.mkdir()
    paths = []
    for k, (east, north, posang) in enumerate(DITHERS):
        path = directory / f"exposure-{k}.fits"
        write_exposure(
            path, ifus=(11, 12), slices=range(1, 49, 5), wavelength=(7000.0, 7010.0), posang=posang, seed=k,
            ra=FAR + east * STEP, dec=dec + north * STEP, date_obs=f"2019-08-1{k}T04:00:00.000",
        )  # fmt: skip
        fits.setval(path, "RA", value=(FAR + east * STEP - turn) % 360.0)
        paths.append(path)
    return paths


def write_grid(path, crval1, dec, **cards):
    """An OUTPUT_WCS, turned by 20 degrees, that covers a part of the field."""
    c, s = SPAXEL * math.cos(0.35), SPAXEL * math.sin(0.35)
    header = fits.Header({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT1": "deg", "CUNIT2": "deg",
        "CUNIT3": "Angstrom", "CRVAL1": crval1, "CRVAL2": dec, "CRVAL3": 7001.0, "CRPIX1": 120.0, "CRPIX2": 100.0,
        "CRPIX3": 1.0, "CD1_1": -c, "CD1_2": s, "CD2_1": s, "CD2_2": c, "CD3_3": 1.5, **cards,
    })  # fmt: skip
    fits.ImageHDU(np.zeros((5, 200, 260), np.float32), header).writeto(path)
    return path


def run(paths, output, parameters=None, progress=None, **options):
    given = {"crsigma": 5, "save": "cube,combined,exposures", **(parameters or {})}
    return combine(Request(paths, RECIPE.parse(given), output, threads=2, **options), progress)


def bits(output, names=("DATACUBE_FINAL", "EXPOSURE_MAP", "PIXTABLE_COMBINED")):
    found = []
    for name in names:
        with fits.open(output / f"{name}.fits") as hdus:
            found += [h.data.tobytes() for h in hdus[1:]]
    return found


def header_of(output, name="DATACUBE_FINAL", number=1):
    return fits.getheader(output / f"{name}.fits", number)


@pytest.mark.parametrize(("dec", "crval1"), [(-60.0, 32 * STEP), (41.5, 360 - 32 * STEP), (-60.0, -32 * STEP)])
def test_a_field_across_zero_is_the_same_as_elsewhere(tmp_path, dec, crval1):
    """With a grid given from either side, to the last bit."""
    there, here = field(tmp_path / "there", 0.0, dec), field(tmp_path / "here", FAR, dec)
    elsewhere = FAR + (crval1 + 180) % 360 - 180
    grids = write_grid(tmp_path / "there.fits", elsewhere, dec), write_grid(tmp_path / "here.fits", crval1, dec)
    expected = run(there, tmp_path / "a", output_wcs=grids[0])
    outcome = run(here, tmp_path / "b", output_wcs=grids[1])
    assert (outcome.rows, outcome.rejected) == (expected.rows, expected.rejected)
    assert np.isfinite(fits.getdata(tmp_path / "b" / "DATACUBE_FINAL.fits", 1)).mean() > 0.05
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    assert header_of(tmp_path / "b")["CRVAL1"] == crval1 % 360
    table = header_of(tmp_path / "b", "PIXTABLE_COMBINED", 0)
    assert table["CRVAL1"] == 360 - STEP
    low, high = (table[f"ESO DRS MUSE PIXTABLE LIMITS X {end}"] for end in ("LOW", "HIGH"))
    xpos = fits.getdata(tmp_path / "b" / "PIXTABLE_COMBINED.fits", "xpos")
    assert low == pytest.approx(360 - STEP + xpos.min(), abs=1e-4)
    assert high == pytest.approx(360 - STEP + xpos.max(), abs=1e-4)
    assert 0.01 < high - low < 0.1


@pytest.mark.parametrize("turn", [FAR, FAR - STEP, FAR - 2 * STEP])
def test_no_row_is_lost_by_the_grid_of_the_data(tmp_path, turn):
    """Limits are rounded to 32 bits, as elsewhere, so that voxels lie a little otherwise."""
    there, here = field(tmp_path / "there", 0.0, -60.0), field(tmp_path / "here", turn, -60.0)
    expected, outcome = run(there, tmp_path / "a"), run(here, tmp_path / "b")
    assert outcome.rows == expected.rows
    one, other = header_of(tmp_path / "a"), header_of(tmp_path / "b")
    assert other["CRVAL1"] == (one["CRVAL1"] - turn) % 360
    for key in ("CRPIX1", "CRPIX2", "NAXIS1", "NAXIS2"):
        assert other[key] == pytest.approx(one[key], abs=1.0)
    assert other["NAXIS1"] < 400
    filled = [np.isfinite(fits.getdata(tmp_path / k / "DATACUBE_FINAL.fits", 1)).sum() for k in "ab"]
    assert filled[1] == pytest.approx(filled[0], rel=0.01)


@pytest.mark.parametrize("around", [0.0, 360.0, -360.0])
def test_offsets_across_zero(tmp_path, around):
    """An exposure whose header is wrong by 4 steps; measured without or with a turn of 360 degrees too many."""
    dec = -30.0
    there, here = field(tmp_path / "there", 0.0, dec), field(tmp_path / "here", FAR, dec)
    fits.setval(here[2], "RA", value=STEP)  # from -3 steps
    rows = [OffsetRow(f"2019-08-1{k}T04:00:00.000", 0.0, 0.0, None, 58700.0 + k) for k in range(2)]
    rows.append(OffsetRow("2019-08-12T04:00:00.000", 4 * STEP + around, 0.0, None, 58702.0))
    write_offset_list(tmp_path / "offsets.fits", rows)
    grids = write_grid(tmp_path / "there.fits", FAR, dec), write_grid(tmp_path / "here.fits", 0.0, dec)
    run(there, tmp_path / "a", output_wcs=grids[0])
    run(here, tmp_path / "b", output_wcs=grids[1], offset_list=tmp_path / "offsets.fits")
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    assert header_of(tmp_path / "b", number=0)["ESO DRS MUSE OFFSET3 DRA"] == pytest.approx(4 * STEP, rel=1e-12)


def test_a_grid_one_turn_away_is_the_same_place(tmp_path):
    paths = field(tmp_path / "field", 0.0, -60.0)
    for name, crval1 in (("a", FAR), ("b", FAR - 360), ("c", FAR + 360)):
        run(paths, tmp_path / name, output_wcs=write_grid(tmp_path / f"{name}.fits", crval1, -60.0))
        assert header_of(tmp_path / name)["CRVAL1"] == FAR
    assert bits(tmp_path / "a") == bits(tmp_path / "b") == bits(tmp_path / "c")


@pytest.mark.parametrize(
    ("cards", "covers"),
    [
        ({"CRVAL1": 357.5}, "it covers RA 357.48"),
        ({"CRVAL2": -61.0}, "Dec -61.0"),
        ({"CRVAL1": 180.0, "CRVAL2": 60.0}, "it covers RA 179.98"),  # the other side of the sky, projected alike
        ({"CRPIX1": -180.0}, "it covers RA"),  # beside the field
        ({"CRVAL3": 6000.0}, "6000.0 to 6006.0 Angstrom"),
        ({"CUNIT3": "nm", "CRVAL3": 7001.0}, "70010.0 to 70070.0 Angstrom"),
    ],
)
def test_a_grid_without_a_row_is_refused(tmp_path, cards, covers):
    paths = field(tmp_path / "field", FAR, -60.0)
    grid = write_grid(tmp_path / "grid.fits", 0.0, -60.0, **cards)

    class Boxes(Silent):
        started = False

        def begin(self, total, unit, done=0, cost=None):
            self.started |= unit == "boxes"

    progress = Boxes()
    for dry_run in (False, True):
        request = Request(paths, RECIPE.parse({}), tmp_path / "out", output_wcs=grid)
        with pytest.raises(MusedeepError) as error:
            combine(request, progress, dry_run)
        said = str(error.value)
        assert said.startswith(f"{grid}: no good row")
        assert covers in said
        assert "the data RA 359.98" in said and "to 0.01" in said and "7000." in said
        assert "\n" not in said
    assert not progress.started
    assert not (tmp_path / "out").exists()


def test_a_grid_just_beyond_the_data_is_refused_when_its_boxes_are_done(tmp_path):
    """Rows a little beyond an edge may reach into the cube, so that the index cannot tell."""
    grid = write_grid(tmp_path / "grid.fits", FAR, -60.0, CRVAL3=7012.5)
    with pytest.raises(MusedeepError, match=r"grid\.fits: no good row .* 7012\.5 to 7018\.5 Angstrom, the data .*7010"):
        run(field(tmp_path / "field", 0.0, -60.0), tmp_path / "out", output_wcs=grid)
    assert not (tmp_path / "out").exists()


def test_a_grid_that_only_flagged_rows_lie_in_is_refused(tmp_path):
    paths = field(tmp_path / "field", 0.0, -60.0)
    for path in paths:
        with fits.open(path, mode="update") as hdus:
            hdus["dq"].data[...] = np.where(hdus["lambda"].data < 7005.0, 16384, 0)
    grid = write_grid(tmp_path / "grid.fits", FAR, -60.0, CD3_3=0.5)
    for save in ("cube", "cube,combined"):
        with pytest.raises(MusedeepError, match=r"grid\.fits: no good row"):
            run(paths, tmp_path / "out", {"save": save}, output_wcs=grid)
        assert not (tmp_path / "out" / WORK).exists()
        assert not list((tmp_path / "out").glob("*.fits"))
    with pytest.raises(MusedeepError, match=r"all rows \(RA 149\.9.* are flagged"):
        run(paths, tmp_path / "out", {"lambdamax": 7004.0})


def test_a_part_of_the_field_is_enough(tmp_path):
    paths = field(tmp_path / "field", 0.0, -60.0)
    grid = write_grid(tmp_path / "grid.fits", FAR, -60.0, CRPIX1=-90.0, CRVAL3=7009.0)
    outcome = run(paths, tmp_path / "out", output_wcs=grid)
    assert 0 < outcome.rows < 20000


def test_wavelengths_that_an_exposure_lacks_are_told_with_those_it_has(tmp_path):
    paths = field(tmp_path / "field", 0.0, -60.0)
    with pytest.raises(MusedeepError, match=r"exposure-0\.fits: no rows between .*8000 .*8100 .* 7000\.\d to 7010\.\d"):
        run(paths, tmp_path / "out", {"lambdamin": 8000, "lambdamax": 8100})


WCS = OutputWCS((40, 30, 0), (20.0, 15.0, 1.0), (0.1, 5.0, 7000.0), (-5e-5, 0.0, 0.0, 5e-5), 1.25, "AWAV", "w.fits")
LIMITS = Limits((-0.01, 0.01), (-0.01, 0.01), (7000.0, 7100.0))


def automatic(reference=(0.1, 5.0), limits=LIMITS):
    return grid_from_limits(limits, reference, 0.0, 0.0, 0.0, False)


def test_what_an_output_wcs_leaves_open_and_what_it_cannot():
    grid = grid_from_output_wcs(WCS, automatic(), LIMITS, (0.1, 5.0))
    assert grid.shape == (81, 30, 40)
    for change, message in (
        ({"shape": (0, 30, 0)}, r"w\.fits: NAXIS1 and NAXIS2 are needed"),
        ({"crval": (120.0, 5.0, 7000.0)}, r"w\.fits: no good row"),
    ):
        with pytest.raises(MusedeepError, match=message):
            grid_from_output_wcs(OutputWCS(**(vars(WCS) | change)), automatic(), LIMITS, (0.1, 5.0))


@pytest.mark.parametrize("limits", [((-0.01, 90.0), (-0.01, 0.01)), ((0.0, 180.0), (-10.0, 0.01))])
def test_exposures_on_other_sides_of_the_sky(limits):
    with pytest.raises(MusedeepError, match="the exposures lie far apart"):
        automatic(limits=Limits(*limits, (7000.0, 7100.0)))


def test_what_a_grid_covers():
    grid = Grid(
        (3, 101, 201), (101.0, 51.0, 1.0), (359.9, -60.0, 7000.0), (-1e-4, 0.0, 0.0, 1e-4), 2.0, "AWAV", (0.3, 0.0)
    )
    limits = grid.limits()
    assert limits.ra == pytest.approx((-0.32, -0.28), abs=2e-5)  # 0.02 in cos(dec) = 0.5 around -0.3
    assert limits.dec == pytest.approx((-0.005, 0.005), abs=1e-5)
    assert limits.wavelength == (7000.0, 7004.0)
    assert limits.described((0.2, -60.0)).startswith("RA 359.8800 to 359.9200, Dec -60.0050 to -59.9950 deg, 7000.0 to")
