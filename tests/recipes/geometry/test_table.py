"""muse_geometry on a simulated sequence of one IFU, full-size frames: against the truth and the reference's table."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.cli.main import run
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.geometry.recipe import RECIPE
from musedeep.simulate.job import Job
from musedeep.simulate.night import simulate_frames
from musedeep.simulate.optics import Instrument
from musedeep.simulate.schedule import single_frames
from musedeep.simulate.statics import write_statics
from tests.makers.peak_memory import peak_memory_of

pytestmark = pytest.mark.night

IFU, N = 24, 50
REFERENCE = Path(__file__).with_name("geometry_reference.ecsv")


@pytest.fixture(scope="module")
def optics():
    return Instrument(ifus=(IFU,)).ifu(IFU)


@pytest.fixture(scope="module")
def table(optics, tmp_path_factory):
    """GEOMETRY_UNSMOOTHED of simulated exposures with all effects; trace and wavelengths are the true ones."""
    directory = tmp_path_factory.mktemp("mask")
    instrument = Instrument(ifus=(IFU,))
    (directory / "static").mkdir()
    statics = write_statics(directory / "static", instrument, fields=[])
    lines = [f"{statics['LINE_CATALOG']} LINE_CATALOG\n"]
    for kind, number in (("BIAS", 3), ("MASK", N)):
        exposures = single_frames(kind, instrument.mode, number, 1, None, None, None)
        job = Job(tuple(exposures), instrument)
        simulate_frames(directory / kind, job)
        lines += [f"{directory / kind / job.file_name(e)} {kind}\n" for e in exposures]
    (directory / "bias.sof").write_text("".join(line for line in lines if line.endswith(" BIAS\n")))
    assert run(["recipe", "muse_bias", str(directory / "bias.sof"), "--output-dir", str(directory)]) == 0
    lines.append(f"{directory}/MASTER_BIAS-{IFU}.fits MASTER_BIAS\n")
    for tag, columns in (("TRACE_TABLE", trace_columns(optics)), ("WAVECAL_TABLE", wave_columns(optics))):
        primary = fits.PrimaryHDU()
        primary.header["EXTNAME"] = f"CHAN{IFU}"
        primary.header["HIERARCH ESO PRO CATG"] = tag
        path = directory / f"{tag}.fits"
        fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
        lines.append(f"{path} {tag}\n")
    (directory / "geometry.sof").write_text("".join(lines))
    command = "recipe", "muse_geometry", "--saveimage=false", str(directory / "geometry.sof")
    peak = peak_memory_of(*command, "--output-dir", str(directory))
    made = Table.read(directory / "GEOMETRY_UNSMOOTHED.fits")
    made.sort("SliceCCD")
    made.meta["peak memory"] = peak
    return made


def trace_columns(optics):
    columns = [fits.Column("SliceNo", "1J", array=np.arange(1, 49))]
    for k, name in enumerate(("centre", "left", "right")):
        truth = np.array([p.convert(domain=[-1, 1], window=[-1, 1]).coef for p in getattr(optics, name)])
        columns += [fits.Column(f"tc{k}_{i:02d}", "1D", array=truth[:, i]) for i in range(truth.shape[1])]
    return columns


def wave_columns(optics):
    """The wavelength solution as polynomials of x and y from 1, fitted to the true wavelengths."""
    columns = [fits.Column("SliceNo", "1J", array=np.arange(1, 49))]
    y = np.linspace(1.0, 4112.0, 60)
    found = []
    for index in range(48):
        x = optics.origin[index] + np.linspace(-38.0, 38.0, 7)[:, None]
        u, v = (np.broadcast_to(a, (7, 60)).ravel() for a in ((x - optics.origin[index]) / 38.0, y / 4112.0))
        design = np.polynomial.polynomial.polyvander2d(u, v, (2, 6))
        truth = optics.wavelength_at(index, *np.broadcast_arrays(x, y))
        fit = np.linalg.lstsq(design, truth.ravel(), rcond=None)[0].reshape(3, 7) / 4112.0 ** np.arange(7)
        # from powers of (x - origin) / 38 to powers of x
        shifted = np.zeros((3, 7))
        for i in range(3):
            powers = np.polynomial.polynomial.polypow([-optics.origin[index] / 38.0, 1 / 38.0], i)
            shifted[: i + 1] += powers[:, None] * fit[i]
        found.append(shifted)
    found = np.array(found)
    for i in range(3):
        columns += [fits.Column(f"wlc{i}{j}", "1D", array=found[:, i, j]) for j in range(7)]
    return columns


def test_against_the_truth(table, optics):
    truth = optics.geometry
    limits = {"x": (0.001, 0.004), "y": (0.0003, 0.001), "angle": (0.0008, 0.003), "width": (0.003, 0.012)}
    for name, (rms, worst) in limits.items():
        difference = np.array(table[name]) - np.array(truth[name])
        if name in "xy":
            # of one IFU, where it lies as a whole is not known
            difference -= np.median(difference)
        assert difference.std() < rms and np.abs(difference).max() < worst, name


def test_against_the_reference(table):
    reference = Table.read(REFERENCE)
    reference.sort("SliceCCD")
    assert np.array_equal(reference["SliceSky"], table["SliceSky"])
    for name, limit in {"x": 0.05, "y": 0.03, "angle": 0.01, "width": 0.03}.items():
        assert np.abs(np.array(table[name]) - np.array(reference[name])).max() < limit, name


def test_closer_to_the_truth_than_the_reference(table, optics):
    reference = Table.read(REFERENCE)
    reference.sort("SliceCCD")
    for name in ("x", "y", "angle", "width"):
        ours, theirs = (np.std(np.array(t[name]) - np.array(optics.geometry[name])) for t in (table, reference))
        assert ours < theirs, name


def test_memory_is_at_most_what_is_declared(table):
    assert table.meta["peak memory"] - BASE_BYTES <= RECIPE.cost.memory
