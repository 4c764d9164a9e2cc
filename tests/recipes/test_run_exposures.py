"""One exposure, all its IFUs: corrections, sums over IFUs, and the corrected pixel table, streamed."""

import tracemalloc

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import exposures_of
from musedeep.reduction.correct.placing import place, position
from musedeep.storage.pixel_tables import table as table_module
from musedeep.storage.pixel_tables.ingest import ingest
from musedeep.storage.pixel_tables.open import JoinedPixelTable, open_pixel_table
from musedeep.storage.pixel_tables.table import REQUIRED
from tests.makers.field_tables import write_field_table
from tests.makers.pixel_tables import ifu_paths, write_exposure
from tests.makers.row_sources import Offset, Redshifted

IFUS = (2, 5, 9, 24)
LIMITS = "ESO DRS MUSE PIXTABLE LIMITS "


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """FITS pixel tables of four IFUs, and the same as stores; the flat of the second and third was brighter."""
    path = tmp_path_factory.mktemp("exposure") / "e.fits"
    write_exposure(path, fmt="per-ifu", ifus=IFUS, slices=range(1, 49, 8), wavelength=(6950.0, 7050.0))
    paths = ifu_paths(path, IFUS)
    for name, factor in zip(paths, (1.0, 1.25, 1.5, 1.0), strict=True):
        fits.setval(name, "HIERARCH ESO DRS MUSE FLAT FLUX LAMP", value=factor)
    return {"fits": paths, "zarr": [ingest([p], p.with_suffix(".zarr"), chunk_rows=4096) for p in paths]}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", 2000)


class SliceLevels:
    """Sum and number of the data of each slice of each IFU, float32: its bits depend on the order of terms."""

    columns = ("origin", "data")

    def __init__(self):
        self.sums, self.total, self.ifus = np.zeros((2, 32 * 64)), np.float32(0), []

    def fresh(self):
        return SliceLevels()

    def add(self, rows):
        key = rows["origin"] & 0x7FF
        self.ifus = self.ifus or [int(key[0]) >> 6]
        self.sums += [np.bincount(key, rows["data"], 32 * 64), np.bincount(key, minlength=32 * 64)]
        self.total = np.cumsum(np.r_[self.total, rows["data"]], dtype=np.float32)[-1]

    def merge(self, other):
        self.sums, self.total, self.ifus = self.sums + other.sums, self.total + other.total, self.ifus + other.ifus


def reduced(paths, workers, wavelengths=(6990.0, 7030.0)):
    """Two passes: rows are shifted, and their mean level is subtracted."""
    (exposure,) = exposures_of(paths)
    exposure = exposure.corrected([Redshifted(0.0005)], wavelengths)
    levels = SliceLevels()
    exposure.add_up([levels], workers)
    return exposure.corrected([Offset("data", -levels.sums[0].sum() / levels.sums[1].sum())]), levels


@pytest.mark.parametrize("form", ["fits", "zarr"])
def test_same_bits_with_any_number_of_workers(files, tmp_path, monkeypatch, form):
    made = []
    for workers in (1, 4):
        monkeypatch.setattr("musedeep.processors.limits", lambda n=workers: [n])
        # files in any order: IFUs are put in theirs
        exposure, levels = reduced(files[form][::-1] if workers > 1 else files[form], workers)
        assert levels.ifus == list(IFUS)
        product = exposure.product(workers=workers)
        product.write_store(tmp_path / f"{workers}.zarr", workers, False)
        product.write_fits(tmp_path / f"{workers}.fits", False)
        store = open_pixel_table(tmp_path / f"{workers}.zarr")
        rows = store.read(np.array([[0, store.n_rows]]), REQUIRED)
        datasums = [hdu.header["DATASUM"] for hdu in fits.open(tmp_path / f"{workers}.fits")]
        made.append((levels.total.tobytes(), datasums, {k: v.tobytes() for k, v in rows.items()}))
    assert made[0] == made[1]
    fits.open(tmp_path / "4.fits", checksum=True).verify("exception")


def test_stores_and_files_give_the_same_rows_and_headers(files, tmp_path):
    found = []
    for form, paths in files.items():
        exposure, levels = reduced(paths, 2)
        exposure.product([("OBJECT", "other", "")]).write_fits(tmp_path / f"{form}.fits", False)
        with fits.open(tmp_path / f"{form}.fits") as hdus:
            rows = {name: np.asarray(hdus[name].data[:, 0]).astype(float) for name in REQUIRED}
            found.append((hdus[0].header, {name: v[np.argsort(rows["origin"])] for name, v in rows.items()}, levels))
    (header, rows, levels), (_, others, _) = found
    for name in REQUIRED:
        assert others[name] == pytest.approx(rows[name], rel=1e-6, abs=1e-3), name
    assert np.array_equal(found[0][2].sums[1], found[1][2].sums[1])
    # the corrections, in numbers: brought to the level of the first IFU, shifted, cut, a mean of 0
    joined = JoinedPixelTable([open_pixel_table(p) for p in files["fits"]])
    plain = joined.read(np.array([[0, joined.n_rows]]), REQUIRED)
    factor = np.float32(1.0005)
    inside = (plain["lambda"] * factor >= 6990) & (plain["lambda"] * factor <= 7030)
    assert 0 < inside.sum() < inside.size and rows["lambda"].size == inside.sum() == levels.sums[1].sum()
    order = np.argsort(plain["origin"][inside])
    assert np.array_equal(rows["lambda"], (plain["lambda"] * factor)[inside][order])
    data = (plain["data"] / factor)[inside][order]
    assert rows["data"] == pytest.approx(data - data.mean(dtype=float), abs=0.01)
    assert joined.factors[1] == pytest.approx(0.8)
    # the header says what was done, and where the rows lie now
    assert header["ESO DRS MUSE PIXTABLE RVCORR"] == pytest.approx(0.0005, rel=1e-3) and header["OBJECT"] == "other"
    assert header[f"{LIMITS}LAMBDA HIGH"] == pytest.approx(rows["lambda"].max(), rel=1e-6)
    assert header[f"{LIMITS}LAMBDA LOW"] >= 6990 and header[f"{LIMITS}IFU HIGH"] == 24


