"""muse_scipost with reduced=corrections: everything is as with rows that are written."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.autocal_factors import AutocalFactors
from musedeep.storage.calibrations.extinction import extinction_hdus
from musedeep.storage.calibrations.response import FLAT_CORRECTED, Response, response_hdu
from musedeep.storage.pixel_tables.corrected import CorrectedTable
from musedeep.storage.pixel_tables.ingest import export, ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.pixel_tables.zarr import ZarrPixelTable
from tests.makers.sky_exposures import write_sky_exposure
from tests.makers.step_runs import product, run_recipe

RECIPE = "muse_scipost"
COUNTS = {
    "UNIT": "count", "ESO_DRS_MUSE_PIXTABLE_FLUXCAL": None, "ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT": None,
    "ESO_PRO_CATG": "PIXTABLE_OBJECT",
}  # fmt: skip
OPTIONS = "--skymethod=model", "--skymodel_fraction=0.9", "--autocalib=user", "--save=individual"
RECORDED = "--reduced=corrections"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """An exposure of counts, with everything that its reduction takes; one IFU as a store, one as a FITS file."""
    directory = tmp_path_factory.mktemp("exposure")
    found, _ = write_sky_exposure(directory, **COUNTS)
    grid = np.arange(4150.0, 9801.25, 1.25)
    header = fits.Header([("HIERARCH ESO INS MODE", "WFM-NOAO-N"), (f"HIERARCH {FLAT_CORRECTED}", False)])
    table = response_hdu(Response(grid, 22.0 + grid / 9000.0, np.full(grid.size, 0.01)))
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(directory / "response.fits")
    extinction_hdus(np.array([4000.0, 10000.0]), np.array([0.3, 0.0])).writeto(directory / "extinction.fits")
    limits = np.array([0.0, 6330.0, 10000.0])
    factors = np.random.default_rng(4).uniform(0.9, 1.1, (24, 48, 2))
    made = AutocalFactors(limits, factors, factors, np.full((24, 48, 2), 100))
    primary = fits.PrimaryHDU(header=fits.Header([(f"HIERARCH {key}", value) for key, value, _ in made.cards()]))
    fits.HDUList([primary, made.table()]).writeto(directory / "factors.fits")
    more = {"STD_RESPONSE": "response", "EXTINCT_TABLE": "extinction", "AUTOCAL_FACTORS": "factors"}
    tagged = [(path, tag.replace("PIXTABLE_SKY", "PIXTABLE_OBJECT")) for path, tag in found]
    first = next(k for k, (_, tag) in enumerate(tagged) if tag == "PIXTABLE_OBJECT")
    store = directory / "store.zarr"
    ingest([tagged[first][0]], store)
    tagged[first] = store, "PIXTABLE_OBJECT"
    return [*tagged, *((directory / f"{name}.fits", tag) for tag, name in more.items())]


@pytest.fixture(scope="module")
def both(frames, tmp_path_factory):
    """Directories of the products with rows, and with corrections."""
    directory = tmp_path_factory.mktemp("both")
    made = []
    for name, options in (("rows", ()), ("corrections", (RECORDED, "--save-fits"))):
        status, products = run_recipe(RECIPE, directory / name, frames, *OPTIONS, *options)
        assert status == 0
        made.append(products)
    return made


def whole(path):
    """All rows of a pixel table, in the order of their origin."""
    table = open_pixel_table(path)
    rows = table.read(np.array([[0, table.n_rows]]), table.names)
    order = np.argsort(rows["origin"], kind="stable")
    return {name: values[order] for name, values in rows.items()}


def test_rows_have_the_same_bits(both):
    (header, rows, units), (other_header, other, other_units) = (product(one) for one in both)
    assert units == other_units and rows["data"].size > 10_000
    assert all(np.array_equal(rows[name], other[name], equal_nan=True) for name in rows)
    differing = {key for key in {*header, *other_header} if header.get(key) != other_header.get(key)}
    assert not {key for key in differing if not key.startswith(("DATE", "ESO PRO REC"))}


def test_the_fits_file_and_an_export_are_the_same(both, tmp_path):
    store, written = (both[1] / f"PIXTABLE_REDUCED_0001.{ending}" for ending in ("zarr", "fits"))
    export(store, tmp_path / "exported.fits")
    with fits.open(written) as one, fits.open(tmp_path / "exported.fits", checksum=True) as other:
        assert [hdu.name for hdu in one] == [hdu.name for hdu in other]
        assert all(np.array_equal(a.data, b.data) for a, b in zip(one[1:-1], other[1:-1], strict=True))


def test_segments_hold_their_rows(both):
    table = open_pixel_table(both[1] / "PIXTABLE_REDUCED_0001.zarr")
    assert isinstance(table, CorrectedTable)
    assert {type(one.table) for one in table.tables} > {ZarrPixelTable}
    index = table.index()
    assert index["start"][0] == 0 and index["stop"][-1] == table.n_rows
    assert np.array_equal(index["start"][1:], index["stop"][:-1]) and (index["stop"] - index["start"]).max() <= 256
    rng = np.random.default_rng(2)
    for one in index[rng.integers(0, index.size, 50)]:
        wavelength = table.read(np.array([[one["start"], one["stop"]]]), ("lambda",))["lambda"]
        assert wavelength.min() == one["lambda_min"] and wavelength.max() == one["lambda_max"]


def test_parts_of_columns_are_those_of_the_whole(both):
    table = open_pixel_table(both[1] / "PIXTABLE_REDUCED_0001.zarr")
    rng = np.random.default_rng(3)
    ends = np.sort(rng.integers(0, table.n_rows, 40)).reshape(-1, 2)
    rows = table.read(np.array([[0, table.n_rows]]), table.names)
    for names in (("data",), ("xpos", "lambda"), table.names):
        part = table.read(ends, names)
        for name in names:
            assert np.array_equal(part[name], np.concatenate([rows[name][a:b] for a, b in ends]), equal_nan=True)


def test_the_combined_cube_has_the_same_bits(both, tmp_path):
    cubes = []
    for directory in both:
        selection = tmp_path / f"{directory.name}.yaml"
        selection.write_text(
            f"exposures: [{directory}/PIXTABLE_REDUCED_0001.zarr]\noutput: {tmp_path}/{directory.name}\n"
            "parameters: {crsigma: 5, save: 'cube,combined'}\ncombined_format: fits\n"
        )
        assert run(["combine", str(selection), "--workers=1"]) == 0
        with fits.open(tmp_path / directory.name / "DATACUBE_FINAL.fits") as hdus:
            cubes.append([hdu.data.copy() for hdu in hdus[1:]])
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*cubes, strict=True))
    one, other = (whole(tmp_path / directory.name / "PIXTABLE_COMBINED.fits") for directory in both)
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_a_part_of_it_is_cut_as_of_rows(both, tmp_path):
    from musedeep.tools.pixtable import crop

    ranges = {"xpos": (None, None), "ypos": (None, None), "lambda": (6300.0, 6330.0)}
    for directory in both:
        crop(directory / "PIXTABLE_REDUCED_0001.zarr", tmp_path / f"{directory.name}.fits", ranges)
    one, other = (whole(tmp_path / f"{directory.name}.fits") for directory in both)
    assert one["data"].size > 1000 and all(np.array_equal(one[name], other[name]) for name in one)


def test_rows_beyond_wavelengths_are_left_out(frames, tmp_path):
    limits = "--lambdamin=6300", "--lambdamax=6340.7"
    made = [
        run_recipe(RECIPE, tmp_path / f"{k}", frames, *OPTIONS, *limits, *more)
        for k, more in enumerate(((), (RECORDED,)))
    ]
    (_, rows, _), (_, other, _) = (product(directory) for _, directory in made)
    assert rows["data"].size and all(np.array_equal(rows[name], other[name]) for name in rows)


def test_it_is_small(both):
    sizes = [open_pixel_table(directory / "PIXTABLE_REDUCED_0001.zarr").nbytes for directory in both]
    assert sizes[1] < sizes[0]


@pytest.fixture
def moved(frames, tmp_path):
    """A store of corrections and its pixel tables, in a directory of their own."""
    kept = []
    for path, tag in frames:
        if tag == "PIXTABLE_OBJECT":
            target = tmp_path / "night" / path.name
            shutil.copytree(path, target) if path.is_dir() else (
                target.parent.mkdir(exist_ok=True),
                shutil.copy2(path, target),
            )
            path = target
        kept.append((path, tag))
    options = "--skymethod=none", "--save=individual", RECORDED
    status, made = run_recipe(RECIPE, tmp_path / "night", kept, *options)
    assert status == 0
    return made, [path for path, tag in kept if tag == "PIXTABLE_OBJECT"]


def test_pixel_tables_are_found_beside_it(moved, tmp_path):
    directory, _ = moved
    before = product(directory)[1]
    after = product(directory.rename(tmp_path / "elsewhere"))[1]
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_pixel_table_that_is_gone_or_another_is_said_so(moved):
    directory, (first, second) = moved
    store = directory / "PIXTABLE_REDUCED_0001.zarr"
    kept = second.rename(second.with_name("kept"))
    with pytest.raises(MusedeepError, match=rf"the pixel table .*{second.name}, which it corrects, is gone; put it"):
        open_pixel_table(store)
    if first.is_dir():
        first, kept = kept, first
    shutil.copy2(first, second)  # another time of change is enough for a FITS file
    second.touch()
    with pytest.raises(MusedeepError, match="is another than it was; reduce the exposure again"):
        open_pixel_table(store)
