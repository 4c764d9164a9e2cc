"""A recipe on the pixel tables of exposures: all IFUs of one exposure, rows streamed, with sums over the IFUs.

1. `exposures_of` opens the pixel tables of each exposure, brings its IFUs to the level of the first, and averages the
   spectra of their flats.
2. `ExposureRows.corrected` puts corrections on the rows of all IFUs. Nothing is changed before it is read.
3. `ExposureRows.add_up` reads the rows once, in blocks, for any number of sums: each IFU by itself, the sums of IFUs
   merged in the order of IFUs.
4. What the sums say (a sky spectrum, offsets of slices) makes further corrections: 2 and 3 again.
5. `ExposureRows.product` is the corrected pixel table, to be written as a store or FITS file, in blocks.

Memory is that of some blocks of rows, and does not grow with the exposure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from astropy.io import fits

from musedeep.declaration import Recipe
from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.progress import Progress
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.reduction.correct.flat_field import FFCORR, flat_field, is_corrected, spectrum_of_ifus
from musedeep.reduction.correct.never_twice import PIXTABLE, WCS, refuse_mixture
from musedeep.reduction.correct.placing import POSITIONED
from musedeep.reduction.correct.refraction_check import measure_refraction, residual_refraction
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.exposure import exposure_header
from musedeep.reduction.observation import Observation, observation_of
from musedeep.reduction.rows.product import PixelTableProduct, saves_as_table
from musedeep.reduction.rows.source import Correction, JoinedRows, RowsWithin, corrected, scaled_flux
from musedeep.reduction.rows.sums import RowLimits, RowSums, add_up
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.headers import integer_of, number_of, text_of
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.pixel_tables.flat_spectrum import FlatSpectrum
from musedeep.storage.pixel_tables.open import FLUX_KEYS, JoinedPixelTable, tables_of_exposures
from musedeep.storage.pixel_tables.table import RowSource
from musedeep.storage.stores.location import Location

if TYPE_CHECKING:
    from musedeep.reduction.rows.recorded import RecordedRows

REDUCED: Final = "PIXTABLE_REDUCED"
_LIMITS: Final = f"{PIXTABLE}LIMITS "
_MERGED: Final = f"{PIXTABLE}MERGED"
_ILLUM: Final = f"{PIXTABLE}ILLUM"
_OF_IFU: Final = ("EXTNAME", *FLUX_KEYS)


@dataclass(frozen=True)
class ExposureRows:
    """The rows of one exposure, and the corrections made so far.

    Attributes
    ----------
    sources : one per pixel table, in the order of IFUs
    header : primary header of the exposure, without what the corrections say
    cards : tuple of (keyword, value, comment), those of the corrections
    moved : whether the limits of positions and wavelengths in the header hold no more
    paths : its pixel tables
    flat_spectrum : mean spectrum of the flats of its IFUs, smoothed; None: its pixel tables have none
    kept : (low, high), wavelengths to which it was cut [Angstrom]
    notes : what is missing in its products
    """

    sources: tuple[RowSource, ...]
    header: fits.Header
    cards: tuple[Card, ...] = ()
    moved: bool = False
    paths: tuple[str, ...] = ()
    flat_spectrum: FlatSpectrum | None = None
    kept: tuple[float, float] = (-np.inf, np.inf)
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows of all IFUs."""
        return sum(source.n_rows for source in self.sources)

    @cached_property
    def observation(self) -> Observation:
        """The circumstances that its header tells, before the corrections."""
        return observation_of(self.header, self.sources[0].path)

    @property
    def wavelengths(self) -> tuple[float, float]:
        """Lowest and highest wavelength of its rows before the corrections [Angstrom], from the header.

        Raises
        ------
        MusedeepError
            The header does not tell them.
        """
        ends = (number_of(self.header, f"{_LIMITS}LAMBDA {end}", self.observation.name) for end in ("LOW", "HIGH"))
        low, high = ends
        return max(low, self.kept[0]), min(high, self.kept[1])

    def within(self, low: float, high: float) -> "ExposureRows":
        """The exposure without rows beyond wavelengths [Angstrom]; where no row is, nothing is read."""
        first, last = self.wavelengths
        return self if low <= first and last <= high else self.corrected((), (low, high))

    @property
    def has_lamp_colour(self) -> bool:
        """Whether the colour of the flat's lamp is put back, now or in an earlier step."""
        return is_corrected(self.observation) or any(key == FFCORR for key, _, _ in self.cards)

    def with_lamp_colour(self) -> "ExposureRows":
        """The exposure with the colour of the flat's lamp put back; see `reduction.correct.flat_field`."""
        n_ifus = integer_of(self.header, _MERGED, self.observation.name, len(self.sources))
        return self.corrected(flat_field(self.observation, self.flat_spectrum, n_ifus))

    def corrected(
        self, corrections: Sequence[Correction], wavelengths: tuple[float, float] | None = None
    ) -> "ExposureRows":
        """The exposure with corrections on top of those made so far.

        Parameters
        ----------
        corrections : in the order in which they are applied
        wavelengths : (low, high), optional
            Corrected wavelengths to keep, both limits inside [Angstrom]. The wavelengths of all rows are read at once.
        """
        sources = list(self.sources)
        margin = sum(one.margin for one in corrections)
        if wavelengths:
            # rows that no correction brings within the limits need not be corrected
            sources = [RowsWithin(one, wavelengths[0] - margin, wavelengths[1] + margin) for one in sources]
        sources = [corrected(one, corrections) for one in sources]
        if wavelengths and margin:
            sources = [RowsWithin(one, *wavelengths) for one in sources]
        moved = self.moved or bool(wavelengths) or any(set(RowLimits.columns) & set(c.changes) for c in corrections)
        cards = (*self.cards, *(card for one in corrections for card in one.cards()))
        low, high = wavelengths or self.kept
        kept = max(low, self.kept[0]), min(high, self.kept[1])
        return replace(self, sources=tuple(sources), cards=cards, moved=moved, kept=kept)

    def add_up(self, sums: Sequence[RowSums], workers: int | None = None, progress: Progress | None = None) -> None:
        """Add all rows, as corrected so far, to the sums; see `reduction.rows.sums.add_up`."""
        add_up(self.sources, sums, workers, progress)

    def recorded(self, workers: int | None = None) -> "RecordedRows":
        """The corrections instead of the corrected rows; positions and wavelengths of all rows are read once."""
        from musedeep.reduction.rows.recorded import index_rows  # zarr takes a tenth of a second to load

        return index_rows(self.sources, workers)

    def product(
        self, cards: Sequence[Card] = (), workers: int | None = None, limits: RowLimits | None = None
    ) -> PixelTableProduct:
        """The pixel table of all IFUs, to be written; its limits are found first where they have changed.

        Parameters
        ----------
        cards : sequence of (keyword without HIERARCH, value, comment)
            For the primary header, each in the place of an earlier one.
        workers : threads
        limits : of all rows, if they are known
        """
        header = self.header.copy()
        if self.moved and self.n_rows:
            if limits is None:
                limits = RowLimits()
                self.add_up([limits], workers)
            add(header, *limits.cards(self._zero))
        add(header, *self.cards, *cards)
        flat = self.flat_spectrum.hdu() if self.flat_spectrum else None
        return PixelTableProduct(JoinedRows(self.sources[0].path, self.sources), header, flat, saves_as_table())

    @property
    def _zero(self) -> tuple[float, float]:
        """What positions count from: the pointing, once they are on the sky [deg]."""
        said: dict[str, Any] = {key: value for key, value, _ in self.cards}
        return (said["CRVAL1"], said["CRVAL2"]) if said.get(WCS) == POSITIONED else (0.0, 0.0)


