"""Small arc exposures for tests: two slices on a narrow CCD, three lamps, a wavelength solution that is known."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.makers.raw_frames import extension, raw_image, write_raw

NX, NY = 100, 256
ROWS, COLUMNS = 2 * NY, 2 * NX
SLICES = ((12.3, 88.1), (104.6, 180.2))
"""Left and right edges of slices 1 and 2; the others have no trace."""

LAMPS = {"Ne": 3, "Xe": 4, "HgCd": 5}
SIGMA = 0.95


def wavelength(x, y, number=1):
    """Wavelength of slice `number` at trimmed pixels from 1, Angstrom."""
    left, right = SLICES[number - 1]
    u, d = y - 256.5, x - 0.5 * (left + right)
    return 7000.0 + 4.0 * number + 1.252 * u - 3e-5 * u * u + 0.012 * d + 1.5e-4 * d * d + 2e-6 * d * u


def lines(seed=0):
    """Made-up lines: wavelengths, fluxes, lamps, qualities; 25 Angstrom apart or more, one pair nearer."""
    rng = np.random.default_rng(seed)
    waves = 6690.0 + np.cumsum(rng.uniform(13.0, 24.0, 36))
    lamps = np.array([("Ne", "Ne", "Xe", "HgCd")[i] for i in rng.integers(0, 4, waves.size)])
    flux = rng.choice([3000.0, 8000.0, 20000.0, 50000.0], waves.size)
    quality = np.where(flux > 10000.0, 5, 3)
    return waves, flux, lamps, quality


def row_of(wave, x, number):
    """Row at which a wavelength falls in column x."""
    y = np.full_like(x, 256.5)
    for _ in range(20):
        y = y - (wavelength(x, y, number) - wave) / 1.25
    return y


def light(lamp, seed=0, lit=(1, 2)):
    """Electrons of a lamp on the trimmed image."""
    from scipy.special import ndtr

    out = np.zeros((ROWS, COLUMNS))
    waves, flux, lamps, _ = lines(seed)
    y = np.arange(1.0, ROWS + 1)[:, None]
    for number in lit:
        left, right = SLICES[number - 1]
        x = np.arange(np.ceil(left), np.floor(right) + 1)
        for wave, f in zip(waves[lamps == lamp], flux[lamps == lamp], strict=True):
            centre = row_of(wave, x, number)
            profile = ndtr((y + 0.5 - centre) / SIGMA) - ndtr((y - 0.5 - centre) / SIGMA)
            out[:, int(x[0]) - 1 : int(x[-1])] += f * profile
    return out


def write_catalog(path: Path, seed=0, order=slice(None)):
    """LINE_CATALOG of the made-up lines."""
    waves, flux, lamps, quality = (values[order] for values in lines(seed))
    ions = np.array([{"Ne": "NeI", "Xe": "XeI", "HgCd": "HgI"}[lamp] for lamp in lamps])
    columns = [
        fits.Column("lambda", "1E", "Angstrom", array=waves), fits.Column("flux", "1E", array=flux),
        fits.Column("ion", "4A", array=ions), fits.Column("quality", "1J", array=quality),
    ]  # fmt: skip
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH ESO PRO CATG"] = "LINE_CATALOG"
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def write_trace(path: Path, ifu=1, valid=(1, 2)):
    """TRACE_TABLE with straight slices; those that are not valid are NaN."""
    table = {f"tc{k}_{i:02d}": np.full(48, np.nan) for k in range(3) for i in range(2)}
    for number in valid:
        left, right = SLICES[number - 1]
        for k, value in enumerate((0.5 * (left + right), left, right)):
            table[f"tc{k}_00"][number - 1], table[f"tc{k}_01"][number - 1] = value, 0.0
    columns = [
        fits.Column("SliceNo", "1J", array=np.arange(1, 49)),
        fits.Column("Width", "1E", array=np.full(48, 75.7)),
    ]
    columns += [fits.Column(name, "1D", "pix", array=values) for name, values in table.items()]
    primary = fits.PrimaryHDU()
    primary.header["EXTNAME"] = f"CHAN{ifu:02d}"
    primary.header["HIERARCH ESO PRO CATG"] = "TRACE_TABLE"
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def write_arc(path: Path, lamp, image=None, seed=0, ifus=(1,), on=True):
    """A raw arc exposure of a lamp; `image`: the raw pixels, if not those of the lamp."""
    if image is None:
        image = raw_image(light(lamp), NX, NY, seed)
    write_raw(path, [extension(image, ifu, NX, NY) for ifu in ifus], 5.0)
    with fits.open(path, mode="update") as hdus:
        for name, number in LAMPS.items():
            for what in ("LAMP", "SHUT"):
                hdus[0].header[f"HIERARCH ESO INS {what}{number} NAME"] = name
                hdus[0].header[f"HIERARCH ESO INS {what}{number} ST"] = bool(on and name == lamp)
    return path


def write_set(directory: Path, ifus=(1,), n=3):
    """Arcs of all lamps, biases, trace and catalogue of IFUs, in `directory`; the lines of the set-of-frames."""
    out = []
    for k in range(3):
        hdus = [extension(raw_image(None, NX, NY, k), ifu, NX, NY) for ifu in ifus]
        out.append(f"{write_raw(directory / f'bias{k}.fits', hdus)} BIAS\n")
    (directory / "bias.sof").write_text("".join(out))
    out = []
    for lamp in LAMPS:
        base = light(lamp)
        for k in range(n):
            image = raw_image(base, NX, NY, 100 + k)
            out.append(f"{write_arc(directory / f'{lamp}{k}.fits', lamp, image, ifus=ifus)} ARC\n")
    out += [f"{directory}/MASTER_BIAS-{ifu:02d}.fits MASTER_BIAS\n" for ifu in ifus]
    out += [f"{write_trace(directory / f'TRACE_TABLE-{ifu:02d}.fits', ifu)} TRACE_TABLE\n" for ifu in ifus]
    out.append(f"{write_catalog(directory / 'lines.fits')} LINE_CATALOG\n")
    (directory / "arc.sof").write_text("".join(out))
    return out
