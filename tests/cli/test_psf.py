"""`musedeep psf`: keywords, table, picture, and one line for bad input."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.reduction.psf.model import read_models
from musedeep.storage.cubes.cube_axes import read_axes
from musedeep.storage.cubes.cube_fits import field_image_header
from musedeep.storage.cubes.cube_zarr import write_cube_store
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers import cubes
from tests.makers.star_cubes import StarCube, typical

SEED = 3


@pytest.fixture(scope="module")
def made():
    return typical(SEED)


@pytest.fixture(scope="module")
def source(made, tmp_path_factory):
    return made.write(tmp_path_factory.mktemp("psf") / "cube.fits").read_bytes()


@pytest.fixture
def cube(source, tmp_path):
    path = tmp_path / "cube.fits"
    path.write_bytes(source)
    return path


def fsf(path):
    reader = pytest.importorskip("mpdaf.MUSE").FSFModel
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reader.read(str(path))


def field_image(path, columns, shape=(60, 60)):
    """An image of the field with data in some columns."""
    data = np.full(shape, np.nan, np.float32)
    data[:, columns] = 1.0
    hdu = fits.ImageHDU(data, field_image_header(cubes.wcs()), name="DATA")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def test_cube_and_what_mpdaf_reads(made, cube, tmp_path, capsys):
    assert run(["psf", str(cube), "--plots"]) == 0
    said = capsys.readouterr().out
    assert "6 stars used of 6 sources" in said and "FSF keywords written" in said
    with fits.open(cube, checksum=True) as hdus:
        hdus.verify("exception")
        model = read_models(hdus[0].header, cube)[0]
    waves = made.wavelengths
    assert np.abs(model.fwhm_at(waves) / made.fwhm(waves) - 1.0).max() < 0.004
    with fits.open(tmp_path / "cube_psf.fits") as hdus:
        stars, bins = hdus["STARS"].data, hdus["BINS"].data
        assert list(stars["STATUS"]) == ["used"] * 6
        assert np.allclose(bins["FWHM_MODEL"], model.fwhm_at(bins["LAMBDA"]))
        assert hdus[0].header["FSFMODE"] == 2
    assert (tmp_path / "cube_psf.png").read_bytes().startswith(b"\x89PNG")
    found = fsf(cube)
    assert np.allclose(found.get_fwhm(waves), model.fwhm_at(waves)) and np.allclose(
        found.get_beta(waves), model.beta_at(waves)
    )
    # the same again is refused, and replaces it when told to
    assert run(["psf", str(cube), "--plots"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["psf", str(cube), "--overwrite", "--fwhm-degree", "2"]) == 0
    header = fits.getheader(cube)
    assert header["FSF00FNC"] == 3 and "FSF00F03" not in header


def test_a_psf_is_not_replaced_unasked(cube, tmp_path, capsys):
    assert run(["psf", str(cube)]) == 0
    (tmp_path / "cube_psf.fits").unlink()
    assert run(["psf", str(cube)]) == 1
    assert "has a PSF already (FSFMODE); --overwrite replaces it" in capsys.readouterr().err


def test_mpdaf_draws_the_stars_that_are_in_the_cube(made, cube):
    """With --sampled, what MPDAF makes of the keywords is subtracted from a star."""
    assert run(["psf", str(cube), "--sampled"]) == 0
    model = fsf(cube)
    z, k = 10, int(np.argmax(made.fluxes))
    plane = fits.getdata(cube, "DATA")[z].astype(float)
    x, y = made.places[k]
    cut = plane[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
    shape = model.get_2darray(made.wavelengths[z], (17, 17), (y - round(y) + 8, x - round(x) + 8))
    matrix = np.column_stack([shape.ravel(), np.ones(shape.size)])
    left = cut.ravel() - matrix @ np.linalg.lstsq(matrix, cut.ravel(), rcond=None)[0]
    assert np.abs(left).max() < 0.02 * cut.max()


def test_output_leaves_the_cube_alone(source, cube, tmp_path):
    assert run(["psf", str(cube), "-o", str(tmp_path / "new.fits")]) == 0
    assert cube.read_bytes() == source
    assert fits.getheader(tmp_path / "new.fits")["FSFMODE"] == 2
    assert (tmp_path / "new_psf.fits").exists()


def test_dry_run_writes_nothing(source, cube, tmp_path, capsys):
    assert run(["psf", str(cube), "--dry-run", "--plots"]) == 0
    assert "FWHM" in capsys.readouterr().out
    assert cube.read_bytes() == source and list(tmp_path.iterdir()) == [cube]


def test_store(cube, tmp_path):
    opened = open_cube(cube)
    store = tmp_path / "cube.zarr"
    write_cube_store(store, opened, None, read_axes(opened.header, cube).wcs(cube), "field", primary=opened.primary)
    assert run(["psf", str(store)]) == 0
    assert run(["psf", str(cube), "--overwrite"]) == 0
    one, other = read_models(open_cube(store).primary, store)[0], read_models(fits.getheader(cube), cube)[0]
    assert np.array_equal(one.fwhm, other.fwhm) and np.array_equal(one.beta, other.beta)


def test_mosaic(tmp_path, capsys):
    """Two pointings, one with a seeing 30 % worse, and a strip that both share."""
    rng = np.random.default_rng(5)
    places = np.array([(x, y) for x in (12.0, 30.0, 58.0, 96.0, 112.0) for y in (14.0, 46.0)])
    places += rng.uniform(-1, 1, (10, 2))
    cube = StarCube(
        places, np.full(10, 20000.0), lambda w: 0.65 * (w / 7000) ** -0.2, lambda w: 2.6 + 0 * w, (12, 60, 124),
        step=390.0, widen={k: 1.3 for k in range(6, 10)} | {4: 1.15, 5: 1.15},
    )  # fmt: skip
    path = cube.write(tmp_path / "mosaic.fits")
    left = [field_image(tmp_path / f"left{k}.fits", slice(k, 66 + k), (60, 124)) for k in (0, 2)]
    right = field_image(tmp_path / "right.fits", slice(50, 124), (60, 124))
    given = [word for image in (*left, right) for word in ("--fields", str(image))]
    assert run(["psf", str(path), *given, "--plots"]) == 0
    said = capsys.readouterr().out
    assert "field 1, 4 stars" in said and "field 2, 4 stars" in said and "FIELDMAP" in said
    waves = cube.wavelengths
    for k, model in enumerate(read_models(fits.getheader(path), path)):
        assert np.abs(model.fwhm_at(waves) / (cube.fwhm(waves) * (1.0, 1.3)[k]) - 1.0).max() < 0.02
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        expected = np.zeros((60, 124), np.int32)
        expected[:, :68] += 2
        expected[:, 50:] += 4
        assert np.array_equal(hdus["FIELDMAP"].data, expected)
    fields_map = pytest.importorskip("mpdaf.MUSE").FieldsMap
    found = fields_map(str(path), extname="FIELDMAP")
    assert found.nfields == 2
    assert found.get_pixel_fields_indexes(5, 10) == [0] and found.get_pixel_fields_indexes(5, 60) == [0, 1]
    assert found.get_field_mask(2).sum() == 60 * 74
    both = fsf(path)
    assert len(both) == 2 and np.allclose(both[1].get_fwhm(waves), model.fwhm_at(waves))
    # measured again as one field, it is one
    assert run(["psf", str(path), "--overwrite", "--snr", "50"]) == 0
    with fits.open(path) as hdus:
        assert "NFIELDS" not in hdus[0].header and "FIELDMAP" not in hdus
        assert "FSF00FNC" in hdus[0].header and "FSF01FNC" not in hdus[0].header


def test_without_stat(made, tmp_path, capsys):
    made = typical(SEED)
    made.stat = False
    path = made.write(tmp_path / "cube.fits")
    assert run(["psf", str(path)]) == 0
    assert "no STAT: all spaxels of a plane have the same weight" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"INSTRUME": "KMOS"}, [], "INSTRUME is 'KMOS', expected MUSE"),
        ({}, ["--stars", "none.csv"], "none.csv: no such file"),
        ({}, ["--fields", "none.fits"], "none.fits: no such file"),
        ({}, ["--snr", "1e9"], "no star for the PSF; sources: 6 faint; give a table of stars with --stars"),
    ],
)
def test_bad_input(cube, tmp_path, change, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for key, value in change.items():
        fits.setval(cube, key, value=value)
    before = cube.read_bytes()
    assert run(["psf", "cube.fits", *arguments]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert cube.read_bytes() == before and list(tmp_path.iterdir()) == [cube]


def test_full_disk(cube, tmp_path, monkeypatch, capsys):
    import errno

    from musedeep.storage.fits.streamed import StreamedFits

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StreamedFits, "finish", full)
    before = cube.read_bytes()
    assert run(["psf", str(cube)]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert "disk full while writing cube.fits" in said[-1]
    assert cube.read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