def exposures_of(paths: Sequence[str | Location]) -> list[ExposureRows]:
    """The exposures of pixel tables (FITS files or stores, one per exposure or one per IFU), by date.

    Raises
    ------
    MusedeepError
        A pixel table cannot be read; two hold the same IFU of an exposure; columns, units or what has been done
        differ between IFUs.
    """
    exposures = []
    for tables in tables_of_exposures(paths):
        refuse_mixture(tables)
        joined = JoinedPixelTable(tables)
        levelled = [corrected(one, scaled_flux(f)) for one, f in zip(tables, joined.factors, strict=True)]
        spectrum = spectrum_of_ifus(tables, joined.path, text_of(joined.facts, "ESO INS MODE", joined.path, ""))
        header, names = joined.header, tuple(str(table.path) for table in tables)
        if len(tables) > 1:
            header = _merged(header, len(tables))
        exposures.append(ExposureRows(tuple(levelled), header, paths=names, flat_spectrum=spectrum))
    return exposures


def _merged(header: fits.Header, n_ifus: int) -> fits.Header:
    """The header of an exposure without what is true of one IFU alone."""
    kept = fits.Header([c for c in header.cards if c.keyword not in _OF_IFU and not c.keyword.startswith(_ILLUM)])
    if _MERGED not in kept:
        add(kept, (_MERGED, n_ifus, "Merged IFUs that went into this pixel table"))
    return kept


