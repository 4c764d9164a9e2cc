"""Exposures that monitor the detectors and the throughput: series of lamp exposures, non-linearity, photodiodes.

1. The lamp of LINGAIN_LAMP_ON exposures is dim. The shutter lets light pass for `SHUTTER_DELAY` longer than the
   header says, which is what the parameter toffset of muse_lingain is for.
2. Of these exposures alone the detector is not linear: a quadrant gives q (1 - a u + b u**2) electrons for q, with
   u = q / 100,000. Other exposures are linear, as after a correction.
3. During AMPL exposures two photodiodes measure the lamp in the focal plane. Their currents follow from the power
   density of the lamp within a filter.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from musedeep.simulate.effects import Effects
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.lamps import continuum_light
from musedeep.simulate.optics import PIXEL_SCALE, Instrument
from musedeep.simulate.pinholes import FOCAL_SCALE
from musedeep.simulate.spectrum import FINE
from musedeep.statics.load import load_filters, load_photodiodes

Array = NDArray[np.float64]

SHUTTER_DELAY: Final = 0.018
"""Seconds that the shutter is open longer than the header says."""
SHORTEST, LONGEST = 0.25, 14.4
"""Exposure times of the first and the last pair of a series, s: 900 and 50,000 electrons in the brightest pixel."""
AMPL_FILTER: Final = "Johnson_V"
BEAM: Final = 1.1
"""Widening of the beam from the focal plane to the second photodiode (default of muse_ampl's fbeam)."""
PLANCK_TIMES_LIGHT: Final = 1.98644586e-15
"""h c, J Angstrom."""


def series_times(number: int) -> list[float]:
    """Exposure times of a series of pairs, equally spaced in their logarithms, s."""
    return [round(float(t), 3) for t in np.geomspace(SHORTEST, LONGEST, number)] if number > 1 else [SHORTEST]


def open_time(exposure: Exposure) -> float:
    """For how long light falls on the detector, s."""
    return exposure.exposure_time + SHUTTER_DELAY * (exposure.kind == "LINGAIN_LAMP_ON")


def non_linearity(seed: int, ifu: int, effects: Effects) -> Array:
    """a and b of the four quadrants, float64 (4, 2)."""
    rng = np.random.default_rng([seed, 12, ifu])
    drawn = np.stack([rng.uniform(0.005, 0.03, 4), rng.uniform(-0.01, 0.01, 4)], axis=1)
    return drawn if effects.non_linearity else np.zeros((4, 2))


def lamp_power() -> Array:
    """Power density of the lamp within the filter in the focal plane (wide field), W/cm2 in each step of `FINE`."""
    curve = next(one for one in load_filters() if one.name == AMPL_FILTER)
    arcsec2 = (10.0 * FOCAL_SCALE) ** 2
    return continuum_light() * curve.at(FINE) * PLANCK_TIMES_LIGHT / FINE * arcsec2 * np.gradient(FINE)


def ampl_cards(exposure: Exposure) -> list[tuple[str, Any, str]]:
    """Readings of the pico-amplifiers, mA, and the filter before the photodiodes."""
    power = lamp_power()
    wavelength, *diodes = load_photodiodes()
    # in the narrow-field mode lamps are as bright in a spaxel that is 64 times smaller
    brighter = (PIXEL_SCALE["WFM"] / PIXEL_SCALE[exposure.mode[:3]]) ** 2
    rng = np.random.default_rng([12, exposure.index])
    cards: list[tuple[str, Any, str]] = []
    for number, (diode, beam) in enumerate(zip(diodes, (1.0, BEAM), strict=True), 1):
        current = float((power * np.interp(FINE, wavelength, diode)).sum()) / beam * brighter * 1e3
        reading = current * (1.0 + 0.002 * rng.standard_normal())
        cards += [
            (f"INS AMPL{number} CURR", float(f"{reading:.6e}"), "[mA] mean current of the photodiode"),
            (f"INS AMPL{number} STDEV", float(f"{0.002 * current:.3e}"), "[mA] its standard deviation"),
            (f"INS AMPL{number} FILTER", AMPL_FILTER, "filter before the photodiode"),
        ]
    return cards


def monitoring_tables(
    instrument: Instrument, effects: Effects, seed: int, exposures: Sequence[Exposure]
) -> dict[str, Table]:
    """What muse_lingain and muse_ampl should find, by name, where there are exposures for them."""
    kinds = {exposure.kind for exposure in exposures}
    found: dict[str, Table] = {}
    if "LINGAIN_LAMP_ON" in kinds:
        for ifu in instrument.ifus:
            table = Table(non_linearity(seed, ifu, effects), names=("a", "b"))
            table.add_column(np.arange(1, 5), name="quadrant", index=0)
            table.meta["comment"] = (
                "q electrons give q (1 - a u + b u**2), u = q / 100000, in LINGAIN_LAMP_ON exposures; their shutter is "
                f"open {SHUTTER_DELAY} s longer than the header says"
            )
            found[f"non-linearity-{ifu:02d}"] = table
    if "AMPL" in kinds:
        power = lamp_power()
        seen = float((power * efficiency(FINE, instrument.mode)).sum() / power.sum())
        rows = [(ifu, 100.0 * seen * float(instrument.ifu(ifu).throughput.mean())) for ifu in instrument.ifus]
        table = Table(rows=rows, names=("ifu", "throughput"))
        table.meta["comment"] = (
            f"percent of the power within {AMPL_FILTER} in the focal plane that the detector counts, where the lamp is "
            "as bright as in the middle of the field, mean of the slices"
        )
        found["throughput-ampl"] = table
    return found
