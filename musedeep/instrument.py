"""What MUSE is: constants of the instrument, each with its unit and source."""

from enum import IntFlag
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

FLUX_UNIT: Final = "10**(-20)*erg/s/cm**2/Angstrom"
"""BUNIT of flux-calibrated data (manual, A.3.2)."""

VARIANCE_UNIT: Final = "(10**(-20)*erg/s/cm**2/Angstrom)**2"
"""BUNIT of the variance of flux-calibrated data (manual, A.3.2)."""

N_COLUMNS: Final = 4096
"""Columns of a trimmed image (manual, A.1)."""

N_ROWS: Final = 4112
"""Rows of a trimmed image (manual, A.1)."""

IMAGE_BYTES: Final = 202_150_000
"""DATA, DQ and STAT of an IFU on disk."""

BORDER: Final = 32
"""Pre- and overscan of a quadrant in x and in y, pixels (ESO DET OUTn PRSCX, OVSCX)."""

CCD_TO_SKY: Final = (9, 8, 1, 10, 7, 2, 11, 6, 3, 12, 5, 4)
"""Slice number on the sky of the first twelve slices on the CCD; the next twelve add 12 (VLT-TRE-MUSE-14670-0657)."""

COLLECTING_AREA: Final = 485000.0
"""Unobstructed area of a Unit Telescope's 8.2 m mirror with its secondary in front, cm**2."""

LATITUDE: Final = -24.627
"""Geographic latitude of UT4, degrees (ESO TEL GEOLAT)."""

LONGITUDE: Final = -70.404
"""Geographic longitude of UT4, degrees, east positive (ESO TEL GEOLON)."""

ELEVATION: Final = 2648.0
"""Height of UT4 above the sea, m (ESO TEL GEOELEV)."""


class DQ(IntFlag):
    """Flags of pixels and voxels, 32 bits as Euro3D defines them (manual, A.3.2).

    In numba and in arithmetic with int32 arrays take int(DQ.NAME): numpy makes int64 of the flag itself.
    """

    COSMIC = 32  # cosmic ray, not removed
    LOW_EFFICIENCY = 64  # low quantum efficiency
    HOT = 256  # hot pixel
    DARK = 512  # dark pixel
    SATURATED = 4096  # A/D converter saturated
    BAD_COLUMN = 8192  # permanent defect of the camera
    OTHER = 16384  # bad pixel of another kind
    BLOCKED = 1 << 27  # wavelengths that the notch filter of the adaptive optics blocks
    MISSING = 1 << 30  # no data
