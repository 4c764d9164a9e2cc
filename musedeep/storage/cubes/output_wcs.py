"""OUTPUT_WCS: a header that overrides the grid of the output cube (manual A.4.1)."""

import math
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.storage.fits.headers import integer_of, number_of, scan_units, text_of, value_of
from musedeep.storage.fits.units import conversion

SPECTRAL_TYPES = ("AWAV", "AWAV-LOG", "WAVE", "WAVE-LOG")

FIXED = (("LONPOLE", (180.0,)), ("EQUINOX", (2000.0,)), ("RADESYS", ("ICRS", "FK5")))
"""What a header may say about the orientation of the sky, if it does: values that are those of the data."""

LEAST_COSINE = 0.01
"""Of the angle between an axis of the cube and its direction on the sky: voxels are measured along that, as in the
reference, so that the voxels of a cube turned by 90 degrees have no size."""


@dataclass(frozen=True)
class OutputWCS:
    """What an OUTPUT_WCS asks for, and the file, for messages.

    Attributes
    ----------
    shape : NAXIS1, NAXIS2, NAXIS3; 0 where not given
    cd : CD1_1, CD1_2, CD2_1, CD2_2 [deg]
    step : CD3_3 [Angstrom]; 0 if there is no third axis
    """

    shape: tuple[int, int, int]
    crpix: tuple[float, float, float]
    crval: tuple[float, float, float]
    cd: tuple[float, float, float, float]
    step: float
    ctype3: str
    path: str = "OUTPUT_WCS"


def read_output_wcs(path: str | Path) -> OutputWCS:
    """Read an OUTPUT_WCS: the first extension with NAXIS > 0 or WCSAXES that has coordinates.

    Coordinates in other units (CUNITi) are converted, and so are PCi_j, CDELTi and CROTA2 to a matrix CDi_j. Raises
    MusedeepError, which says which, if a restriction of manual A.4.1 is violated; if a keyword is missing or has no
    sensible value.
    """
    path = Path(path)
    if not path.is_file():
        raise MusedeepError(f"{path}: no such file; give a FITS file whose header describes the output cube")
    first = None
    for unit in scan_units(path, unpack=True):
        if unit.header["NAXIS"] >= 2 or "WCSAXES" in unit.header:
            if "CTYPE1" in unit.header:
                return _Reader(path, unit.header).parse()
            first = first or unit.header
    if first is None:
        raise MusedeepError(
            f"{path}: no extension with NAXIS or WCSAXES; an OUTPUT_WCS needs a world coordinate system"
        )
    return _Reader(path, first).parse()


