"""TRACE_TABLE and WAVECAL_TABLE as they are read: of one IFU, of many, and bad ones."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.ifu_files import read_of_ifu
from musedeep.storage.calibrations.trace_table import read_trace_table
from musedeep.storage.calibrations.wavecal_table import read_wavecal_table
from tests.makers.arc_frames import write_trace


def wavecal_hdu(ifu, failed=(10,), numbered=True):
    """A table of linear solutions; `failed` slices have NaN, and number 0 if they are not numbered."""
    numbers = np.arange(1, 49)
    values = {"wlc00": 4600.0 + ifu + np.zeros(48), "wlc01": np.full(48, 1.25), "wlc10": 0.01 * numbers}
    values |= {"wlc11": np.zeros(48), "MSE": np.full(48, 1e-4)}
    for column in values.values():
        column[[n - 1 for n in failed]] = np.nan
    if not numbered:
        numbers[[n - 1 for n in failed]] = 0
    columns = [fits.Column("SliceNo", "1J", array=numbers)]
    return fits.BinTableHDU.from_columns([*columns, *(fits.Column(n, "1D", array=v) for n, v in values.items())])


def write_wavecal(path, ifu=1, **choice):
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
    primary.header["HIERARCH ESO PRO CATG"] = "WAVECAL_TABLE"
    fits.HDUList([primary, wavecal_hdu(ifu, **choice)]).writeto(path)
    return path


@pytest.mark.parametrize("numbered", [True, False])
def test_a_wavecal_table_with_a_failed_slice(tmp_path, numbered):
    table = read_wavecal_table(write_wavecal(tmp_path / "w.fits", failed=(10, 11), numbered=numbered), 1)
    assert table.coefficients.shape == (48, 2, 2) and list(np.flatnonzero(~table.valid)) == [9, 10]
    assert table.at(3, np.array([10.0]), np.array([100.0]))[0] == pytest.approx(4601.0 + 0.3 + 125.0)


def test_tables_of_many_ifus(tmp_path):
    merged = tmp_path / "w.fits"
    parts = [wavecal_hdu(ifu) for ifu in (1, 2, 7)]
    for hdu, ifu in zip(parts, (1, 2, 7), strict=True):
        hdu.header["EXTNAME"] = f"CHAN{ifu:02d}"
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(merged)
    assert read_wavecal_table(merged, 7).coefficients[0, 0, 0] == 4607.0
    with pytest.raises(MusedeepError, match=r"of CHAN01, CHAN02, CHAN07, not of CHAN05.*give that of IFU 5"):
        read_wavecal_table(merged, 5)


def test_the_file_of_an_ifu_is_found_among_several(tmp_path):
    waves = [write_wavecal(tmp_path / f"w{ifu}.fits", ifu) for ifu in (1, 2)]
    traces = [write_trace(tmp_path / f"t{ifu}.fits", ifu) for ifu in (1, 2)]
    for read, paths, kind in ((read_wavecal_table, waves, "WAVECAL_TABLE"), (read_trace_table, traces, "TRACE_TABLE")):
        assert read_of_ifu(read, paths, 2, kind).path == paths[1]
        with pytest.raises(
            MusedeepError, match=rf"{paths[0]}, {paths[1]}: no {kind} of IFU 3 \(CHAN03\), only of CHAN01, CHAN02; give"
        ):
            read_of_ifu(read, paths, 3, kind)
        # a damaged file is named, and not another one that is good
        paths[0].write_bytes(paths[0].read_bytes()[:-2880])
        for ifu in (1, 2, 3):
            with pytest.raises(MusedeepError, match=f"{paths[0]}: truncated"):
                read_of_ifu(read, paths, ifu, kind)


def test_a_trace_table(tmp_path):
    table = read_trace_table(write_trace(tmp_path / "t.fits"), 1)
    assert table.coefficients.shape == (48, 3, 2) and list(np.flatnonzero(table.valid)) == [0, 1]
    assert table.at(np.array([1.0, 300.0]))[0, 1] == pytest.approx(12.3)
    assert table.edges[1, 1, 0] == pytest.approx(180.2) and table.widths[0] == pytest.approx(75.7)


def test_bad_tables_are_named(tmp_path):
    trace = write_trace(tmp_path / "t.fits")
    for path, message in (
        (tmp_path / "none.fits", "no such file"),
        (trace, "is a TRACE_TABLE"),
        (write_wavecal(tmp_path / "all.fits", failed=range(1, 49)), "every slice failed.*8.2"),
        (write_wavecal(tmp_path / "zero.fits", failed=range(1, 49), numbered=False), "no rows"),
    ):
        with pytest.raises(MusedeepError, match=message):
            read_wavecal_table(path, 1)
    text = tmp_path / "text.fits"
    text.write_text("no FITS file")
    with pytest.raises(MusedeepError):
        read_trace_table(text, 1)


def test_a_table_with_slices_twice(tmp_path):
    path = write_wavecal(tmp_path / "w.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["SliceNo"][4] = 4
    with pytest.raises(MusedeepError, match="each once"):
        read_wavecal_table(path, 1)
