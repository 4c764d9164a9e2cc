"""The multi-pinhole mask of the calibration unit."""

from musedeep.simulate.component import Component
from musedeep.simulate.effects import Effects


def pinhole_mask(step: int, effects: Effects) -> list[Component]:
    raise NotImplementedError
