"""muse_standard of a campaign that is made up: a level response, lower where the star is said to be too bright."""

import os
from dataclasses import replace

import numpy as np
from astropy.io import fits

from musedeep.recipes.run_ifus import Outcome
from musedeep.storage.calibrations.response import Response, response_hdu
from tests.makers import made_up_recipe

RECIPE = replace(made_up_recipe.RECIPE, work=__name__)
WRONG, SCALE = "MADE_UP_WRONG", 10.0
LEVEL = 40.0
"""Of the response, 2.5 log10 of count per flux."""


def run(call):
    outcome: Outcome = made_up_recipe.run(call)
    star = call.output.name.removeprefix("standard-")
    lower = 2.5 * np.log10(SCALE) if star in os.environ.get(WRONG, "").split(",") else 0.0
    wavelength = np.arange(4750.0, 9350.0, 50.0)
    level = np.full(wavelength.size, LEVEL - lower)
    primary = fits.PrimaryHDU(header=fits.Header([("HIERARCH ESO INS MODE", "WFM-NOAO-N")]))
    path = next(path for path in outcome.paths if "STD_RESPONSE" in path.name)
    table = response_hdu(Response(wavelength, level, np.full(wavelength.size, 0.01)))
    fits.HDUList([primary, table]).writeto(path, overwrite=True)
    return outcome
