"""Quality-control keywords of the recipes on pixel tables: those that are declared are written, and no others."""

import re
import sqlite3

import pytest

from musedeep.recipes.registry import declared, named
from tests.makers.places import ROOT
from tests.makers.quality_keywords import differences, keywords, single

pytestmark = [pytest.mark.reference, pytest.mark.modes]

REAL = ROOT.parent / "shared" / "data" / "real" / "ic4406.sqlite"

WITHOUT = "muse_scipost_make_cube"
"""Version 2.5.4 wrote the keywords of sources into the cubes of this recipe; 2.8.7 does not, and neither do we."""

STEPS = {
    "standard": ("standard", ["STANDARD ZP"]),
    "create_sky": ("create_sky", []),
    "astrometry": ("astrometry", []),
    "scipost": ("scipost-1", ["SCIPOST RAMAN", "SCIPOST SKY CONVERGED"]),
    "exp_align": ("exp_align", ["EXPALIGN EXPTIME"]),
}
"""Set-of-frames of a step, and the keywords that need filters, adaptive optics, exposure maps, or a fit that fails."""


@pytest.mark.parametrize("step", STEPS)
def test_quality_keywords_are_declared_and_written(step, second_stage):
    name, elsewhere = STEPS[step]
    if step == "exp_align" and second_stage.night.narrow:
        pytest.skip("the strips share three stars in the narrow field, which are too few")
    made = second_stage.ours(name)
    written = keywords(made.glob("*.fits"))[f"muse_{step}"]
    if step == "exp_align":  # the preview has the keywords of the image that it begins with
        written = {keyword for keyword in written if not keyword.startswith("SCIPOST")}
    assert not differences(named(f"muse_{step}"), written, elsewhere)


@pytest.mark.skipif(not REAL.exists(), reason="the database of a real reduction is not here")
def test_the_keywords_of_a_real_reduction_are_declared():
    """By product and recipe, of nights of June 2017, reduced by version 2.5.4; `../shared` holds the database."""
    database = sqlite3.connect(f"file:{REAL}?mode=ro&immutable=1", uri=True)
    tables = [
        name for (name,) in database.execute("select name from sqlite_master where name like 'qc\\_%' escape '\\'")
    ]
    seen, missing = 0, []
    for table in tables:
        columns = [one[1] for one in database.execute(f'pragma table_info("{table}")') if one[1].startswith("QC_")]
        for (name,) in database.execute(f'select distinct recipe_name from "{table}"') if columns else ():
            if name not in declared() or name == WITHOUT:
                continue
            groups = [one.replace(" ", "_") for group in named(name).quality for one in single(group.keyword)]
            values = database.execute(f'select * from "{table}" where recipe_name=?', (name,))
            names = [one[0] for one in values.description]
            filled = {key for row in values for key, value in zip(names, row, strict=True) if value is not None}
            seen += len(filled & set(columns))
            missing += [
                (table, key) for key in filled & set(columns) if not any(re.fullmatch(one, key[3:]) for one in groups)
            ]
    database.close()
    assert not missing and seen > 1000
