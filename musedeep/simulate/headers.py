"""Headers of raw frames: what classification, association and the recipes read (manual 6.2, table 6.1)."""

from typing import Any, Final

from astropy.io import fits

from musedeep.instrument import ELEVATION, LATITUDE, LONGITUDE
from musedeep.simulate.detector import BORDER, HALF_COLUMNS, HALF_ROWS, N_COLUMNS, N_ROWS, Detector
from musedeep.simulate.exposure import Exposure, Observation, Template
from musedeep.simulate.lamps import LAMP_KINDS
from musedeep.simulate.monitoring import ampl_cards
from musedeep.simulate.optics import PIXEL_SCALE
from musedeep.simulate.pinholes import ENCODER_STEPS, FOCAL_SCALE, mask_position
from musedeep.simulate.pointing import SECONDS_PER_DAY, airmass, local_sidereal_time, parallactic_angle
from musedeep.storage.raw.file import extension_name

DPR: Final = {
    "BIAS": ("CALIB", "BIAS"),
    "DARK": ("CALIB", "DARK"),
    "FLAT": ("CALIB", "FLAT,LAMP"),
    "ILLUM": ("CALIB", "FLAT,LAMP,ILLUM"),
    "ARC": ("CALIB", "WAVE"),
    "ARC_LSF": ("CALIB", "WAVE,LSF"),
    "MASK": ("CALIB", "WAVE,MASK"),
    "SKYFLAT": ("CALIB", "FLAT,SKY"),
    "STD": ("CALIB", "STD"),
    "ASTROMETRY": ("CALIB", "ASTROMETRY"),
    "SKY": ("SCIENCE", "SKY"),
    "OBJECT": ("SCIENCE", "OBJECT"),
    "ILLUMFLAT": ("CALIB", "FLAT,LAMP,ILLUM"),
    "LINGAIN_LAMP_OFF": ("CALIB", "BIAS,LINGAIN"),
    "LINGAIN_LAMP_ON": ("CALIB", "FLAT,LAMP,LINGAIN"),
    "AMPL": ("CALIB", "FLAT,LAMP,AMPL"),
}
"""DPR CATG and DPR TYPE of each raw tag (manual, table 6.1, and ESO's classification rules for the LSF series); made up
for LINGAIN_LAMP_OFF, LINGAIN_LAMP_ON and AMPL, which neither has."""

TEMPLATES: Final = {
    "BIAS": "MUSE_cal_bias",
    "DARK": "MUSE_cal_dark",
    "FLAT": "MUSE_{field}_cal_specflat",
    "ILLUM": "MUSE_{field}_cal_illum",
    "ARC": "MUSE_{field}_cal_wave",
    "ARC_LSF": "MUSE_{field}_cal_wave",
    "MASK": "MUSE_{field}_cal_geom",
    "SKYFLAT": "MUSE_{field}_cal_skyflat",
    "STD": "MUSE_{field}_cal_specphot",
    "ASTROMETRY": "MUSE_{field}_cal_astrom",
    "SKY": "MUSE_{field}_obs_genericoffset",
    "OBJECT": "MUSE_{field}_obs_genericoffset",
    "ILLUMFLAT": "MUSE_{field}_cal_illum",
    "LINGAIN_LAMP_OFF": "MUSE_cal_detmon",
    "LINGAIN_LAMP_ON": "MUSE_cal_detmon",
    "AMPL": "MUSE_{field}_cal_ampl",
}
"""TPL ID of each raw tag: ESO's rules tell FLAT and ILLUM apart by it."""

LAMPS: Final = ("ContB", "ContR", "Ne", "Xe", "HgCd", "Ne")
"""Lamps 1 to 6 of the calibration unit, each with its shutter."""

ON_SKY: Final = ("SKYFLAT", "STD", "ASTROMETRY", "SKY", "OBJECT")
TRACKED: Final = ("STD", "ASTROMETRY", "SKY", "OBJECT")

CORNERS: Final = ((1, 1), (N_COLUMNS, 1), (N_COLUMNS, N_ROWS), (1, N_ROWS))
"""Pixel of each port on the trimmed image."""
CHIP_NAMES: Final = (
    "egeria", "juno", "hebe", "iris", "flora", "metis", "hygiea", "victoria", "irene", "eunomia", "psyche", "thetis",
    "melpomene", "fortuna", "massalia", "lutetia", "kalliope", "thalia", "themis", "phocaea", "proserpina", "euterpe",
    "bellona", "amphitrite",
)  # fmt: skip
"""Made-up identities of the chips, as the real ones are named after small planets."""


