"""Keywords of science data products, without the reference (see tests/reference/test_science_keywords.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.reduction.cube.science_product import image_quality, resolving_power
from tests.makers.pixel_tables import write_dithers


@pytest.mark.parametrize(
    ("seeing", "airmass", "expected"),
    [(0.8, 1.15, 0.640717855782644), (0.8, 1.5, 0.764026402497181), (0.15, 1.15, 0.0850996680631518), (0.02, 1.0, 0.0)],
)
def test_image_quality_of_the_reference(seeing, airmass, expected):
    assert image_quality(seeing, airmass) == pytest.approx(expected, rel=1e-12)


def test_resolving_power_of_the_reference():
    for wavelength, expected in ((4789.5, 1757.14161417146), (7021.5, 3012.36665368007), (9253.5, 3763.34218233944)):
        assert resolving_power(wavelength) == pytest.approx(expected, rel=1e-7)
    assert (resolving_power(4500), resolving_power(9500)) == (1674.77, 3767.93)


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> list[Path]:
    """Two exposures without ESO TEL IA FWHMLIN."""
    directory = tmp_path_factory.mktemp("science")
    return write_dithers(directory, 2, step=30.0, ifus=(9,), wavelength=(5200.0, 5212.0))[0]


def science_header(tables: list[Path], output: Path, *options: str, **keywords: Any) -> fits.Header:
    """Primary header of the cube; `keywords` go into the exposures' headers, '_' standing for a blank."""
    output.mkdir()
    sof = output / "in.sof"
    for number, path in enumerate(tables):
        with fits.open(path, mode="update") as hdus:
            for key, values in keywords.items():
                hdus[0].header["HIERARCH ESO " + key.replace("_", " ")] = values[number]
    sof.write_text("".join(f"{path} PIXTABLE_REDUCED\n" for path in tables))
    arguments = ["recipe", "muse_exp_combine", "--format=sdpCube", *options, str(sof), "--output-dir", str(output)]
    assert run(arguments) == 0
    return fits.getheader(output / "DATACUBE_FINAL.fits")


def test_defaults_where_the_seeing_is_unknown(tables, tmp_path):
    header = science_header(tables, tmp_path / "none")
    assert (header["SKY_RES"], header["SKY_RERR"]) == (0.853823, 0.495547)
    assert header.comments["SKY_RERR"] == "[arcsec] Error of SKY_RES (default)"
    header = science_header(tables, tmp_path / "one", TEL_IA_FWHMLIN=(0.8, "unknown"))
    assert header["SKY_RES"] == pytest.approx((0.640717855782644 + 0.853823) / 2, rel=1e-9)
    assert header["SKY_RERR"] == 0.495547
    header = science_header(tables, tmp_path / "both", TEL_IA_FWHMLIN=(0.8, 0.8))
    assert header["SKY_RES"] == pytest.approx(0.640717855782644, rel=1e-9)
    assert header["SKY_RERR"] == 0.304138126514911
    assert header.comments["SKY_RERR"] == "[arcsec] Error of SKY_RES (measured)"
    for number, seeing in enumerate((0, -0.8, 0.02)):
        header = science_header(tables, tmp_path / f"impossible{number}", TEL_IA_FWHMLIN=(0.8, seeing))
        assert "PIXNOISE" in header and not {"SKY_RES", "SKY_RERR", "ABMAGLIM"} & set(header)


def test_keywords_without_a_value_count_as_missing(tables, tmp_path):
    header = science_header(
        tables, tmp_path / "undefined", TEL_IA_FWHMLIN=(None, 0.8), OBS_ID=(None, 7), OBS_PROG_ID=(None, "0102.A-1(A)"),
        TEL_AIRM_START=(None, None), DRS_MUSE_PIXTABLE_FLUXCAL=(None, None),
    )  # fmt: skip
    assert (header["SKY_RERR"], header["OBID1"], header["PROG_ID"]) == (0.495547, 7, "0102.A-1(A)")
    assert "OBID2" not in header and header["FLUXCAL"] == "UNCALIBRATED"


def test_same_values_whatever_boxes_and_workers(tables, tmp_path):
    headers = [
        science_header(tables, tmp_path / str(n), "--threads", f"{n}", "--memory", m, TEL_IA_FWHMLIN=(0.9, 0.7))
        for n, m in ((1, "400MiB"), (2, "4GiB"))
    ]
    for key in ("PIXNOISE", "ABMAGLIM", "EXPTIME"):
        assert headers[0][key] == headers[1][key]


def test_too_noisy_for_pixnoise(tmp_path):
    """No voxel has a variance up to 25: there is no noise to be told, and none is made up."""
    tables, _ = write_dithers(tmp_path, 2, step=0.0, ifus=(9,), wavelength=(5200.0, 5212.0), noise=4000.0)
    header = science_header(tables, tmp_path / "out", TEL_IA_FWHMLIN=(0.8, 0.8))
    assert "PIXNOISE" not in header
    assert np.isfinite(header["ABMAGLIM"])
