"""The steps of muse_scipost by themselves, row by row against the reference, on every 300th row of a night's tables."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.recipes.registry import named
from musedeep.reduction.rows.sodium import NOTCH
from musedeep.reduction.smoothing import smooth_spectrum
from musedeep.simulate.optics import MODES
from tests.makers.step_runs import product, run_recipe

pytestmark = [pytest.mark.reference, pytest.mark.modes]

STEP = 300
NAMES = ("xpos", "ypos", "lambda", "data", "dq", "stat", "origin")


def thinned(source, target, **changed):
    """Write every STEP-th row of a pixel table, with keywords changed (`_` a blank)."""
    with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(source) as hdus:
        made = fits.HDUList()
        for hdu in hdus:
            if hdu.name in NAMES:
                image = fits.ImageHDU(hdu.data[::STEP].copy(), name=hdu.name)
                if "BUNIT" in hdu.header:
                    image.header["BUNIT"] = hdu.header["BUNIT"]
                made.append(image)
            else:
                made.append(hdu.copy())
        limits = {"X": "xpos", "Y": "ypos", "LAMBDA": "lambda"}
        for axis, name in limits.items():
            values = made[name].data
            for end, value in (("LOW", values.min()), ("HIGH", values.max())):
                made[0].header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS {axis} {end}"] = float(value)
        for key, value in changed.items():
            made[0].header["HIERARCH " * ("_" in key) + key.replace("_", " ")] = value
        made.writeto(target)
    return target, "PIXTABLE_OBJECT"


def theirs(path):
    """Header and rows of a pixel table of the reference, in the order of their origin."""
    with fits.open(path) as hdus:
        rows = {
            name: np.asarray(hdus[name].data[:, 0]).astype(hdus[name].data.dtype.newbyteorder("=")) for name in NAMES
        }
        header = hdus[0].header
    order = np.argsort(rows["origin"], kind="stable")
    return header, {name: values[order] for name, values in rows.items()}


@pytest.fixture
def both(esorex_recipe, tmp_path):
    """Runs a recipe of both; returns their header and rows, and ours."""

    def run(recipe, frames, name="PIXTABLE_REDUCED_0001-00.fits", **parameters):
        made = esorex_recipe(tmp_path / "theirs", recipe, frames, parameters)
        # parameters that the reference does not have, as it behaves
        own = {p.name: str(p.neutral).lower() for p in named(recipe).parameters if p.neutral is not None}
        given = [f"--{k}={v}" for k, v in (own | parameters).items()]
        status, ours = run_recipe(recipe, tmp_path / "ours", frames, *given)
        assert status == 0
        header, rows, _ = product(ours)
        return *theirs(made / name), header, rows

    return run


@pytest.mark.parametrize("changed", [{}, {"ESO_INS_DROT_POSANG": 33.0}, {"ESO_INS_DROT_MODE": "STAT"}])
@pytest.mark.parametrize("lambdaref", [7000.0, 5500.0])
def test_refraction(night, both, tmp_path, changed, lambdaref):
    table = thinned(night.product("PIXTABLE_STD_0001", ifu=1), tmp_path / "t.fits", **changed)
    head, rows, our_head, ours = both("muse_scipost_correct_dar", [table], lambdaref=lambdaref)
    assert np.array_equal(rows["origin"], ours["origin"])
    for name in ("xpos", "ypos"):
        assert np.abs(rows[name] - ours[name]).max() < 1e-4, "in pixel"
    keys = ["LIMITS X LOW", "LIMITS Y HIGH"]
    if not night.narrow:  # the optics of the narrow-field mode correct the refraction: neither does anything
        keys += ["DAR CORRECT", "PREDAR LIMITS XLO", "PREDAR LIMITS YHI"]
    assert ("ESO DRS MUSE PIXTABLE DAR CORRECT" in our_head) == (not night.narrow)
    for key in keys:
        key = f"ESO DRS MUSE PIXTABLE {key}"
        assert our_head[key] == pytest.approx(head[key], rel=1e-6), key


def outside_the_notch(night, rows):
    """Rows that have light: within the notch filter a response falls so steeply that any interpolation is one's own."""
    low, high = NOTCH.get(night.mode, (np.inf, np.inf))
    return (rows["lambda"] < low - 15.0) | (rows["lambda"] > high + 15.0)


