"""muse_geometry beside the reference: tables of ours in the reference's muse_scibasic, and all products side by side.

The reference's muse_geometry takes 7 minutes and 12 GB for an IFU, so what it made is kept: MUSEDEEP_TEST_MASK_NIGHT
names a night with its products, from `musedeep simulate night N --ifus 24 --small --masks 60` and `night/reduce.py N`.
Without it, tests/recipes/geometry/test_table.py compares with a stored table.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.cli.main import run
from musedeep.recipes.geometry.table import Geometry, geometry_table
from musedeep.simulate.optics import Instrument
from musedeep.storage.fits.header_cards import checksum_cards
from musedeep.storage.fits.image import open_image
from musedeep.storage.fits.table import write_table
from musedeep.storage.set_of_frames import read_set_of_frames

pytestmark = pytest.mark.reference


def test_the_reference_takes_our_table(night, esorex_recipe, tmp_path):
    """With the true places of IFU 1 in our table, muse_scibasic makes the pixel table it makes with the static one."""
    truth = Instrument(ifus=(1,)).ifu(1).geometry
    values = {name: np.array(truth[name])[None] for name in ("x", "y", "angle", "width")}
    errors = {name: np.zeros((1, 48)) for name in values}
    table = geometry_table(Geometry([1], values, errors, np.ones((1, 48), bool), (0.6135, 0.0, 1)))
    header = fits.Header([("HIERARCH ESO PRO CATG", "GEOMETRY_TABLE")])
    for card in checksum_cards():
        header.append(card, end=True)
    ours = tmp_path / "GEOMETRY_TABLE.fits"
    write_table(ours, header, table)
    frames = [(Path(path), tag) for path, tag in read_set_of_frames(night.directory / "sof" / "scibasic-SKY-01.sof")]
    frames = [(ours if tag == "GEOMETRY_TABLE" else path, tag) for path, tag in frames]
    made = esorex_recipe(tmp_path / "run", "muse_scibasic", frames, {"nifu": 1, "saveimage": "false"})
    with (
        fits.open(made / "PIXTABLE_SKY_0001-01.fits") as one,
        fits.open(night.directory / "reduced" / "PIXTABLE_SKY_0001-01.fits") as other,
    ):
        for name in ("xpos", "ypos"):
            assert np.abs(one[name].data - other[name].data).max() < 1e-4, name


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Products of the reference and of ours, of the same frames and calibrations."""
    kept = os.environ.get("MUSEDEEP_TEST_MASK_NIGHT")
    if not kept or not (Path(kept) / "reduced" / "geometry" / "GEOMETRY_TABLE.fits").is_file():
        pytest.skip("MUSEDEEP_TEST_MASK_NIGHT names no night with products of the reference's muse_geometry")
    ours = tmp_path_factory.mktemp("geometry")
    sof = Path(kept) / "sof" / "geometry.sof"
    assert run(["recipe", "muse_geometry", "--saveimage=false", str(sof), "--output-dir", str(ours)]) == 0
    return Path(kept) / "reduced" / "geometry", ours


def sorted_table(path):
    table = Table.read(path)
    table.sort(["SubField", "SliceCCD"])
    return table


def test_tables(both):
    reference, ours = both
    for name, factor in (("GEOMETRY_UNSMOOTHED.fits", 1.0), ("GEOMETRY_TABLE.fits", 2.0)):
        one, other = sorted_table(ours / name), sorted_table(reference / name)
        assert one.colnames == other.colnames and [one[c].unit for c in one.colnames] == [
            other[c].unit for c in one.colnames
        ]
        for column, limit in {"x": 0.05, "y": 0.03, "angle": 0.02, "width": 0.02}.items():
            assert np.abs(np.array(one[column]) - np.array(other[column])).max() < limit * factor, (name, column)
        theirs, own = fits.getheader(reference / name), fits.getheader(ours / name)
        quality = [key for key in theirs if key.startswith(("ESO QC", "ESO DRS"))]
        assert [key for key in own if key.startswith(("ESO QC", "ESO DRS"))] == quality
        for key in quality:
            if key.endswith(tuple(f"WLEN{k}" for k in range(1, 100))) or "OVSC" in key:
                assert own[key] == pytest.approx(theirs[key], rel=1e-5), key
        assert own["ESO QC GEO MASK ANGLE"] == pytest.approx(theirs["ESO QC GEO MASK ANGLE"], abs=0.003)


def test_spots(both):
    reference, ours = both
    one, other = (Table.read(path / "SPOTS_TABLE-24.fits") for path in (ours, reference))
    assert one.colnames == other.colnames and [one[c].dtype for c in one.colnames[1:]] == [
        other[c].dtype for c in one.colnames[1:]
    ]
    assert abs(len(one) / len(other) - 1) < 0.02
    # lines in tenths of Angstrom, slice, spot, exposure
    factors = {"SliceCCD": 1e3, "SpotNo": 1e2, "image": 1.0}
    keys = [
        np.round(np.array(t["lambda"]), 1) * 1e6 + sum(f * np.array(t[name]) for name, f in factors.items())
        for t in (one, other)
    ]
    _, i, j = np.intersect1d(*keys, return_indices=True)
    # 6328 Angstrom, which runs into 6334, is used by the reference alone
    assert i.size > 0.94 * len(other)
    i, j = (k[np.array(other["flux"])[j] > 3000] for k in (i, j))
    for name, limit in {"xc": 0.002, "yc": 0.002, "xfwhm": 0.02, "yfwhm": 0.02, "dxcen": 0.002, "twidth": 1e-4}.items():
        difference = np.abs(np.array(one[name])[i] - np.array(other[name])[j])
        assert np.nanpercentile(difference, 98) < limit, name
    assert np.array_equal(one["VPOS"][i], other["VPOS"][j])
    # the reference's background contains the spot
    ratio = np.array(one["flux"])[i] / np.array(other["flux"])[j]
    assert np.percentile(ratio, [5, 95]) == pytest.approx(2.164, rel=0.03)
    own, theirs = (fits.getheader(path / "SPOTS_TABLE-24.fits") for path in (ours, reference))
    for key in theirs:
        if key.startswith("ESO QC GEO") and key.endswith(("MEAN", "MEDIAN")):
            assert own[key] == pytest.approx(theirs[key], rel=0.01), key


def test_combined_image_and_cube(both):
    reference, ours = both
    one, other = (open_image(path / "MASK_COMBINED-24.fits", 24) for path in (ours, reference))
    for name in ("DATA", "DQ", "STAT"):
        assert np.allclose(one.rows(name, 0, 4112), other.rows(name, 0, 4112), rtol=1e-6, atol=1e-4)
    with fits.open(ours / "GEOMETRY_CUBE.fits") as own, fits.open(reference / "GEOMETRY_CUBE.fits") as theirs:
        assert [(h.name.lower(), h.shape) for h in own] == [(h.name.lower(), h.shape) for h in theirs]
        there = (own["DQ"].data == 0) & (theirs["DQ"].data == 0)
        assert there.mean() > 0.995
        assert np.corrcoef(own["DATA"].data[there], theirs["DATA"].data[there])[0, 1] > 0.9999
        for key in ("CTYPE1", "CRPIX1", "CD1_1", "CTYPE3", "CD3_3", "CRVAL3", "BUNIT"):
            assert own["DATA"].header[key] == theirs["DATA"].header[key]
