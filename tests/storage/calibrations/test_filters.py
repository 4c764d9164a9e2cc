import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.filters import WHITE, Filter, filter_list_hdus, read_filters


def _table(name, wavelength, throughput, **header):
    columns = [fits.Column("lambda", "D", array=wavelength), fits.Column("throughput", "D", array=throughput)]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(header)
    return hdu


def _write(path, *tables):
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    return path


@pytest.mark.parametrize(
    ("low", "high", "percent"),
    # MUSE FILTER FRACTION of the reference for cubes of these ranges
    [
        (4749.78271484375, 9351.0327, 97.87096),
        (4750.0, 9351.25, 97.84946),
        (6979.4033203125, 7061.9033, 1.763441),
        (9269.4033203125, 9346.9033, 0.6666667),
        (4619.4033203125, 4691.9033, 0.8817204),
        (6980.0, 7101.0, 2.60215),
    ],
)
def test_fraction_of_white(low, high, percent):
    assert WHITE.fraction(low, high) == pytest.approx(percent, rel=2e-6)


def test_white_ends_where_the_reference_does():
    np.testing.assert_array_equal(WHITE.at(np.array([4649.0, 4650.0, 7000.0, 9300.0, 9301.0])), [0, 1, 1, 1, 0])


def test_fraction_of_a_curve(tmp_path):
    grid = np.arange(6900, 7151, 10.0)
    path = _write(
        tmp_path / "f.fits", _table("Mid", grid, np.exp(-0.5 * ((grid - 7020) / 30) ** 2), ZP_VEGA=20.5, ZP_AB=20.9)
    )
    (mid,), missing = read_filters(path, ("Mid",))
    assert mid.fraction(6979.4033203125, 7061.9033) == pytest.approx(82.42726, rel=1e-6)
    assert missing == []
    cards = {k: v for k, v, _ in mid.cards(6979.4033203125, 7061.9033)}
    assert cards["ESO DRS MUSE FILTER ZPAB"] == 20.9
    assert mid.at(np.array([6899.0, 7020.0, 7200.0])).tolist() == [0, 1, 0]


def test_unsupported_names_are_reported(tmp_path):
    path = _write(tmp_path / "f.fits", _table("V", [1.0, 2.0], [0.0, 1.0]))
    found, missing = read_filters(path, ("white", "Nope", "V"))
    assert [f.name for f in found] == ["white", "V"]
    assert missing == ["Nope"]


def test_bad_curves(tmp_path):
    path = _write(tmp_path / "f.fits", _table("V", [2.0, 1.0], [0.0, 1.0]))
    with pytest.raises(MusedeepError, match="does not ascend"):
        read_filters(path, ("V",))
    (tmp_path / "no.fits").write_text("no FITS file")
    with pytest.raises(MusedeepError, match="no FITS header"):
        read_filters(tmp_path / "no.fits", ("V",))


def test_a_list_comes_back(tmp_path):
    wavelength = np.linspace(5000.0, 6000.0, 11)
    curves = [
        Filter("Own_a", wavelength, np.sin(wavelength), (21.5, None)),
        Filter("own_b", wavelength[:2], np.array([0.5, 1.0]), (None, 22.25)),
    ]
    filter_list_hdus(curves).writeto(tmp_path / "filters.fits")
    found, missing = read_filters(tmp_path / "filters.fits", ("Own_a", "own_b", "c"))
    assert missing == ["c"]
    for one, other in zip(found, curves, strict=True):
        assert (one.name, one.zero_points) == (other.name, other.zero_points)
        np.testing.assert_array_equal(one.wavelength, other.wavelength)
        np.testing.assert_array_equal(one.throughput, other.throughput)
