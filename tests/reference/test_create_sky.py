"""The sky, against the reference: its products on the same frames, and each other's products in the subtraction."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.storage.calibrations.sky_continuum import read_sky_continuum
from musedeep.storage.calibrations.sky_lines import read_sky_lines
from musedeep.storage.calibrations.sky_mask import read_sky_mask
from musedeep.storage.calibrations.sky_spectrum import read_sky_spectrum
from tests.makers.sky_exposures import write_sky_exposure
from tests.makers.step_runs import product, run_recipe

pytestmark = [pytest.mark.reference, pytest.mark.modes]


@pytest.fixture(scope="module")
def ours(second_stage):
    """Our products, without the correction that the reference does not have."""
    return second_stage.ours("create_sky", "--unbiased=false", "--water=false")


def path_of(night, ours, category):
    return ours / f"{category}.fits", night.product(category)


def test_image_and_mask(night, ours, figure):
    images = [fits.getdata(path, 1) for path in path_of(night, ours, "SKY_IMAGE")]
    np.testing.assert_allclose(images[0], images[1], rtol=1e-3)
    one, other = (read_sky_mask(path) for path in path_of(night, ours, "SKY_MASK"))
    assert figure("sky mask, share of equal pixels", (one.mask == other.mask).mean()) >= 0.99
    np.testing.assert_allclose(one.start, other.start, atol=1e-3)


def test_spectrum(night, ours, figure):
    one, other = (read_sky_spectrum(path) for path in path_of(night, ours, "SKY_SPECTRUM"))
    np.testing.assert_allclose(one.wavelength, other.wavelength, atol=1e-3)
    relative = np.abs(one.data / other.data - 1.0)
    assert figure("sky spectrum, difference of nine in ten", np.quantile(relative, 0.9)) < 2e-3
    assert np.median(one.stat / other.stat) == pytest.approx(1.0, abs=2e-3)


def test_fluxes_of_strong_lines(night, ours, figure):
    one, other = (read_sky_lines(path) for path in path_of(night, ours, "SKY_LINES"))
    assert len(one) == len(other)
    strong = np.argsort(-other.flux)[:60]
    off = []
    for k in strong:
        same = np.flatnonzero(one.name == other.name[k])
        j = same[np.abs(one.wavelength[same] - other.wavelength[k]).argmin()]
        off.append((one.flux[j] / other.flux[k] - 1.0, one.wavelength[j] - other.wavelength[k]))
    flux, shift = np.abs(off).T
    assert figure("sixty strong lines, median difference of flux", np.median(flux)) < 0.02
    # a spaxel of the narrow field has a 64th of the sky: some of the sixty are noise
    assert figure("sixty strong lines, largest difference of flux", flux.max()) < 0.05 or night.narrow
    # those of lone lines are off by up to 0.13 Angstrom in the reference
    assert figure("sixty strong lines, largest difference of place [Angstrom]", shift.max()) < 0.2
    for true in (5577.338, 6300.304):
        found = one.wavelength[np.abs(one.wavelength - true).argmin()]
        assert abs(figure(f"line at {true:.0f} Angstrom, ours minus truth [Angstrom]", found - true)) < 0.04


@pytest.mark.parametrize(("low", "high"), [(5570.0, 5585.0), (8340.0, 8350.0)])
def test_lines_have_the_light_of_the_spectrum(night, ours, figure, low, high):
    """The light of lines above their neighbourhood; the reference leaves 4 to 5 % of it in the continuum."""
    errors = []
    for path in path_of(night, ours, "SKY_LINES"):
        lines, spectrum = read_sky_lines(path), read_sky_spectrum(path.with_name("SKY_SPECTRUM.fits"))
        wavelength = spectrum.wavelength
        inside = (wavelength > low) & (wavelength < high)
        beside = (wavelength > low - 12.0) & (wavelength < high + 12.0) & ~inside
        light = np.trapezoid(spectrum.data[inside] - np.median(spectrum.data[beside]), wavelength[inside])
        fitted = lines.flux[(lines.wavelength > low) & (lines.wavelength < high)].sum()
        errors.append(abs(fitted / light - 1.0))
    for name, error in zip(("ours", "reference"), errors, strict=True):
        figure(f"light missing in lines at {low:.0f} to {high:.0f} Angstrom, {name}", error)
    # with the sky of other nights both miss as much: 4 % at 8344 Angstrom in WFM-AO-N
    limit = max(0.012, errors[1] + (0.03 if night.narrow else 0.005))
    assert errors[0] < (min(0.012, errors[1]) if night.mode == "WFM-NOAO-N" else limit)


def test_continuum(night, ours, figure):
    """Where lines are strong the reference leaves some of their light in the continuum."""
    one, other = (read_sky_continuum(path) for path in path_of(night, ours, "SKY_CONTINUUM"))
    piece = ((other.wavelength - other.wavelength[0]) / 25.0).astype(int)
    flux = np.interp(other.wavelength, one.wavelength, one.flux)
    ratio = [np.median(flux[piece == k]) / np.median(other.flux[piece == k]) for k in np.unique(piece)]
    off = np.abs(np.array(ratio) - 1.0)
    assert figure("continuum of the sky, median difference", np.median(off)) < 0.01
    assert figure("continuum of the sky, difference of nine in ten", np.quantile(off, 0.9)) < 0.05


def test_headers_have_the_keywords_of_the_reference(night, ours):
    for category in ("SKY_MASK", "SKY_LINES", "SKY_CONTINUUM"):
        mine, theirs = (fits.getheader(path) for path in path_of(night, ours, category))
        wanted = {key for key in theirs if key.startswith("ESO QC")}
        assert wanted <= set(mine)


@pytest.mark.parametrize("who", ["ours", "theirs"])
def test_each_takes_the_products_of_the_other(esorex_recipe, tmp_path, who):
    """The same products give the same rows, within 2 percent of the noise of 12 in nearly all rows."""
    frames, _ = write_sky_exposure(tmp_path, cosmics=0.0)
    extinction = fits.BinTableHDU.from_columns(
        [
            fits.Column("lambda", "D", "Angstrom", array=[4000.0, 10000.0]),
            fits.Column("extinction", "D", array=[0.1, 0.1]),
        ]
    )
    made = tmp_path / "sky"
    if who == "ours":
        status, made = run_recipe("muse_create_sky", made, frames)
        assert status == 0
    else:
        fits.HDUList([fits.PrimaryHDU(), extinction]).writeto(tmp_path / "extinction.fits")
        esorex_recipe(made, "muse_create_sky", frames, {})
    tag = {"PIXTABLE_SKY": "PIXTABLE_REDUCED"}
    step = [(path, tag.get(name, name)) for path, name in frames if name != "SKY_LINES"]
    step += [(made / f"{name}.fits", name) for name in ("SKY_LINES", "SKY_CONTINUUM")]
    status, mine = run_recipe("muse_scipost_subtract_sky", tmp_path / "mine", step)
    assert status == 0
    theirs = esorex_recipe(tmp_path / "theirs", "muse_scipost_subtract_sky", step, {})
    _, rows, _ = product(mine)
    found = {}
    for path in sorted(theirs.glob("PIXTABLE_REDUCED*.fits")):
        with fits.open(path) as hdus:
            found |= dict(zip(hdus["origin"].data.ravel().tolist(), hdus["data"].data.ravel().tolist(), strict=True))
    pairs = [
        (value, found[key])
        for key, value in zip(rows["origin"].tolist(), rows["data"].tolist(), strict=True)
        if key in found
    ]
    one, other = np.array(pairs).T
    assert one.size > 0.98 * rows["origin"].size
    assert np.quantile(np.abs(one - other), 0.98) < 3.0
