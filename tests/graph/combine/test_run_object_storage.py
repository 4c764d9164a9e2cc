"""Stores in object storage, against a real S3 server: the same cubes as from disk; what is wrong in one line."""

import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits

from musedeep.cli.main import run as musedeep
from musedeep.errors import MusedeepError
from musedeep.progress import Silent
from musedeep.storage.pixel_tables.ingest import export, ingest
from musedeep.storage.pixel_tables.open import open_pixel_table
from musedeep.storage.stores.location import StoreUrl, location
from tests.makers.pixel_tables import write_dithers, write_exposure
from tests.makers.s3_server import SECRET, s3_server
from tests.makers.shards import chunk_place
from tests.makers.store_runs import assert_same, run, voxels

pytest.importorskip("s3fs")
pytest.importorskip("moto")
CHUNK = 2000
BUCKET = "s3://muse"


@pytest.fixture(scope="module")
def server():
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def files(server):
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    here = tmp_path_factory.mktemp("stores")
    paths, _ = write_dithers(here, 2, ifus=(12,), wavelength=(7000.0, 7012.0), slices=range(1, 49, 4))
    return [ingest([p], p.with_suffix(".zarr"), chunk_rows=CHUNK) for p in paths]


@pytest.fixture(scope="module")
def urls(server, stores):
    made = []
    for k, store in enumerate(stores):
        url = StoreUrl(f"{BUCKET}/field/exposure-{k}.zarr")
        made.append(ingest([store.with_suffix(".fits")], url, chunk_rows=CHUNK))
    return made


def write_selection(path, *exposures, **keys):
    lines = ["exposures:", *(f"  - '{e}'" for e in exposures), "output: out", "parameters: {crsigma: 5}"]
    path.write_text("\n".join([*lines, *(f"{k}: {v}" for k, v in keys.items())]) + "\n")
    return path


def test_a_store_is_the_same_there(urls, stores, files, tmp_path):
    for url, store in zip(urls, stores, strict=True):
        there = {name.removeprefix(url.url.removeprefix("s3://") + "/") for name in files.find(url.url)}
        assert there == {p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file()}
        for name in there:
            assert files.cat_file(f"{url}/{name}") == (store / name).read_bytes()
        local, remote = open_pixel_table(store), open_pixel_table(url)
        assert remote.identity == local.identity
        assert 0 < remote.nbytes < local.nbytes  # but for the checksums
        export(url, tmp_path / "b.fits", overwrite=True)
        assert (tmp_path / "b.fits").read_bytes() == store.with_suffix(".fits").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_line(urls, undisturbed, tmp_path, capsys, caplog, workers):
    caplog.set_level(logging.INFO)
    selection = write_selection(tmp_path / "field.yaml", f"{BUCKET}/field/exposure-*.zarr")
    assert musedeep(["combine", str(selection), "--workers", str(workers)]) == 0
    assert_same(tmp_path / "out", undisturbed)
    assert musedeep(["info", str(selection)]) == 0
    assert musedeep(["info", str(urls[0])]) == 0
    out, err = capsys.readouterr()
    assert f"{urls[0]}: pixel-table store" in out
    assert "rows" in out
    for text in (out, err, caplog.text):
        assert SECRET not in text


def test_ingest_and_export_by_url(server, stores, tmp_path, capsys):
    source = stores[0].with_suffix(".fits")
    assert musedeep(["ingest", str(source), f"{BUCKET}/made.zarr"]) == 0
    assert musedeep(["export", f"{BUCKET}/made.zarr", str(tmp_path / "a.fits")]) == 0
    assert (tmp_path / "a.fits").read_bytes() == source.read_bytes()
    assert musedeep(["ingest", str(source), f"{BUCKET}/made.zarr"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert musedeep(["ingest", str(source), f"{BUCKET}/made.zarr", "--overwrite"]) == 0
    # what is no store is never removed
    assert musedeep(["ingest", str(source), f"{BUCKET}/field", "--overwrite"]) == 1
    assert "is no store, and is not replaced" in capsys.readouterr().err


def one_line(arguments, capsys, status=1):
    assert musedeep([str(a) for a in arguments]) == status
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if not line.endswith("indexing")]
    assert len(lines) == 1, err
    return lines[0]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://nowhere/a.zarr", "s3://nowhere/a.zarr: there is no bucket nowhere"),
        ("s3://muse/none.zarr", "s3://muse/none.zarr: there is no store"),
        ("s3://muse", "s3://muse: names no store; give it as in s3://bucket/exposure-1.zarr"),
        ("s3://me:password@muse/a.zarr", "a s3:// URL with a user, a password or options in it"),
        ("s3://muse/a.zarr?secret=password", "a s3:// URL with a user, a password or options in it"),
        ("s4://muse/a.zarr", "s4:// is no protocol that fsspec knows"),
    ],
)
def test_wrong_urls(server, url, message, tmp_path, capsys):
    selection = write_selection(tmp_path / "field.yaml", url)
    for arguments in (["info", url], ["combine", selection]):
        line = one_line(arguments, capsys)
        assert message in line
        assert "password@" not in line and "=password" not in line
    if "none" not in url:
        write_exposure(tmp_path / "a.fits", slices=(1,), wavelength=(7000.0, 7005.0))
        assert message in one_line(["ingest", tmp_path / "a.fits", url], capsys)


