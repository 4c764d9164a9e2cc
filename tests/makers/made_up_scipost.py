"""muse_scipost of a campaign that is made up: an image of stars, and a small pixel table of another field.

The exposure is told by the name of its task. What goes wrong is given as environment variables, so that other processes
know it, too: exposures that FAIL, exposures or standard stars that are WRONG (ten times too bright), seconds to
WAIT.
"""

import os
import time
from dataclasses import replace

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.recipes.run_ifus import Outcome
from musedeep.selection.dates import mjd_of
from musedeep.storage.cubes.field_view import write_field_view
from tests.makers import made_up_recipe
from tests.makers.field_views import CENTRE, header, plane_at, star_image, stars
from tests.makers.made_up_standard import SCALE, WRONG
from tests.makers.pixel_tables import write_exposure

RECIPE = replace(made_up_recipe.RECIPE, work=__name__)
MODULES = {
    **made_up_recipe.MODULES,
    "muse_scipost": __name__,
    "muse_standard": "tests.makers.made_up_standard",
}
FAIL, WAIT = "MADE_UP_FAIL", "MADE_UP_WAIT"


def pointing_error(date: str) -> tuple[float, float]:
    """Measured minus true position of an exposure, east and north [arcsec]."""
    east, north = np.random.default_rng(seed_of(date)).normal(0.0, 0.4, 2)
    return float(east), float(north)


def seed_of(date: str) -> int:
    """Of the noise of an exposure."""
    return int("".join(c for c in date if c.isdigit())[4:])


def run(call):
    folder = call.output.name.removeprefix("scipost-")[:28]
    date = folder.removeprefix("MUSE.").replace("_", ":")
    time.sleep(float(os.environ.get(WAIT, "0")))
    if folder in os.environ.get(FAIL, "").split(","):
        raise MusedeepError(f"{folder}: no light")
    star = call.frames["STD_RESPONSE"][0].split("/")[-2]
    wrong = {star, folder} & set(os.environ.get(WRONG, "").split(","))
    east, north = pointing_error(date)
    cosine = np.cos(np.radians(CENTRE[1]))
    ra, dec, flux = stars(15, 3, low=3.0, width=18.0)
    true = plane_at(CENTRE[0] - east / 3600 / cosine, CENTRE[1] - north / 3600)
    image = star_image(*true.to_pixels(ra, dec), flux, 0.3, seed_of(date)) * (SCALE if wrong else 1.0)
    primary = header(0)
    primary["DATE-OBS"], primary["MJD-OBS"] = date, mjd_of(date)
    primary["ESO QC SCIPOST FWHM MEDIAN"] = 0.75
    paths = [call.output / f"{name}_0001.fits" for name in ("IMAGE_FOV", "PIXTABLE_REDUCED")]
    write_field_view(paths[0], primary, image, plane_at(*CENTRE), "10**(-20)*erg/s/cm**2/Angstrom")
    write_exposure(paths[1], date_obs=date, seed=seed_of(date), slices=(1, 20, 40), wavelength=(7000.0, 7020.0))
    paths.append(call.output / "DATACUBE_FINAL.fits")
    paths[2].write_text("a cube that goes")
    with fits.open(paths[1], mode="update") as hdus:
        hdus[0].header["MJD-OBS"] = mjd_of(date)
    return Outcome(paths)
