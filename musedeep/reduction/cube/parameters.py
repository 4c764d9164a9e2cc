"""Parameters of the recipes that make a cube of exposures: muse_scipost, muse_exp_combine."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from musedeep.declaration import Parameters, parameter
from musedeep.errors import nearest


def listed(text: str) -> tuple[str, ...]:
    """The words between the commas of a text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def choices_of(text: str, known: tuple[str, ...]) -> frozenset[str]:
    """The products that `save` names; raises ValueError for one that is not known, and for none."""
    save = frozenset(listed(text))
    unknown = sorted(save - set(known))
    if unknown or not save:
        near = nearest(unknown[0], known) if unknown else None
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"save={text} is not among {', '.join(known)}{hint}")
    return save


def fractions(text: str) -> tuple[float, float, float]:
    """Values of pixfrac for x, y and wavelength, of one to three numbers; raises ValueError for others."""
    try:
        values = [float(v) for v in listed(text)]
    except ValueError:
        values = []
    if len(values) not in (1, 2, 3) or any(not 0 < v < 100 for v in values):
        raise ValueError(f"pixfrac={text} is not one to three positive numbers, as in 0.6,0.6")
    return values[0], values[len(values) // 3], values[-1]


Fractions = Annotated[tuple[float, float, float], BeforeValidator(fractions)]
Listed = Annotated[tuple[str, ...], BeforeValidator(listed)]

PIXFRAC_HELP = "Shrinking of pixels for drizzle: one value; spatial,spectral; x,y,spectral."


class _SavedProducts(Parameters):
    save: frozenset[str] = parameter("cube", "Products, comma-separated.")


class ResamplingParameters(Parameters):
    """How rows become voxels."""

    resample: Literal["nearest", "linear", "quadratic", "renka", "drizzle", "lanczos"] = parameter(
        "drizzle", "How pixels become voxels."
    )
    dx: float = parameter(
        0.0, "Voxel size along RA [arcsec]; 0: 0.2 in the wide-field, 0.025 in the narrow-field mode.", ge=0, le=10000
    )
    dy: float = parameter(0.0, "Voxel size along declination [arcsec]; 0 as for dx.", ge=0, le=10000)
    dlambda: float = parameter(0.0, "Wavelength step [Angstrom]; 0: the natural sampling of 1.25.", ge=0, le=10000)
    crtype: Literal["iraf", "mean", "median"] = parameter(
        "median",
        "Statistics of the rejection of cosmic rays: iraf (mean and its propagated error), mean (mean "
        "and standard deviation), median (median and median absolute deviation).",
    )
    crsigma: float = parameter(10.0, "Threshold of the rejection; zero or less switches it off.")
    rc: float = parameter(1.25, "Critical radius of the renka method.", gt=0)
    pixfrac: Fractions = parameter("0.6,0.6", PIXFRAC_HELP)
    ld: int = parameter(1, "Voxels on each side to which a pixel contributes (not for nearest).", ge=1, le=10)


class FormatParameters(Parameters):
    """Of which kind the cube is, and its field images."""

    format: Literal["Cube", "Euro3D", "xCube", "xEuro3D", "sdpCube"] = parameter("Cube", "Format of the cube.")
    weight: str = parameter("exptime", "Weights of exposures.")
    filter: Listed = parameter("white", "Filters of the field-of-view images, comma-separated; white is built in.")


class CubeParameters(FormatParameters, ResamplingParameters, _SavedProducts):
    """How the rows of exposures become a cube; a recipe repeats those whose defaults or choices are its own."""


class WavelengthParameters(Parameters):
    """The wavelengths that are used."""

    lambdamin: float = parameter(4000.0, "Shortest wavelength used [Angstrom].", ge=0)
    lambdamax: float = parameter(10000.0, "Longest wavelength used [Angstrom].", ge=0)

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if not self.lambdamin < self.lambdamax:
            raise ValueError(
                f"lambdamin={self.lambdamin:g} is not below lambdamax={self.lambdamax:g}: the range is empty; exchange "
                "or correct them"
            )
        return self
