"""The inputs of the flux calibration, which several recipes have: STD_RESPONSE, STD_TELLURIC and EXTINCT_TABLE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from musedeep.recipes.run_exposures import ExposureRows
from musedeep.reduction.correct.flux import calibrate_flux
from musedeep.storage.calibrations.extinction import ExtinctionTable, read_extinction
from musedeep.storage.calibrations.response import Response, Telluric, read_response, read_telluric


@dataclass(frozen=True)
class FluxCalibrations:
    """Inputs of a call, each read once; a property raises MusedeepError if its file is of no use, None is no file.

    Attributes
    ----------
    frames : files by tag
    """

    frames: Mapping[str, Sequence[str]]

    def path(self, tag: str) -> Path | None:
        """The file of a tag."""
        return Path(self.frames[tag][0]) if self.frames.get(tag) else None

    @cached_property
    def response(self) -> Response | None:
        """STD_RESPONSE."""
        path = self.path("STD_RESPONSE")
        return None if path is None else read_response(path)

    @cached_property
    def telluric(self) -> Telluric | None:
        """STD_TELLURIC."""
        path = self.path("STD_TELLURIC")
        return None if path is None else read_telluric(path)

    @cached_property
    def extinction(self) -> ExtinctionTable | None:
        """EXTINCT_TABLE."""
        path = self.path("EXTINCT_TABLE")
        return None if path is None else read_extinction(path)

    def lamp_colour(self, rows: ExposureRows) -> ExposureRows:
        """The rows with the colour of the flat's lamp put back, unless the standard star did not have it."""
        return rows if self.response and not self.response.flat_corrected else rows.with_lamp_colour()

    def calibrated(self, rows: ExposureRows, water: bool = False) -> ExposureRows:
        """The rows as fluxes; as they are where STD_RESPONSE or EXTINCT_TABLE are missing.

        With `water` the absorption of water is scaled with its amount, not with the airmass alone.

        Raises MusedeepError as `reduction.correct.flux.calibrate_flux`.
        """
        if self.response is None or self.extinction is None:
            return rows
        corrections = calibrate_flux(
            rows.observation,
            self.response,
            self.extinction,
            self.telluric,
            rows.has_lamp_colour,
            rows.wavelengths,
            water,
        )
        return rows.corrected(corrections)