def test_without_corrections_the_table_is_that_of_the_joined_files(files):
    (exposure,) = exposures_of(files["fits"])
    joined = JoinedPixelTable([open_pixel_table(p) for p in files["fits"]])
    product = exposure.product()
    # what is true of one IFU alone is left out
    expected = fits.Header([c for c in joined.header.cards if "FLAT FLUX" not in c.keyword])
    assert product.header == expected and product.rows.names == joined.names
    ranges = np.array([[0, 3], [exposure.sources[0].n_rows - 5, exposure.n_rows]])
    for name, column in product.rows.read(ranges, joined.names).items():
        assert np.array_equal(column, joined.read(ranges, (name,))[name]), name


@pytest.mark.parametrize("form", ["fits", "zarr"])
def test_memory_is_that_of_some_blocks(files, tmp_path, monkeypatch, form):
    monkeypatch.setattr("musedeep.processors.limits", lambda: [2])
    peaks = []
    for number in (1, 4):
        reduced(files[form][:number], 2)  # what is imported and cached
        tracemalloc.start()
        try:
            exposure, _ = reduced(files[form][:number], 2, (6000.0, 8000.0))
            exposure.product(workers=2).write_fits(tmp_path / f"{number}.fits", False)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    added = (exposure.n_rows - exposure.sources[0].n_rows) * 28
    assert added > 2.5 * 2**20
    assert peaks[1] - peaks[0] < added / 5, [f"{peak / 2**20:.2f} MiB" for peak in peaks]


def test_exposures_are_told_apart_and_an_ifu_is_taken_once(files, tmp_path):
    write_exposure(tmp_path / "o.fits", ifus=(3,), slices=(1,), date_obs="2014-09-19T00:00:00.000")
    first, second = exposures_of([*files["fits"], tmp_path / "o.fits"])
    assert len(first.sources) == 1 and len(second.sources) == 4
    with pytest.raises(MusedeepError, match=r"e-05.*: the same exposure as .*e-05.*IFUs 5-5 in both"):
        exposures_of([*files["fits"], files["zarr"][1]])


@pytest.fixture
def field_exposure(tmp_path):
    """Two IFUs in the field of view, from 4750 to 9350 Angstrom."""
    paths = [tmp_path / f"f-{ifu:02d}.fits" for ifu in (3, 12)]
    for path, ifu in zip(paths, (3, 12), strict=True):
        write_field_table(path, ifu=ifu)
    return exposures_of(paths)[0]


def test_rows_within_wavelengths_are_all_rows_where_none_is_beyond(field_exposure):
    low, high = field_exposure.wavelengths
    assert 4750 <= low < 4760 and 9340 < high <= 9350
    assert field_exposure.within(4000.0, 10000.0) is field_exposure
    cut = field_exposure.within(5000.0, 10000.0)
    assert cut.wavelengths == (5000.0, high) and cut.n_rows < field_exposure.n_rows
    assert cut.within(4000.0, 6000.0).wavelengths == (5000.0, 6000.0)


def test_the_colour_of_the_lamp_is_put_back_once(field_exposure):
    assert not field_exposure.has_lamp_colour
    coloured = field_exposure.with_lamp_colour()
    assert coloured.has_lamp_colour
    assert coloured.product().header["ESO DRS MUSE PIXTABLE FFCORR"] == 2
    assert coloured.product().flat_field.columns.names == ["lambda", "data", "data_unsm"]


def test_limits_on_the_sky_are_not_relative(field_exposure):
    observation = field_exposure.observation
    placed = field_exposure.corrected([*place(observation, None), *position(observation)])
    header = placed.product().header
    assert abs(header[f"{LIMITS}X LOW"] - observation.ra) < 0.02
    assert abs(header[f"{LIMITS}Y HIGH"] - observation.dec) < 0.02


def test_ifus_from_different_steps_are_refused(tmp_path):
    write_field_table(tmp_path / "a.fits", ifu=3)
    write_field_table(tmp_path / "b.fits", ifu=12, ESO_DRS_MUSE_PIXTABLE_DAR_CORRECT=7000.0)
    with pytest.raises(
        MusedeepError, match=r"b.fits: .*DAR CORRECT is 7000.0, that of .*a.fits is None; give all IFUs"
    ):
        exposures_of([tmp_path / "a.fits", tmp_path / "b.fits"])
