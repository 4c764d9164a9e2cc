"""Eigenspectra on disk and back; other grids and other files are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.eigenspectra import (
    Eigensegment,
    Eigenspectra,
    read_eigenspectra,
    write_eigenspectra,
)
from musedeep.storage.cubes.cube_axes import CubeAxes

AXES = CubeAxes(
    ("RA---TAN", "DEC--TAN", "AWAV"), ("deg", "deg", "Angstrom"), (1, 1, 1), (0, 0, 5000.0), (1, 0, 0, 1), 1.25
)


@pytest.fixture
def made():
    rng = np.random.default_rng(1)
    noise = rng.uniform(1, 2, 60).astype(np.float32)
    noise[20:25] = np.nan
    segments = tuple(
        Eigensegment(planes, rng.normal(size=(k, planes.size)).astype(np.float32), rng.uniform(1, 9, k), 0.9)
        for planes, k in ((np.arange(20), 3), (np.arange(25, 40), 0), (np.arange(40, 60), 2))
    )
    return Eigenspectra(AXES.wavelengths(60), "AWAV", noise, segments)


@pytest.mark.parametrize("parts", [slice(None), slice(1, 2)])
def test_round_trip(tmp_path, made, parts):
    made = replace(made, segments=made.segments[parts])
    path = tmp_path / "eigen.fits"
    write_eigenspectra(path, fits.Header([("OBJECT", "sky")]), AXES, made)
    found = read_eigenspectra(path)
    np.testing.assert_array_equal(found.wavelengths, made.wavelengths)
    np.testing.assert_array_equal(found.noise, made.noise)
    assert found.medium == "AWAV" and len(found.segments) == len(made.segments)
    for one, other in zip(found.segments, made.segments, strict=True):
        np.testing.assert_array_equal(one.planes, other.planes)
        np.testing.assert_array_equal(one.spectra, other.spectra)
        np.testing.assert_array_equal(one.values, other.values)
        assert one.noise == other.noise
    with pytest.raises(MusedeepError, match="exists already"):
        write_eigenspectra(path, fits.Header(), AXES, made)


@pytest.mark.parametrize(
    ("axes", "planes"),
    [(AXES, 61), (replace(AXES, crval=(0, 0, 5001.0)), 60), (replace(AXES, types=("a", "b", "WAVE")), 60)],
)
def test_another_grid(made, axes, planes):
    made.check_grid(Path("eigen.fits"), AXES, 60, Path("cube.fits"))
    with pytest.raises(MusedeepError, match=r"eigen.fits: eigenspectra of 60 planes .*, but cube.fits has .*; give"):
        made.check_grid(Path("eigen.fits"), axes, planes, Path("cube.fits"))


def test_other_files(tmp_path, made):
    with pytest.raises(MusedeepError, match="no such file; give a file of eigenspectra"):
        read_eigenspectra(tmp_path / "none.fits")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(MusedeepError, match="no extension EIGENSPECTRA; give a file"):
        read_eigenspectra(tmp_path / "image.fits")
    path = tmp_path / "eigen.fits"
    write_eigenspectra(path, fits.Header(), AXES, made)
    with fits.open(path) as hdus:
        hdus["EIGENSPECTRA"].data = hdus["EIGENSPECTRA"].data[:, :50]
        hdus.writeto(tmp_path / "cut.fits")
    with pytest.raises(MusedeepError, match="EIGENSPECTRA does not fit the tables"):
        read_eigenspectra(tmp_path / "cut.fits")
