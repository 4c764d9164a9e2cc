"""Small inputs for command lines of esorex: raw frames, dithered pixel tables, images of the field, sets-of-frames."""

from pathlib import Path

from musedeep.cli.main import run as run_musedeep
from tests.makers.field_views import stars, write_views
from tests.makers.pixel_tables import write_dithers
from tests.makers.raw_frames import write_biases

EMPTY = (
    "empty", "dark", "flat", "wavecal", "lsf", "twilight", "object", "std", "sky", "astrometry", "scipost", "scipost_1",
    "scipost_combine",
)  # fmt: skip
"""Sets-of-frames without frames: recipes that need a whole night say at once that there are none."""


def write_inputs(directory: Path) -> None:
    """Write the frames that `sets_of_frames` names: raw ones into `raw`, others into `reduced`."""
    raw, reduced = directory / "raw", directory / "reduced"
    raw.mkdir(parents=True)
    reduced.mkdir()
    write_biases(raw, 3)
    assert run_musedeep(["simulate", "frame", "BIAS", str(directory / "full"), "--ifus", "1", "--number", "3"]) == 0
    for k, path in enumerate(sorted((directory / "full").glob("*.fits"))):
        path.rename(raw / f"full{k}.fits")
    write_dithers(reduced, 2, ifus=(11, 12), wavelength=(7000.0, 7025.0))
    errors = [(0.0, 0.0), (1.31, -0.64), (-0.47, 0.92)]
    write_views(reduced, stars(25, 1), errors, dithers=((0, 0), (1.5, 0.7), (-0.9, 1.3)))


def sets_of_frames() -> dict[str, str]:
    """Texts by file name; they name frames by the variables RAW_DATA and MUSE_CAL."""
    biases = [f"$RAW_DATA/bias{k}.fits BIAS\n" for k in range(3)]
    illum = "$RAW_DATA/bias0.fits ILLUMFLAT\n"
    tables = "".join(f"$MUSE_CAL/PIXTABLE_REDUCED_000{k}.fits PIXTABLE_REDUCED\n" for k in (1, 2))
    views = [f"$MUSE_CAL/IMAGE_FOV_000{k}.fits IMAGE_FOV\n" for k in (1, 2, 3)]
    found = {
        "bias": "# full size\n\n" + "".join(f"$RAW_DATA/full{k}.fits BIAS\n" for k in range(3)),
        "few": "".join(biases[:2]),
        "gone": "".join(biases[:2]) + "nowhere.fits BIAS\n",
        "unset": "".join(biases[:2]) + "$MUSE_NOWHERE/bias2.fits BIAS\n",
        "untagged": "".join(biases[:2]) + "$RAW_DATA/bias2.fits\n",
        "quoted": "".join(line.replace("$", '"$').replace(".fits", '.fits"') for line in biases),
        "illum": illum,
        "tabs": f"# head\n\n{illum.replace(' ', chr(9) * 2)}",
        "groups": illum.replace("\n", " RAW\n"),
        "twice": illum * 2,
        "ec": tables,
        "exp_combine": tables,
        "exp_align": "".join(views),
        "first_view": views[0],
        "other_views": "".join(views[1:]),
    }
    return {f"{name}.sof": text for name, text in ({name: "# no frames\n" for name in EMPTY} | found).items()}
