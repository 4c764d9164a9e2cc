"""The inputs of muse_scipost beside its pixel tables, each read once for all exposures."""

from dataclasses import dataclass
from functools import cached_property

from musedeep.errors import MusedeepError
from musedeep.recipes.flux_calibrations import FluxCalibrations
from musedeep.recipes.scipost.recipe import ScipostParameters
from musedeep.storage.calibrations.astrometry_wcs import AstrometryWcs, read_astrometry_wcs
from musedeep.storage.calibrations.autocal_factors import AutocalFactors, read_autocal_factors
from musedeep.storage.calibrations.sky_continuum import SkyContinuumTable, read_sky_continuum
from musedeep.storage.calibrations.sky_lines import SkyLineTable, read_sky_lines
from musedeep.storage.calibrations.sky_mask import SkyMask, read_sky_mask
from musedeep.storage.offset_list import OffsetList, read_offset_list

MODELS = ("model", "subtract-model")
"""Values of skymethod that need lines and line-spread functions."""


@dataclass(frozen=True)
class ScipostCalibrations(FluxCalibrations):
    """The inputs of a call; each property raises MusedeepError if the file is of no use, and is None if there is none.

    Attributes
    ----------
    frames : files by tag
    """

    @cached_property
    def astrometry(self) -> AstrometryWcs | None:
        """ASTROMETRY_WCS."""
        path = self.path("ASTROMETRY_WCS")
        return None if path is None else read_astrometry_wcs(path)

    @cached_property
    def offsets(self) -> OffsetList | None:
        """OFFSET_LIST."""
        path = self.path("OFFSET_LIST")
        return None if path is None else read_offset_list(path)

    @cached_property
    def lines(self) -> SkyLineTable | None:
        """SKY_LINES."""
        path = self.path("SKY_LINES")
        return None if path is None else read_sky_lines(path)

    @cached_property
    def continuum(self) -> SkyContinuumTable | None:
        """SKY_CONTINUUM."""
        path = self.path("SKY_CONTINUUM")
        return None if path is None else read_sky_continuum(path)

    @cached_property
    def sky_mask(self) -> SkyMask | None:
        """SKY_MASK."""
        path = self.path("SKY_MASK")
        return None if path is None else read_sky_mask(path)

    @cached_property
    def factors(self) -> AutocalFactors | None:
        """AUTOCAL_FACTORS."""
        path = self.path("AUTOCAL_FACTORS")
        return None if path is None else read_autocal_factors(path)

    @cached_property
    def raman_lines(self) -> SkyLineTable | None:
        """RAMAN_LINES."""
        path = self.path("RAMAN_LINES")
        return None if path is None else read_sky_lines(path, "RAMAN_LINES")

    def check(self, parameters: ScipostParameters) -> None:
        """Read what the parameters need, before the work.

        Raises
        ------
        MusedeepError
            A file that the parameters need is missing, or of no use.
        """
        method = parameters.skymethod
        needed: dict[str, str] = {}
        if method in MODELS:
            needed |= dict.fromkeys(("STD_RESPONSE", "SKY_LINES", "LSF_PROFILE"), f"skymethod={method}")
        if method == "subtract-model":
            needed["SKY_CONTINUUM"] = f"skymethod={method}"
        if self.response is not None:
            needed["EXTINCT_TABLE"] = "the STD_RESPONSE"
        if self.raman_lines is not None:
            needed |= dict.fromkeys(("STD_RESPONSE", "LSF_PROFILE"), "the RAMAN_LINES")
        if parameters.autocalib == "user":
            needed["AUTOCAL_FACTORS"] = "autocalib=user"
        for tag, why in needed.items():
            if not self.frames.get(tag):
                other = ", or use skymethod=simple or none" if why.startswith("skymethod") else ""
                raise MusedeepError(f"muse_scipost: {why} needs a {tag}, found none; add it{other}")
        for name in ("telluric", "extinction", "astrometry", "offsets", "lines", "continuum", "sky_mask", "factors"):
            getattr(self, name)
