"""Primary headers of the products of muse_exp_combine.

As in the reference's products: the first exposure's primary header, without the cards that describe its
pixel table and its world coordinates, with the PRO keywords of this step, the quality-control parameters
and what was applied (offsets, flux scales). PIPE ID names musedeep, as another program made the product.
"""

import datetime
import re
from collections.abc import Sequence

from astropy.io import fits

from musedeep import __version__
from musedeep.recipes.exp_combine_job import Job

_NOT_INHERITED = re.compile(
    r"^(SIMPLE|BITPIX|NAXIS\d*|EXTEND|CHECKSUM|DATASUM|DATAMD5|PIPEFILE|DATE|"
    r"C(TYPE|UNIT|RPIX|RVAL|SYER)\d|CD\d_\d|WCSAXES|"
    r"ESO DRS MUSE PIXTABLE .*|ESO DRS MUSE WEIGHT|ESO PRO (CATG|TYPE|TECH|SCIENCE|DID|DATANCOM)|ESO QC .*)$"
)


def _next_record(header: fits.Header) -> int:
    numbers = [int(m.group(1)) for m in (re.match(r"ESO PRO REC(\d+) ID$", k) for k in header) if m]
    return max(numbers, default=0) + 1


def inherited(first: fits.Header, keep_pixel_table: bool = False) -> fits.Header:
    """The cards of the first exposure that products keep."""
    header = fits.Header()
    for card in first.cards:
        pixel_table = card.keyword.startswith("ESO DRS MUSE PIXTABLE")
        if _NOT_INHERITED.match(card.keyword) and not (keep_pixel_table and pixel_table):
            continue
        header.append(card, end=True)
    return header


def product_header(
    first: fits.Header,
    job: Job,
    category: str,
    file_name: str,
    parameters: Sequence[tuple[str, str]],
    extra: Sequence[tuple[str, object, str]] = (),
    keep_pixel_table: bool = False,
) -> fits.Header:
    """Primary header of a product.

    Parameters
    ----------
    first : fits.Header
        Primary header of the first exposure.
    job : Job
    category : str
        PRO CATG.
    file_name : str
        PIPEFILE.
    parameters : sequence of (name, value)
        Of the recipe, for PRO RECn PARAMi.
    extra : sequence of (keyword without HIERARCH, value, comment)
        Further cards: quality control, filter.
    keep_pixel_table : bool
        Keep the cards that describe the pixel table (PIXTABLE_COMBINED).
    """
    header = inherited(first, keep_pixel_table)
    number = _next_record(header)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    header.set("DATE", now, "file creation date (YYYY-MM-DDThh:mm:ss UT)")
    header.set("PIPEFILE", file_name, "Filename of data product")
    pro = "HIERARCH ESO PRO "
    record = f"{pro}REC{number} "
    cards: list[tuple[str, object, str]] = [
        (pro + "DID", "PRO-1.16", "Data dictionary for PRO"),
        (pro + "CATG", category, "Category of pipeline product frame"),
        (pro + "TYPE", "REDUCED", "Product type"),
        (pro + "TECH", "IFU", "Observation technique"),
        (pro + "SCIENCE", True, "Scientific product if T"),
        (record + "ID", "muse_exp_combine", "Pipeline recipe (unique) identifier"),
        (record + "DRS ID", f"musedeep-{__version__}", "Data Reduction System identifier"),
        (record + "PIPE ID", f"musedeep/{__version__}", "Pipeline (unique) identifier"),
    ]
    for i, exposure in enumerate(job.exposures, 1):
        cards.append((f"{record}RAW{i} NAME", exposure.name, "File name of raw frame"))
        cards.append((f"{record}RAW{i} CATG", "PIXTABLE_REDUCED", "Category of raw frame"))
    for i, (name, value) in enumerate(parameters, 1):
        cards.append((f"{record}PARAM{i} NAME", name, ""))
        cards.append((f"{record}PARAM{i} VALUE", value, ""))
    cards.append((pro + "DATANCOM", len(job.exposures), "Number of combined frames"))
    drs = "HIERARCH ESO DRS MUSE "
    for i, exposure in enumerate(job.exposures, 1):
        if any(e.offset != (0.0, 0.0) for e in job.exposures) or exposure.flux_scale != 1.0:
            ra, dec = exposure.offset
            cards.append((f"{drs}OFFSET{i} DRA", ra, f"[deg] (= {ra * 3600:f} arcsec) RA offset applied"))
            cards.append((f"{drs}OFFSET{i} DDEC", dec, f"[deg] (= {dec * 3600:f} arcsec) DEC offset applied"))
            cards.append((f"{drs}OFFSET{i} DATE-OBS", exposure.date_obs, f"offset {i} applied to this exposure"))
        if exposure.flux_scale != 1.0:
            cards.append((f"{drs}FLUX SCALE{i}", exposure.flux_scale, "scale factor applied to the flux"))
    cards += [("HIERARCH " + k if " " in k else k, value, comment) for k, value, comment in extra]
    for keyword, value, comment in cards:
        header.set(keyword, value, _fitting(keyword, value, comment))
    return header


def _fitting(keyword: str, value: object, comment: str) -> str:
    """The comment, cut to what a card has room for."""
    room = 80 - len(keyword) - len(str(value)) - 12
    return comment[: max(room, 0)]
