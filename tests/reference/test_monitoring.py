"""muse_lingain, muse_ampl, muse_qi_mask and muse_illum beside the reference and beside the truth, IFU 1 of full size.

What differs, and why: docs/validation/differences-raw.md#detector-monitoring-and-throughput.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run as run_musedeep
from musedeep.simulate.optics import Instrument

pytestmark = pytest.mark.reference

OF_A_RUN = ("CHECKSUM", "DATASUM", "DATAMD5", "DATE", "COMMENT", "ESO PRO REC1")
"""Keywords that say who made a product, when, and of what."""


def simulated(directory: Path, kind: str, number: int) -> list[tuple[Path, str]]:
    """New raw frames of IFU 1 with their tags."""
    options = ["--ifus", "1", "--number", str(number)]
    assert run_musedeep(["simulate", "frame", kind, str(directory / kind), *options]) == 0
    return [(path, kind) for path in sorted((directory / kind).glob("*.fits"))]


@pytest.fixture(scope="module")
def both(esorex_recipe, tmp_path_factory):
    """Runs a recipe of both pipelines on the same frames; gives back their directories, the reference's first."""

    def run(recipe: str, frames: list[tuple[Path, str]], parameters: dict[str, object]) -> tuple[Path, Path]:
        directory = tmp_path_factory.mktemp(recipe)
        theirs = esorex_recipe(directory / "theirs", recipe, frames, parameters)
        options = [f"--{name}={value}" for name, value in parameters.items()]
        call = ["recipe", recipe, *options, str(theirs / "in.sof"), "--output-dir", str(directory / "ours")]
        assert run_musedeep(call) == 0
        return theirs, directory / "ours"

    return run


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Directory of the raw frames that are made here."""
    return tmp_path_factory.mktemp("raw")


def calibrations(night, *names: str) -> list[tuple[Path, str]]:
    """Products of the night for IFU 1."""
    return [(night.product(name, 1), name) for name in names]


def of_the_night(night, kind: str) -> Path:
    """The first raw frame of a kind; exposures and files are in the order of time."""
    files = sorted((night.directory / "raw").glob("*.fits"))
    return files[list(night.exposures["kind"]).index(kind)]


def headers(directories: tuple[Path, Path], name: str, extension: int | str = 0) -> tuple[fits.Header, fits.Header]:
    theirs, ours = (fits.getheader(directory / name, extension) for directory in directories)
    return theirs, ours


def different(theirs: fits.Header, ours: fits.Header, tolerance: float = 0.0) -> dict[str, tuple[object, object]]:
    """Keywords of either that the other does not have, or has with another value."""
    found = {}
    for key in (k for k in dict.fromkeys([*theirs, *ours]) if k and not k.startswith(OF_A_RUN)):
        a, b = theirs.get(key), ours.get(key)
        numbers = isinstance(a, float) and isinstance(b, float)
        if not (b == pytest.approx(a, rel=tolerance) if numbers and tolerance else a == b):
            found[key] = a, b
    return found


@pytest.fixture(scope="module")
def gains(night, raw, both):
    """Two exposures without light and three pairs with."""
    frames = [*simulated(raw, "LINGAIN_LAMP_OFF", 2), *simulated(raw, "LINGAIN_LAMP_ON", 3)]
    given = [*frames, *calibrations(night, "MASTER_BIAS", "TRACE_TABLE")]
    return both("muse_lingain", given, {"nifu": 1})


def quadrants(directories: tuple[Path, Path], name: str) -> np.ndarray:
    """A quantity of the quadrants, of the reference and ours, float64 (2, 4)."""
    pair = headers(directories, "NONLINEARITY_GAIN-01.fits")
    return np.array([[header[f"ESO QC LINGAIN OUT{k} {name}"] for k in range(1, 5)] for header in pair])


def test_gain(gains, figure):
    """The variance of the reference is too small by what it clips, so that its gain is too large."""
    truth = np.array(Instrument(ifus=(1,)).ifu(1).truth_tables()["detector"]["gain"])
    theirs, ours = quadrants(gains, "GAIN") / truth - 1.0
    assert figure("gain", np.abs(ours).max()) <= 0.005
    assert theirs.min() >= 0.005 and theirs.max() <= 0.03
    assert (np.abs(ours) < 0.5 * np.abs(theirs)).all()
    assert quadrants(gains, "CONAD") * quadrants(gains, "GAIN") == pytest.approx(1.0)


def test_noise(gains):
    table = Instrument(ifus=(1,)).ifu(1).truth_tables()["detector"]
    # rounding to whole adu adds to it
    truth = np.hypot(table["read_noise"], table["gain"] / np.sqrt(12.0))
    assert quadrants(gains, "RON")[1] == pytest.approx(truth, rel=0.01)
    theirs, ours = quadrants(gains, "RON") / quadrants(gains, "GAIN")
    assert ours == pytest.approx(theirs, rel=0.01)


def test_keywords_of_lingain(gains):
    theirs, ours = headers(gains, "NONLINEARITY_GAIN-01.fits")
    assert theirs["ESO PRO CATG"] == ours["ESO PRO CATG"] == "NONLINEARITY_GAIN"
    wrong = {k for k in different(theirs, ours, 1e-4) if not k.startswith("ESO QC LINGAIN")}
    # the gain that was measured takes the place of that of the detector's header
    assert {k.rpartition(" ")[2] for k in wrong} <= {"GAIN", "CONAD"}
    names = [{k for k in header if k.startswith("ESO QC")} for header in (theirs, ours)]
    assert names[0] == names[1] and len(names[0]) == 4 * 9
    for end in ("COUNTS MIN", "COUNTS MAX"):
        assert quadrants(gains, end)[1] == pytest.approx(quadrants(gains, end)[0])


@pytest.fixture(scope="module")
def ampl_frames(raw):
    """Three exposures with readings of the photodiodes."""
    return simulated(raw, "AMPL", 3)


@pytest.fixture(scope="module")
def throughputs(night, ampl_frames, both):
    """Products of muse_ampl, all of them."""
    given = [*ampl_frames, *calibrations(night, "MASTER_BIAS", "TRACE_TABLE", "WAVECAL_TABLE")]
    static = night.directory / "static"
    given += [(static / "filter_list.fits", "FILTER_LIST"), (static / "geometry_table_wfm.fits", "GEOMETRY_TABLE")]
    return both("muse_ampl", given, {"nifu": 1, "savemaster": "true", "savetable": "true"})


def test_quality_of_ampl(throughputs, ampl_frames):
    theirs, ours = headers(throughputs, "AMPL_CONVOLVED-01.fits")
    readings = [[fits.getheader(path)[f"ESO INS AMPL{k} CURR"] for path, _ in ampl_frames] for k in (1, 2)]
    # the reference has the readings of the first exposure, we have the mean of all
    for name, reading in (("THRU1", readings[0]), ("THRU2", readings[1]), ("THRU2ERR", readings[1])):
        for key in (k for k in theirs if k.startswith("ESO QC AMPL") and k.endswith(" " + name)):
            ours[key] *= np.mean(reading) / reading[0]
    assert sum(k.startswith("ESO QC AMPL") for k in theirs) >= 48 + 5
    assert different(theirs, ours, 1e-4) == {}


def pairs(directories: tuple[Path, Path], name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name and values of each image of a product, float64."""
    with fits.open(directories[0] / name) as theirs, fits.open(directories[1] / name) as ours:
        assert [h.name for h in theirs] == [h.name for h in ours]
        for a, b in zip(theirs[1:], ours[1:], strict=True):
            assert different(a.header, b.header) == {}, a.name
            yield a.name, a.data.astype(np.float64), b.data.astype(np.float64)


