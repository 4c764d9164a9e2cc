"""muse_twilight on frames of full width and few rows: the illumination of the field that is put in comes out."""

import numpy as np
import pytest
from astropy.io import fits

from musedeep.cli.main import run
from musedeep.recipes.twilight.cube import FieldGrid, HowToResample, Strip
from musedeep.storage.calibrations.twilight_cube import read_twilight_cube
from tests.makers.mask_frames import draw_geometry
from tests.makers.raw_frames import extension, flat_light, raw_image, slice_edges, write_raw

NX, NY = 2048, 128
ROWS = 2 * NY
FIRST, DISPERSION = 5000.0, 16.0
SLICES = 1.0 + 0.02 * np.sin(np.arange(48.0))
"""How slices changed since the flat."""
CORNER = 100.0
"""The field is vignetted to the right of this column of the field [pixel]."""


def sky_of(x, y, vignetted=False):
    """Brightness of the twilight sky at a place in the field [pixel]."""
    loss = np.where(x > CORNER, 0.1 * ((x - CORNER) / 50.0) ** 2, 0.0) if vignetted else 0.0
    return (1.0 + 4e-4 * x - 2e-6 * x**2 + 0.005 * y) * (1.0 - loss)


def exposed(ifu, level, field=None):
    """Electrons of a lamp, or of a field, whose slices have changed; float64 (ROWS, 4096)."""
    out = flat_light(ROWS, level)
    geometry = draw_geometry(ifu)
    rows = np.arange(1.0, ROWS + 1)
    spectrum = 1.0 if field is None else (1.2 - 0.3 * (rows[:, None] - 1) / ROWS)
    for k, (left, right) in enumerate(zip(*slice_edges(rows, ROWS), strict=True)):
        at = slice(int(left.min()) - 8, int(right.max()) + 8)
        r = (np.arange(at.start + 1.0, at.stop + 1) - 0.5 * (left + right)[:, None]) / (right - left)[:, None]
        x0, y0, angle, width = geometry[k]
        x = x0 - r * width * np.cos(np.radians(angle))
        y = y0 - r * width * np.sin(np.radians(angle)) - 12.0 * (ifu - 12.5)
        out[:, at] *= SLICES[k] * (1.0 if field is None else field(x, y))
    return out * spectrum


def write_exposures(directory, name, lights, n, exptime, seed):
    """n raw frames with the light of each IFU."""
    for k in range(n):
        images = [extension(raw_image(light, NX, NY, seed + 10 * k + ifu), ifu, NX, NY) for ifu, light in lights]
        write_raw(directory / f"{name}{k}.fits", images, exptime)


