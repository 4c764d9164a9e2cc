"""Raw files: what is written is what is read."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.raw.file import join_parts, raw_ifus, read_raw, write_part


def image(ifu: int) -> np.ndarray:
    return np.random.default_rng(ifu).integers(0, 65536, (40, 60)).astype(np.uint16)


def make(tmp_path, ifus=(3, 7), compress=False, name="raw.fits"):
    parts = []
    for ifu in ifus:
        part = tmp_path / f"{ifu}.part"
        header = fits.Header([("EXTNAME", f"CHAN{ifu:02d}"), ("HIERARCH ESO DET CHIP ID", "juno")])
        write_part(part, image(ifu), header, compress)
        parts.append(part)
    path = tmp_path / name
    join_parts(path, fits.Header([("OBJECT", "BIAS"), ("HIERARCH ESO DPR TYPE", "BIAS")]), parts)
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_a_raw_file_comes_back(tmp_path, compress):
    path = make(tmp_path, compress=compress)
    assert raw_ifus(path) == [3, 7]
    raw = read_raw(path, 7)
    assert raw.data.dtype == np.uint16 and np.array_equal(raw.data, image(7))
    assert raw.primary["ESO DPR TYPE"] == "BIAS" and raw.header["ESO DET CHIP ID"] == "juno"


def test_the_file_is_what_astropy_would_have_written(tmp_path):
    with fits.open(make(tmp_path)) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "CHAN03", "CHAN07"]
        assert hdus[0].data is None and hdus[1].header["BZERO"] == 32768


def test_nothing_is_left_beside_the_file(tmp_path):
    make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["raw.fits"]


def test_the_order_of_the_extensions_does_not_matter(tmp_path):
    path = make(tmp_path, ifus=(7, 3))
    assert raw_ifus(path) == [3, 7]
    assert np.array_equal(read_raw(path, 3).data, image(3))


@pytest.mark.parametrize(
    ("content", "ifu", "word"), [(None, 3, "No such file"), (b"nonsense", 3, "No SIMPLE card"), ("raw", 4, "CHAN04")]
)
def test_bad_files_are_refused(tmp_path, content, ifu, word):
    path = tmp_path / "other.fits"
    if content == "raw":
        path = make(tmp_path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(MusedeepError, match=word):
        read_raw(path, ifu)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[: 2880 * 3])
    with pytest.raises(MusedeepError, match=r"raw\.fits"):
        read_raw(path, 3)


@pytest.mark.parametrize("compress", [False, True])
def test_checksums_hold_and_name_no_date(tmp_path, compress):
    path = make(tmp_path, compress=compress)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
            for hdu in hdus:
                assert hdu.header["DATASUM"] and "20" not in hdu.header.comments["CHECKSUM"]