def check_one_mode(exposures: Sequence[ExposureRows]) -> None:
    """Refuse exposures of different instrument modes (MusedeepError)."""
    first = exposures[0].observation
    for exposure in exposures[1:]:
        own = exposure.observation
        if own.mode != first.mode:
            raise MusedeepError(
                f"{own.name}: INS MODE is {own.mode}, that of {first.name} is {first.mode}; reduce exposures of one "
                "mode at a time"
            )


def check_refraction(exposure: ExposureRows, darcheck: str, lambdaref: float, workers: int | None) -> ExposureRows:
    """The exposure, corrected for refraction, with what `darcheck` does: none, check or correct.

    Where there is nothing to be checked by it says so in its notes; see `reduction.correct.refraction_check`.
    """
    if darcheck == "none" or lambdaref < 0.0 or exposure.observation.narrow_field:
        return exposure
    left = measure_refraction(exposure.sources, exposure.wavelengths, lambdaref, workers)
    if left is None:
        note = f"{exposure.observation.name}: no source is bright enough for darcheck={darcheck}; nothing is checked"
        return replace(exposure, notes=(*exposure.notes, note))
    return exposure.corrected(residual_refraction(left, darcheck == "correct"))


Step = Callable[[RecipeCall[Any], ExposureRows], ExposureRows]
"""A recipe's work on one exposure: what it is called with, and the exposure with further corrections."""


def run_step(recipe: Recipe[Any], step: Step, call: RecipeCall[Any]) -> Outcome:
    """A recipe that corrects pixel tables, exposure by exposure: PIXTABLE_REDUCED_000k of the k-th by date.

    The pixel tables of the IFUs of an exposure become one. Rows beyond `lambdamin` and `lambdamax` are left out.

    Raises
    ------
    MusedeepError
        Bad input; a product exists and may not be replaced. Nothing is written then.
    """
    tag = next(one.name for one in recipe.inputs if one.raw)
    exposures = exposures_of(call.frames[tag])
    names = [f"{REDUCED}_{number:04d}" for number in range(1, len(exposures) + 1)]
    for name in names:
        for ending in call.table_endings:
            refuse_existing(call.output / f"{name}{ending}", call.overwrite)
    low, high = call.parameters.lambdamin, call.parameters.lambdamax
    # what is wrong with an exposure is found before anything is written
    made = [step(call, exposure.within(low, high)) for exposure in exposures]
    outcome = Outcome()
    for name, exposure in zip(names, made, strict=True):
        frames = {**call.frames, tag: list(exposure.paths)}
        header = exposure_header(
            recipe, exposure.header, REDUCED, f"{name}.fits", frames, call.parameters, exposure.cards
        )
        outcome.notes += exposure.notes
        outcome.paths += write_product(call, name, replace(exposure, header=header).product())
    return outcome


def write_product(
    call: RecipeCall[Any], name: str, product: PixelTableProduct, corrections: "RecordedRows | None" = None
) -> list[Path]:
    """Write a pixel table as a store, as a FITS file, or as both, as is wanted; returns what was written.

    With its corrections, the store has these instead of the rows.
    """
    written = [call.output / f"{name}{ending}" for ending in call.table_endings]
    for path in written:
        if path.suffix == ".fits":
            product.write_fits(path, call.overwrite)
        elif corrections is None:
            product.write_store(path, call.workers or available_processors(), call.overwrite)
        else:
            corrections.write(path, product, call.overwrite)
    return written
