"""What has been done to a pixel table already, as its header says: nothing is done twice."""

from collections.abc import Sequence
from typing import Final

from musedeep.errors import MusedeepError
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.observation import Observation
from musedeep.reduction.rows.source import Correction
from musedeep.storage.fits.headers import number_or_none, text_of, value_of
from musedeep.storage.pixel_tables.table import PixelTable, Rows

PIXTABLE: Final = "ESO DRS MUSE PIXTABLE "

DAR_CORRECT: Final = PIXTABLE + "DAR CORRECT"
FLUXCAL: Final = PIXTABLE + "FLUXCAL"
RVCORR: Final = PIXTABLE + "RVCORR"
WCS: Final = PIXTABLE + "WCS"
_STAGES: Final = (DAR_CORRECT, FLUXCAL, RVCORR, WCS, *(PIXTABLE + name for name in ("FFCORR", "SKYSUB", "AUTOCAL")))


def is_refraction_corrected(observation: Observation) -> bool:
    """Whether the refraction is corrected; a reference wavelength below 0 says that it was left as it is."""
    return (number_or_none(observation.header, DAR_CORRECT) or -1.0) > 0.0


def is_flux_calibrated(observation: Observation) -> bool:
    """Whether data are fluxes."""
    return value_of(observation.header, FLUXCAL) is True


def is_velocity_corrected(observation: Observation) -> bool:
    """Whether wavelengths are those of another frame than the telescope's."""
    frame = text_of(observation.header, "SPECSYS", observation.name, "TOPOCENT")
    return RVCORR in observation.header or frame != "TOPOCENT"


def placed_as(observation: Observation) -> str:
    """What the positions are: empty in the field of view, projected (intermediate), positioned (final)."""
    return text_of(observation.header, WCS, observation.name, "")


def refuse(done: bool, observation: Observation, what: str, key: str) -> None:
    """Raise MusedeepError where something is done already, as a keyword says."""
    if done:
        raise MusedeepError(
            f"{observation.name}: {what} already ({key} is {value_of(observation.header, key)}); give the pixel table "
            "before that step"
        )


def refuse_placed(observation: Observation, what: str) -> None:
    """Raise MusedeepError where positions are not in the field of view any more, which a correction needs."""
    stage = placed_as(observation)
    if stage:
        raise MusedeepError(
            f"{observation.name}: positions are {stage} ({WCS}), {what} needs those in the field of view; give the "
            "pixel table before that step"
        )


def refuse_velocity(observation: Observation) -> None:
    """Raise MusedeepError where wavelengths are not those of the telescope any more."""
    done = RVCORR if RVCORR in observation.header else "SPECSYS"
    refuse(is_velocity_corrected(observation), observation, "its velocity is corrected", done)


def refuse_mixture(tables: Sequence[PixelTable]) -> None:
    """Raise MusedeepError where something was done to some of the pixel tables of an exposure, and not to others."""
    for key in _STAGES:
        first = value_of(tables[0].facts, key)
        for table in tables[1:]:
            if (own := value_of(table.facts, key)) != first:
                raise MusedeepError(
                    f"{table.path}: {key} is {own}, that of {tables[0].path} is {first}; give all IFUs of an exposure "
                    "from the same step"
                )


class Recorded(Correction):
    """A correction that changes no row, and is recorded."""

    def __init__(self, *cards: Card) -> None:
        self._cards = list(cards)

    def apply(self, rows: Rows) -> None:
        """See `Correction.apply`; nothing is changed."""

    def cards(self) -> list[Card]:
        """See `Correction.cards`."""
        return self._cards
