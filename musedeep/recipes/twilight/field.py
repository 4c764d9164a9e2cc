"""muse_twilight: exposures of the twilight sky to a smooth cube of the illumination of the field (manual 9.7)."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.processors import available_processors
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.recipes.twilight.cube import FieldGrid, HowToResample, Strip, white_image
from musedeep.recipes.twilight.ifu import TwilightIfu
from musedeep.recipes.twilight.recipe import RECIPE, TwilightParameters
from musedeep.recipes.twilight.smooth import Mask, Vignetting, smooth_cube
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.rows.slice_map import Limits
from musedeep.storage.calibrations.twilight_cube import Extension, field_hdus
from musedeep.storage.calibrations.vignetting_mask import read_vignetting_mask
from musedeep.storage.fits.hdus import write_hdus
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.frames import RawFrame, raw_ifus


@dataclass(frozen=True)
class Looked:
    """What the IFUs have in common.

    Attributes
    ----------
    ifus : that can be reduced
    wavelengths : limits [Angstrom]
    limits : of the pixels of all of them
    failures : why the others cannot
    """

    ifus: tuple[int, ...]
    wavelengths: tuple[float, float]
    limits: Limits
    failures: dict[int, str]


@dataclass(frozen=True)
class Piece:
    """What one IFU gives: its part of the cube, and what headers say of it, as in `TwilightIfu`."""

    ifu: int
    strip: Strip
    frame: RawFrame
    used: dict[str, list[str]]
    cards: list[Card]
    sky_flux: float
    flat_flux: float | None


def run(call: RecipeCall[TwilightParameters]) -> Outcome:
    """Make the cube, from several IFUs at once, of each of which a pixel table is in memory.

    An IFU that fails is reported and left out.

    Raises
    ------
    MusedeepError
        Bad input, or all IFUs failed.
    """
    looked = look(call)

    def one(ifu: int) -> Piece | MusedeepError:
        try:
            return piece(call, looked, ifu)
        except MusedeepError as error:
            return error

    def pieces() -> Iterator[Piece | MusedeepError]:
        call.progress.begin(len(looked.ifus), "IFUs")
        with ThreadPoolExecutor(min(call.workers or available_processors(), len(looked.ifus))) as pool:
            for found in pool.map(one, looked.ifus):
                call.progress.advance()
                yield found

    return finish(call, looked, pieces())


def look(call: RecipeCall[TwilightParameters]) -> Looked:
    """Find out, before the work, which IFUs `piece` is to be called for; raises MusedeepError for bad input."""
    wavelengths = _check(call)
    for name in ("DATACUBE_SKYFLAT.fits", "TWILIGHT_CUBE.fits"):
        refuse_existing(call.output / name, call.overwrite)
    _mask(call)
    return _look(call, wavelengths)


def piece(call: RecipeCall[TwilightParameters], looked: Looked, ifu: int) -> Piece:
    """What one IFU gives, in memory that others do not change; raises MusedeepError if it cannot be reduced."""
    one = TwilightIfu.of(call.frames, call.parameters, ifu, RECIPE.name, RECIPE.inputs[0].minimum)
    table = one.pixel_table(looked.wavelengths)
    frame = replace(one.frames[0], _pixels=None)  # uncompressed pixels are needed no more
    strip = _grid(call, looked).strip(table)
    return Piece(ifu, strip, frame, one.used, one.cards, one.sky_flux, one.flat_flux)


def finish(call: RecipeCall[TwilightParameters], looked: Looked, pieces: Iterable[Piece | MusedeepError]) -> Outcome:
    """Write the cubes, from all pieces in the order of their IFUs, or why there is none; raises MusedeepError if all
    IFUs failed, or there is too little light to fit.
    """
    outcome = Outcome(failures=dict(looked.failures))
    done: list[Piece] = []
    for ifu, one in zip(looked.ifus, pieces, strict=True):
        if isinstance(one, MusedeepError):
            outcome.failures[ifu] = f"IFU {ifu}: {one}"
        else:
            done.append(one)
    if not done:
        raise MusedeepError("; ".join(outcome.failures.values()))
    call.progress.begin(0, "making the cube")
    grid = _grid(call, looked)
    data, stat = grid.cube((one.strip, done[0].sky_flux / one.sky_flux) for one in done)
    white = white_image(data)
    target = str(done[0].frame.primary.get("OBJECT", ""))
    vignetting = _vignetting(call, str(done[0].frame.primary.get("ESO INS MODE", "")))
    orders = call.parameters.xorder, call.parameters.yorder
    with ThreadPoolExecutor(available_processors()) as pool:
        smooth = smooth_cube(data, white, orders, vignetting, target, grid.start[2], grid.step, pool)
    cube = [
        Extension("DATA", target, data, "count"),
        Extension("STAT", target, stat, "(count)**2"),
        Extension("white", target, white, "count"),
    ]
    quality = [c for one in done for c in one.cards]
    for name, extensions, cards, masked in (
        ("DATACUBE_SKYFLAT.fits", cube, quality, False),
        ("TWILIGHT_CUBE.fits", smooth, [], vignetting.mask is not None),
    ):
        path = call.output / name
        header = _header(call, done, name, cards, masked)
        made = field_hdus(extensions, grid.start.tolist(), grid.step)
        write_hdus(path, fits.HDUList([fits.PrimaryHDU(header=header), *made]), call.overwrite)
        outcome.paths.append(path)
    call.progress.stop()
    return outcome


def _grid(call: RecipeCall[TwilightParameters], looked: Looked) -> FieldGrid:
    p = call.parameters
    how = HowToResample(p.resample, p.crtype, p.crsigma)
    return FieldGrid(looked.limits, p.dlambda, how)


def _vignetting(call: RecipeCall[TwilightParameters], mode: str) -> Vignetting:
    """The vignetting of a field mode (ESO INS MODE); a mask is for the wide field only."""
    p, narrow = call.parameters, mode.startswith("NFM")
    return Vignetting(
        None if narrow else _mask(call), p.vignnfmmask if narrow else 0, 0.0 if narrow else p.vignmaskedges,
        p.vignsmooth, p.vignetting_size, p.vignloss,
    )  # fmt: skip


def _mask(call: RecipeCall[TwilightParameters]) -> Mask | None:
    masks = call.frames.get("VIGNETTING_MASK", ())
    return read_vignetting_mask(masks[0]) if masks else None


def _check(call: RecipeCall[TwilightParameters]) -> tuple[float, float]:
    """Limits in wavelength; raises MusedeepError for parameters that make no sense."""
    low, high, step = call.parameters.lambdamin, call.parameters.lambdamax, call.parameters.dlambda
    if not low < high:
        raise MusedeepError(f"muse_twilight: lambdamin={low:g} is not below lambdamax={high:g}; correct them")
    if step > high - low:
        raise MusedeepError(
            f"muse_twilight: dlambda={step:g} is more than lambdamax - lambdamin={high - low:g}; as in 250"
        )
    return low, high


def _look(call: RecipeCall[TwilightParameters], wavelengths: tuple[float, float]) -> Looked:
    """The IFUs that can be reduced, and the limits of their pixels; raises MusedeepError if there is none.

    What was opened is let go: of compressed frames it holds all pixels.

    What was opened is let go: of compressed frames it holds all pixels.
    """
    path = call.frames["SKYFLAT"][0]
    held = sorted({ifu for one in call.frames["SKYFLAT"] for ifu in raw_ifus(one)})
    if not held:
        raise MusedeepError(f"{path}: no extension CHANnn; give raw MUSE frames")
    call.progress.begin(0, f"looking at {len(held)} IFUs")
    ifus, failures = list[int](), dict[int, str]()
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for ifu in held:
        try:
            one = TwilightIfu.of(call.frames, call.parameters, ifu, RECIPE.name, RECIPE.inputs[0].minimum)
            found = one.where.limits(0.0, wavelengths, one.n_columns)
            if not np.isfinite(found[0]).all():
                raise MusedeepError(
                    f"no pixel lies between lambdamin={wavelengths[0]:g} and lambdamax={wavelengths[1]:g}; "
                    "give wavelengths that the CCD sees"
                )
        except MusedeepError as error:
            failures[ifu] = f"IFU {ifu}: {error}"
            continue
        ifus.append(ifu)
        low, high = np.minimum(low, found[0]), np.maximum(high, found[1])
    if not ifus:
        raise MusedeepError("; ".join(failures.values()))
    return Looked(tuple(ifus), wavelengths, (low, high), failures)


def _header(
    call: RecipeCall[TwilightParameters], done: Sequence[Piece], name: str, cards: Sequence[Card], with_mask: bool
) -> fits.Header:
    """Primary header of a product."""
    raws = [(path, "SKYFLAT") for path in call.frames["SKYFLAT"]]
    raws += [(path, "ILLUM") for path in call.frames.get("ILLUM", ())]
    used: dict[str, list[str]] = {}
    for one in done:
        for tag, files in one.used.items():
            used[tag] = [*dict.fromkeys([*used.get(tag, []), *files])]
    if with_mask:
        used["VIGNETTING_MASK"] = list(call.frames["VIGNETTING_MASK"])
    extra = list(cards)
    if done[0].flat_flux is not None:
        extra.append(("ESO DRS MUSE FLAT FLUX LAMP", done[0].flat_flux, ""))
    extra += [(f"ESO DRS MUSE FLAT FLUX SKY{one.ifu}", one.sky_flux, "") for one in done]
    category = name.removesuffix(".fits")
    header = product_header(RECIPE, done[0].frame, category, name, used, call.parameters, extra, raws)
    header.remove("EXTNAME", ignore_missing=True)
    return header