def test_a_pattern_that_matches_nothing(server, tmp_path, capsys):
    selection = write_selection(tmp_path / "field.yaml", f"{BUCKET}/nothing-*.zarr")
    assert f"'{BUCKET}/nothing-*.zarr' matches nothing" in one_line(["combine", selection], capsys)


def test_a_store_named_twice(urls, tmp_path, capsys):
    selection = write_selection(tmp_path / "field.yaml", f"{BUCKET}/field/*.zarr", urls[0])
    assert f"{urls[0]} is named twice" in one_line(["combine", selection], capsys)


def test_output_is_a_directory(urls, tmp_path, capsys):
    selection = write_selection(tmp_path / "field.yaml", urls[0])
    selection.write_text(selection.read_text().replace("output: out", "output: s3://muse/out"))
    assert "'s3://muse/out' is a URL; give a directory" in one_line(["combine", selection], capsys)


def musedeep_process(arguments, environment):
    command = [sys.executable, "-m", "musedeep", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_nobody_answers(urls, tmp_path):
    selection = write_selection(tmp_path / "field.yaml", urls[0])
    done = musedeep_process(["combine", selection], os.environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Could not connect to the endpoint URL" in done.stderr
    assert SECRET not in done.stderr


def test_no_credentials(urls, tmp_path):
    given = {k: v for k, v in os.environ.items() if not k.startswith("AWS_ACCESS") and not k.startswith("AWS_SECRET")}
    done = musedeep_process(["info", urls[0]], given | {"HOME": str(tmp_path)})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Unable to locate credentials" in done.stderr


def test_without_s3fs(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3")
    line = one_line(["info", f"{BUCKET}/a.zarr"], capsys)
    assert "needs a package that is missing" in line
    assert "pip install 'musedeep[s3]'" in line


def test_damage_and_loss(urls, stores, files, undisturbed, tmp_path):
    url = StoreUrl(f"{BUCKET}/damaged.zarr")
    ingest([stores[0].with_suffix(".fits")], url, chunk_rows=CHUNK)
    file, start, _ = chunk_place(stores[0], "data", 2)
    shard = f"{url}/{file.relative_to(stores[0])}"
    raw = files.cat_file(shard)
    k = start + 100
    files.pipe_file(shard, raw[:k] + bytes([raw[k] ^ 4]) + raw[k + 1 :])
    with pytest.raises(MusedeepError, match=r"s3://muse/damaged\.zarr: chunk 2 of data is damaged .*ingest"):
        run([url, urls[1]], tmp_path / "out")
    files.rm_file(shard)
    with pytest.raises(MusedeepError, match=r"s3://muse/damaged\.zarr: chunk \d of data is missing; ingest"):
        run([url, urls[1]], tmp_path / "out")
    files.pipe_file(shard, raw)
    run([url, urls[1]], tmp_path / "out")
    assert_same(tmp_path / "out", undisturbed)


class Stop(Silent):
    def advance(self, rows):
        raise KeyboardInterrupt


def test_a_run_resumes_unless_a_store_has_changed(stores, files, undisturbed, tmp_path):
    urls = [StoreUrl(f"{BUCKET}/resumed-{k}.zarr") for k in range(2)]
    for url, store in zip(urls, stores, strict=True):
        ingest([store.with_suffix(".fits")], url, chunk_rows=CHUNK)
    options = {"box_bytes": 4 << 20}
    with pytest.raises(KeyboardInterrupt):
        run(urls, tmp_path / "out", Stop(), **options)
    shutil.copytree(tmp_path / "out", tmp_path / "again")
    outcome = run(urls, tmp_path / "out", **options)
    assert outcome.resumed_boxes >= 1
    assert_same(tmp_path / "out", undisturbed)
    with fits.open(stores[0].with_suffix(".fits")) as hdus:
        hdus["data"].data[:100] += 1
        hdus.writeto(tmp_path / "other.fits")
    ingest([tmp_path / "other.fits"], urls[0], chunk_rows=CHUNK, overwrite=True)
    (tmp_path / "out").rename(tmp_path / "first")
    (tmp_path / "again").rename(tmp_path / "out")
    assert run(urls, tmp_path / "out", **options).resumed_boxes == 0
    assert any((a != b).any() for a, b in zip(voxels(tmp_path / "out"), undisturbed, strict=True))


def test_an_interrupted_upload_leaves_nothing(stores, files):
    class StopLate(Silent):
        def begin(self, total, unit, done=0, cost=None):
            self.left = -0.8 * total

        def advance(self, n=1, *, rows=0, cost=None, made=True):
            self.left += n
            if self.left > 0:
                raise KeyboardInterrupt

    url = StoreUrl(f"{BUCKET}/interrupted.zarr")
    with pytest.raises(KeyboardInterrupt):
        ingest([stores[0].with_suffix(".fits")], url, chunk_rows=CHUNK, progress=StopLate())
    assert files.find(url.url) == []


def test_a_killed_upload_is_no_store(server, files, tmp_path, capsys):
    write_exposure(tmp_path / "a.fits", ifus=(11, 12), wavelength=(7000.0, 7300.0))
    url = f"{BUCKET}/killed.zarr"
    process = subprocess.Popen([sys.executable, "-m", "musedeep", "ingest", str(tmp_path / "a.fits"), url])
    until = time.monotonic() + 60
    while not files.find(f"{url}/data") and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert files.exists(f"{url}/zarr.json") and not files.exists(f"{url}/checksums/c/0")
    assert "is not complete" in one_line(["info", url], capsys) or "not a pixel-table store" in capsys.readouterr().err
    selection = write_selection(tmp_path / "field.yaml", url)
    assert "the store is not complete" in one_line(["combine", selection], capsys)
    assert musedeep(["ingest", str(tmp_path / "a.fits"), url, "--overwrite"]) == 0
    assert open_pixel_table(location(url)).n_rows > 0


def test_names_that_look_like_patterns(stores, files, undisturbed, tmp_path):
    """A store is read, found, and replaced by its very name; its neighbours are left alone."""
    sources = [store.with_suffix(".fits") for store in stores]
    for k, source in enumerate(sources):
        ingest([source], StoreUrl(f"{BUCKET}/run [1]/e[{k}].zarr"), chunk_rows=CHUNK)
    neighbour = ingest([sources[0]], StoreUrl(f"{BUCKET}/run [1]/e0.zarr"), chunk_rows=CHUNK)
    before = files.find(neighbour.url)
    assert musedeep(["ingest", str(sources[0]), f"{BUCKET}/run [1]/e[0].zarr", "--overwrite"]) == 0
    assert files.find(neighbour.url) == before
    assert musedeep(["info", f"{BUCKET}/run [1]/e[1].zarr"]) == 0
    for exposures in (["e[0].zarr", "e[1].zarr"], ["e[[]?].zarr"]):
        here = tmp_path / str(len(exposures))
        here.mkdir()
        selection = write_selection(here / "s.yaml", *(f"{BUCKET}/run [1]/{name}" for name in exposures))
        assert musedeep(["combine", str(selection)]) == 0
        assert_same(here / "out", undisturbed)


def test_locations():
    assert location("a.zarr") == Path("a.zarr")
    assert location("S3://b/c.zarr/") == StoreUrl("s3://b/c.zarr")
    assert location("s3://b/c-?.zarr").name == "c-?.zarr"
    assert str(StoreUrl("s3://b/c.zarr")) == "s3://b/c.zarr"