@pytest.mark.parametrize("telluric", [True, False])
def test_flux(night, both, tmp_path, telluric):
    """Without the spectra of the flats, which the reference's step does not use."""
    curves = []
    for kind in ("RESPONSE", "TELLURIC")[: 1 + telluric]:
        with fits.open(night.product(f"STD_{kind}_0001")) as hdus:
            del hdus[0].header["ESO DRS MUSE FLUX FFCORR"]
            hdus.writeto(tmp_path / f"{kind}.fits")
        curves.append((tmp_path / f"{kind}.fits", f"STD_{kind}"))
    table = thinned(night.product("PIXTABLE_OBJECT_0001", ifu=1), tmp_path / "t.fits")
    extinction = night.directory / "static" / "extinct_table.fits", "EXTINCT_TABLE"
    head, rows, our_head, ours = both("muse_scipost_calibrate_flux", [table, *curves, extinction])
    assert our_head["ESO DRS MUSE PIXTABLE FLUXCAL"] == head["ESO DRS MUSE PIXTABLE FLUXCAL"]
    seen = outside_the_notch(night, rows)
    assert ours["data"][seen] == pytest.approx(rows["data"][seen], rel=1e-5)
    # the reference adds errors where its telluric correction has no rows
    elsewhere = seen & ((rows["lambda"] < 6270.0) | (rows["lambda"] > 6985.0))
    assert ours["stat"][elsewhere] == pytest.approx(rows["stat"][elsewhere], rel=0.01)


@pytest.mark.parametrize("mode", MODES)
def test_spectrum_of_the_flats(night, esorex_recipe, tmp_path, mode):
    """It is smoothed apart on the two sides of the notch; in the narrow field across it."""
    tables = [
        thinned(night.product("PIXTABLE_STD_0001", ifu=k), tmp_path / f"t-{k}.fits", ESO_INS_MODE=mode) for k in (1, 2)
    ]
    made = esorex_recipe(tmp_path / "theirs", "muse_scipost_combine_pixtables", tables, {})
    with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(made / "PIXTABLE_COMBINED.fits") as hdus:
        columns = hdus["PIXTABLE_FLAT_FIELD"].data
        wavelength, smoothed, raw = (np.asarray(columns[n], np.float64) for n in ("lambda", "data", "data_unsm"))
    found, _ = smooth_spectrum(wavelength, raw, mode, flat=True)
    assert np.abs(found - smoothed).max() < 1e-3 * raw.max()


@pytest.mark.parametrize("changed", [{}, {"ESO_INS_DROT_POSANG": -75.0}])
def test_place(night, both, tmp_path, changed):
    table = thinned(night.product("PIXTABLE_OBJECT_0001", ifu=2), tmp_path / "t.fits", **changed)
    solution = night.product("ASTROMETRY_WCS_0001"), "ASTROMETRY_WCS"
    head, rows, our_head, ours = both("muse_scipost_apply_astrometry", [table, solution])
    x, y = ((-r["ypos"] * np.sin(r["xpos"]), r["ypos"] * np.cos(r["xpos"])) for r in (rows, ours))
    assert np.degrees(np.hypot(*np.subtract(x, y))).max() * 3600.0 < 0.001, "in arcsec"
    for key in ("CRPIX1", "CRPIX2", "CD1_1", "CD2_2"):
        assert our_head[key] == pytest.approx(head[key], rel=1e-4), key
    # the header of the reference's product is that of the ASTROMETRY_WCS
    assert our_head["RA"] == fits.getheader(table[0])["RA"] != head["RA"]


@pytest.mark.parametrize(("rvcorr", "frame"), [("bary", "BARYCENT"), ("helio", "HELIOCEN"), ("geo", "GEOCENTR")])
def test_velocity(night, both, tmp_path, rvcorr, frame):
    """The reference's velocity is that of the other sign of the longitude, at the beginning or in the middle."""
    source = night.product("PIXTABLE_OBJECT_0001", ifu=1)
    longitude = -fits.getheader(source)["ESO TEL GEOLON"]
    table = thinned(source, tmp_path / "t.fits")
    turned = thinned(source, tmp_path / "turned.fits", ESO_TEL_GEOLON=longitude)
    head, rows, our_head, ours = both("muse_scipost_correct_rv", [table], rvcorr=rvcorr)
    assert our_head["SPECSYS"] == head["SPECSYS"] == frame
    key = "ESO DRS MUSE PIXTABLE RVCORR"
    status, made = run_recipe("muse_scipost_correct_rv", tmp_path / "turned", [turned], f"--rvcorr={rvcorr}")
    assert status == 0
    # the Sun's and the Earth's motions of the reference are good to some m/s
    assert product(made)[0][key] == pytest.approx(head[key], abs=0.02)
    assert abs(our_head[key] - head[key]) > 0.05
    assert np.abs(rows["lambda"] - ours["lambda"]).max() < 0.02


