"""A finished product with all that is known of it: its records, and what the catalogue says of its exposures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from musedeep.errors import MusedeepError
from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    REVIEW,
    Decision,
    ExposureRecord,
    ProductRecord,
    QualityRecord,
    ReviewRecord,
    read_if_there,
    read_record,
)
from musedeep.selection.campaign.access import access_of
from musedeep.selection.campaign.exposures import Candidate
from musedeep.selection.catalogue.exposure import Exposure

UNKNOWN = "unknown: no catalogue"


@dataclass(frozen=True)
class Finished:
    """A finished product.

    Attributes
    ----------
    campaign : folder of the campaign, to which paths in records are relative
    folder : of the product
    record, quality, review : its records
    known : what the catalogue says of exposures, by name; empty without a catalogue
    """

    campaign: Path
    folder: Path
    record: ProductRecord
    quality: QualityRecord
    review: ReviewRecord
    known: Mapping[str, Candidate] = field(default_factory=dict, repr=False)

    @cached_property
    def exposures(self) -> list[ExposureRecord]:
        """Exposures in the cube, in the order of time; facts that only the catalogue knows are added."""
        return [self._completed(one) for one in sorted(self.record.used, key=lambda one: (one.mjd, one.name))]

    def _completed(self, one: ExposureRecord) -> ExposureRecord:
        found = self.known.get(one.name)
        if found is None:
            return one
        exposure = found.exposure
        facts = {
            "ob_id": exposure.ob_id, "ob_name": exposure.ob_name, "run": exposure.run, "target": found.target,
            "mode": exposure.mode, "object": exposure.object,
        }  # fmt: skip
        return one.model_copy(update={key: value for key, value in facts.items() if value and not getattr(one, key)})

    def path(self, name: str) -> Path:
        """A path of a record."""
        return self.campaign / name

    @property
    def certified(self) -> bool:
        """Whether a person has certified it."""
        return self.review.state == "certified"

    @property
    def certificate(self) -> Decision | None:
        """When and by whom it was certified."""
        if not self.certified:
            return None
        decisions = [one for one in self.review.history if one.action == "certify"] or self.review.history
        return decisions[-1] if decisions else None

    @cached_property
    def obs(self) -> list[str]:
        """OBs in the order of time, none of them twice."""
        return list(dict.fromkeys(one.ob_id for one in self.exposures if one.ob_id))

    @cached_property
    def runs(self) -> list[str]:
        """Runs in the order of time, none of them twice."""
        return list(dict.fromkeys(one.run for one in self.exposures if one.run))

    @cached_property
    def modes(self) -> list[str]:
        """Instrument modes in the order of time, none of them twice."""
        return list(dict.fromkeys(one.mode for one in self.exposures if one.mode))

    @cached_property
    def investigators(self) -> list[str]:
        """Principal investigators, as far as they are known."""
        found = (
            candidate.programme.get("pi") or candidate.exposure.pi
            for one in self.exposures
            if (candidate := self.known.get(one.name))
        )
        return sorted({name for name in found if name})

    @cached_property
    def observing_mode(self) -> str:
        """SM, VM, or SM,VM for a mixture; empty if it is not known."""
        found = {c.observing_mode for one in self.exposures if (c := self.known.get(one.name))} - {""}
        return ",".join(sorted(found))

    @property
    def seconds(self) -> float:
        """Exposure time of all exposures in the cube [s]."""
        return sum(one.exposure_time for one in self.exposures)

    @property
    def end(self) -> float:
        """When the last exposure ended [MJD]."""
        return max(one.mjd + one.exposure_time / 86400.0 for one in self.exposures)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Exposures as the catalogue knows them; those that it does not know only by name and run."""
        return [
            self.known.get(one.name) or Candidate(Exposure(name=one.name, mjd=one.mjd, run=one.run))
            for one in self.exposures
        ]

    def access(self, today: str) -> str:
        """Who may have it on a day (ISO date); see `selection.campaign.access`."""
        return access_of(self.candidates, today) if self.known else self.record.access or UNKNOWN

    @property
    def release_date(self) -> str:
        """The day from which everybody may have it; empty if it is not known."""
        dates = [(c.exposure.release_date or c.programme.get("release_date") or "")[:10] for c in self.candidates]
        return max(dates) if all(dates) else ""


def read_finished(campaign: Path, folder: Path, known: Mapping[str, Candidate]) -> Finished:
    """Read the records of a product; those of quality and review may be missing.

    Raises MusedeepError for a record that cannot be read, or a product without exposures.
    """
    record = read_record(ProductRecord, folder / PRODUCT)
    quality = read_if_there(QualityRecord, folder / QUALITY)
    review = read_if_there(ReviewRecord, folder / REVIEW)
    if not record.used:
        raise MusedeepError(f"{folder / PRODUCT}: no exposure is in the cube; make the product again")
    return Finished(campaign, folder, record, quality, review, known)


def chosen(products: Sequence[Finished], wanted: Sequence[str]) -> list[Finished]:
    """Products of targets, or of their own names; all without any. MusedeepError for a name that none has."""
    for name in wanted:
        if not any(name in (one.record.target, one.record.name) for one in products):
            known = sorted({one.record.target for one in products})
            raise MusedeepError(f"--target {name}: no finished product of it; there are {', '.join(known) or 'none'}")
    return [one for one in products if not wanted or {one.record.target, one.record.name} & set(wanted)]
