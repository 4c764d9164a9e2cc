"""The combined pixel table: its rows, and the same table as a FITS file and as a store."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.info import describe
from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.graph.combine.exp_combine import Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.combined_rows import places_of
from musedeep.storage.offset_list import read_offset_list
from musedeep.storage.pixel_tables import store_writer, table
from musedeep.storage.pixel_tables.export import BYTES_PER_ROW, export
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.stores import column_writer
from tests.makers.pixel_tables import write_dithers, write_exposure

OPTIONS = {"ifus": (11, 12), "slices": tuple(range(1, 13)), "wavelength": (6990.0, 7045.0), "cosmics": 3e-3}
BOTH = frozenset({"store", "fits"})
CHANGING = ("DATE", "DATAMD5", "CHECKSUM", "DATASUM")


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Three exposures, each with the spectrum of a flat of its own."""
    paths, truths = write_dithers(
        tmp_path_factory.mktemp("exposures"), 3, step=50.0, weight=True, flat_field=True, **OPTIONS
    )
    for k, path in enumerate(paths):
        with fits.open(path, mode="update") as hdus:
            hdus[-1].data["data"] *= 1.0 + k
            hdus[0].header["HIERARCH ESO DRS MUSE PIXTABLE FFCORR"] = k + 1
    return paths, truths


def combined(paths, output, parameters=None, formats=BOTH, **options):
    given = {"crsigma": 5, "save": "combined", **(parameters or {})}
    request = Request(list(paths), RECIPE.parse(given), output, combined_format=formats, **options)
    return combine(request)


def assert_same_table(one, other):
    with fits.open(one) as a, fits.open(other) as b:
        assert [h.name for h in a] == [h.name for h in b]
        for mine, theirs in zip(a, b, strict=True):
            cards = [[str(c) for c in h.header.cards if c.keyword not in CHANGING] for h in (mine, theirs)]
            assert cards[0] == cards[1]
        for mine, theirs in zip(a[1:], b[1:], strict=True):
            assert np.array(mine.data).tobytes() == np.array(theirs.data).tobytes()


def files_of(store):
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"weight": "none"},
        {"lambdamin": 7005.3, "lambdamax": 7021.7, "weight": "fwhm"},
    ],
)
def test_the_export_of_the_store_is_the_fits_table(exposures, tmp_path, monkeypatch, parameters):
    monkeypatch.setattr(table, "ROWS_AT_ONCE", 5000)  # blocks end within exposures and runs
    outcome = combined(exposures[0], tmp_path / "out", parameters)
    assert [p.name for p in outcome.products] == ["PIXTABLE_COMBINED.zarr", "PIXTABLE_COMBINED.fits"]
    made = tmp_path / "out" / "PIXTABLE_COMBINED.fits"
    export(tmp_path / "out" / "PIXTABLE_COMBINED.zarr", tmp_path / "back.fits")
    assert_same_table(made, tmp_path / "back.fits")
    fits.open(tmp_path / "back.fits", checksum=True).verify("exception")
    with fits.open(tmp_path / "back.fits") as hdus:
        wave, low, high = hdus["lambda"].data, parameters.get("lambdamin", 0), parameters.get("lambdamax", 1e5)
        assert wave.min() >= low and wave.max() <= high
        assert (hdus["dq"].data == 32).sum() > 100  # only rejected rows have it
        assert hdus[0].header["DATAMD5"] == fits.getheader(made)["DATAMD5"] != "0" * 32
        n = sum(int(((t.rows["lambda"] >= low) & (t.rows["lambda"] <= high)).sum()) for t in exposures[1])
        assert wave.size == n


