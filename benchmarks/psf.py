"""The PSF that `musedeep psf` measures against its truth.

    python benchmarks/psf.py seeds 100
    python benchmarks/psf.py products DEEP TRUTH/exposures.csv PRODUCT...

`seeds`: made-up cubes of Moffat stars, of a seeing of 0.55 to 0.95 arcsec and exponents of 2.2 to 3.4, both functions
of wavelength. The largest error of the width at any wavelength of each cube.

`products`: deep cubes of a simulated campaign. The truth is the PSF in the cube: the mean of the Moffat profiles of its
exposures (seeing of the truth table, airmass of the header), widened by the pixel of the instrument and by the drop of
drizzle (pixfrac), each a square. The spaxel of the cube is not among them: the fit averages over it. Its full width at
half maximum is read from this profile, at 24 wavelengths.
"""

import csv
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy.ndimage import uniform_filter1d

from musedeep.progress import Silent
from musedeep.reduction.psf.cube_psf import CubePsf, PsfRequest, measure_cube
from musedeep.simulate.profiles import moffat
from musedeep.storage.cubes.open_cube import open_cube
from tests.makers.star_cubes import typical

FINE = 0.01
"""Step of the grid on which profiles are widened, arcsec."""
SPAXEL = 0.2
KINDS: dict[str, dict[str, Any]] = {"bright": {}, "faint": {"bright": 4000.0}, "one star": {"n": 1}}


def measured(path: Path) -> CubePsf:
    """The PSF of a cube with the defaults of the command."""
    return measure_cube(open_cube(path), PsfRequest(), Silent())


def seeds(number: int) -> None:
    """Errors of made-up cubes."""
    with tempfile.TemporaryDirectory() as directory:
        for kind, changes in KINDS.items():
            worst, exponent, spent = [], [], 0.0
            for seed in range(1, number + 1):
                made = typical(seed, **changes)
                path = made.write(Path(directory, "cube.fits"))
                began = time.process_time()
                model = measured(path).measured[0].model
                spent += time.process_time() - began
                waves = np.linspace(made.wavelengths[0], made.wavelengths[-1], 200)
                worst.append(np.abs(model.fwhm_at(waves) / made.fwhm(waves) - 1.0).max())
                exponent.append(np.abs(model.beta_at(waves) - made.beta(waves)).max())
            print(
                f"{kind:9s} {number} seeds: largest error of FWHM at any wavelength: median "
                f"{100 * np.median(worst):.2f} %, worst {100 * max(worst):.2f} %, "
                f"{sum(one > 0.02 for one in worst)} above 2 %; of beta: median {np.median(exponent):.3f}, "
                f"worst {max(exponent):.3f}; {spent / number:.2f} s of processor"
            )


def true_width(seeing: np.ndarray, wavelength: float, pixfrac: float) -> float:
    """Full width at half maximum of the PSF in a cube of exposures of some seeing at 5000 Angstrom, arcsec."""
    line = np.arange(-2.0, 2.0 + FINE / 2, FINE)
    square = line**2 + (line**2)[:, None]
    image = np.mean([moffat(square, np.array(fwhm * (wavelength / 5000.0) ** -0.2)) for fwhm in seeing], axis=0)
    for width in (SPAXEL, SPAXEL * pixfrac):
        for axis in (0, 1):
            image = uniform_filter1d(image, round(width / FINE) | 1, axis=axis)
    middle = line.size // 2
    along = image[middle, middle:]
    diagonal = np.diagonal(image)[middle:]
    widths = []
    for profile, step in ((along, FINE), (diagonal, FINE * np.sqrt(2.0))):
        k = int(np.argmax(profile < 0.5 * profile[0]))
        widths.append(2.0 * step * (k - 1 + (profile[k - 1] - 0.5 * profile[0]) / (profile[k - 1] - profile[k])))
    return float(np.mean(widths))


def products(deep: Path, table: Path, names: list[str]) -> None:
    """Errors of deep cubes of a simulated campaign."""
    with table.open() as stream:
        truth = {row["exposure"]: float(row["seeing"]) for row in csv.DictReader(stream)}
    for name in names:
        folder = deep / "products" / name / "v1"
        record = json.loads((folder / "product.json").read_text())
        seeing = []
        for one in record["exposures"]:
            if not one["excluded"]:
                header = fits.getheader(one["raw"])
                airmass = 0.5 * (header["ESO TEL AIRM START"] + header["ESO TEL AIRM END"])
                seeing.append(truth[one["name"]] * airmass**0.6)
        path = folder / "DATACUBE_DEEP.fits"
        header = fits.getheader(path)
        names_of = [key for key in header if key.startswith("ESO PRO REC") and key.endswith("NAME")]
        pixfrac = [header[key.replace("NAME", "VALUE")] for key in names_of if header[key] == "pixfrac"][-1]
        began = time.process_time()
        psf = measured(path)
        spent = time.process_time() - began
        waves = np.linspace(*psf.range, 24)
        model = psf.measured[0].model
        expected = np.array([true_width(np.array(seeing), wave, float(pixfrac.split(",")[0])) for wave in waves])
        off = 100.0 * (model.fwhm_at(waves) / expected - 1.0)
        nz, ny, nx = open_cube(path).shape
        print(
            f"{name:14s} {len(seeing)} exposures, {psf.candidates.used.sum()} stars, {nx} x {ny} x {nz}: FWHM "
            f"{model.fwhm_at(waves)[0]:.3f} to {model.fwhm_at(waves)[-1]:.3f} arcsec, truth {expected[0]:.3f} to "
            f"{expected[-1]:.3f}; error {off.min():+.2f} to {off.max():+.2f} %, root mean square "
            f"{np.sqrt(np.mean(off**2)):.2f} %; {spent:.1f} s of processor"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["seeds"]:
        seeds(int(sys.argv[2]))
    else:
        products(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