@dataclass(frozen=True)
class _Reader:
    """The values of a header, with the file for messages."""

    path: Path
    header: fits.Header

    def parse(self) -> OutputWCS:
        """What the header asks for."""
        types = [self.text(f"CTYPE{i}") for i in (1, 2, 3)]
        if types[:2] != ["RA---TAN", "DEC--TAN"]:
            raise MusedeepError(
                f"{self.path}: CTYPE1, CTYPE2 are '{types[0]}', '{types[1]}'; "
                "only RA---TAN, DEC--TAN in this order are supported"
            )
        self.check_sky()
        axes = (1, 2, 3) if types[2] else (1, 2)
        if types[2] and types[2] not in SPECTRAL_TYPES:
            raise MusedeepError(f"{self.path}: CTYPE3 '{types[2]}'; supported are {', '.join(SPECTRAL_TYPES)}")
        factors = [self.factor(f"CUNIT{i}", "Angstrom" if i == 3 else "deg") for i in axes]
        crpix = [self.number(f"CRPIX{i}") for i in axes]
        crval = [self.number(f"CRVAL{i}") * factor for i, factor in zip(axes, factors, strict=True)]
        matrix = self.matrix(axes)
        cd = (
            matrix[1, 1] * factors[0], matrix[1, 2] * factors[0], matrix[2, 1] * factors[1], matrix[2, 2] * factors[1],
        )  # fmt: skip
        if cd[0] * cd[3] - cd[1] * cd[2] == 0:
            raise MusedeepError(f"{self.path}: the matrix CD1_1, CD1_2, CD2_1, CD2_2 is singular; correct it")
        if abs(cd[0]) < LEAST_COSINE * math.hypot(*cd[:2]) or abs(cd[3]) < LEAST_COSINE * math.hypot(*cd[2:]):
            raise MusedeepError(
                f"{self.path}: CD1_1 or CD2_2 is (nearly) zero: the cube would be turned by 90 degrees against north; "
                "turn it by less"
            )
        if not -90.0 <= crval[1] <= 90.0:
            raise MusedeepError(f"{self.path}: CRVAL2 = {crval[1]:g} deg is no declination; correct it")
        step = matrix[3, 3] * factors[2] if types[2] else 0.0
        if types[2] and not step > 0:
            raise MusedeepError(f"{self.path}: CD3_3 = {step:g}; the wavelength step has to be positive")
        if types[2] and not crval[2] > 0:
            raise MusedeepError(f"{self.path}: CRVAL3 = {crval[2]:g}; the wavelength has to be positive")
        return OutputWCS(
            shape=(self.length(1), self.length(2), self.length(3)),
            crpix=(crpix[0], crpix[1], crpix[2] if types[2] else 1.0),
            crval=(crval[0], crval[1], crval[2] if types[2] else 0.0),
            cd=cd,
            step=step,
            ctype3=types[2] or "AWAV",
            path=str(self.path),
        )

    def check_sky(self) -> None:
        """Refuse a sky that is turned or has another equinox than that of the data."""
        for key, allowed in FIXED:
            value = value_of(self.header, key)
            if value is not None and value not in allowed:
                expected = " or ".join(f"{v:g}" if isinstance(v, float) else v for v in allowed)
                raise MusedeepError(f"{self.path}: {key} is '{value}'; only {expected} is supported")

    def matrix(self, axes: tuple[int, ...]) -> dict[tuple[int, int], float]:
        """The matrix CDi_j, in the units of the header, by i and j; without what mixes sky and wavelength."""
        pairs = [(i, j) for i in axes for j in axes]
        rotation = self.number("CROTA2", 0.0)
        named = {kind: [(i, j) for i, j in pairs if f"{kind}{i}_{j}" in self.header] for kind in ("CD", "PC")}
        if named["CD"] and named["PC"]:
            raise MusedeepError(f"{self.path}: has CDi_j and PCi_j; leave one of them out")
        if rotation and (named["CD"] or named["PC"]):
            raise MusedeepError(f"{self.path}: has CROTA2 beside CDi_j or PCi_j; leave it out")
        if named["CD"] or not (named["PC"] or "CDELT1" in self.header):
            found = {(i, j): self.number(f"CD{i}_{j}", None if i == j else 0.0) for i, j in pairs}
        else:
            steps = {i: self.number(f"CDELT{i}", 1.0 if named["PC"] else None) for i in axes}
            found = {(i, j): steps[i] * self.number(f"PC{i}_{j}", float(i == j)) for i, j in pairs}
            if rotation:
                cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
                found[1, 1], found[1, 2] = steps[1] * cosine, -steps[2] * sine
                found[2, 1], found[2, 2] = steps[1] * sine, steps[2] * cosine
        tilted = next((pair for pair in ((1, 3), (2, 3), (3, 1), (3, 2)) if found.pop(pair, 0.0) != 0.0), None)
        if tilted:
            kind = "PC" if named["PC"] else "CD"
            raise MusedeepError(
                f"{self.path}: {kind}{tilted[0]}_{tilted[1]} is not zero; a tilted wavelength axis is not supported"
            )
        return found

    def factor(self, key: str, unit: str) -> float:
        """What a coordinate in the unit of the header is to be multiplied by to be in `unit`; 1 if it names none."""
        text = self.text(key)
        if text.lower() in ("", unit.lower()):
            return 1.0
        factor = conversion(text, unit)
        if factor is None:
            raise MusedeepError(
                f"{self.path}: {key} is '{text}'; it has to be {unit}, or a unit that can be converted to it"
            )
        return factor

    def length(self, axis: int) -> int:
        """Voxels along an axis; 0 where not given."""
        key = f"ZNAXIS{axis}" if "ZIMAGE" in self.header else f"NAXIS{axis}"  # compressed by fpack, or not
        return integer_of(self.header, key, self.path, 0)

    def number(self, key: str, default: float | None = None) -> float:
        """The value of a keyword that has to be a finite number."""
        return number_of(self.header, key, self.path, default)

    def text(self, key: str) -> str:
        """The value of a keyword as text; empty where it is missing."""
        return text_of(self.header, key, self.path, "")