def test_offsets_fluxes_vacuum_and_files_of_ifus(tmp_path):
    paths = []
    for k in range(2):
        write_exposure(
            tmp_path / f"e{k}.fits", fmt="per-ifu", seed=k, date_obs=f"2014-09-0{k + 1}T00:00:00.000", **OPTIONS
        )
        paths += sorted(tmp_path.glob(f"e{k}-*.fits"))
    columns = [
        fits.Column("DATE_OBS", "23A", array=["2014-09-01T00:00:00.000", "2014-09-02T00:00:00.000"]),
        fits.Column("RA_OFFSET", "1D", "deg", array=[0.0, 1e-4]),
        fits.Column("DEC_OFFSET", "1D", "deg", array=[0.0, -1e-4]),
        fits.Column("FLUX_SCALE", "1D", array=[1.0, 1.7]),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "offsets.fits")
    assert read_offset_list(tmp_path / "offsets.fits").for_date("2014-09-02T00:00:00.000").flux_scale == 1.7
    header = fits.Header(
        {"NAXIS": 3, "NAXIS1": 30, "NAXIS2": 40, "NAXIS3": 9, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
         "CTYPE3": "WAVE", "CUNIT1": "deg", "CUNIT2": "deg", "CUNIT3": "Angstrom", "CRVAL1": 150.106, "CRVAL2": 2.2,
         "CRVAL3": 7000.0, "CRPIX1": 15.0, "CRPIX2": 20.0, "CRPIX3": 1.0, "CD1_1": -5.6e-5, "CD1_2": 0.0,
         "CD2_1": 0.0, "CD2_2": 5.6e-5, "CD3_3": 1.25}
    )  # fmt: skip
    fits.PrimaryHDU(np.zeros((9, 40, 30), np.float32), header).writeto(tmp_path / "grid.fits")
    combined(paths, tmp_path / "out", offset_list=tmp_path / "offsets.fits", output_wcs=tmp_path / "grid.fits")
    export(tmp_path / "out" / "PIXTABLE_COMBINED.zarr", tmp_path / "back.fits")
    assert_same_table(tmp_path / "out" / "PIXTABLE_COMBINED.fits", tmp_path / "back.fits")
    with fits.open(tmp_path / "back.fits") as hdus:
        assert hdus["lambda"].data.min() > 6991.5  # vacuum


def test_a_directory_whose_name_looks_like_a_pattern(exposures, tmp_path):
    made = []
    for name in ("plain", "run [1] *?"):
        here = tmp_path / name
        here.mkdir()
        store = ingest([exposures[0][0]], here / "a.zarr")
        combined([store, *exposures[0][1:]], here / "out", scratch=str(here), report=here / "report.html")
        assert (here / "report.html").exists()
        made.append(here / "out" / "PIXTABLE_COMBINED.fits")
    assert_same_table(*made)
    assert (fits.getdata(made[1], "dq") == 32).sum() > 100


def test_the_store_is_banded_and_described(exposures, tmp_path):
    combined(exposures[0], tmp_path / "out", formats=frozenset({"store"}))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["PIXTABLE_COMBINED.zarr"]
    table = open_pixel_table(tmp_path / "out" / "PIXTABLE_COMBINED.zarr")
    runs = table.whole("index/runs")
    assert len(np.unique(runs[:, 0])) == 4  # bands of 20 Angstrom
    assert (np.diff(runs[:, 0] * 2048 + runs[:, 1] * 64 + runs[:, 2]) > 0).all()
    index = table.index()
    rows = table.read(np.array([[0, table.n_rows]]), ("xpos", "lambda", "weight"))
    assert (index["lambda_min"] <= np.minimum.reduceat(rows["lambda"], index["start"])).all()
    assert (index["x_max"] >= np.maximum.reduceat(rows["xpos"], index["start"])).all()
    assert (rows["weight"] == 1).all()
    title, facts = describe(table.path)
    assert title == "pixel-table store"
    assert ("exposures combined", "3") in facts and ("stage", "positioned (final)") in facts
    assert ("weight", "-") in facts and ("xpos", "deg") in facts


def test_memory_and_threads_do_not_change_the_store(exposures, tmp_path, monkeypatch):
    combined(exposures[0], tmp_path / "a", formats=frozenset({"store"}), threads=1)
    monkeypatch.setattr("musedeep.reduction.cube.products.COMBINED_MEMORY", BYTES_PER_ROW * 6000)
    monkeypatch.setattr(store_writer, "ROWS_PER_BLOCK", 2048)
    combined(exposures[0], tmp_path / "b", formats=frozenset({"store"}), threads=3)
    one, other = (files_of(tmp_path / k / "PIXTABLE_COMBINED.zarr") for k in "ab")
    # the date of the product is the only thing that may differ
    assert {k for k in one if one[k] != other[k]} <= {"zarr.json", "checksums/zarr.json", "checksums/c/0"}
    assert one.keys() == other.keys()