def write_tables(directory):
    """WAVECAL_TABLE of both IFUs, GEOMETRY_TABLE, VIGNETTING_MASK."""
    number = fits.Column("SliceNo", "1J", array=np.arange(1, 49))
    values = {"wlc00": FIRST, "wlc01": DISPERSION, "wlc10": 0.0, "wlc11": 0.0}
    for ifu in (1, 2):
        columns = [number, *(fits.Column(n, "1D", array=np.full(48, v)) for n, v in values.items())]
        primary = fits.PrimaryHDU()
        primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
        table = fits.BinTableHDU.from_columns(columns)
        fits.HDUList([primary, table]).writeto(directory / f"WAVECAL_TABLE-{ifu:02d}.fits")
    places = np.concatenate([draw_geometry(ifu) for ifu in (1, 2)])
    columns = [
        fits.Column("SubField", "1J", array=np.repeat([1, 2], 48)),
        fits.Column("SliceCCD", "1J", array=np.tile(np.arange(1, 49), 2)),
        fits.Column("SliceSky", "1J", array=np.tile(np.arange(1, 49), 2)),
        *(fits.Column(n, "1D", array=places[:, k]) for k, n in enumerate(("x", "y", "angle", "width"))),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(directory / "GEOMETRY_TABLE.fits")
    # its lower right corner is that of the field, which ends at x = 150
    mask = np.zeros((60, 300), np.uint8)
    mask[:, 250:] = 1
    fits.PrimaryHDU(mask).writeto(directory / "VIGNETTING_MASK.fits")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("twilight")
    write_exposures(directory, "bias", [(1, None), (2, None)], 3, 0.0, 1)
    write_exposures(directory, "flat", [(1, flat_light(ROWS, 20000.0)), (2, flat_light(ROWS, 16000.0))], 3, 5.0, 100)
    for name, bias in (
        ("bias", ""),
        ("flat", "".join(f"{directory}/MASTER_BIAS-0{k}.fits MASTER_BIAS\n" for k in (1, 2))),
    ):
        sof = directory / f"{name}.sof"
        sof.write_text(bias + "".join(f"{directory}/{name}{k}.fits {name.upper()}\n" for k in range(3)))
        options = ["--nsum=8", "--order=3"] if name == "flat" else []
        assert run(["recipe", f"muse_{name}", *options, str(sof), "--output-dir", str(directory)]) == 0
    write_tables(directory)
    write_exposures(directory, "illum", [(1, exposed(1, 20000.0)), (2, exposed(2, 16000.0))], 1, 5.0, 200)
    both = [(1, exposed(1, 10000.0, sky_of)), (2, exposed(2, 8000.0, sky_of))]
    write_exposures(directory, "sky", both, 3, 5.0, 300)
    dark = exposed(2, 8000.0, lambda x, y: sky_of(x, y, True))
    write_exposures(directory, "corner", [(2, dark)], 3, 5.0, 400)
    return directory


NAMES = tuple(f"{n}-{k:02d}" for n in ("MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE") for k in (1, 2))


def frames(directory, tmp_path, *more, without=(), sky="sky", n=3):
    """A set-of-frames of twilights and the calibrations; `more` are lines of its own."""
    lines = [f"{directory}/{sky}{k}.fits SKYFLAT" for k in range(n)]
    lines += [f"{directory}/{name}.fits {name[:-3]}" for name in NAMES if name not in without]
    if "GEOMETRY_TABLE" not in without:
        lines.append(f"{directory}/GEOMETRY_TABLE.fits GEOMETRY_TABLE")
    tmp_path.mkdir(exist_ok=True)
    sof = tmp_path / "in.sof"
    sof.write_text("\n".join([*lines, *more]) + "\n")
    return str(sof)


def reduced(sof, tmp_path, *options):
    """The smooth cube of a call that has to work."""
    assert run(["recipe", "muse_twilight", *options, sof, "--output-dir", str(tmp_path)]) == 0
    return read_twilight_cube(tmp_path / "TWILIGHT_CUBE.fits")


def deviation(cube, vignetted=False, ifus=(1, 2)):
    """Smooth cube over truth, mean 1, of pixels inside the field."""
    _, ny, nx = cube.data.shape
    x, y = np.meshgrid(cube.start[0] + np.arange(nx), cube.start[1] + np.arange(ny))
    # every IFU has the mean 1
    centre = 12.0 * (np.clip(np.round(y / 12.0 + 12.5), ifus[0], ifus[-1]) - 12.5)
    inside = np.abs(x) < 147.0
    ratio = cube.data[:, inside] / sky_of(x, y - centre, vignetted)[inside]
    return ratio / ratio.mean() - 1.0


def test_illumination_comes_out(directory, tmp_path):
    """One IFU, with a gradient in x and y, and slices that have changed."""
    alone = ("MASTER_BIAS-01", "MASTER_FLAT-01", "TRACE_TABLE-01", "WAVECAL_TABLE-01")
    mask = f"{directory}/VIGNETTING_MASK.fits VIGNETTING_MASK"
    illum = f"{directory}/illum0.fits ILLUM"
    cube = reduced(frames(directory, tmp_path, illum, mask, without=alone, sky="corner"), tmp_path, "--vignloss=true")
    assert cube.data.shape[0] == 17 and cube.start[2] == pytest.approx(5000.0, abs=17.0) and cube.step[2] == 250.0
    assert cube.data.mean(axis=(1, 2), dtype=np.float64) == pytest.approx(1.0, abs=1e-6)
    assert np.abs(deviation(cube, True, (2,))).max() < 0.015
    # the excess only: the corner is not seen to be dark
    other = tmp_path / "excess"
    sof = frames(directory, other, illum, mask, without=alone, sky="corner")
    assert deviation(reduced(sof, other), True, (2,)).max() > 0.04
    # without the ILLUM the slices stay unequal
    plain = tmp_path / "plain"
    reduced(frames(directory, plain, mask, without=alone, sky="corner"), plain)
    scatter = []
    for where in (tmp_path, plain):
        image = fits.getdata(where / "TWILIGHT_CUBE.fits", "white_div_global")[2:-2, 20:200]
        scatter.append((image.mean(axis=1) / image.mean()).std())
    assert scatter[0] < 0.003 < 0.005 < scatter[1]


def test_products_of_two_ifus(directory, tmp_path):
    illum = f"{directory}/illum0.fits ILLUM"
    cube = reduced(frames(directory, tmp_path, illum), tmp_path, "--yorder=8")
    with fits.open(tmp_path / "DATACUBE_SKYFLAT.fits", checksum=True) as hdus:
        assert [h.name.lower() for h in hdus[1:]] == ["data", "stat", "white"]
        header, data, stat = hdus[0].header, hdus["DATA"].data, hdus["STAT"].data
        white, grid = hdus["white"].data, hdus["DATA"].header
    assert grid["CTYPE1"] == "PIXEL" and grid["CTYPE3"] == "AWAV" and grid["CD3_3"] == 250.0
    assert header["ESO PRO CATG"] == "DATACUBE_SKYFLAT" and header["ESO PRO DATANCOM"] == 4
    assert white == pytest.approx(np.nanmean(data, axis=0), rel=1e-5, nan_ok=True)
    # the flux of an IFU is that of its electrons over the flat of mean 1, scaled to that of the first
    for ifu in (1, 2):
        key = f"ESO QC TWILIGHT{ifu} "
        assert header[key + "INTFLUX"] == pytest.approx(header[f"ESO DRS MUSE FLAT FLUX SKY{ifu}"], rel=1e-6)
        assert header[key + "INPUT3 NSATURATED"] == 0
        assert header[key + "INPUT1 MEDIAN"] == pytest.approx(header[key + "MASTER MEDIAN"], rel=0.01)
        assert header[key + "MASTER INTFLUX"] == pytest.approx(header[key + "MASTER MEAN"] * ROWS * 4096, rel=1e-4)
    assert cube.sky_flux == {k: header[f"ESO DRS MUSE FLAT FLUX SKY{k}"] for k in (1, 2)}
    assert cube.sky_flux[2] / cube.sky_flux[1] == pytest.approx(0.8, rel=0.01)
    n = data.shape[1] // 2
    both = [np.nanmedian(part) for part in (data[8, 2 : n - 2], data[8, n + 2 : -2])]
    assert both[1] == pytest.approx(both[0], rel=0.01)
    # photon noise: the variance is that of a mean of so many pixels
    smooth = np.nanmedian(np.abs(np.diff(data[8, 5, 40:200]))) / 0.9538
    assert smooth == pytest.approx(np.sqrt(np.nanmedian(stat[8])), rel=0.5)
    with fits.open(tmp_path / "TWILIGHT_CUBE.fits", checksum=True) as hdus:
        assert "ESO QC TWILIGHT1 INTFLUX" not in hdus[0].header
        assert [h.name.lower() for h in hdus[1:]] == [
            "data", "white_global_fit", "white_div_global", "white_div_global_dq",
        ]  # fmt: skip
        assert hdus["white_div_global_DQ"].data.dtype == np.dtype(">i4")


@pytest.mark.parametrize(
    "options",
    [
        ("--resample=nearest",),
        ("--resample=renka", "--crtype=iraf", "--crsigma=5"),
        # it reaches one pixel far, and rows are 16 Angstrom apart
        ("--resample=lanczos", "--crtype=mean", "--crsigma=5", "--dlambda=256"),
        ("--resample=linear", "--combine=median"),
        ("--resample=quadratic", "--combine=minmax", "--scale=true"),
    ],
    ids=lambda o: o[0],
)
def test_every_way_gives_the_same_illumination(directory, tmp_path, options):
    illum = f"{directory}/illum0.fits ILLUM"
    alone = ("MASTER_BIAS-01", "MASTER_FLAT-01", "TRACE_TABLE-01", "WAVECAL_TABLE-01")
    cube = reduced(frames(directory, tmp_path, illum, without=alone, sky="corner"), tmp_path, *options, "--xorder=6")
    found = deviation(cube, True, (2,))
    assert found.std() < 0.006 and np.abs(found).max() < 0.03


def test_pixels_that_are_hit_in_all_frames(directory, tmp_path):
    light = exposed(2, 8000.0, sky_of)
    write_exposures(tmp_path, "clean", [(2, light.copy())], 3, 5.0, 500)
    for y in range(20, 240, 20):
        light[y, 1000:3000:97] += 30000.0
    write_exposures(tmp_path, "hit", [(2, light)], 3, 5.0, 500)
    alone = ("MASTER_BIAS-01", "MASTER_FLAT-01", "TRACE_TABLE-01", "WAVECAL_TABLE-01")
    cubes = []
    for name, limit in (("clean", 0), ("hit", 0), ("hit", 15)):
        out = tmp_path / f"{name}{limit}"
        lines = [f"{tmp_path}/{name}{k}.fits SKYFLAT" for k in range(3)]
        reduced(frames(directory, out, *lines, without=alone, n=0), out, f"--crsigma={limit}")
        cubes.append(fits.getdata(out / "DATACUBE_SKYFLAT.fits", "DATA"))
    left, rejected = ((np.abs(cube / cubes[0] - 1) > 0.05).sum() for cube in cubes[1:])
    assert left > 200 and rejected < 0.1 * left


def test_narrow_field_mode(directory, tmp_path, capsys):
    """What the notch blocks changes neither cube nor flux; a vignetting mask is not for this mode."""
    flats = [tmp_path / f"MASTER_FLAT-0{ifu}.fits" for ifu in (1, 2)]
    for path in flats:
        path.write_bytes((directory / path.name).read_bytes())
    light = [exposed(1, 10000.0, sky_of), exposed(2, 8000.0, sky_of)]
    write_exposures(tmp_path, "clean", [(1, light[0]), (2, light[1])], 3, 5.0, 700)
    # rows of 5784 to 6040 Angstrom
    light[1][48:65] *= 3.0
    write_exposures(tmp_path, "noisy", [(1, light[0]), (2, light[1])], 3, 5.0, 700)
    for path in tmp_path.glob("*.fits"):
        fits.setval(path, "HIERARCH ESO INS MODE", value="NFM-AO-N")
    cubes, headers = [], []
    for name in ("clean", "noisy"):
        lines = [*(f"{path} MASTER_FLAT" for path in flats), f"{directory}/VIGNETTING_MASK.fits VIGNETTING_MASK"]
        lines += [f"{tmp_path}/{name}{k}.fits SKYFLAT" for k in range(3)]
        out = tmp_path / name
        sof = frames(directory, out, *lines, without=("MASTER_FLAT-01", "MASTER_FLAT-02"), n=0)
        reduced(sof, out, "--vignnfmmask=5")
        cubes.append(fits.getdata(out / "DATACUBE_SKYFLAT.fits", "DATA"))
        headers.append(fits.getheader(out / "TWILIGHT_CUBE.fits"))
    # noise is not the same in both
    clean, noisy = (np.nanmean(cube, axis=(1, 2)) for cube in cubes)
    assert noisy == pytest.approx(clean, rel=1e-3)
    key = "ESO DRS MUSE FLAT FLUX SKY2"
    assert headers[1][key] == pytest.approx(headers[0][key], rel=1e-3)
    key = "ESO QC TWILIGHT2 INTFLUX"
    totals = [fits.getheader(tmp_path / name / "DATACUBE_SKYFLAT.fits")[key] for name in ("clean", "noisy")]
    assert totals[1] > 1.1 * totals[0]
    assert "VIGNETTING_MASK" not in [card.value for card in headers[0].cards]
    with fits.open(tmp_path / "clean" / "TWILIGHT_CUBE.fits") as hdus:
        assert "vign_fit" in hdus and "white_div_global_excl_edges" not in hdus
    # of two IFUs the default leaves one line, from which polynomials would run away
    assert "vignnfmmask=22 leaves 1 lines" in failure(capsys, 1, sof, "--overwrite")


@pytest.mark.parametrize("method", ["drizzle", "nearest"])
def test_same_bits_with_any_number_of_threads(directory, tmp_path, monkeypatch, method):
    found = []
    for n in (1, 5):
        monkeypatch.setattr("musedeep.processors.limits", lambda n=n: [n])
        out = tmp_path / str(n)
        reduced(frames(directory, out), out, "--workers", str(n), f"--resample={method}")
        with fits.open(out / "DATACUBE_SKYFLAT.fits") as a, fits.open(out / "TWILIGHT_CUBE.fits") as b:
            found.append([h.data.tobytes() for hdus in (a, b) for h in hdus[1:]])
            found[-1].append([c.value for c in a[0].header.cards if c.keyword.startswith("ESO QC")])
    assert found[0] == found[1]


def failure(capsys, status, sof, *options):
    """The one line of a call that must fail."""
    capsys.readouterr()
    assert run(["recipe", "muse_twilight", *options, sof]) == status
    error = capsys.readouterr().err
    # beside lines on the progress, where the machine is slow
    lines = [line for line in error.splitlines() if line.startswith("musedeep: ")]
    assert "Traceback" not in error and len(lines) == 1, error
    return error


def test_bad_input_is_named(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def sof(*more, **how):
        return frames(directory, tmp_path, *more, **how)

    assert "3 SKYFLAT, found 2" in failure(capsys, 1, sof(n=2))
    assert "MASTER_FLAT" in failure(capsys, 1, sof(without=("MASTER_FLAT-01", "MASTER_FLAT-02")))
    assert "GEOMETRY_TABLE" in failure(capsys, 1, sof(without=("GEOMETRY_TABLE",)))
    assert "VIGNETTING_MASK, found 2" in failure(
        capsys, 1, sof(*(f"{directory}/flat{k}.fits VIGNETTING_MASK" for k in (1, 2)))
    )
    fits.PrimaryHDU().writeto(tmp_path / "empty")
    assert "no image" in failure(capsys, 1, sof(f"{tmp_path}/empty VIGNETTING_MASK"))
    assert "lambdamin=9000" in failure(capsys, 1, sof(), "--lambdamin=9000", "--lambdamax=5000")
    assert "lambdamin=1000" in failure(capsys, 1, sof(), "--lambdamin=1000", "--lambdamax=2000")
    assert "dlambda=0" in failure(capsys, 2, sof(), "--dlambda=0")
    assert "xorder=-1" in failure(capsys, 2, sof(), "--xorder=-1")
    assert "vignxpar=-3" in failure(capsys, 2, sof(), "--vignxpar=-3")
    assert "drizzle" in failure(capsys, 2, sof(), "--resample=drizle")
    assert "--vignsmooth" in failure(capsys, 2, sof(), "--vignsmoth=median")
    assert not list(tmp_path.glob("*.fits"))


def test_bad_frames_are_named(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cut = tmp_path / "cut.fits"
    cut.write_bytes((directory / "sky0.fits").read_bytes()[:1_000_000])
    assert "cut.fits" in failure(capsys, 1, frames(directory, tmp_path, f"{cut} SKYFLAT", n=2))
    write_exposures(tmp_path, "night", [(1, None)], 3, 5.0, 600)
    lines = [f"{tmp_path}/night{k}.fits SKYFLAT" for k in range(3)]
    assert "no light" in failure(capsys, 1, frames(directory, tmp_path, *lines, n=0))
    white = np.full((ROWS + 128, 2 * NX + 128), 65535, np.uint16)
    for k in range(3):
        write_raw(tmp_path / f"white{k}.fits", [extension(white, 1, NX, NY)], 5.0)
    lines = [f"{tmp_path}/white{k}.fits SKYFLAT" for k in range(3)]
    assert "saturated" in failure(capsys, 1, frames(directory, tmp_path, *lines, n=0))
    chip = tmp_path / "chip"
    chip.mkdir()
    for k in range(3):
        hdu = extension(raw_image(None, NX, NY, k), 1, NX, NY, {"ESO DET CHIP ID": "other"})
        write_raw(chip / f"{k}.fits", [hdu], 5.0)
    lines = [f"{chip}/{k}.fits SKYFLAT" for k in range(3)]
    assert "CHIP ID" in failure(capsys, 1, frames(directory, tmp_path, *lines, n=0))


def test_one_ifu_fails_the_other_is_done(directory, tmp_path, capsys):
    sof = frames(directory, tmp_path, without=("TRACE_TABLE-01",))
    assert run(["recipe", "muse_twilight", sof, "--output-dir", str(tmp_path)]) == 1
    assert "IFU 1" in capsys.readouterr().err
    assert list(read_twilight_cube(tmp_path / "TWILIGHT_CUBE.fits").sky_flux) == [2]
    assert "exists already" in failure(capsys, 1, sof, "--output-dir", str(tmp_path))


def test_ifus_are_placed_in_their_order():
    """Where strips meet: sums add up in the order of IFUs; of nearest pixels, the first of equal ones stays."""
    limits = np.zeros(3), np.array([2.0, 3.0, 0.0])

    def strip(first, value, distance):
        sums = np.ones((2, 2, 4, 3)) * [value, 1.0, 0.01 * value]
        return Strip(first, sums[:1, :, :3], np.full((1, 2, 3), distance))

    strips = [(strip(0, 3.0, 0.2), 1.0), (strip(1, 8.0, 0.1), 0.5), (strip(2, 5.0, 0.1), 2.0)]
    for method, lines in (("drizzle", [3.0, 3.5, 7.0, 10.0]), ("nearest", [3.0, 4.0, 4.0, 10.0])):
        grid = FieldGrid(limits, 10.0, HowToResample(method, "median", 0.0))
        assert grid.shape == (1, 4, 3)
        data, stat = grid.cube(strips)
        assert data[0].tolist() == [[value] * 3 for value in lines]
        if method == "nearest":
            assert stat[0, :, 0] == pytest.approx([0.03, 0.02, 0.02, 0.2])
