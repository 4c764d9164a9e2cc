"""What a campaign finds in its catalogue: raw frames and their files, static calibrations and masters.

Which raw calibrations a night gets is decided here, from all nights of the catalogue:

1. The night is that of its exposures of the sky in one mode, all of the catalogue: their mean time and temperature.
   It does not depend on which of them a campaign wants.
2. Frames of a tag that match the mode and the read-out form series: they follow each other within hours. A standard
   star, or an astrometric field, is a series by itself.
3. The nearest series in time and temperature is taken, whatever night it is of; a short one only if all are short.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from musedeep.errors import MusedeepError
from musedeep.recipes.registry import first_stage, night_recipes
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.night import rules
from musedeep.selection.night.associate import SCIENCE
from musedeep.selection.night.classify import Frame, classify_files, fits_files

if TYPE_CHECKING:
    from musedeep.selection.catalogue.database import Catalogue

STARS: Final = ("STD", "ASTROMETRY")
"""Tags of which each exposure is a series by itself."""
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
    _frames: dict[Path, Frame] = field(default_factory=dict)

    @classmethod
    def read(cls, catalogue: "Catalogue", directories: Sequence[Path], campaign: Path) -> "Archive":
        """What a catalogue knows, and what lies in further directories of calibrations.

        Parameters
        ----------
        campaign : folder whose products are no calibrations of others

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
        found += fits_files(directories) if directories else []
        kept = dict.fromkeys(p.absolute() for p in found if not p.absolute().is_relative_to(campaign.absolute()))
        exposures = {one.name: one for one in catalogue.exposures()}
        return cls(exposures, files, [path for path in kept if path.exists()])

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

    def frames(self, paths: Sequence[Path]) -> list[Frame]:
        """What files are; headers are read once."""
        new = [path for path in paths if path not in self._frames]
        self._frames.update(zip(new, classify_files(new), strict=True))
        return [self._frames[path] for path in paths]

    def night_of(self, name: str) -> NightKey:
        """The night and mode of an exposure."""
        one = self.of(name)
        return NightKey(one.night, one.mode)

    def standards(self, mode: str, mjd: float) -> list[Exposure]:
        """Exposures of standard stars in a mode, the nearest in time first."""
        found = [one for one in self.exposures.values() if one.tag == "STD" and one.mode == mode]
        return sorted(found, key=lambda one: (abs(one.mjd - mjd), one.name))

    def calibrations_of(self, night: NightKey, days_per_degree: float, standard: str = "") -> list[Exposure]:
        """Raw calibrations of a night, by the rules above.

        Parameters
        ----------
        days_per_degree : see `CascadeSettings`
        standard : name of the exposure of a standard star to take; empty: the nearest
        """
        own = [one for one in self.exposures.values() if (one.night, one.mode) == (night.date, night.mode)]
        on_sky = [one for one in own if one.tag in SCIENCE] or [one for one in own if one.tag in STARS]
        if not on_sky:
            raise MusedeepError(f"night {night.date}: no exposure of the sky in mode {night.mode}")
        reads = [one.read_out for one in on_sky if one.read_out]
        what = {
            "mode": night.mode,
            "read_out": max(sorted(set(reads)), key=reads.count) if reads else "",
            "field": night.mode.partition("-")[0],
        }
        mjd = sum(one.mjd for one in on_sky) / len(on_sky)
        warm = [one.temperature for one in on_sky if math.isfinite(one.temperature)]
        temperature = sum(warm) / len(warm) if warm else math.nan
        found: list[Exposure] = []
        for tag, needed in _tags().items():
            if tag == "MASK" and any(frame.tag == "GEOMETRY_TABLE" for frame in self.frames(self.calibrations)):
                continue
            matching = [one for one in self.exposures.values() if one.tag == tag and _matches(one, what)]
            if tag == "STD" and standard:
                found.append(self.of(standard))
                continue
            found += nearest_series(matching, needed, mjd, temperature, days_per_degree, apart=tag in STARS)
        around = [*own, *found]
        lamps = [one for one in self.exposures.values() if one.tag == "ILLUM" and _matches(one, what)]
        return found + [one for one in lamps if any(abs(one.mjd - other.mjd) < LAMP_DAYS for other in around)]


def _tags() -> dict[str, int]:
    """Raw tags of calibrations that a night needs, and how many frames of each."""
    found: dict[str, int] = {}
    for recipe in first_stage():
        if any(rules.input_of(product.category).on_demand for product in recipe.products):
            continue
        for one in recipe.raws:
            if one.name not in SCIENCE and one.name != "REDUCED":
                found[one.name] = max(found.get(one.name, 1), one.minimum)
    return found


def _matches(one: Exposure, what: Mapping[str, str]) -> bool:
    """Whether a calibration has what its tag must have in common with the exposures of the sky."""
    has = {"mode": one.mode, "read_out": one.read_out, "field": one.mode.partition("-")[0]}
    names = rules.input_of(one.tag).match
    return all(not has[name] or not what[name] or has[name] == what[name] for name in names if name in has)


def nearest_series(
    exposures: Sequence[Exposure], needed: int, mjd: float, temperature: float, days_per_degree: float, apart: bool
) -> list[Exposure]:
    """The series that is nearest in time and temperature; empty if there is none.

    Parameters
    ----------
    needed : frames that a recipe needs
    mjd, temperature : of the exposures that are to be calibrated; NaN if the temperature is not known
    days_per_degree : see `CascadeSettings`
    apart : whether each exposure is a series
    """
    series: list[list[Exposure]] = []
    for one in sorted(exposures, key=lambda one: (one.mjd, one.name)):
        if series and not apart and one.mjd - series[-1][-1].mjd <= rules.GAP:
            series[-1].append(one)
        else:
            series.append([one])
    least = 1 if apart else max(needed, rules.SERIES)
    enough = [one for one in series if len(one) >= least] or series

    def distance(one: Sequence[Exposure]) -> float:
        warmer = sum(frame.temperature for frame in one) / len(one) - temperature
        days = abs(sum(frame.mjd for frame in one) / len(one) - mjd)
        return days + (days_per_degree * abs(warmer) if math.isfinite(warmer) else 0.0)

    return min(enough, key=distance, default=[])
