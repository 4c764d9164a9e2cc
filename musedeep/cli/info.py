"""`musedeep info`: what a file holds, on one screen."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musedeep.cli.report import Facts, print_facts, size_on_disk
from musedeep.cli.text import size_text
from musedeep.errors import MusedeepError, reason
from musedeep.storage.fits.packed import packing_of
from musedeep.storage.stores.location import Location, StoreUrl, location

MANY = 12
"""Files listed of a selection before the rest is only counted."""


def print_info(path: str) -> None:
    """Print a summary of a pixel table, a store (path or URL), a cube or a selection file; MusedeepError for others."""
    title, facts = describe(location(path))
    print_facts(f"{path}: {title}", facts)


def describe(path: Location) -> tuple[str, Facts]:
    """What a path or URL is, and the facts about it."""
    if isinstance(path, StoreUrl):
        return "pixel-table store", pixel_table_facts(path)
    if not path.exists():
        raise MusedeepError(f"{path}: no such file or store")
    if path.suffix.lower() in (".yaml", ".yml"):
        return "selection file", selection_facts(path)
    if path.is_dir():
        return _store(path)
    if packing := packing_of(path):
        raise packing.refusal(path)
    with open(path, "rb") as stream:
        fits_file = stream.read(6) == b"SIMPLE"
    if not fits_file:
        raise MusedeepError(
            f"{path}: neither FITS nor a zarr store nor YAML; give a pixel table, store, cube or selection file"
        )
    return _fits_file(path)


def selection_facts(path: Path) -> Facts:
    """A selection file: its inputs, parameters and output."""
    from musedeep.selection.campaign.selection_file import load_selection

    chosen = load_selection(path)
    size = sum(size_on_disk(p) for p in chosen.exposures)
    facts = [("target", chosen.target), ("exposures", f"{len(chosen.exposures)} files, {size_text(size)}")]
    facts += [("", str(p)) for p in chosen.exposures[:MANY]]
    if len(chosen.exposures) > MANY:
        facts.append(("", f"and {len(chosen.exposures) - MANY} more"))
    for key in ("offset_list", "output_wcs", "filter_list"):
        if getattr(chosen, key):
            facts.append((key, str(getattr(chosen, key))))
    facts += [(f"  {name}", value) for name, value in chosen.parameter_texts]
    if "combined" in chosen.parameters.save:
        facts.append(("combined_format", ", ".join(sorted(chosen.combined_format))))
    return [*facts, ("output", str(chosen.output))]


def _store(path: Path) -> tuple[str, Facts]:
    if not (path / "zarr.json").is_file():
        raise MusedeepError(f"{path}: a directory without zarr.json is no store; give a store, or a file in it")
    import numpy as np
    import zarr

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is no part of it
            group: Any = zarr.open(path, mode="r")
            arrays = dict(group.arrays()) if isinstance(group, zarr.Group) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MusedeepError(f"{path}: a damaged or foreign zarr store ({reason(error)}); make it again") from error
    if "xpos" in arrays:
        return "pixel-table store", pixel_table_facts(path)
    if isinstance(group, zarr.Group) and "steps" in group.attrs:
        said: Any = group.attrs
        facts = [("corrects", str(one["path"])) for one in said["tables"]]
        kinds = [str(said["steps"][number]["kind"]) for number in said["tables"][-1]["steps"]]
        facts.append(("corrections", ", ".join(kinds)))
        return "store of corrections", [*pixel_table_facts(path), *facts]
    data = arrays.get("data")
    if data is None or data.ndim != 3:
        raise MusedeepError(f"{path}: a zarr store, but neither a pixel table nor a cube of musedeep")
    facts = [("size", f"{data.shape[2]} x {data.shape[1]} spaxels, {data.shape[0]} planes"), ("on disk", _disk(path))]
    wave = arrays.get("wavelength")
    if wave is not None and wave.shape[0]:
        values = np.asarray(wave[:], np.float64)
        facts.append(("wavelength", f"{values[0]:.2f} to {values[-1]:.2f} Angstrom"))
    facts += [(k, str(v)) for k, v in group.attrs.items() if isinstance(v, str | int | float) and len(str(v)) < 80]
    facts += [(name, f"{a.shape} {a.dtype}, chunks {a.chunks}") for name, a in sorted(arrays.items())]
    return "cube store", facts


def _disk(path: Path) -> str:
    return size_text(size_on_disk(path))


def _fits_file(path: Path) -> tuple[str, Facts]:
    from musedeep.storage.fits.headers import scan_file, text_of

    hdus = scan_file(path)
    names = {h.name.lower() for h in hdus}
    for hdu in hdus[1:]:
        columns = range(1, 1000) if hdu.cards[0].startswith("XTENSION= 'BINTABLE") else ()
        names |= {text_of(hdu.header, f"TTYPE{i}", path).lower() for i in columns if f"TTYPE{i}" in hdu.header}
    if {"xpos", "ypos", "lambda"} <= names:
        return "pixel table", pixel_table_facts(path)
    for kind, name in (("cube", "DATA"), ("exposure map", "EXPOSURES")):
        found = next((h for h in hdus if h.name.upper() == name and h.header.get("NAXIS") == 3), None)
        if found is not None:
            return kind, cube_facts(path, hdus, found.header)
    return "FITS file", [(h.name or "primary", "x".join(map(str, _shape(h.header))) or "-") for h in hdus]


def _shape(header: Any) -> list[int]:
    return [header[f"NAXIS{i + 1}"] for i in range(header.get("NAXIS", 0))]


def _of(header: Any) -> Callable[[str, str], str]:
    """Keywords of a header in a format, '-' where they are missing; as they are where they are no numbers."""
    from musedeep.storage.fits.headers import value_of

    def value(key: str, form: str = "") -> str:
        found = value_of(header, key)
        try:
            return "-" if found is None else str(found) if isinstance(found, bool) else format(found, form)
        except ValueError:
            return str(found)

    return value


def _pointing(header: Any) -> Facts:
    value = _of(header)
    angle = value("ESO INS DROT POSANG", "g")
    return [
        ("target", value("OBJECT", "")),
        ("observed", f"{value('DATE-OBS', '')}, {value('EXPTIME', 'g')} s, {value('ESO INS MODE', '')}"),
        ("pointing", f"RA {value('RA', '.6f')}, Dec {value('DEC', '.6f')} deg, position angle {angle} deg"),
    ]


def pixel_table_facts(path: Location) -> Facts:
    """A pixel table, FITS or store."""
    from musedeep.storage.pixel_tables.open import open_pixel_table

    table = open_pixel_table(path)
    try:
        header = table.header
        value = _of(header)
        limits = "ESO DRS MUSE PIXTABLE LIMITS "
        n = table.nbytes
        combined = value("ESO DRS MUSE PIXTABLE COMBINED", "")
        return [
            *_pointing(header),
            *([("exposures combined", combined)] if combined not in ("-", "1") else []),
            ("stage", value("ESO DRS MUSE PIXTABLE WCS", "")),
            ("rows", f"{table.n_rows:,}"),
            ("IFUs", f"{value(limits + 'IFU LOW', '')} to {value(limits + 'IFU HIGH', '')}"),
            ("wavelength", f"{value(limits + 'LAMBDA LOW', '.2f')} to {value(limits + 'LAMBDA HIGH', '.2f')} Angstrom"),
            ("on disk", f"{size_text(n)}, {n / max(table.n_rows, 1):.2f} bytes a row"),
            *((name, table.units.get(name, "") or "-") for name in table.names),
        ]
    finally:
        table.close()


def cube_facts(path: Path, hdus: Any, header: Any) -> Facts:
    """A cube or an exposure map in FITS: all its HDUs, and the header of the one with three axes."""
    primary = hdus[0].header
    value = _of(header)
    first = f"{value('CTYPE3', '')} {value('CRVAL3', '.2f')}"
    facts = _pointing(primary)
    facts += [
        ("exposures combined", _of(primary)("ESO PRO DATANCOM", "")),
        ("size", f"{header['NAXIS1']} x {header['NAXIS2']} spaxels, {header['NAXIS3']} planes"),
        ("spaxel", f"{_arcsec(header, 'CD1_1', 'CD2_1')} x {_arcsec(header, 'CD1_2', 'CD2_2')} arcsec"),
        ("wavelength", f"{first} at plane {value('CRPIX3', 'g')}, step {value('CD3_3', 'g')} {value('CUNIT3', '')}"),
        ("unit", value("BUNIT", "")),
        ("on disk", _disk(path)),
        ("extensions", ", ".join(h.name for h in hdus[1:])),
    ]
    for key, text in (("NDET", "sources detected"), ("FWHM MEDIAN", "median FWHM")):
        if f"ESO QC EXPCOMB {key}" in primary:
            facts.append((text, _of(primary)(f"ESO QC EXPCOMB {key}", ".3g") + (" arcsec" if "FWHM" in key else "")))
    return facts


def _arcsec(header: Any, *keys: str) -> str:
    from musedeep.storage.fits.headers import number_or_none

    return f"{sum((number_or_none(header, k) or 0.0) ** 2 for k in keys) ** 0.5 * 3600:.4g}"
