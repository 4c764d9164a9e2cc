"""Make the picture of sky residuals: a plane and two spectra of a simulated cube, before and after.

python -m docs.pictures.sky_residuals
"""

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from astropy.io import fits

from docs.pictures.tutorials import shrink
from musedeep.cli.main import run
from tests.makers.residual_cubes import STEP, ResidualCube


def main() -> None:
    """Draw it."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cube = ResidualCube((480, 100, 150), first=8240.0, shift=0.1, stars=8, emission_lines=40)
    with tempfile.TemporaryDirectory() as place:
        path = cube.write(Path(place) / "cube.fits")
        assert run(["sky-residuals", str(path), "--output", f"{place}/clean.fits"]) == 0
        before, after = (np.array(fits.getdata(one, "DATA")) for one in (path, f"{place}/clean.fits"))
        plane = int(np.argmax(cube.sky))
        figure = plt.figure(figsize=(10, 6.6), layout="constrained")
        axes = figure.subplot_mosaic("ab;cc;dd", height_ratios=(2.2, 1, 1))
        limit = 3 * float(np.sqrt(cube.variance[plane]))
        for name, data, title in (("a", before, "before"), ("b", after, "after")):
            axes[name].imshow(data[plane], vmin=-limit, vmax=limit, origin="lower", cmap="RdBu_r", interpolation="none")
            axes[name].set_title(f"{cube.wavelengths[plane]:.0f} Angstrom, {title}", fontsize=10)
            axes[name].set(xticks=[], yticks=[])
        # the line that is brightest above the noise of a sky line
        strength = [
            one.flux / np.sqrt(cube.variance[k]) if cube.sky[k - 2 : k + 3].max() > 100 else 0.0
            for one, k in ((one, int((one.wavelength - cube.first) / STEP)) for one in cube.sources[1])
        ]
        line = cube.sources[1][int(np.argmax(strength))]
        y, x = round(line.y), round(line.x)
        row = int(np.argmax(np.abs(cube.residual(plane, plane + 1)[0, :, :75].mean(axis=1))))
        places = {
            "c": (np.s_[:, row, 30:60], "30 spaxels of a slice"),
            "d": (np.s_[:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3], f"line at {line.wavelength:.0f} Angstrom"),
        }
        for name, (near, title) in places.items():
            axes[name].plot(
                cube.wavelengths, before[near].reshape(480, -1).mean(axis=1), color="0.7", lw=1, label="before"
            )
            axes[name].plot(
                cube.wavelengths, after[near].reshape(480, -1).mean(axis=1), color="C0", lw=0.8, label="after"
            )
            axes[name].plot(
                cube.wavelengths, cube.light(0, 480)[near].reshape(480, -1).mean(axis=1), "C3", lw=1, label="truth"
            )
            axes[name].set_xlim(cube.wavelengths[0], cube.wavelengths[-1])
            axes[name].set_ylabel(title, fontsize=9)
        axes["c"].legend(fontsize=8, ncols=3, loc="upper right")
        axes["d"].set_xlabel("wavelength [Angstrom]", fontsize=9)
        picture = Path(place) / "sky-residuals.png"
        figure.savefig(picture, dpi=110)
        shrink(picture)


if __name__ == "__main__":
    main()
