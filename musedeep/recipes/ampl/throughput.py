"""muse_ampl: the throughput of an IFU, from lamp flats with readings of two photodiodes.

1. The exposures are calibrated to count and combined. A count is taken as a photon.
2. Photons of each pixel within the slices are multiplied with the curve of the filter before photodiode 2, and with
   their energies.
3. The power of all pixels, over the area of the IFU in the focal plane, is compared with the power density that each
   photodiode measures: its current over its sensitivity at the mean wavelength; of the second, times `fbeam`.
4. The same of each slice, with its part of the area.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import N_IFUS, N_SLICES
from musedeep.recipes.ampl.light import (
    CALIBRATION_ERROR,
    SliceLight,
    currents,
    filter_name,
    mean_wavelength,
    sensitivities,
    slice_light,
    table_columns,
)
from musedeep.recipes.ampl.recipe import RECIPE, AmplParameters
from musedeep.recipes.run_ifus import IfuProducts, RecipeCall, Written, by_ifu, chosen_ifus, product_name
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.image.combine import combine, input_cards, measure_all, overscan_cards
from musedeep.reduction.image.inputs import exposure_time, open_frames
from musedeep.storage.calibrations.filters import read_filters
from musedeep.storage.fits.hdus import whole_file
from musedeep.storage.fits.header_cards import add, free_cards
from musedeep.storage.fits.headers import number_of
from musedeep.storage.fits.image import MuseImage
from musedeep.storage.fits.parts import header_bytes, padded
from musedeep.storage.fits.table import binary_table
from musedeep.storage.raw.file import extension_name
from musedeep.storage.raw.frames import RawFrame

Floats = NDArray[np.float64]

FIELD: Final = {"WFM": 60.0, "NFM": 7.557}
"""Side of the field of view of all IFUs, arcsec (areas that the ESO pipeline prints without a geometry table)."""
SPAXELS: Final = 300.0
ROWS: Final = 288
"""Spaxels across the field, and rows of slices in it."""


def ampl_products(call: RecipeCall[AmplParameters], ifu: int) -> Iterator[IfuProducts]:
    """The images, the table and the throughput of one IFU.

    Raises
    ------
    MusedeepError
        Bad input: no readings, or not in mA; a filter that is not in the FILTER_LIST, or lets no light pass.
    """
    p = call.parameters
    frames = open_frames(call.frames["AMPL"], ifu, "AMPL", RECIPE.inputs[0].minimum, RECIPE.name)
    p.check_number(len(frames))
    # before the long work
    current = currents(frames)
    name, path = filter_name(frames[0]), call.frames["FILTER_LIST"][0]
    curves, missing = read_filters(path, (name,))
    if missing:
        raise MusedeepError(f"{path}: no filter {name}, which {frames[0].path} names; give a FILTER_LIST that has it")
    calibrations = Calibrations(call.frames, ifu, p)
    calibrations.check_chip(frames[0])
    area = area_of(call, calibrations, frames[0])
    seconds = exposure_time(frames[0])
    measured = measure_all(frames, p)
    image = combine(measured, p, calibrations.of(frames[0]), p)
    saturation: list[Card] = [
        *input_cards(measured, "AMPL"),
        ("ESO QC AMPL MASTER NSATURATED", image.n_saturated, "Number of saturated pixels in the combined image"),
    ]

    def header(category: str, cards: Sequence[Card]) -> fits.Header:
        file = product_name(category, ifu)
        return product_header(RECIPE, frames[0], category, file, call.frames, p, [*cards, *saturation])

    light = list(slice_light(image, calibrations.trace, calibrations.waves, curves[0]))
    if not sum(float(one.photons.sum(dtype=np.float64)) for one in light) > 0:
        raise MusedeepError(
            f"{path}: filter {name} lets no light pass that the exposures have; give another FILTER_LIST"
        )
    cards = quality_cards(light, p, area, seconds, current)
    if p.savemaster:
        master = header("MASTER_AMPL", overscan_cards(measured, p))
        yield IfuProducts(images={"MASTER_AMPL": MuseImage(image.data, image.dq, image.stat, master, "count")})
    if p.savetable:
        table = binary_table(table_columns(light, image, ifu))
        yield IfuProducts(tables={"TABLE_AMPL": (header("TABLE_AMPL", cards + table_cards(light, ifu)), table)})
    shape = image.data.shape
    del image
    primary = header("AMPL_CONVOLVED", cards)

    def write(call: RecipeCall, ifu: int) -> Written:
        return [("AMPL_CONVOLVED", write_convolved(call, ifu, primary, light, shape))]

    yield IfuProducts(writers=[write])


def area_of(call: RecipeCall[AmplParameters], calibrations: Calibrations, frame: RawFrame) -> float:
    """Area of an IFU in the focal plane, cm2: of its slices, or a 24th of the field without a geometry table."""
    mode = str(frame.primary.get("ESO INS MODE", "WFM"))[:3]
    side = FIELD.get(mode, FIELD["WFM"])
    scale = 10.0 * number_of(frame.primary, "ESO TEL FOCU SCALE", frame.path, 1.705, low=1e-3)
    if not call.frames.get("GEOMETRY_TABLE"):
        return side**2 / N_IFUS / scale**2
    places = calibrations.geometry
    # the four stacks of slices side by side; rows of slices lie about one unit apart
    stacks = np.array_split(np.argsort(places[:, 0], kind="stable"), 4)
    step = float(np.mean([np.ptp(places[one, 1]) / (one.size - 1) for one in stacks]))
    return float(places[:, 3].sum()) * (side / SPAXELS) * step * (side / ROWS) / scale**2


def quality_cards(
    light: Sequence[SliceLight], p: AmplParameters, area: float, seconds: float, current: tuple[float, float]
) -> list[Card]:
    """ESO QC AMPL of photons, power and throughput; `current` in A, `area` in cm2."""
    photons = sum(float(one.photons.sum(dtype=np.float64)) for one in light)
    power = {one.number: float(one.energy.sum(dtype=np.float64)) / seconds for one in light}
    total = sum(power.values())
    first, second, error = sensitivities(mean_wavelength(light, p.temp))
    expected = current[0] / first, p.fbeam * current[1] / second
    thru1, thru2 = (100.0 * total / area / density for density in expected)
    each = area / N_SLICES
    return [
        ("ESO QC AMPL PHOTONS", np.float32(photons), "[ph] Photons of all pixels within the filter"),
        ("ESO QC AMPL POWER", np.float32(total), "[W] Power on the detector within the filter"),
        ("ESO QC AMPL THRU1", np.float32(thru1), "[%] Throughput against photodiode 1"),
        ("ESO QC AMPL THRU2", np.float32(thru2), "[%] Throughput against photodiode 2"),
        ("ESO QC AMPL THRU2ERR", np.float32(thru2 * np.hypot(CALIBRATION_ERROR, error)), "[%] Its error"),
        *(
            (f"ESO QC AMPL SLICE{k} THRU2", np.float32(100.0 * one / each / expected[1]), "[%] Throughput of the slice")
            for k, one in power.items()
        ),
    ]


def table_cards(light: Sequence[SliceLight], ifu: int) -> list[Card]:
    """ESO DRS MUSE PIXTABLE of TABLE_AMPL."""
    key = "ESO DRS MUSE PIXTABLE "
    x, waves = ([getattr(one, name) for one in light if one.y.size] for name in ("place", "wavelength"))
    ends = {
        "X": (min(v.min() for v in x), max(v.max() for v in x)),
        "Y": (0.0, 0.0),
        "LAMBDA": (min(v.min() for v in waves), max(v.max() for v in waves)),
    }
    cards: list[Card] = [(key + "TYPE", "SIMPLE", "places across the slices only")]
    cards += [(f"{key}EXP0 IFU{ifu:02d} SLICE{one.number:02d} XOFFSET", one.offset, "column of x = 0") for one in light]
    for axis, values in ends.items():
        cards += [
            (f"{key}LIMITS {axis} {end}", np.float32(v), "") for end, v in zip(("LOW", "HIGH"), values, strict=True)
        ]
    numbers = [one.number for one in light]
    for axis, (low, high) in {"IFU": (ifu, ifu), "SLICE": (min(numbers), max(numbers))}.items():
        cards += [(f"{key}LIMITS {axis} LOW", low, ""), (f"{key}LIMITS {axis} HIGH", high, "")]
    return cards


def write_convolved(
    call: RecipeCall, ifu: int, primary: fits.Header, light: Sequence[SliceLight], shape: tuple[int, ...]
) -> Path:
    """Write AMPL_CONVOLVED of one IFU, as a part if it is to be merged; the path."""
    merge = call.parameters.merge and len(chosen_ifus(RECIPE, call)) > 1
    path = call.output / product_name("AMPL_CONVOLVED", ifu)
    if merge:
        path = path.with_name(f".{path.name}.{os.getpid()}.part")
    prefix = extension_name(ifu) + "." if merge else ""
    image = np.empty(shape, ">f4")
    with whole_file(path, 2 * padded(image.nbytes), merge or call.overwrite) as stream:
        stream.write(header_bytes(primary, False, 8, ()))
        for name, unit, field in (("PHOTONS", "ph", "photons"), ("ENERGY", "J", "energy")):
            image[:] = 0.0
            for one in light:
                image[one.y, one.x] = getattr(one, field)
            header = fits.Header()
            add(header, ("EXTNAME", prefix + name, "times the filter"), ("BUNIT", unit, ""))
            if merge and name == "PHOTONS":
                header.extend(free_cards(primary), unique=True, update=False)
            stream.write(header_bytes(header, True, -32, shape))
            stream.write(image.data)
            stream.write(b"\0" * (padded(image.nbytes) - image.nbytes))
    return path


run = by_ifu(RECIPE, ampl_products)
