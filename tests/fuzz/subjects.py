"""Files that the program reads, each with what it is read with: a directory of sound files, and commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from hypothesis import strategies as st

from musedeep.cli.main import run
from tests.fuzz import cubes
from tests.fuzz.cubes import JOINED, JOINED_STORE, PIECE, STITCH
from tests.fuzz.damage import Damage, fits_damage, store_damage, text_damage
from tests.makers.pixel_tables import write_dithers

SLICES = (1, 2, 3)
COMBINE = ("combine", "selection.yaml", "--threads", "1")
RECIPE = ("recipe", "muse_exp_combine", "--save=cube", "--threads=1", "--output-dir=out", "x.sof")


@dataclass(frozen=True)
class Subject:
    """A kind of file.

    Attributes
    ----------
    name : str
    make : makes the sound files in an empty directory
    file : the one that is damaged
    commands : argument lists, run in the directory; those of tools begin with the tool's name
    damages : strategy of damages
    searched : commands find it in a directory, and cannot name it when it is gone
    named : what messages call it; its name if empty
    """

    name: str
    make: Callable[[Path], object]
    file: str
    commands: Sequence[tuple[str, ...]]
    damages: Callable[[Path, list[Path]], st.SearchStrategy[Damage]] = fits_damage
    searched: bool = False
    named: str = ""


def exposures(directory: Path, fmt: str = "image") -> None:
    """Two exposures, a selection file and a set-of-frames; grid, offsets and filters that fit."""
    paths, _ = write_dithers(directory, 2, step=0.0, slices=SLICES, wavelength=(7000.0, 7008.0), fmt=fmt)
    names = [p.name for p in paths]
    lines = "".join(f"  - {name}\n" for name in names)
    (directory / "selection.yaml").write_text(
        f"target: a field\nexposures:\n{lines}parameters:\n  save: cube\n  pixfrac: 0.8,0.8\noutput: out\n"
    )
    dates = [fits.getval(p, "DATE-OBS") for p in paths]
    rows = {
        "DATE_OBS": ("23A", np.array(dates)), "MJD_OBS": ("D", np.array([57000.0, 57001.0])),
        "RA_OFFSET": ("D", np.array([0.0, 1e-5])), "DEC_OFFSET": ("D", np.array([0.0, -1e-5])),
        "FLUX_SCALE": ("D", np.array([np.nan, 1.05])),
    }  # fmt: skip
    table = fits.BinTableHDU.from_columns([fits.Column(k, f, array=v) for k, (f, v) in rows.items()])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(directory / "offsets.fits")
    curve = [fits.Column("lambda", "D", array=np.array([6990.0, 7020.0])), fits.Column("throughput", "D", array=[1, 1])]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(curve, name="Band")]).writeto(
        directory / "filters.fits"
    )
    (directory / "x.sof").write_text("".join(f"{name} PIXTABLE_REDUCED\n" for name in names))


def with_grid(directory: Path) -> None:
    """Exposures, and the cube that they make as OUTPUT_WCS."""
    exposures(directory)
    assert run([*RECIPE[:-2], f"--output-dir={directory}/made", _absolute(directory)]) == 0
    with fits.open(directory / "made" / "DATACUBE_FINAL.fits") as hdus:
        hdus.writeto(directory / "grid.fits")
    with (directory / "x.sof").open("a") as sof:
        sof.write("grid.fits OUTPUT_WCS\n")


def _absolute(directory: Path) -> str:
    """The set-of-frames with absolute paths, in a file of its own."""
    path = directory / "absolute.sof"
    path.write_text("".join(f"{directory}/{line}\n" for line in (directory / "x.sof").read_text().splitlines()))
    return str(path)


def with_lists(directory: Path) -> None:
    """Exposures with an OFFSET_LIST and a FILTER_LIST."""
    exposures(directory)
    with (directory / "x.sof").open("a") as sof:
        sof.write("offsets.fits OFFSET_LIST\nfilters.fits FILTER_LIST\n")


def table_exposures(directory: Path) -> None:
    """Exposures in the table format."""
    exposures(directory, "table")


def store(directory: Path) -> None:
    """Exposures, the first of them in a store."""
    exposures(directory)
    assert run(["ingest", str(directory / FIRST), str(directory / "first.zarr")]) == 0
    (directory / FIRST).unlink()
    path = directory / "selection.yaml"
    path.write_text(path.read_text().replace(FIRST, "first.zarr"))


def profile(directory: Path) -> None:
    """Exposures, rates, and the profile of a cluster."""
    exposures(directory)
    (directory / "cluster.yaml").write_text(
        "cores: 4\nmemory: 16GiB\nwalltime: '01:00:00'\nworkers: 3\npartition: long\nmodules: [python]\n"
    )


def scene(directory: Path) -> None:
    """A cube to simulate from."""
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CTYPE3": "AWAV", "CUNIT1": "deg", "CUNIT2": "deg",
        "CUNIT3": "Angstrom", "CRPIX1": 3.0, "CRPIX2": 2.0, "CRPIX3": 1.0, "CRVAL1": 53.16, "CRVAL2": -27.78,
        "CRVAL3": 5000.0, "CD1_1": -5e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5e-5, "CD3_3": 1.25,
        "BUNIT": "10**(-20)*erg/s/cm**2/Angstrom",
    }  # fmt: skip
    cube = fits.ImageHDU(np.ones((6, 5, 4), "f4"), fits.Header(cards.items()), name="DATA")
    fits.HDUList([fits.PrimaryHDU(), cube]).writeto(directory / "scene.fits")


def science(directory: Path) -> None:
    """Exposures of the sky with all calibrations of muse_scibasic."""
    from tests.makers.exposure_frames import NAMES, write_set

    write_set(directory)
    lines = ["object0.fits OBJECT", "illum.fits ILLUM", "TWILIGHT_CUBE.fits TWILIGHT_CUBE"]
    lines += [f"{name}.fits {name.removesuffix('-01')}" for name in NAMES]
    (directory / "in.sof").write_text("\n".join(lines) + "\n")


def biases(directory: Path) -> None:
    """Three biases of one IFU."""
    from tests.makers.raw_frames import write_biases

    write_biases(directory)
    _relative(directory, "bias.sof")


def _relative(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.write_text(path.read_text().replace(f"{directory}/", ""))


def arcs(directory: Path) -> None:
    """Arcs with their calibrations, for muse_wavecal and muse_lsf."""
    from tests.makers.arc_frames import write_set

    write_set(directory)
    to = ["--output-dir", str(directory)]
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), *to]) == 0
    assert run(["recipe", "muse_wavecal", "--yorder=3", "--nifu=1", str(directory / "arc.sof"), *to]) == 0
    with (directory / "arc.sof").open("a") as sof:
        sof.write(f"{directory}/WAVECAL_TABLE-01.fits WAVECAL_TABLE\n")
    _relative(directory, "bias.sof", "arc.sof")


def night(directory: Path) -> None:
    """A night of tiny frames."""
    from tests.makers.tiny_nights import make_tiny_night

    make_tiny_night(directory / "night", ifus=(3,))
    raw = sorted((directory / "night" / "raw").glob("*.fits"))
    raw[0].rename(directory / "night" / "raw" / "frame.fits")


def calibration_products(directory: Path) -> None:
    """Tables for the tools that draw."""
    from tests.makers.calibrations import write_residuals, write_samples, write_trace, write_wavecal

    write_samples(directory / "samples.fits")
    write_trace(directory / "trace.fits")
    write_residuals(directory / "residuals.fits")
    write_wavecal(directory / "wavecal.fits")


WAVECAL = ("recipe", "muse_wavecal", "--yorder=3", "--nifu=1", "--output-dir=out", "arc.sof")
LSF = ("recipe", "muse_lsf", "--nifu=1", "--output-dir=out", "arc.sof")
SCIBASIC = (
    "recipe", "muse_scibasic", "--skyneighbours=false", "--skylines=6300.304", "--nifu=1", "--output-dir=out", "in.sof",
)  # fmt: skip
NIGHT = (
    ("classify", "night"),
    ("associate", "night", "--dry-run"),
    ("reduce", "night", "--until", "bias", "--dry-run"),
)
CLUSTER = ("combine", "selection.yaml", "--cluster", "slurm", "--cluster-profile", "cluster.yaml", "--dry-run")
FIRST = "PIXTABLE_REDUCED_0001.fits"

SUBJECTS = (
    Subject("pixel table", exposures, FIRST, (COMBINE, ("info", FIRST), ("muse_pixtable_dump", FIRST))),
    Subject("pixel table, table format", table_exposures, FIRST, (COMBINE, ("ingest", FIRST, "store.zarr"))),
    Subject("OFFSET_LIST", with_lists, "offsets.fits", (RECIPE,)),
    Subject("FILTER_LIST", with_lists, "filters.fits", ((*RECIPE[:-1], "--filter=Band", "x.sof"),)),
    Subject("OUTPUT_WCS", with_grid, "grid.fits", (RECIPE, ("info", "grid.fits"))),
    Subject("selection file", exposures, "selection.yaml", (COMBINE, ("plan", "selection.yaml")), text_damage),
    Subject("set-of-frames", with_lists, "x.sof", (RECIPE,), text_damage),
    Subject("raw frame", biases, "bias1.fits", (("recipe", "muse_bias", "--output-dir=out", "bias.sof"),)),
    Subject("raw frame of a night", night, "night/raw/frame.fits", NIGHT, searched=True),
    Subject("MASTER_BIAS", arcs, "MASTER_BIAS-01.fits", (WAVECAL,)),
    Subject("TRACE_TABLE", arcs, "TRACE_TABLE-01.fits", (WAVECAL, LSF)),
    Subject("LINE_CATALOG", arcs, "lines.fits", (WAVECAL, LSF)),
    Subject("WAVECAL_TABLE", arcs, "WAVECAL_TABLE-01.fits", (LSF,)),
    *(
        Subject(name.removesuffix("-01"), science, f"{name}.fits", (SCIBASIC,))
        for name in ("MASTER_FLAT-01", "GEOMETRY_TABLE", "TWILIGHT_CUBE", "illum")
    ),
    Subject("store", store, "first.zarr", (COMBINE, ("info", "first.zarr")), store_damage),
    Subject("cluster profile", profile, "cluster.yaml", (CLUSTER,), text_damage),
    Subject("scene", scene, "scene.fits", (("scene", "scene.fits"),)),
    Subject("arc", arcs, "Ne1.fits", (WAVECAL,)),
    Subject(
        "TRACE_SAMPLES", calibration_products, "samples.fits",
        (("muse_trace_plot_samples", "samples.fits", "-o", "out/picture.png"),),
    ),
    Subject(
        "WAVECAL_RESIDUALS", calibration_products, "residuals.fits",
        (("muse_wave_plot_residuals", "residuals.fits", "-o", "out/picture.png"),),
    ),
    Subject(
        "overlapping piece", cubes.overlapping, "CUBE_1.fits",
        tuple(("muse_cube_combine", name, *(f"CUBE_{k}.fits" for k in range(3))) for name in (JOINED, JOINED_STORE)),
    ),
    Subject(
        "adjacent piece", cubes.adjacent, "PART_2.fits",
        tuple(
            ("muse_cube_concatenate", name, *(f"PART_{k}.fits" for k in (3, 1, 2))) for name in (JOINED, JOINED_STORE)
        ),
    ),
    Subject(
        "cube", cubes.one, "CUBE.fits",
        (("muse_cube_filter", "--overwrite", "CUBE.fits"), ("muse_cube_filter", "-x", "--overwrite", "CUBE.fits")),
    ),
    Subject(
        "cube store", cubes.with_store, "CUBE.zarr",
        (
            ("muse_cube_concatenate", JOINED, "CUBE.zarr", "PART_3.fits"),
            ("muse_cube_filter", "--overwrite", "CUBE.zarr"),
        ),
        store_damage,
    ),
    Subject("cube to export", cubes.with_all, "CUBE.fits", cubes.exports("CUBE.fits")),
    Subject("cube store to export", cubes.with_all_in_a_store, "ALL.zarr", cubes.exports("ALL.zarr"), store_damage),
    Subject("piece of a combination", cubes.stitched, f"{PIECE}/DATACUBE_FINAL.fits", (STITCH,)),
    Subject("exposure map of a piece", cubes.stitched, f"{PIECE}/EXPOSURE_MAP.fits", (STITCH,)),
    Subject(
        "note of a piece", cubes.stitched, f"{PIECE}/piece.json", (STITCH,), text_damage, searched=True,
        named="piece-2-of-3",
    ),
)  # fmt: skip
