"""What MUSE is: constants of the instrument, each with its unit and source."""

from typing import Final

N_IFUS: Final = 24
"""Number of integral-field units (manual, section 2)."""

N_SLICES: Final = 48
"""Slices per IFU (manual, section 2)."""

SPAXEL_WFM: Final = 0.2
"""Nominal spaxel of the wide-field mode, arcsec (manual, 9.14.3, parameter dx)."""

SPAXEL_NFM: Final = (0.02519, 0.02542)
"""Default voxel of narrow-field cubes along RA and declination, arcsec (seen in cubes of muse_exp_combine 2.8.7)."""

DISPERSION: Final = 1.25
"""Natural wavelength step, Angstrom per pixel (manual, 9.14.3, parameter dlambda)."""

DQ_COSMIC: Final = 32
"""Euro3D data-quality value of a cosmic ray found at resampling time (manual, A.3.2)."""

FLUX_UNIT: Final = "10**(-20)*erg/s/cm**2/Angstrom"
"""BUNIT of flux-calibrated data (manual, A.3.2)."""

VARIANCE_UNIT: Final = "(10**(-20)*erg/s/cm**2/Angstrom)**2"
"""BUNIT of the variance of flux-calibrated data (manual, A.3.2)."""
