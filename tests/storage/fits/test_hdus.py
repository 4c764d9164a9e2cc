"""Tables and images in every form that FITS has for their values, and files that are damaged, packed or none."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.calibrations.badpix_table import read_badpix_table
from musedeep.storage.calibrations.filters import read_filters
from musedeep.storage.calibrations.geometry_table import read_geometry
from musedeep.storage.calibrations.line_catalog import read_line_catalog
from musedeep.storage.calibrations.trace_table import read_trace_table
from musedeep.storage.calibrations.twilight_cube import read_twilight_cube
from musedeep.storage.calibrations.vignetting_mask import read_vignetting_mask
from musedeep.storage.calibrations.wavecal_table import read_wavecal_table
from musedeep.storage.fits.hdus import column, numbers, open_hdus, whole_numbers
from musedeep.tools.badpix import read_flags
from musedeep.tools.trace_plots import read_image

READERS = (
    lambda path: read_trace_table(path, 1), lambda path: read_geometry(path, 1), read_badpix_table, read_line_catalog,
    read_twilight_cube, read_vignetting_mask, lambda path: read_filters(path, ("V",)), read_flags, read_image,
    lambda path: read_wavecal_table(path, None),
)  # fmt: skip


def write_stored(path, hdu, cards):
    """Write an HDU; its header gets cards afterwards: of scaling, which astropy would apply to the values."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    raw = buffer.getvalue()
    with fits.open(io.BytesIO(raw), disable_image_compression=True) as hdus:
        start, data = hdus[1].fileinfo()["hdrLoc"], hdus[1].fileinfo()["datLoc"]
    header = fits.Header.fromstring(raw[start:data])
    header.update(cards)
    path.write_bytes(raw[:start] + header.tostring().encode("ascii") + raw[data:])
    return path


def table(**columns):
    """A table of columns, each (format, values as they are stored)."""
    return fits.BinTableHDU.from_columns([fits.Column(n, form, array=v) for n, (form, v) in columns.items()])


def test_columns_in_every_form_are_the_same_numbers(tmp_path):
    values = np.array([1, 2, 3, 48])
    stored = ((values - 10) * 2).astype(np.int16)
    hdu = table(
        plain=("J", values), unsigned=("J", (values - 2**31).astype(np.int32)), scaled=("I", stored),
        short=("I", (values - 32768).astype(np.int16)), signed=("B", (values + 128).astype(np.uint8)),
        float=("E", values), double=("D", values / 4), long=("K", values.astype(np.int64)),
    )  # fmt: skip
    cards = {"TZERO2": 2**31, "TSCAL3": 0.5, "TZERO3": 10, "TZERO4": 32768, "TZERO5": -128, "TSCAL7": 4.0}
    path = write_stored(tmp_path / "t.fits", hdu, cards)
    with open_hdus(path, "TRACE_TABLE") as hdus:
        for name in hdus[1].columns.names:
            np.testing.assert_array_equal(numbers(hdus[1], name), values, name)
            found = whole_numbers(hdus[1], name)
            assert found.dtype == np.int64 and found.tolist() == values.tolist()


def test_values_that_are_marked_as_undefined_are_nan(tmp_path):
    stored = np.array([-18, -16, 5, 76], np.int16)
    hdu = table(plain=("J", [1, 2, 3, 48]), scaled=("I", stored), unsigned=("I", stored))
    cards = {"TNULL1": 3, "TSCAL2": 0.5, "TZERO2": 10, "TNULL2": 5, "TZERO3": 32768, "TNULL3": 5}
    with open_hdus(write_stored(tmp_path / "t.fits", hdu, cards), "TRACE_TABLE") as hdus:
        np.testing.assert_array_equal(numbers(hdus[1], "plain"), [1, 2, np.nan, 48])
        np.testing.assert_array_equal(numbers(hdus[1], "scaled"), [1, 2, np.nan, 48])
        np.testing.assert_array_equal(numbers(hdus[1], "unsigned"), [32750, 32752, np.nan, 32844])
    message = r"t\.fits: no valid TRACE_TABLE \(column plain has values that are no integers"
    with pytest.raises(MusedeepError, match=message), open_hdus(tmp_path / "t.fits", "TRACE_TABLE") as hdus:
        whole_numbers(hdus[1], "plain")


@pytest.mark.parametrize(
    ("form", "values"),
    [("3A", ["a", "b"]), ("2D", np.ones((2, 2))), ("L", [True, False]), ("C", [1j, 2]), ("PE()", [[1.0], [2.0, 3.0]])],
)
def test_a_column_that_is_not_one_number_per_row_is_named(tmp_path, form, values):
    array = np.array([np.array(v, np.float32) for v in values], object) if form == "PE()" else values
    path = tmp_path / "t.fits"
    fits.HDUList([fits.PrimaryHDU(), table(x=(form, array))]).writeto(path)
    message = r"t\.fits: no valid TABLE \(column x is not one number per row\)"
    with pytest.raises(MusedeepError, match=message), open_hdus(path, "TABLE") as hdus:
        numbers(hdus[1], "x")


