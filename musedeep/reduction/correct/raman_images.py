"""RAMAN_IMAGES: the field in the bands of Raman light, and the model of this light."""

from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.instrument import FLUX_UNIT
from musedeep.reduction.correct.raman import RamanBand, RamanLight
from musedeep.reduction.headers.cards import Card
from musedeep.storage.fits.header_cards import add, extension_cards, header_of

TEXT: Final = "reconstructed image (data values)"


def raman_hdus(light: RamanLight, header: fits.Header) -> fits.HDUList:
    """RAMAN_IMAGES with a primary header, to which the quality control is added.

    DATA (1, ny, nx) is the distribution over the field, 1 at x = y = 0; then come the images of O2 and N2 and their
    masks of the sky; then the fluxes of the model in a spaxel [erg/s/cm2], with the unit that the ESO pipeline gives.
    """
    header = header.copy()
    add(header, *light.cards())
    text = str(header.get("OBJECT", ""))
    bands = light.bands
    made = [_hdu("DATA", light.over_field(bands[0].grid)[None].astype(np.float32), bands[0], text, "")]
    for band in bands:
        made.append(_hdu(f"RAMAN_IMAGE_{band.name}", band.image, band, text, ""))
        made.append(_hdu(f"SKY_MASK_{band.name}", band.mask.astype(np.int32), band, text, None))
    for band, flux in zip(bands, light.fluxes, strict=True):
        fitted = (flux * light.over_field(band.grid)).astype(np.float32)
        made.append(_hdu(f"RAMAN_FIT_{band.name}", fitted, band, text, FLUX_UNIT))
    return fits.HDUList([fits.PrimaryHDU(header=header), *made])


def _hdu(name: str, data: NDArray[Any], band: RamanBand, text: str, unit: str | None) -> fits.ImageHDU:
    cards: list[Card] = [("OBJECT", f"{text} ({name})"[:68], ""), *band.grid.cards(2)]
    cards += extension_cards(name, "DATA", {}, "" if name == "DATA" else TEXT)
    if unit is not None:
        cards.append(("BUNIT", unit, ""))
    return fits.ImageHDU(data, header_of(cards))