@pytest.mark.parametrize(
    ("name", "extensions"),
    [("AMPL_CONVOLVED-01.fits", ["PHOTONS", "ENERGY"]), ("MASTER_AMPL-01.fits", ["DATA", "DQ", "STAT"])],
)
def test_images_of_ampl(throughputs, name, extensions):
    found = []
    for extension, theirs, ours in pairs(throughputs, name):
        found.append(extension)
        lit = theirs != 0.0
        assert (lit == (ours != 0.0)).all()
        if extension == "DQ":
            assert (theirs == ours).mean() >= 0.9999
            continue
        assert lit.mean() >= 0.1
        difference = np.abs(ours[lit] / theirs[lit] - 1.0)
        assert np.quantile(difference, 0.999) <= 1e-6 and difference.max() <= 1e-3
    assert found == extensions


def test_table_of_ampl(throughputs):
    """Nearly the same pixels; in all the same light."""
    with fits.open(throughputs[0] / "TABLE_AMPL-01.fits") as a, fits.open(throughputs[1] / "TABLE_AMPL-01.fits") as b:
        assert a[1].columns.names == b[1].columns.names and a[1].columns.units == b[1].columns.units
        assert [c.format.lstrip("1") for c in a[1].columns] == [c.format.lstrip("1") for c in b[1].columns]
        assert abs(len(a[1].data) - len(b[1].data)) <= 20
        for name in ("data", "stat"):
            assert b[1].data[name].sum(dtype=float) == pytest.approx(a[1].data[name].sum(dtype=float), rel=1e-6)
        # IFU and slice of the pixels
        theirs, ours = (np.unique(hdus[1].data["origin"] & 0x7FF) for hdus in (a, b))
        assert np.array_equal(theirs, ours) and ours.size == 48


def test_mask(night, both):
    frames = [(of_the_night(night, "BIAS"), "BIAS"), *calibrations(night, "TRACE_TABLE", "WAVECAL_TABLE")]
    masks = both("muse_qi_mask", frames, {"nifu": 1})
    name = "MASK_IMAGE_0001-01.fits"
    assert different(*headers(masks, name)) == {}
    theirs, ours = (fits.getdata(directory / name, "CHAN01") for directory in masks)
    assert theirs.shape == ours.shape and theirs.dtype == ours.dtype and ours.sum() > 1e7
    wrong = theirs != ours
    # the reference has the last row of the lower quadrants among the upper overscan
    moved = wrong.sum(axis=1) > 1000
    assert np.nonzero(moved)[0].tolist() == [32 + 2055, 32 + 2055 + 64]
    assert (theirs[moved] == ours[moved][::-1]).all()
    assert wrong[~moved].sum() <= 10
    theirs, ours = headers(masks, name, "CHAN01")
    for key, (a, b) in different(theirs, ours).items():
        assert key.startswith("ESO DET WLEN") and b == pytest.approx(a, rel=0.02, abs=0.35), key


def test_illumination(night, both):
    """The same values and keywords."""
    name = "ILLUM_0001.fits"
    flats = both("muse_illum", [(of_the_night(night, "ILLUM"), "ILLUMFLAT")], {})
    with fits.open(flats[0] / name) as theirs, fits.open(flats[1] / name) as ours:
        assert [h.name for h in theirs] == [h.name for h in ours] == ["PRIMARY", "CHAN01", "CHAN02"]
        for a, b in zip(theirs, ours, strict=True):
            assert different(a.header, b.header) == {}, a.name
            assert a.data is None or (a.data == b.data).all()