def primary_header(exposure: Exposure, template: Template | None = None) -> fits.Header:
    """The primary header of a raw file; template None: the exposure stands alone."""
    template = template or Template(exposure.date_obs[:19], 1, 1)
    header = fits.Header()
    start, mjd = exposure.date_obs, exposure.mjd
    scene = exposure.scene
    cards: list[tuple[str, Any, str]] = [
        ("ORIGIN", "ESO-PARANAL", "observatory"),
        ("TELESCOP", "ESO-VLT-U4", "telescope"),
        ("INSTRUME", "MUSE", "instrument"),
        ("OBJECT", _object(exposure), "target"),
    ]
    if exposure.kind in ON_SKY:
        cards += [
            ("RA", exposure.ra, "[deg] pointing"),
            ("DEC", exposure.dec, "[deg] pointing"),
            ("EQUINOX", 2000.0, "equinox of the pointing"),
            ("RADESYS", "FK5", "system of the pointing"),
        ]
    cards += [
        ("EXPTIME", exposure.exposure_time, "[s] exposure time"),
        ("MJD-OBS", mjd, "start of the exposure"),
        ("DATE-OBS", start, "start of the exposure"),
        ("UTC", round((mjd % 1.0) * SECONDS_PER_DAY, 3), "[s] time of the start"),
        ("LST", round(local_sidereal_time(mjd) / 360.0 * SECONDS_PER_DAY, 3), "[s] sidereal time of the start"),
        ("PI-COI", "SIMULATED", "observer"),
        ("ARCFILE", f"MUSE.{start}.fits", "name in the archive"),
    ]
    category, kind = DPR[exposure.kind]
    hierarch: list[tuple[str, Any]] = [
        ("DPR CATG", category),
        ("DPR TYPE", kind),
        ("DPR TECH", "IFU"),
        ("OBS NAME", f"SIM-{exposure.kind}"),
        ("OBS ID", 100000 + exposure.index - template.number + 1),
        ("OBS PROG ID", "60.A-9999(S)"),
        ("OBS START", template.start),
        ("OBS TARG NAME", _object(exposure)),
        ("TPL ID", TEMPLATES[exposure.kind].format(field=exposure.mode[:3].lower())),
        ("TPL EXPNO", template.number),
        ("TPL NEXP", template.total),
        ("TPL START", template.start),
        ("DET READ CURID", 1),
        ("DET READ CURNAME", "SCI1.0"),
        ("DET BINX", 1),
        ("DET BINY", 1),
        *_instrument_cards(exposure),
        *_telescope_cards(exposure),
    ]
    for name, value, comment in cards:
        header[name] = (value, comment)
    for name, value in hierarch:
        header[f"HIERARCH ESO {name}"] = value
    if exposure.kind == "AMPL":
        for name, reading, comment in ampl_cards(exposure):
            header[f"HIERARCH ESO {name}"] = reading, comment
    if scene is not None and exposure.satellite and exposure.observation is None:
        header["COMMENT"] = "a satellite crossed the field"
    if exposure.observation is not None:
        _add_observation(header, exposure.observation, exposure.kind)
    return header


def _add_observation(header: fits.Header, observation: Observation, kind: str) -> None:
    """Say which OB an exposure belongs to; letters that headers cannot hold become question marks."""
    target = _plain(observation.target)
    header["OBJECT"] = target if kind == "OBJECT" else kind
    facts: dict[str, str | int] = {
        "OBS TARG NAME": target,
        "OBS NAME": _plain(observation.name),
        "OBS ID": observation.number,
        "OBS PROG ID": observation.run,
        "OBS START": observation.start,
        "OBS PI-COI NAME": _plain(observation.investigator),
    }
    for key, value in facts.items():
        header[f"HIERARCH ESO {key}"] = value


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _object(exposure: Exposure) -> str:
    """Name of what was looked at."""
    return exposure.scene.name if exposure.scene is not None else DPR[exposure.kind][1]


