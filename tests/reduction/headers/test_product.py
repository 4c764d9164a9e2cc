"""Headers of products: which calibrations are recorded."""

from astropy.io import fits

from musedeep.recipes.flat.recipe import RECIPE
from musedeep.recipes.twilight.recipe import RECIPE as TWILIGHT
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.inputs import open_frames
from tests.makers.raw_frames import write_biases


def names(header, key):
    return [value for card, value in header.items() if card.startswith("ESO PRO REC1 CAL") and card.endswith(key)]


def test_calibrations_of_other_ifus_are_not_recorded(tmp_path):
    _, raws = write_biases(tmp_path, ifus=(1, 2))
    given = {"MASTER_BIAS-01": "CHAN01", "MASTER_BIAS-02": "CHAN02", "MASTER_BIAS": None}
    for name, extension in given.items():
        header = fits.Header([("EXTNAME", extension), ("DATAMD5", f"of {name}")] if extension else [])
        fits.PrimaryHDU(header=header).writeto(tmp_path / f"{name}.fits")
    biases = [str(tmp_path / f"{name}.fits") for name in given]
    frame = open_frames([str(path) for path in raws], 2, "FLAT", 1, RECIPE.name)[0]

    def header(recipe, tag):
        frames = {tag: [str(path) for path in raws], "MASTER_BIAS": biases}
        return product_header(recipe, frame, "MASTER_FLAT", "x.fits", frames, recipe.parse({}))

    one = header(RECIPE, "FLAT")
    assert names(one, "NAME") == ["MASTER_BIAS-02.fits", "MASTER_BIAS.fits"]
    assert names(one, "DATAMD5") == ["of MASTER_BIAS-02"]
    # a recipe on all IFUs uses them all
    assert names(header(TWILIGHT, "SKYFLAT"), "NAME") == [f"{name}.fits" for name in given]
