"""Exposures of full width and few rows with all calibrations of muse_scibasic, whose truth is known."""

import numpy as np
from astropy.io import fits

from musedeep.cli.main import run
from tests.makers.raw_frames import extension, flat_light, raw_image, slice_edges, write_raw

NX, NY = 2048, 128
ROWS = 2 * NY
DISPERSION, FIRST = 1.25, 6250.0
LINE, SHIFT = 6300.304, 0.12
CARDS = {"ESO TPL ID": "MUSE_wfm_obs_genericoffset"}
ILLUMINATION = 1.0 + 0.02 * np.sin(np.arange(48.0))


def wavelengths():
    """Wavelength of each row at the calibration."""
    return FIRST + DISPERSION * np.arange(1.0, ROWS + 1)


def sky_light():
    """Electrons of a sky with one line that lies SHIFT redward on the CCD, in slices of unequal brightness."""
    flat = flat_light(ROWS, 1.0)
    # the line's light is at LINE - SHIFT of the calibration: SHIFT has to be added
    profile = 40.0 + 3000.0 * np.exp(-0.5 * ((wavelengths() - LINE + SHIFT) / 1.2) ** 2)
    return flat * profile[:, None]


def with_illumination(light):
    y = np.arange(1.0, ROWS + 1)
    out = light.copy()
    for factor, left, right in zip(ILLUMINATION, *slice_edges(y, ROWS), strict=True):
        out[:, int(left.min()) - 4 : int(right.max()) + 5] *= factor
    return out


def write_table(path, category, columns, ifu=1):
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
    primary.header["HIERARCH ESO PRO CATG"] = category
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)


def calibrations(directory):
    """WAVECAL_TABLE, GEOMETRY_TABLE and TWILIGHT_CUBE; the other calibrations are made by their recipes."""
    number = fits.Column("SliceNo", "1J", array=np.arange(1, 49))
    values = {"wlc00": FIRST, "wlc01": DISPERSION, "wlc10": 0.0, "wlc11": 0.0}
    columns = [number, *(fits.Column(n, "1D", array=np.full(48, v)) for n, v in values.items())]
    write_table(directory / "WAVECAL_TABLE-01.fits", "WAVECAL_TABLE", columns)
    write_table(directory / "WAVECAL_TABLE-02.fits", "WAVECAL_TABLE", columns, 2)
    places = {"x": np.repeat([-75.0, 0.0, 75.0, 30.0], 12), "y": np.arange(48.0), "angle": 0.05, "width": 75.0}
    columns = [
        fits.Column("SubField", "1J", array=np.ones(48, int)),
        fits.Column("SliceCCD", "1J", array=np.arange(48, 0, -1)),
        fits.Column("SliceSky", "1J", array=np.arange(1, 49)),
        *(fits.Column(n, "1D", array=np.broadcast_to(v, 48)) for n, v in places.items()),
    ]
    write_table(directory / "GEOMETRY_TABLE.fits", "GEOMETRY_TABLE", columns)
    cube = fits.ImageHDU(np.full((3, 60, 300), 0.5, "f4"), name="DATA")
    for i, (value, step) in enumerate(((-150.0, 1.0), (0.0, 1.0), (6000.0, 250.0)), 1):
        cube.header.update({f"CRPIX{i}": 1.0, f"CRVAL{i}": value, f"CD{i}_{i}": step})
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO DRS MUSE FLAT FLUX SKY1"] = 123.5
    fits.HDUList([primary, cube]).writeto(directory / "TWILIGHT_CUBE.fits")


def write_set(directory):
    """Two exposures, a lamp flat and their calibrations; products of the first recipes among them."""
    light = flat_light(ROWS)
    for name, image, n, time in (("bias", None, 3, 0.0), ("flat", light, 3, 5.0)):
        paths = [
            write_raw(directory / f"{name}{k}.fits", [extension(raw_image(image, NX, NY, 10 * n + k), 1, NX, NY)], time)
            for k in range(n)
        ]
        bias = "" if name == "bias" else f"{directory}/MASTER_BIAS-01.fits MASTER_BIAS\n"
        (directory / f"{name}.sof").write_text(bias + "".join(f"{p} {name.upper()}\n" for p in paths))
        options = ["--nsum=8", "--order=3"] if name == "flat" else []
        sof = str(directory / f"{name}.sof")
        assert run(["recipe", f"muse_{name}", *options, sof, "--output-dir", str(directory)]) == 0
    calibrations(directory)
    sky = with_illumination(sky_light())
    for k in range(2):
        image = raw_image(sky, NX, NY, 50 + k)
        write_raw(directory / f"object{k}.fits", [extension(image, 1, NX, NY, CARDS)], 600.0)
    lamp = raw_image(with_illumination(light), NX, NY, 60)
    write_raw(directory / "illum.fits", [extension(lamp, 1, NX, NY)], 5.0)


NAMES = ("MASTER_BIAS-01", "MASTER_FLAT-01", "TRACE_TABLE-01", "WAVECAL_TABLE-01", "GEOMETRY_TABLE")
"""Calibrations that muse_scibasic needs."""
