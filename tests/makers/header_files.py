"""FITS files of headers alone, as of raw frames and products, for catalogues; and the text of a night log."""

from pathlib import Path

from astropy.io import fits

from musedeep.selection.dates import mjd_of


def raw_header(date: str = "2016-10-02T03:04:05.678", tag: str = "OBJECT", **cards: str | float) -> fits.Header:
    """The primary header of a raw frame; other cards as ESO_OBS_ID=7."""
    category, kind = ("SCIENCE", tag) if tag in ("OBJECT", "SKY") else ("CALIB", tag)
    header = fits.Header()
    for key, value in {
        "INSTRUME": "MUSE", "OBJECT": "UDF-10", "RA": 53.16, "DEC": -27.78, "EXPTIME": 1500.0, "MJD-OBS": mjd_of(date),
        "DATE-OBS": date, "ARCFILE": f"MUSE.{date}.fits", "ESO DPR CATG": category, "ESO DPR TYPE": kind,
        "ESO DPR TECH": "IFU", "ESO INS MODE": "WFM-NOAO-N", "ESO OBS ID": 200419123, "ESO OBS NAME": "UDF_10_1",
        "ESO OBS PROG ID": "094.A-0205(B)", "ESO OBS TARG NAME": "UDF-10", "ESO OBS START": "2016-10-02T02:55:00",
        "ESO TPL START": "2016-10-02T03:00:00", "ESO INS DROT POSANG": 30.0, "ESO DET READ CURNAME": "SCI1.0",
        "ESO TEL IA FWHMLIN": 0.71,
    }.items():  # fmt: skip
        header[key if " " not in key else f"HIERARCH {key}"] = value
    for key, value in cards.items():
        name = key.replace("__", "-").replace("_", " ")
        header[f"HIERARCH {name}" if " " in name else name] = value
    return header


def write_header(path: Path, header: fits.Header) -> Path:
    """A file of one header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(header=header).writeto(path, overwrite=True)
    return path


NIGHT_LOG = """General weather conditions:
Seeing:          0.6 - 1.9"
---------------------------------------------------

Weather observations:
Time\tConditions\tComment
22:04\tThickCirrus\tclouds at sunset
New update at 22:40: clouds are going
23:16\tClear\t
---------------------------------------------------

OB:         200419123
Instrument: MUSE
Name:       UDF_10_1
Target:     UDF-10
Run:        094.A-0205(B)
Container:  77
---------------------------------------------------

Comments:
Seeing out of constraints for the second exposure.
Repeated once.
---------------------------------------------------

Constraint       \tFulfilled\tRequested
Seeing:          \t1.1\t\t0.8
Sky transparency:\tYES\t\tCLR
Twilight:        \tn/a\t\t0
Grade:       \t \tB
---------------------------------------------------

Files produced and additional information
---------------------------------------------------
OBS.ID: 200419123
OBS.START: 2016-10-02T02:55:00
---------------------------------------------------
---------------------------------------------------
Template: MUSE_wfm-noao_obs_genericoffset
Data Product: SCIENCE/OBJECT/IFU
Mode: WFM-NOAO-N
---------------------------------------------------
Original Filename\tArchive Filename\tTPL.EXPNO/NEXP\tEXPTIME\tAIRMASS\tDIMM\t
MUSE_OBS276_0001.fits\tMUSE.2016-10-02T03:04:05.678\t1/2\t1500.0\t1.062\t0.71\t
MUSE_OBS276_0002.fits\tMUSE.2016-10-02T03:33:05.678\t2/2\t1500.0\t1.1\tn/a\t
---------------------------------------------------
OB Grades
A : Fully within constraints - OB completed
"""
"""A night log with a line that somebody has added."""
