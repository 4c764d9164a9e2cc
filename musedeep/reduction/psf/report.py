"""What was measured of a PSF: a FITS table of the stars and of the bins of wavelength, and a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from astropy.io import fits

from musedeep.reduction.pictures import FAINT, GRID, draw, grid, title
from musedeep.reduction.psf.cube_psf import CubePsf
from musedeep.reduction.psf.model import keyword_cards
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.table import Column, table_hdu

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STARS: Final = (
    Column("ID", "1J"), Column("RA", "1D", "deg"), Column("DEC", "1D", "deg"), Column("X", "1D", "pix"),
    Column("Y", "1D", "pix"), Column("SNR", "1E"), Column("FWHM", "1E", "arcsec"), Column("EXCESS", "1E"),
    Column("EXCESS_ERROR", "1E"), Column("RESIDUAL", "1E"), Column("FIELD", "1J"), Column("STATUS", "A"),
)  # fmt: skip
"""X and Y count from 0; FWHM is that in the mean image; EXCESS is the share by which a star is wider than the PSF."""
BINS: Final = (
    Column("FIELD", "1J"), Column("LAMBDA", "1D", "Angstrom"), Column("FWHM", "1D", "arcsec"),
    Column("FWHM_ERROR", "1D", "arcsec"), Column("FWHM_MODEL", "1D", "arcsec"), Column("BETA", "1D"),
    Column("BETA_ERROR", "1D"), Column("BETA_MODEL", "1D"),
)  # fmt: skip
COLOURS: Final = ("#1f5fa8", "#b8121f", "#0b7d3b", "#e0a100", "#7a3fa0", "#16808a")


def write_tables(path: Path, psf: CubePsf, header: fits.Header, overwrite: bool) -> None:
    """Write the extensions STARS and BINS; the primary header has the keywords of the PSF.

    Raises MusedeepError if the file exists and may not be replaced, or cannot be written.
    """
    found = psf.candidates
    stars = {
        "ID": np.arange(1, found.x.size + 1), "RA": psf.ra, "DEC": psf.dec, "X": found.x, "Y": found.y,
        "SNR": found.snr, "FWHM": found.width * psf.scale, "EXCESS": psf.excess, "EXCESS_ERROR": psf.error,
        "RESIDUAL": psf.residual, "FIELD": psf.field, "STATUS": [str(why) for why in found.why],
    }  # fmt: skip
    parts: dict[str, list[np.ndarray]] = {column.name: [] for column in BINS}
    for k, one in enumerate(psf.measured, 1 if psf.fields else 0):
        waves = one.wavelengths
        values = (
            np.full(waves.size, k), waves, one.bins[:, 0], one.errors[:, 0], one.model.fwhm_at(waves), one.bins[:, 1],
            one.errors[:, 1], one.model.beta_at(waves),
        )  # fmt: skip
        for column, value in zip(BINS, values, strict=True):
            parts[column.name].append(value)
    bins = {name: np.concatenate(value) for name, value in parts.items()}
    primary = fits.PrimaryHDU()
    for key in ("OBJECT", "INSTRUME", "DATE-OBS", "MJD-OBS"):
        if key in header:
            add(primary.header, (key, header[key]))
    add(primary.header, *keyword_cards([one.model for one in psf.measured]))
    hdus = [primary, table_hdu(STARS, stars, "STARS"), table_hdu(BINS, bins, "BINS")]
    write_hdus(path, fits.HDUList(hdus), overwrite)


def draw_psf(path: Path, psf: CubePsf, name: str, overwrite: bool) -> None:
    """Draw width and exponent against wavelength: bins, each by itself, and the polynomials.

    Raises MusedeepError as `pictures.draw` does.
    """

    def drawing(figure: "Figure") -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        waves = np.linspace(*psf.range, 300)
        stars = sum(int(one.kept.sum()) for one in psf.measured)
        title(upper, f"PSF of {name}", f"{stars} stars; points: each bin of wavelength alone; lines: polynomials")
        for k, one in enumerate(psf.measured):
            colour = COLOURS[k % len(COLOURS)]
            label = f"field {k + 1}" if psf.fields else None
            for axes, i, line in ((upper, 0, one.model.fwhm_at(waves)), (lower, 1, one.model.beta_at(waves))):
                axes.errorbar(
                    one.wavelengths, one.bins[:, i], one.errors[:, i], fmt="o", ms=4, color=colour, ecolor=GRID,
                    elinewidth=1.5,
                )  # fmt: skip
                axes.plot(waves, line, color=colour, lw=1.5, label=label)
                margin = 0.1 * max(float(np.ptp(line)), 0.1 * float(np.mean(line)))
                good = one.errors[:, i] < 0.15 * np.mean(line)
                shown = np.concatenate([line, one.bins[good, i]])
                low, high = float(shown.min()) - margin, float(shown.max()) + margin
                before = axes.get_ylim() if k else (low, high)
                axes.set_ylim(min(low, before[0]), max(high, before[1]))
        upper.set_ylabel("FWHM [arcsec]")
        lower.set_ylabel("Moffat exponent beta")
        lower.set_xlabel("wavelength [Angstrom]", color=FAINT)
        for axes in (upper, lower):
            grid(axes)
        if psf.fields:
            upper.legend(fontsize=9)

    draw(drawing, path, overwrite, (8.6, 6.4))
