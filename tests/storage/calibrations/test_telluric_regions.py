"""Telluric regions: written, read, refused."""

from dataclasses import replace

import numpy as np
import pytest

from musedeep.errors import MusedeepError
from musedeep.statics.load import load_telluric_regions
from musedeep.storage.calibrations.telluric_regions import (
    TelluricRegions,
    read_telluric_regions,
    telluric_regions_hdus,
)


def _write(path, regions):
    telluric_regions_hdus(regions).writeto(path)
    return path


def test_regions_come_back_sorted(tmp_path):
    regions = load_telluric_regions()
    shuffled = TelluricRegions(*(np.roll(v, 2) for v in vars(regions).values()))
    found = read_telluric_regions(_write(tmp_path / "regions.fits", shuffled))
    for name, values in vars(regions).items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_what_is_refused(tmp_path):
    regions = load_telluric_regions()
    crossed = replace(regions, background_lower=regions.lower + 1.0)
    with pytest.raises(MusedeepError, match=r"row 1: lmin 6862, lmax 6968, bgmin 6863, bgmax .* expected"):
        read_telluric_regions(_write(tmp_path / "crossed.fits", crossed))
    with pytest.raises(MusedeepError, match="the table has no rows"):
        read_telluric_regions(_write(tmp_path / "empty.fits", TelluricRegions(*(np.empty(0),) * 4)))
