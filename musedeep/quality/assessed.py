"""All that quality control has measured of a product, as figures show it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musedeep.quality.cube import CubeFacts
from musedeep.quality.misalignment import Shift
from musedeep.quality.product_files import ProductFiles
from musedeep.quality.record import ExposureRecord, QualityRecord
from musedeep.quality.saturation import BrightCounts
from musedeep.quality.scores import Values
from musedeep.quality.singles import Singles
from musedeep.quality.stars import Conditions
from musedeep.quality.trails import Trail


@dataclass(frozen=True)
class Assessed:
    """What has been measured of a product.

    Attributes
    ----------
    files : of the product
    exposures : those in the cube, completed
    images : numbers in `exposures` of those with an image, in the order of `singles`
    singles, conditions, shifts, trails : of these images; None and empty if there are none
    facts : of the cube
    raws : bright pixels of raw frames by name of the exposure
    values : of each exposure, by name
    quality : the record, without figures
    flags : of the exposures, by name
    pointings : names of the pointings of the images
    """

    files: ProductFiles
    exposures: Sequence[ExposureRecord]
    images: Sequence[int]
    singles: Singles | None
    conditions: Conditions | None
    shifts: Sequence[Shift]
    trails: Sequence[Trail]
    facts: CubeFacts
    raws: dict[str, BrightCounts]
    values: dict[str, Values]
    quality: QualityRecord
    flags: dict[str, str]
    pointings: Sequence[str]

    @property
    def image(self) -> NDArray[np.floating]:
        """Of the field, float (ny, nx)."""
        return self.facts.image if self.files.image is None else self.files.image