def test_a_trace_table_of_scaled_and_unsigned_columns(tmp_path):
    n = np.arange(1, 49)
    edges = {"tc0_00": 84.0 * n, "tc1_00": 84.0 * n - 38, "tc2_00": 84.0 * n + 38, "tc0_02": np.full(48, 0.5)}
    stored = {name: ("I", np.round((values - 2000) / 0.25).astype(np.int16)) for name, values in edges.items()}
    hdu = table(SliceNo=("B", n), **stored, Width=("E", np.full(48, 76.0)))
    cards = {f"TSCAL{k}": 0.25 for k in range(2, 6)} | {f"TZERO{k}": 2000 for k in range(2, 6)}
    cards |= {"TNULL2": int(stored["tc0_00"][1][6]), "EXTNAME": "CHAN05"}
    found = read_trace_table(write_stored(tmp_path / "t.fits", hdu, cards), 5)
    assert np.flatnonzero(~found.valid).tolist() == [6]
    expected = np.zeros((48, 3, 3))
    expected[:, 0, 0], expected[:, 1, 0], expected[:, 2, 0] = 84.0 * n, 84.0 * n - 38, 84.0 * n + 38
    expected[:, 0, 2] = 0.5
    np.testing.assert_array_equal(found.coefficients[found.valid], np.delete(expected, 6, 0))


def test_bad_pixels_of_unsigned_columns(tmp_path):
    flags = np.array([2**31, 3, 2**32 - 1], np.uint32)
    hdu = table(
        xpos=("I", np.array([-32700, -28600, 32760 - 32768], np.int16)), ypos=("E", [5.0, 6.0, 7.0]),
        status=("J", (flags ^ np.uint32(2**31)).view(np.int32)),
    )  # fmt: skip
    path = write_stored(tmp_path / "b.fits", hdu, {"TZERO1": 32768, "TZERO3": 2**31, "EXTNAME": "CHAN09"})
    with pytest.raises(MusedeepError, match="pixel 32760, 7 is not on the raw image"):
        read_badpix_table(path)
    hdu.data = hdu.data[:2]
    path = write_stored(path, hdu, {"TZERO1": 32768, "TZERO3": 2**31, "EXTNAME": "CHAN09"})
    assert read_badpix_table(path).pixels[9].tolist() == [(68, 5, 2**31, 0.0), (4168, 6, 3, 0.0)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"x y flag\n" * 1000, "no FITS header at byte 0"),
        (b"\x1f\x9d\x90" + bytes(3000), "packed by compress; unpack it with uncompress"),
        (b"\x1f\x8b\x08\0", "damaged or cut off"),
        (b"SIMPLE  =                    T".ljust(2880), "truncated"),
        (fits.PrimaryHDU().header.tostring().encode() + b"XTENSION= 'BINTABLE'".ljust(2880), "truncated"),
    ],
)
def test_every_reader_names_a_file_that_is_none(tmp_path, read, content, message):
    path = tmp_path / "MUSE_calib.fits"
    path.write_bytes(content)
    with pytest.raises(MusedeepError, match=rf"MUSE_calib\.fits: .*{message}"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_every_reader_names_what_astropy_cannot_read(tmp_path, read):
    path = tmp_path / "MUSE_calib.fits"
    with pytest.raises(MusedeepError, match=r"MUSE_calib\.fits: no such file"):
        read(path)
    columns = table(SliceNo=("J", np.arange(1, 49)), x=("D", np.ones(48)))
    # a name of a column that is no text
    write_stored(path, columns, {"TTYPE1": 3, "EXTNAME": "V"})
    with pytest.raises(MusedeepError, match=r"^[^\n]*MUSE_calib\.fits: [^\n]*(give|correct)[^\n]*$"):
        read(path)
    write_stored(path, columns, {"TFIELDS": 10**15})
    with pytest.raises(MusedeepError, match=r"HDU 1 has no valid FITS header \(TFIELDS is 1000000000000000\)"):
        read(path)
    write_stored(path, columns, {"ZTABLE": True})
    with pytest.raises(MusedeepError, match="a table compressed by fpack; uncompress it with funpack"):
        read(path)


def test_a_small_file_packed_by_gzip_is_read(tmp_path):
    hdu = table(**{"lambda": ("D", [5000.0, 6000.0]), "throughput": ("D", [0.5, 1.0])})
    hdu.header["EXTNAME"] = "V"
    path = write_stored(tmp_path / "filters.fits", hdu, {})
    packed = tmp_path / "filter_list.FITS.GZ"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    (found,), missing = read_filters(packed, ("V",))
    assert found.throughput.tolist() == [0.5, 1.0] and not missing
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(MusedeepError, match=r"filter_list\.FITS\.GZ: the packed file is damaged or cut off"):
        read_filters(packed, ("V",))


def test_text_columns_keep_their_text(tmp_path):
    path = write_stored(tmp_path / "t.fits", table(ion=("4A", ["NeI", "Xe"])), {})
    with open_hdus(path, "LINE_CATALOG") as hdus:
        assert column(hdus[1], "ion").tolist() == ["NeI", "Xe"]
