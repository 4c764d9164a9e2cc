"""OUTPUT_WCS: a header that overrides the grid of the output cube (manual A.4.1)."""

from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from musedeep.errors import MusedeepError

SPECTRAL_TYPES = ("AWAV", "AWAV-LOG", "WAVE", "WAVE-LOG")


@dataclass(frozen=True)
class OutputWCS:
    """What an OUTPUT_WCS asks for.

    Attributes
    ----------
    shape : (int, int, int)
        NAXIS1, NAXIS2, NAXIS3; 0 where not given.
    crpix, crval : tuple of 3 floats
    cd : tuple of 4 floats
        CD1_1, CD1_2, CD2_1, CD2_2 [deg].
    step : float
        CD3_3 [Angstrom]; 0 if there is no third axis.
    ctype3 : str
    """

    shape: tuple[int, int, int]
    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    ctype3: str


def read_output_wcs(path: str | Path) -> OutputWCS:
    """Read an OUTPUT_WCS: the first extension with NAXIS > 0 or WCSAXES that has coordinates.

    Raises
    ------
    MusedeepError
        A restriction of manual A.4.1 is violated; says which.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a FITS file whose header describes the output cube")
    try:
        with fits.open(path) as hdus:
            headers = [h.header for h in hdus if h.header.get("NAXIS", 0) >= 2 or "WCSAXES" in h.header]
    except OSError as error:
        raise MusedeepError(f"{path}: not a readable FITS file ({str(error).splitlines()[0]})") from error
    header = next((h for h in headers if "CTYPE1" in h), headers[0] if headers else None)
    if header is None:
        raise MusedeepError(
            f"{path}: no extension with NAXIS or WCSAXES; an OUTPUT_WCS needs a world coordinate system"
        )
    return _parse(path, header)


def _parse(path: Path, header: fits.Header) -> OutputWCS:
    types = [str(header.get(f"CTYPE{i}", "")).strip() for i in (1, 2, 3)]
    if types[:2] != ["RA---TAN", "DEC--TAN"]:
        raise MusedeepError(
            f"{path}: CTYPE1, CTYPE2 are '{types[0]}', '{types[1]}'; "
            "only RA---TAN, DEC--TAN in this order are supported"
        )
    _refuse_other_matrices(path, header)
    for i in (1, 2):
        _expect_unit(path, header, f"CUNIT{i}", "deg")
    needed = [k for i in (1, 2) for k in (f"CRPIX{i}", f"CRVAL{i}", f"CD{i}_{i}")]
    if types[2]:
        needed += ["CRPIX3", "CRVAL3", "CD3_3"]
        if types[2] not in SPECTRAL_TYPES:
            raise MusedeepError(f"{path}: CTYPE3 '{types[2]}'; supported are {', '.join(SPECTRAL_TYPES)}")
        _expect_unit(path, header, "CUNIT3", "Angstrom")
    number = {key: _number(path, header, key) for key in needed}
    for key in ("CD1_3", "CD2_3", "CD3_1", "CD3_2"):
        if _number(path, header, key, 0.0) != 0.0:
            raise MusedeepError(f"{path}: {key} is not zero; a tilted wavelength axis is not supported")
    cd = (
        number["CD1_1"],
        _number(path, header, "CD1_2", 0.0),
        _number(path, header, "CD2_1", 0.0),
        number["CD2_2"],
    )
    if cd[0] * cd[3] - cd[1] * cd[2] == 0:
        raise MusedeepError(f"{path}: the matrix CD1_1, CD1_2, CD2_1, CD2_2 is singular; correct it")
    step = number.get("CD3_3", 0.0)
    if types[2] and not step > 0:
        raise MusedeepError(f"{path}: CD3_3 = {step:g}; the wavelength step has to be positive")
    if types[2] and not number["CRVAL3"] > 0:
        raise MusedeepError(f"{path}: CRVAL3 = {number['CRVAL3']:g}; the wavelength has to be positive")
    return OutputWCS(
        shape=(int(header.get("NAXIS1", 0)), int(header.get("NAXIS2", 0)), int(header.get("NAXIS3", 0))),
        crpix=(number["CRPIX1"], number["CRPIX2"], number.get("CRPIX3", 1.0)),
        crval=(number["CRVAL1"], number["CRVAL2"], number.get("CRVAL3", 0.0)),
        cd=cd,
        step=step,
        ctype3=types[2] or "AWAV",
    )


def _refuse_other_matrices(path: Path, header: fits.Header) -> None:
    other = [f"PC{i}_{j}" for i in (1, 2, 3) for j in (1, 2, 3) if f"PC{i}_{j}" in header]
    if not other and "CD1_1" not in header:
        other = [key for key in ("CDELT1", "CDELT2", "CROTA2") if key in header]
    if other:
        raise MusedeepError(f"{path}: has {other[0]}; give the transformation as CDi_j")


def _expect_unit(path: Path, header: fits.Header, key: str, unit: str) -> None:
    value = str(header.get(key, unit)).strip()
    if value.lower() != unit.lower():
        raise MusedeepError(f"{path}: {key} is '{value}'; it has to be {unit}")


def _number(path: Path, header: fits.Header, key: str, default: float | None = None) -> float:
    value = header.get(key, default)
    if value is None:
        raise MusedeepError(f"{path}: keyword {key} is missing; an OUTPUT_WCS needs it")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MusedeepError(f"{path}: {key} is '{value}'; it has to be a number")
    return float(value)
