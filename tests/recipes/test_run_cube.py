"""A cube of rows that are corrected when they are read is that of the corrected pixel table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.graph.combine.run import RunOptions, make_cube
from musedeep.recipes.run_cube import cube_of, make
from musedeep.recipes.run_exposures import exposures_of
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.recipes.scipost.recipe import RECIPE
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.field_rows import write_field
from tests.makers.pixel_tables import write_dithers
from tests.makers.row_sources import Offset, Redshifted

SMALL = {"ifus": (12,), "slices": tuple(range(1, 13)), "wavelength": (7000.0, 7030.0), "cosmics": 2e-3}
ALL = frozenset({"cube", "positioned", "combined", "stacked"})


@pytest.fixture
def call(tmp_path):
    """Two exposures."""
    paths = write_dithers(tmp_path, 2, step=30.0, **SMALL)[0]
    parameters = RECIPE.parse({"crsigma": 5, "save": ",".join(sorted(ALL))})
    frames = {one.name: [] for one in RECIPE.inputs} | {"PIXTABLE_OBJECT": [str(path) for path in paths]}
    return RecipeCall(frames, parameters, tmp_path / "out", memory=2**30)


def corrected_exposures(call):
    corrections = [Offset("data", 7.0), Redshifted(1e-4)]
    return [one.corrected(corrections, (7005.0, 7025.0)) for one in exposures_of(call.frames["PIXTABLE_OBJECT"])]


def test_all_products_are_those_of_the_corrected_tables(call, tmp_path):
    exposures = corrected_exposures(call)
    names = [path.name for path in make(call, cube_of(RECIPE, call, exposures, ALL, quality="SCIPOST"))]
    assert sorted(names) == [
        "DATACUBE_FINAL.fits", "IMAGE_FOV_0001.fits", "OBJECT_RESAMPLED.fits", "PIXTABLE_COMBINED.zarr",
        "PIXTABLE_POSITIONED_0001.zarr", "PIXTABLE_POSITIONED_0002.zarr",
    ]  # fmt: skip
    assert sorted(path.name for path in call.output.iterdir()) == sorted(names)
    stores = []
    for number, one in enumerate(exposures, 1):
        stores.append(tmp_path / f"PIXTABLE_REDUCED_{number:04d}.zarr")
        frames = {**call.frames, "PIXTABLE_OBJECT": one.paths}
        header = exposure_header(RECIPE, one.header, "PIXTABLE_REDUCED", "a.fits", frames, call.parameters, one.cards)
        product = one.product()
        product.header = header
        product.write_store(stores[-1], 2, False)
    again = RecipeCall(call.frames, call.parameters, tmp_path / "again", memory=2**30)
    make(again, cube_of(RECIPE, again, stores, ALL, quality="SCIPOST"))
    for name in (name for name in names if name.endswith(".zarr")):
        one, other = (open_pixel_table(where.output / name) for where in (call, again))
        everything = np.array([[0, one.n_rows]], np.int64)
        assert one.names == other.names and one.n_rows == other.n_rows
        for column in one.names:
            np.testing.assert_array_equal(*(table.read(everything, (column,))[column] for table in (one, other)))
    for name in (name for name in names if name.endswith(".fits")):
        with fits.open(call.output / name, checksum=True) as a, fits.open(again.output / name) as b:
            assert list(a[0].header) == list(b[0].header)
            records = [key for key in b[0].header if key.endswith(" ID") and key.startswith("ESO PRO REC")]
            assert "ESO PRO REC2 ID" not in records  # once, although the store has the record of its own making
            np.testing.assert_array_equal(a["DATA"].data, b["DATA"].data)
    with fits.open(call.output / "DATACUBE_FINAL.fits") as hdus:
        header = hdus[0].header
        assert header["ESO PRO REC1 ID"] == "muse_scipost" and header["ESO PRO REC1 RAW1 CATG"] == "PIXTABLE_OBJECT"
        assert "ESO QC SCIPOST NDET" in header and header["ESO PRO DATANCOM"] == 2


def test_rows_of_positioned_and_combined_tables(call):
    call = replace(call, save_fits=True)
    exposures = corrected_exposures(call)
    make(call, cube_of(RECIPE, call, exposures, ALL))
    combined = open_pixel_table(call.output / "PIXTABLE_COMBINED.fits")
    first = 0
    for number, exposure in enumerate(exposures, 1):
        table = open_pixel_table(call.output / f"PIXTABLE_POSITIONED_{number:04d}.fits")
        assert table.n_rows == exposure.n_rows and table.units["xpos"] == "deg"
        own = table.read(np.array([[0, table.n_rows]]), table.names)
        joined = combined.read(np.array([[first, first + table.n_rows]]), combined.names)
        shift = table.header["CRVAL1"] - combined.header["CRVAL1"], table.header["CRVAL2"] - combined.header["CRVAL2"]
        np.testing.assert_allclose(joined["xpos"], own["xpos"].astype(float) + shift[0], atol=1e-9)
        np.testing.assert_allclose(joined["ypos"], own["ypos"].astype(float) + shift[1], atol=1e-9)
        for name in ("lambda", "data", "origin"):
            np.testing.assert_array_equal(joined[name], own[name])
        assert ((joined["dq"] & 32) != 0).any() and not (own["dq"] & 32).any()
        first += table.n_rows


def test_the_graph_makes_the_same_cube_of_reduced_tables_alone(call, tmp_path):
    paths = [Path(path) for path in call.frames["PIXTABLE_OBJECT"]]
    make(call, cube_of(RECIPE, call, paths, frozenset({"cube"}), quality="SCIPOST"))
    there = replace(call, output=tmp_path / "graph")
    make_cube(cube_of(RECIPE, there, paths, frozenset({"cube"}), quality="SCIPOST"), RunOptions(threads=2))
    with fits.open(call.output / "DATACUBE_FINAL.fits") as a, fits.open(there.output / "DATACUBE_FINAL.fits") as b:
        assert list(a[0].header) == list(b[0].header)
        for name in ("DATA", "STAT"):
            np.testing.assert_array_equal(a[name].data, b[name].data)
    pixels = write_field(tmp_path, (12,), wavelength=(7000.0, 7010.0))
    with pytest.raises(MusedeepError, match="use muse_scipost_make_cube"):
        make_cube(cube_of(RECIPE, there, pixels, frozenset({"cube"})), RunOptions(threads=2, overwrite=True))