def test_chain_of_steps_is_what_scipost_does(night, esorex_recipe, tmp_path):
    """Refraction, flux with the colour of the lamp, and place, one step after the other, against one muse_scipost."""
    tables = [thinned(night.product("PIXTABLE_OBJECT_0001", ifu=k), tmp_path / f"t-{k}.fits") for k in (1, 2)]
    curves = [(night.product(f"STD_{kind}_0001"), f"STD_{kind}") for kind in ("RESPONSE", "TELLURIC")]
    curves.append((night.directory / "static" / "extinct_table.fits", "EXTINCT_TABLE"))
    solution = night.product("ASTROMETRY_WCS_0001"), "ASTROMETRY_WCS"
    parameters = {"skymethod": "none", "save": "individual", "rvcorr": "none"}
    made = esorex_recipe(tmp_path / "theirs", "muse_scipost", [*tables, *curves, solution], parameters)
    steps = (("correct_dar", tables, []), ("calibrate_flux", None, curves), ("correct_rv", None, []),
             ("apply_astrometry", None, [solution]))  # fmt: skip
    frames = tables
    for step, given, further in steps:
        given = frames if given is None else given
        options = {"correct_rv": ["--rvcorr=none"], "calibrate_flux": ["--water=false"]}.get(step, [])
        status, ours = run_recipe(f"muse_scipost_{step}", tmp_path / step, [*given, *further], *options)
        assert status == 0
        frames = [(ours / "PIXTABLE_REDUCED_0001.zarr", "PIXTABLE_OBJECT")]
    head, rows = theirs(made / "PIXTABLE_REDUCED_0001.fits")
    our_head, found, _ = product(ours)
    off = [a[0] - b[0] for a, b in (([-r["ypos"] * f(r["xpos"])], [-o["ypos"] * f(o["xpos"])]) for f in (np.sin, np.cos)
                                    for r, o in ((rows, found),))]  # fmt: skip
    assert np.degrees(np.hypot(*off)).max() * 3600.0 < 0.005 * night.spaxel
    assert np.median(np.abs(found["data"] / rows["data"] - 1.0)) < 1e-4
    seen = outside_the_notch(night, rows)
    assert np.abs(found["data"][seen] / rows["data"][seen] - 1.0).max() < 0.01
    said = {k for k in head if k.startswith("ESO DRS MUSE") or len(k) < 9} - {"COMMENT"}
    assert said <= set(our_head), said - set(our_head)
    assert our_head["ESO DRS MUSE PIXTABLE FFCORR"] == head["ESO DRS MUSE PIXTABLE FFCORR"] == 2


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_one_takes_what_the_other_makes(night, esorex_recipe, tmp_path, first):
    table = thinned(night.product("PIXTABLE_OBJECT_0001", ifu=1), tmp_path / "t.fits")
    solution = night.product("ASTROMETRY_WCS_0001"), "ASTROMETRY_WCS"
    recipes = "muse_scipost_correct_dar", "muse_scipost_apply_astrometry"
    if first == "theirs":
        made = esorex_recipe(tmp_path / "theirs", recipes[0], [table], {}) / "PIXTABLE_REDUCED_0001-00.fits"
        status, ours = run_recipe(recipes[1], tmp_path / "ours", [(made, "PIXTABLE_OBJECT"), solution])
        assert status == 0
        head, rows, _ = product(ours)
    else:
        status, ours = run_recipe(recipes[0], tmp_path / "ours", [table], "--save-fits")
        assert status == 0
        frames = [(ours / "PIXTABLE_REDUCED_0001.fits", "PIXTABLE_OBJECT"), solution]
        head, rows = theirs(
            esorex_recipe(tmp_path / "theirs", recipes[1], frames, {}) / "PIXTABLE_REDUCED_0001-00.fits"
        )
    assert head["ESO DRS MUSE PIXTABLE WCS"] == "projected (intermediate)"
    assert head.get("ESO DRS MUSE PIXTABLE DAR CORRECT") == (None if night.narrow else 7000.0)
    assert -2e-4 < rows["ypos"].min() < rows["ypos"].max() < 0.0
