"""Products, put where esorex puts them."""

import json
import os
import socket
import stat

import numpy as np
import pytest
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.esorex import products
from musedeep.esorex.errors import REFUSED, EsorexProblem
from musedeep.esorex.log import Messages
from musedeep.esorex.products import (
    NO_LIST,
    NOT_WRITABLE,
    Delivery,
    Made,
    adjust_sums,
    category_of,
    deliver,
    json_list,
    moved,
    ordered,
    workplace,
    write_list,
)
from musedeep.storage.fits.header_cards import sign

SUMS = ("CHECKSUM", "DATASUM", "DATAMD5")


def product(path, category, cards=0):
    """A signed product with two HDUs, the first with further cards."""
    header = fits.Header([("DATAMD5", "0" * 32), ("HIERARCH ESO PRO CATG", category), ("PIPEFILE", path.name)])
    header.update((f"KEY{k}", k) for k in range(cards))
    image = fits.ImageHDU(np.arange(12.0, dtype=np.float32).reshape(3, 4), name="DATA")
    hdus = fits.HDUList([fits.PrimaryHDU(header=header), image])
    hdus.writeto(path, checksum=True)
    sign(path)
    return path


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two products in work, and a place to be in."""
    (tmp_path / "work").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    paths = [product(tmp_path / "work" / f"{name}.fits", name) for name in ("IMAGE_FOV", "DATACUBE_FINAL")]
    return ordered(paths)


def test_products_are_ordered_by_category(made):
    assert [one.category for one in made] == ["DATACUBE_FINAL", "IMAGE_FOV"]


def test_the_category_of_a_store_is_in_its_name(tmp_path):
    assert category_of(tmp_path / "PIXTABLE_OBJECT_0001-02.zarr") == "PIXTABLE_OBJECT"
    assert category_of(tmp_path / "PIXTABLE_COMBINED.zarr") == "PIXTABLE_COMBINED"


@pytest.mark.parametrize(
    ("directory", "prefix", "shown"),
    [
        (".", None, "IMAGE_FOV.fits"),
        ("./", None, "IMAGE_FOV.fits"),
        ("{here}", None, "IMAGE_FOV.fits"),
        ("out", None, "out/IMAGE_FOV.fits"),
        ("out/", None, "out/IMAGE_FOV.fits"),
        ("{here}/out", None, "{here}/out/IMAGE_FOV.fits"),
        (".", "p", "{here}/p_0001.fits"),
        ("out", "p", "out/p_0001.fits"),
        (".", "out/p", "{here}/out/p_0001.fits"),
    ],
)
def test_names_are_those_of_esorex(made, capsys, tmp_path, directory, prefix, shown):
    here = tmp_path / "here"
    (here / "out").mkdir()
    directory, shown = directory.format(here=here), shown.format(here=here)
    listed = deliver(made, Delivery(directory, prefix), Messages())
    assert listed[1] == (shown, "IMAGE_FOV")
    assert fits.getheader(here / shown)["PIPEFILE"] == "IMAGE_FOV.fits"
    in_place = " (in place)" if shown == "IMAGE_FOV.fits" else ""
    assert f"Created product {shown}{in_place}\n" in capsys.readouterr().out
    assert not list((tmp_path / "work").iterdir())


def test_what_was_there_is_replaced(made, capsys, tmp_path):
    here = tmp_path / "here"
    (here / "out").mkdir()
    (here / "out" / "IMAGE_FOV.fits").write_text("old")
    (here / "out" / "IMAGE_FOV.fits").chmod(0o444)
    deliver(made, Delivery("out"), Messages())
    assert fits.getheader(here / "out" / "IMAGE_FOV.fits")["PIPEFILE"] == "IMAGE_FOV.fits"
    warned = "already exists and will be overwritten (out/IMAGE_FOV.fits)"
    out = capsys.readouterr().out
    assert warned in out and out.endswith("2 products created\n")


def test_links_and_write_protection(made, tmp_path):
    here = tmp_path / "here"
    for name in ("out", "links"):
        (here / name).mkdir()
    (here / "links" / "IMAGE_FOV.fits").write_text("old")
    deliver(made, Delivery("out", read_only=True, links="links"), Messages())
    assert os.readlink(here / "links" / "IMAGE_FOV.fits") == "out/IMAGE_FOV.fits"
    assert stat.S_IMODE((here / "out" / "IMAGE_FOV.fits").stat().st_mode) == 0o444


def test_a_link_that_cannot_be_made_is_one_line(made, tmp_path):
    with pytest.raises(MusedeepError, match="the link cannot be made"):
        deliver(made, Delivery(links="missing"), Messages())


def test_two_products_of_one_name_are_refused_before_any_is_moved(made, tmp_path):
    (tmp_path / "other").mkdir()
    twice = [*made, Made(product(tmp_path / "other" / "IMAGE_FOV.fits", "IMAGE_FOV"), "IMAGE_FOV")]
    with pytest.raises(MusedeepError, match=r"IMAGE_FOV.fits: two products have this name"):
        deliver(twice, Delivery(), Messages())
    assert not list((tmp_path / "here").iterdir())
    assert len(deliver(twice, Delivery(prefix="p"), Messages())) == 3


@pytest.mark.parametrize("cards", range(24, 36))
@pytest.mark.parametrize(("checksums", "digest"), [(True, True), (True, False), (False, True), (False, False)])
def test_sums_are_left_out_and_files_stay_whole(tmp_path, cards, checksums, digest):
    path = product(tmp_path / "A.fits", "A", cards)
    size, data = path.stat().st_size, fits.getdata(path, 1)
    adjust_sums(path, checksums, digest)
    assert path.stat().st_size == size
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        assert len(hdus) == 2 and np.array_equal(hdus[1].data, data)
        wanted = ("CHECKSUM", "DATASUM") * checksums
        assert {key for key in SUMS if key in hdus[0].header} == {*wanted, *(("DATAMD5",) * digest)}
        assert {key for key in SUMS if key in hdus[1].header} == set(wanted)
        assert all(hdus[0].header[f"KEY{k}"] == k for k in range(cards))


def test_lists_are_byte_for_byte_those_of_esorex(tmp_path):
    listed = [("out/DATACUBE_FINAL.fits", "DATACUBE_FINAL"), ("out/IMAGE_FOV_0001.fits", "IMAGE_FOV")]
    write_list(tmp_path / "x.sof", listed)
    assert (tmp_path / "x.sof").read_bytes() == (
        b"out/DATACUBE_FINAL.fits     DATACUBE_FINAL\nout/IMAGE_FOV_0001.fits     IMAGE_FOV"
    )
    write_list(tmp_path / "x.json", listed)
    assert (tmp_path / "x.json").read_bytes() == (
        b'[\n  {\n    "name": "out\\/DATACUBE_FINAL.fits",\n    "category": "DATACUBE_FINAL"\n  },\n'
        b'  {\n    "name": "out\\/IMAGE_FOV_0001.fits",\n    "category": "IMAGE_FOV"\n  }\n]\n'
    )
    assert json.loads(json_list(listed))[1] == {"name": "out/IMAGE_FOV_0001.fits", "category": "IMAGE_FOV"}


def test_a_list_that_cannot_be_written_has_a_status_of_its_own(tmp_path):
    with pytest.raises(EsorexProblem, match="Cannot create output sof file, status = 8") as caught:
        write_list(tmp_path / "missing" / "x.sof", [])
    assert caught.value.status == NO_LIST


def test_the_workplace_goes_with_all_that_is_in_it(tmp_path):
    def interrupted():
        with workplace(tmp_path) as place:
            assert place.parent == tmp_path
            (place / "half.fits").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_what_killed_calls_have_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "my.host")
    monkeypatch.setattr(products, "_runs", lambda process: process == 2)
    for name in (".esorex-my_host-1.part", ".esorex-my_host-2.part", ".esorex-other-1.part", ".esorex-my_host-x.part"):
        (tmp_path / name).mkdir()
    with workplace(tmp_path):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".esorex-my_host-2.part", ".esorex-other-1.part", ".esorex-my_host-x.part"}


def test_an_output_directory_without_rights_is_refused_before_the_work():
    refused = pytest.raises(EsorexProblem, match=r"The output directory \[/proc\] cannot be written")
    with refused as caught, workplace(products.Path("/proc")):
        raise AssertionError
    assert caught.value.status == NOT_WRITABLE


def test_a_working_directory_without_rights_has_the_status_of_a_recipe_that_fails(monkeypatch):
    monkeypatch.chdir("/proc")
    with pytest.raises(EsorexProblem) as caught, workplace(products.Path(".")):
        raise AssertionError
    assert caught.value.status == REFUSED


@pytest.mark.parametrize("store", [False, True])
def test_products_cross_disks_whole(tmp_path, monkeypatch, store):
    source, target = tmp_path / "a", tmp_path / "b"
    if store:
        source.mkdir()
        (source / "zarr.json").write_text("new")
        target.mkdir()
        (target / "old").write_text("")
    else:
        source.write_text("new")
        target.write_text("old")
    real, calls = (os.rename, os.replace), []

    def across(one, other):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(18, "Invalid cross-device link")
        return real[0](one, other)

    monkeypatch.setattr(os, "rename", across)
    monkeypatch.setattr(os, "replace", across)
    moved(source, target)
    assert (target / "zarr.json" if store else target).read_text() == "new" and not (target / "old").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"a", "b"}


def test_a_directory_stands_in_the_way_of_no_store(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("new")
    (tmp_path / "b.zarr").mkdir()
    moved(tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert (tmp_path / "b.zarr" / "zarr.json").read_text() == "new"