def test_a_run_that_failed_at_the_table_resumes_there(exposures, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def full(self, values):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(column_writer.ColumnWriter, "_write", full)
        with pytest.raises(MusedeepError, match=r"disk full while writing PIXTABLE_COMBINED\.zarr"):
            combined(exposures[0], tmp_path / "out")
    assert not (tmp_path / "out" / "PIXTABLE_COMBINED.zarr").exists()
    outcome = combined(exposures[0], tmp_path / "out")
    assert outcome.resumed_boxes == len(outcome.plan.tasks)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["PIXTABLE_COMBINED.fits", "PIXTABLE_COMBINED.zarr"]
    # an existing store is refused, and replaced when told so
    with pytest.raises(MusedeepError, match=r"PIXTABLE_COMBINED\.zarr exists; give --overwrite"):
        combined(exposures[0], tmp_path / "out")
    before = files_of(tmp_path / "out" / "PIXTABLE_COMBINED.zarr")
    combined(exposures[0][:2], tmp_path / "out", overwrite=True)
    assert files_of(tmp_path / "out" / "PIXTABLE_COMBINED.zarr") != before


def test_exposures_may_be_stores(exposures, tmp_path):
    stores = [ingest([path], tmp_path / f"{path.stem}.zarr") for path in exposures[0]]
    combined(stores, tmp_path / "out")
    export(tmp_path / "out" / "PIXTABLE_COMBINED.zarr", tmp_path / "back.fits")
    assert_same_table(tmp_path / "out" / "PIXTABLE_COMBINED.fits", tmp_path / "back.fits")
    with fits.open(tmp_path / "back.fits") as hdus, fits.open(exposures[0][0]) as first:
        assert [hdu.name for hdu in hdus[-2:]] == ["weight", "PIXTABLE_FLAT_FIELD"]
        np.testing.assert_array_equal(hdus[-1].data, first[-1].data)
        assert hdus[0].header["ESO DRS MUSE PIXTABLE FFCORR"] == 1
        assert "ESO DRS MUSE FLUX FFCORR" not in hdus[0].header


def test_the_spectra_of_the_flats_of_ifus_are_merged(tmp_path):
    write_exposure(tmp_path / "e.fits", fmt="per-ifu", flat_field=True, **OPTIONS)
    paths = sorted(tmp_path.glob("e-*.fits"))
    combined(paths, tmp_path / "out")
    given = [fits.getdata(path, "PIXTABLE_FLAT_FIELD") for path in paths]
    found = fits.getdata(tmp_path / "out" / "PIXTABLE_COMBINED.fits", "PIXTABLE_FLAT_FIELD")
    mean = np.mean([np.interp(found["lambda"], one["lambda"], one["data"]) for one in given], axis=0)
    np.testing.assert_allclose(found["data_unsm"], mean, rtol=1e-12)
    with fits.open(paths[0], mode="update") as hdus:
        hdus[-1].data["data"][5] = -1.0
    with pytest.raises(MusedeepError, match="PIXTABLE_FLAT_FIELD has"):
        combined(paths, tmp_path / "again")
    assert not list((tmp_path / "again").glob("*.fits"))


def test_combine_makes_the_store_and_the_recipe_the_file(exposures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    listed = ", ".join(str(p) for p in exposures[0])
    text = f"exposures: [{listed}]\nparameters: {{save: combined, crsigma: 5}}\n"
    Path("s.yaml").write_text(text + "output: a\n")
    assert run(["combine", "s.yaml", "--no-log"]) == 0
    assert [p.name for p in Path("a").iterdir()] == ["PIXTABLE_COMBINED.zarr"]
    Path("both.yaml").write_text(text + "output: b\ncombined_format: [store, fits]\n")
    assert run(["combine", "both.yaml", "--no-log"]) == 0
    assert sorted(p.name for p in Path("b").iterdir()) == ["PIXTABLE_COMBINED.fits", "PIXTABLE_COMBINED.zarr"]
    Path("c.sof").write_text("".join(f"{p} PIXTABLE_REDUCED\n" for p in exposures[0]))
    assert run(["recipe", "muse_exp_combine", "--save=combined", "--crsigma=5", "--output-dir=c", "c.sof"]) == 0
    assert [p.name for p in Path("c").iterdir()] == ["PIXTABLE_COMBINED.fits"]
    assert run(["export", "a/PIXTABLE_COMBINED.zarr", "back.fits"]) == 0
    assert_same_table("c/PIXTABLE_COMBINED.fits", "back.fits")


def test_places_of_rows_in_ranges():
    rows = np.array([3, 4, 10, 11, 20], np.int64)
    ranges = np.array([[10, 12], [0, 5], [19, 19], [15, 30]], np.int64)
    numbers = np.concatenate([np.arange(a, b) for a, b in ranges])
    places = places_of(rows, ranges)
    assert sorted(places.tolist()) == np.flatnonzero(np.isin(numbers, rows)).tolist()
