"""muse_scipost on one exposure: from pixel tables of its IFUs to one that is reduced.

1. The IFUs are merged: brought to one level, and the colour of the flat's lamp put back.
2. Positions are corrected for refraction, data calibrated in flux and for telluric bands.
3. Raman light of the laser guide stars is subtracted, where there were any.
4. Slices are calibrated by themselves, where that is wanted.
5. The sky is subtracted: its spectrum is the mean of the rows in the darkest part of the field.
6. Wavelengths become those of the barycentre, positions those on the sky.

Each correction is put on the rows (`ExposureRows.corrected`), and made when they are read. Between them are sums over
all rows: an image of the field for 3 to 5, a spectrum for 5. The rows are read once for each, and once to be written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musedeep.errors import MusedeepError
from musedeep.recipes.run_exposures import ExposureRows
from musedeep.recipes.run_ifus import RecipeCall
from musedeep.recipes.scipost.calibrations import ScipostCalibrations
from musedeep.recipes.scipost.recipe import RECIPE, ScipostParameters
from musedeep.reduction.correct.flux import calibrate_flux
from musedeep.reduction.correct.placing import place
from musedeep.reduction.correct.refraction import correct_refraction
from musedeep.reduction.correct.velocity import correct_velocity

Writer = Callable[[Path, "ExposureRows"], None]


@dataclass
class ReducedExposure:
    """An exposure, reduced.

    Attributes
    ----------
    number : by date, from 1
    rows : corrected
    products : what else was found, by name; each writes itself to a path
    notes : what a user should know
    """

    number: int
    rows: ExposureRows
    products: dict[str, Writer] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