def _instrument_cards(exposure: Exposure) -> list[tuple[str, Any]]:
    """Mode, filter, lamps, derotator, temperatures."""
    field, adaptive, band = exposure.mode.split("-")
    if adaptive == "AO":
        blue = "Na" if band == "E" else "Blue-Na2"
    else:
        blue = "Clear" if band == "E" else "Blue"
    cards: list[tuple[str, Any]] = [
        ("INS MODE", exposure.mode),
        ("INS OPTI1 NAME", blue),
        ("INS OPTI2 NAME", field),
        ("OCS IPS PIXSCALE", PIXEL_SCALE[field]),
        ("INS DROT MODE", "SKY" if exposure.kind in TRACKED else "STAT"),
        ("INS DROT POSANG", 90.0 if exposure.kind == "MASK" else exposure.position_angle),
        ("INS LAMPNUM", len(LAMPS)),
    ]
    for number, name in enumerate(LAMPS, 1):
        if exposure.kind in LAMP_KINDS:
            on = number <= 2
        elif exposure.kind == "MASK":
            on = number in (3, 5)
        else:
            on = exposure.kind in ("ARC", "ARC_LSF") and name == exposure.lamp and number < 6
        for part, prefix in ((f"INS LAMP{number}", "CL"), (f"INS SHUT{number}", "CSH")):
            cards += [(f"{part} ID", f"{prefix}{number}"), (f"{part} NAME", name), (f"{part} ST", on)]
    if exposure.kind == "MASK":
        for number, place in ((2, 13.0), (3, mask_position(exposure.mask_step or 0)), (4, 11.9)):
            steps = round(place * ENCODER_STEPS)
            cards += [(f"INS POS{number} POS", round(place, 4)), (f"INS POS{number} ENC", steps)]
        cards.append(("INS OPTI4 NAME", "MultiP"))
    temperature = exposure.instrument_temperature
    cards += [
        ("INS TEMP4 VAL", exposure.temperature),
        ("INS TEMP7 VAL", round(temperature, 3)),
        ("INS TEMP11 VAL", round(temperature + 0.04, 3)),
    ]
    return cards


def _telescope_cards(exposure: Exposure) -> list[tuple[str, Any]]:
    """Where the telescope points and through which air."""
    cards: list[tuple[str, Any]] = [
        ("TEL GEOLAT", LATITUDE),
        ("TEL GEOLON", LONGITUDE),
        ("TEL GEOELEV", ELEVATION),
        ("TEL FOCU SCALE", FOCAL_SCALE),
        ("TEL AMBI PRES START", exposure.pressure),
        ("TEL AMBI PRES END", exposure.pressure),
        ("TEL AMBI TEMP", exposure.temperature),
        ("TEL AMBI RHUM", exposure.humidity),
        ("TEL AMBI IWV START", exposure.precipitable_water),
        ("TEL AMBI IWV END", exposure.precipitable_water),
    ]
    if exposure.kind not in TRACKED:
        return cards
    place = exposure.ra, exposure.dec
    end = exposure.mjd + exposure.exposure_time / SECONDS_PER_DAY
    first, last = airmass(*place, exposure.mjd), airmass(*place, end)
    # what a guide star shows; the other values are corrected to the zenith
    seen = round(exposure.seeing * (0.5 * (first + last)) ** 0.6, 3)
    cards += [
        ("TEL AIRM START", round(first, 4)),
        ("TEL AIRM END", round(last, 4)),
        ("TEL PARANG START", round(parallactic_angle(*place, exposure.mjd), 4)),
        ("TEL PARANG END", round(parallactic_angle(*place, end), 4)),
        *((f"TEL {name}", exposure.seeing) for name in ("AMBI FWHM START", "AMBI FWHM END", "IA FWHM", "IA FWHMLIN")),
    ]
    for name in ("FWHM", "AG FWHMX", "AG FWHMY"):
        cards += [(f"OCS SGS {name} AVG", seen), (f"OCS SGS {name} MED", seen), (f"OCS SGS {name} RMS", 0.02)]
    return cards


def extension_header(ifu: int, detector: Detector) -> fits.Header:
    """The header of an IFU's image."""
    header = fits.Header()
    header["EXTNAME"] = (extension_name(ifu), "name of the extension")
    cards: list[tuple[str, Any]] = [
        ("DET CHIP NAME", extension_name(ifu)),
        ("DET CHIP ID", CHIP_NAMES[ifu - 1]),
        ("DET CHIP INDEX", ifu),
        ("DET CHIP LIVE", True),
        ("DET CHIP NX", N_COLUMNS),
        ("DET CHIP NY", N_ROWS),
        ("DET CHIP PSZX", 15.0),
        ("DET CHIP PSZY", 15.0),
        ("DET BINX", 1),
        ("DET BINY", 1),
        ("DET READ CURID", 1),
        ("DET READ CURNAME", "SCI1.0"),
        ("DET OUTPUTS", 4),
    ]
    for number, (quadrant, corner) in enumerate(zip(detector.quadrants, CORNERS, strict=True), 1):
        port = f"DET OUT{number}"
        cards += [
            (f"{port} X", corner[0]),
            (f"{port} Y", corner[1]),
            (f"{port} NX", HALF_COLUMNS),
            (f"{port} NY", HALF_ROWS),
            *((f"{port} {border}", BORDER) for border in ("PRSCX", "PRSCY", "OVSCX", "OVSCY")),
            (f"{port} CONAD", round(1.0 / quadrant.gain, 4)),
            (f"{port} GAIN", round(quadrant.gain, 4)),
            (f"{port} RON", round(quadrant.read_noise, 3)),
        ]
    for name, value in cards:
        header[f"HIERARCH ESO {name}"] = value
    return header
