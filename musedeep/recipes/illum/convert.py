"""muse_illum: a raw illumination flat as a product, for tools that take products alone."""

from typing import Final

from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS
from musedeep.recipes.illum.recipe import RECIPE, IllumParameters
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.reduction.headers.product import image_cards, product_header
from musedeep.storage.fits.hdus import whole_file
from musedeep.storage.fits.parts import header_bytes, padded
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.frames import RawFrame, open_raw_frame, raw_ifus

NAME: Final = "ILLUM_0001.fits"


def run(call: RecipeCall[IllumParameters]) -> Outcome:
    """Write the product, the IFUs one after the other.

    Raises
    ------
    MusedeepError
        No raw MUSE frame, a truncated one, or the product cannot be written.
    """
    source = call.frames["ILLUMFLAT"][0]
    path = call.output / NAME
    refuse_existing(path, call.overwrite)
    ifus = raw_ifus(source)
    if not ifus:
        raise MusedeepError(f"{source}: no extension CHANnn; give a raw MUSE frame")
    first = open_raw_frame(source, ifus[0])
    whole = RawFrame(first.path, first.ifu, first.primary, fits.Header(), first.shape)
    primary = product_header(RECIPE, whole, "ILLUM", NAME, call.frames, call.parameters)
    primary.remove("EXTNAME")
    call.progress.begin(len(ifus), "IFUs")
    with whole_file(path, len(ifus) * padded(4 * first.shape[0] * first.shape[1]), call.overwrite) as stream:
        stream.write(header_bytes(primary, False, 8, ()))
        for ifu in ifus:
            frame = open_raw_frame(source, ifu)
            values = frame.read().astype(">i4")
            stream.write(header_bytes(image_cards(frame), True, 32, values.shape))
            stream.write(values.data)
            stream.write(b"\0" * (padded(values.nbytes) - values.nbytes))
            call.progress.advance()
    call.progress.stop()
    missing = sorted(set(range(1, N_IFUS + 1)) - set(ifus))
    notes = [f"{source}: without IFU {', '.join(map(str, missing))}, and so is {NAME}"] if missing else []
    return Outcome([path], notes=notes)
