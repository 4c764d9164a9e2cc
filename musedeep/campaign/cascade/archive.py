"""What a campaign finds in its catalogue: raw frames and their files, static calibrations and masters.

The raw calibrations of a night are the best of all nights of the catalogue (`selection.campaign.calibrations`) for the
exposures of the sky that the night has in a mode. These are all of the catalogue: what a night is reduced with does not
depend on which of its exposures a campaign wants.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean, median, mode
from typing import TYPE_CHECKING, Final

from musedeep.errors import MusedeepError
from musedeep.recipes.registry import night_recipes
from musedeep.selection.campaign.calibrations import TAGS, Calibrations, FrameSet, Preferences, Status
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.night import rules
from musedeep.selection.night.associate import CALIBRATORS, SCIENCE
from musedeep.selection.night.classify import Frame, classify_files, fits_files

if TYPE_CHECKING:
    from musedeep.selection.catalogue.database import Catalogue

ALONE: Final = ("DARK", "ILLUM", "SKY")
"""Raw tags that a night does not have one set of: not used, one of each hour, one of each OB."""
LAMP_DAYS: Final = 0.5
"""A lamp flat (ILLUM) belongs to exposures within this [d]."""


@dataclass(frozen=True)
class NightKey:
    """A night in one instrument mode."""

    date: str
    mode: str

    def folder(self, campaign: Path) -> Path:
        """Where its products lie."""
        return campaign / "nights" / self.date / self.mode


@dataclass
class Archive:
    """Exposures by name, the file of each, and files of calibrations that are no raw frames."""

    exposures: Mapping[str, Exposure]
    files: Mapping[str, list[str]]
    calibrations: Sequence[Path] = ()
    settings: CascadeSettings = field(default_factory=CascadeSettings)
    _frames: dict[Path, Frame] = field(default_factory=dict)

    @classmethod
    def read(cls, catalogue: "Catalogue", settings: CascadeSettings, campaign: Path) -> "Archive":
        """What a catalogue knows, and what lies in further directories of calibrations.

        Parameters
        ----------
        campaign : folder whose products are no calibrations of others; directories are relative to where it lies

        Raises
        ------
        MusedeepError
            A directory that is not there, or holds no FITS file.
        """
        files: dict[str, list[str]] = {}
        for row in catalogue.rows("files"):
            files.setdefault(row["name"], []).append(row["path"])
        wanted = {
            one.name
            for recipe in night_recipes()
            for one in recipe.inputs
            if not (one.raw or one.nearest or one.left_out)
        }
        found = [Path(row["path"]) for row in catalogue.rows("products") if row["category"] in wanted]
        directories = [campaign.parent / one for one in settings.calibrations]
        found += fits_files(directories) if directories else []
        kept = dict.fromkeys(p.absolute() for p in found if not p.absolute().is_relative_to(campaign.absolute()))
        exposures = {one.name: one for one in catalogue.exposures()}
        return cls(exposures, files, [path for path in kept if path.exists()], settings)

    def of(self, name: str) -> Exposure:
        """An exposure; MusedeepError if the catalogue does not have it."""
        if name not in self.exposures:
            raise MusedeepError(
                f"exposure {name} of the plan is not in the catalogue; add it (`musedeep catalogue add`)"
            )
        return self.exposures[name]

    def path(self, name: str) -> Path:
        """The file of an exposure, an unpacked one rather than a packed one; MusedeepError if there is none."""
        known = sorted(self.files.get(name, ()), key=lambda path: (not path.endswith(".fits"), path))
        there = next((Path(path) for path in known if Path(path).exists()), None)
        if there is None:
            said = f"{known[0]} is gone" if known else "its file is not known"
            raise MusedeepError(f"exposure {name}: {said}; add the directory that it is in (`musedeep catalogue add`)")
        return there

    @cached_property
    def names(self) -> dict[str, str]:
        """The exposure of each file that the catalogue knows."""
        return {path: name for name, paths in self.files.items() for path in paths}

    def frames(self, paths: Sequence[Path]) -> list[Frame]:
        """What files are; headers are read once."""
        new = [path for path in paths if path not in self._frames]
        self._frames.update(zip(new, classify_files(new), strict=True))
        return [self._frames[path] for path in paths]

    def night_of(self, name: str) -> NightKey:
        """The night and mode of an exposure."""
        one = self.of(name)
        return NightKey(one.night, one.mode)

    @cached_property
    def chooser(self) -> Calibrations:
        """Chooses raw calibrations, of the exposures that have files."""
        settings = self.settings
        preferences = Preferences(settings.degrees_a_day, settings.farthest, settings.only_certified)
        status: dict[str, Status] = dict.fromkeys(settings.certified, "certified")
        status |= dict.fromkeys(settings.failed, "failed")
        there = (one for name, one in self.exposures.items() if name in self.files)
        return Calibrations(there, preferences, status)

    def sky_of(self, night: NightKey) -> FrameSet:
        """A night as its exposures of the sky have it; MusedeepError if there are none."""
        own = [one for one in self.exposures.values() if (one.night, one.mode) == (night.date, night.mode)]
        on_sky = [one for one in own if one.tag in SCIENCE] or [one for one in own if one.tag in CALIBRATORS]
        if not on_sky:
            raise MusedeepError(f"night {night.date}: no exposure of the sky in mode {night.mode}")
        warm = [one.temperature for one in on_sky if math.isfinite(one.temperature)]
        return FrameSet(
            tag="OBJECT", name=night.date, mode=night.mode, read_out=mode(sorted(one.read_out for one in on_sky)),
            ob_id="", frames=(), mjd=fmean(one.mjd for one in on_sky), temperature=median(warm) if warm else math.nan,
        )  # fmt: skip

    def standards(self, night: NightKey, mjd: float) -> list[str]:
        """Exposures of standard stars for a night, the nearest to a time first."""
        choices = self.chooser.choices(self.sky_of(night), "STD")
        found = [one.calibration for one in choices]
        return [one.frames[0] for one in sorted(found, key=lambda one: (abs(one.mjd - mjd), one.name))]

    def calibrations_of(self, night: NightKey, standard: str = "") -> list[Exposure]:
        """Raw calibrations of a night.

        Parameters
        ----------
        standard : name of the exposure of a standard star to take; empty: the best
        """
        sky = self.sky_of(night)
        geometry = any(frame.tag == "GEOMETRY_TABLE" for frame in self.frames(self.calibrations))
        found: list[str] = []
        for tag in (*TAGS, *(() if geometry else ("MASK",))):
            if tag in ALONE:
                continue
            choices = self.chooser.choices(sky, tag)
            found += [standard] if tag == "STD" and standard else choices[0].calibration.frames if choices else []
        chosen = [self.of(name) for name in found]
        around = [*chosen, *(one for one in self.exposures.values() if one.night == night.date)]
        lamps = [
            one
            for name, one in self.exposures.items()
            if one.tag == "ILLUM" and name in self.files and _matches(one, sky)
        ]
        return chosen + [one for one in lamps if any(abs(one.mjd - other.mjd) < LAMP_DAYS for other in around)]


def _matches(one: Exposure, sky: FrameSet) -> bool:
    """Whether a lamp flat has what it must have in common with the exposures of the sky."""
    for name in rules.input_of(one.tag).match:
        has, wanted = getattr(one, name, ""), getattr(sky, name)
        if has and wanted and has != wanted:
            return False
    return True
