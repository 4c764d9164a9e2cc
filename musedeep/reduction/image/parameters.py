"""Parameters and tags that the recipes on raw frames have in common (manual 9.1 to 9.8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musedeep.errors import MusedeepError


@dataclass(frozen=True)
class Overscan:
    """How the overscan is used.

    Attributes
    ----------
    method : none, offset or vpoly
    order, rms_factor, chisq_factor : of vpoly
    reject, sigma, ignore : parameters ovscreject, ovscsigma, ovscignore
    """

    method: str
    order: int
    rms_factor: float
    chisq_factor: float
    reject: str
    sigma: float
    ignore: int

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Overscan":
        """From the parameters of a recipe.

        Raises
        ------
        MusedeepError
            An unknown method, or numbers that are none.
        """
        text = str(parameters["overscan"])
        method, colon, rest = text.partition(":")
        words = [w for w in rest.split(",") if w]
        order, factors = 15, [1.00001, 1.00001]
        try:
            if words:
                order = int(words[0])
            for i, word in enumerate(words[1:]):
                factors[i] = float(word)
        except (ValueError, IndexError):
            words = ["?"]
            order = -1
        good = order >= 0 and all(0 < factor < math.inf for factor in factors)
        if method not in ("none", "offset", "vpoly") or (colon and method != "vpoly") or not good:
            raise MusedeepError(f"overscan={text} is not none, offset, vpoly or vpoly:ORDER,RMS,CHISQ; correct it")
        ignore, sigma = int(parameters["ovscignore"]), float(parameters["ovscsigma"])
        return cls(method, order, factors[0], factors[1], str(parameters["ovscreject"]), sigma, ignore)


@dataclass(frozen=True)
class Combination:
    """How frames are combined; attributes are the parameters of `kernels.stack`."""

    method: str
    n_low: int
    n_high: int
    n_keep: int
    low_sigma: float
    high_sigma: float

    @classmethod
    def of(cls, parameters: Mapping[str, Any], n_frames: int) -> "Combination":
        """From the parameters of a recipe.

        Raises
        ------
        MusedeepError
            Too few frames for what is to be rejected.
        """
        low, high, keep = (int(parameters[name]) for name in ("nlow", "nhigh", "nkeep"))
        if parameters["combine"] == "minmax" and low + high + keep > n_frames:
            raise MusedeepError(
                f"minmax: nlow={low} + nhigh={high} + nkeep={keep} are more than the {n_frames} frames; lower them"
            )
        return cls(
            str(parameters["combine"]), low, high, keep, float(parameters["lsigma"]), float(parameters["hsigma"])
        )
