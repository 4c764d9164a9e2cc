"""muse_qi_mask: masks of raw images that leave the pixels within the slices and the range of wavelengths.

1. Trace and wavelength solution of an IFU give the wavelength of every pixel between the edges of its slices; with a
   binned detector, the mean of the pixels that are read together, all of which have to lie in the slice.
2. Pixels from 4650 to 9300 Angstrom are 1, the others 0.
3. The mask is laid out as the raw image, with its pre- and overscan.
4. The header has the corners of each slice on the mask, and a quadratic function of the row for wavelengths along the
   middles of the slices: linear and quadratic term of the mean of all slices, the constant of each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.instrument import BORDER, N_COLUMNS, N_IFUS, N_ROWS, N_SLICES
from musedeep.kernels.slices.slice_pixels import trace_edges
from musedeep.kernels.slices.wave_map import binned, from_column, wavelength_map
from musedeep.recipes.qi_mask.recipe import RECIPE, QiMaskParameters
from musedeep.recipes.run_ifus import Outcome, RecipeCall
from musedeep.reduction.headers.cards import Card
from musedeep.reduction.headers.product import image_cards, product_header
from musedeep.reduction.image.calibrations import Calibrations
from musedeep.reduction.parameters import OverscanParameters
from musedeep.storage.calibrations.trace_table import TraceTable
from musedeep.storage.calibrations.wavecal_table import WavecalTable
from musedeep.storage.fits.hdus import whole_file
from musedeep.storage.fits.header_cards import add
from musedeep.storage.fits.headers import integer_of
from musedeep.storage.fits.parts import header_bytes, padded
from musedeep.storage.outputs import refuse_existing
from musedeep.storage.raw.frames import RawFrame, open_raw_frame, raw_ifus

LOW, HIGH = np.float32(4650.0), np.float32(9300.0)
"""Limits of wavelengths, both inside, Angstrom."""
NAME: Final = "MASK_IMAGE_0001"


@dataclass(frozen=True)
class Layout:
    """How a raw image is laid out: its shape, the quadrants on it and on the trimmed image, columns and rows binned."""

    shape: tuple[int, int]
    quadrants: tuple[tuple[tuple[slice, slice], tuple[slice, slice]], ...]
    binning: tuple[int, int] = (1, 1)

    @classmethod
    def usual(cls) -> "Layout":
        """That of an unbinned detector."""

        def halves(n: int) -> tuple[tuple[slice, slice], ...]:
            half = n // 2
            upper = slice(half + 3 * BORDER, n + 3 * BORDER), slice(half, n)
            return (slice(BORDER, half + BORDER), slice(0, half)), upper

        quadrants = [((y, x), (ty, tx)) for y, ty in halves(N_ROWS) for x, tx in halves(N_COLUMNS)]
        return cls((N_ROWS + 4 * BORDER, N_COLUMNS + 4 * BORDER), tuple(quadrants))

    @classmethod
    def of(cls, frame: RawFrame) -> "Layout":
        """That of a raw frame; MusedeepError for a binning that is no number, or below 1."""
        quadrants = [((p.rows, p.columns), (p.trimmed_rows, p.trimmed_columns)) for p in frame.ports]
        header = frame.header if "ESO DET BINX" in frame.header else frame.primary
        found = [integer_of(header, f"ESO DET BIN{axis}", frame.path, default=1, low=1) for axis in "XY"]
        return cls(frame.shape, tuple(quadrants), (found[0], found[1]))


def run(call: RecipeCall[QiMaskParameters]) -> Outcome:
    """Write the mask of one IFU, or one file of all; an IFU that fails is reported and left out.

    Raises
    ------
    MusedeepError
        The product exists already or cannot be written, or all IFUs failed.
    """
    nifu = call.parameters.nifu
    ifus = [nifu] if nifu else held(call.frames["TRACE_TABLE"])
    path = call.output / (f"{NAME}-{nifu:02d}.fits" if nifu else f"{NAME}.fits")
    refuse_existing(path, call.overwrite)
    outcome = Outcome()
    made, used, frames = [], {tag: list[str]() for tag in ("TRACE_TABLE", "WAVECAL_TABLE")}, []
    call.progress.begin(len(ifus), "IFUs")
    for ifu in ifus:
        try:
            frame = next((open_raw_frame(bias, ifu) for bias in call.frames["BIAS"]), None)
            calibrations = Calibrations(call.frames, ifu, OverscanParameters())
            layout = Layout.of(frame) if frame else Layout.usual()
            mask, cards = mask_of(calibrations.trace, calibrations.waves, layout)
            header = image_cards(frame or RawFrame(path, ifu, fits.Header(), fits.Header(), layout.shape))
            for key in [key for key in header if re.search(r"PRSC|OVSC|DET BIN|DET READ", key)]:
                header.remove(key)
            add(header, *cards)
            made.append((header, mask))
            frames.append(frame)
            for tag, files in calibrations.files().items():
                if tag in used:
                    used[tag] = [*dict.fromkeys([*used[tag], *files])]
        except MusedeepError as error:
            outcome.failures[ifu] = f"IFU {ifu}: {error}"
        call.progress.advance()
    if not made:
        raise MusedeepError("; ".join(outcome.failures.values()))
    primary = primary_of(call, frames[0], path.name, used)
    with whole_file(path, sum(padded(mask.nbytes) for _, mask in made), call.overwrite) as stream:
        stream.write(header_bytes(primary, False, 8, ()))
        for header, mask in made:
            stream.write(header_bytes(header, True, 8, mask.shape))
            stream.write(mask.data)
            stream.write(b"\0" * (padded(mask.nbytes) - mask.nbytes))
    call.progress.stop()
    outcome.paths.append(path)
    return outcome


def held(traces: Sequence[str]) -> list[int]:
    """The IFUs that there are traces of; raises MusedeepError if no file says of which IFU it is."""
    found = sorted({ifu for path in traces for ifu in raw_ifus(path)})
    if not found:
        raise MusedeepError(f"{', '.join(traces)}: no EXTNAME CHANnn says of which IFU; give nifu=1 to {N_IFUS}")
    return found


def primary_of(
    call: RecipeCall[QiMaskParameters], frame: RawFrame | None, name: str, used: dict[str, list[str]]
) -> fits.Header:
    """Primary header of the masks, that of the raw frame if there is one."""
    start = frame.primary.copy() if frame else fits.Header()
    whole = RawFrame(frame.path if frame else call.output, 0, start, fits.Header(), (0, 0))
    start.remove("EXPTIME", ignore_missing=True)
    extra: list[Card] = [
        ("OBJECT", "Mask full MUSE range", "what the mask is for"),
        ("ESO DET FRS WMIN", np.float32(LOW), "[Angstrom] Shortest wavelength of the mask"),
        ("ESO DET FRS WMAX", np.float32(HIGH), "[Angstrom] Longest wavelength of the mask"),
    ]
    frames = {"BIAS": call.frames["BIAS"], **used}
    header = product_header(RECIPE, whole, "MASK_IMAGE", name, frames, call.parameters, extra)
    header.remove("EXTNAME")
    return header


def mask_of(trace: TraceTable, waves: WavecalTable, layout: Layout) -> tuple[NDArray[np.uint8], list[Card]]:
    """The mask of a raw image, uint8 of its shape, and cards on its slices.

    Raises
    ------
    MusedeepError
        Not one slice has both a trace and wavelengths.
    """
    number = [k for k in range(N_SLICES) if trace.valid[k] and waves.valid[k]]
    if not number:
        raise MusedeepError(f"{trace.path}, {waves.path}: no slice has a trace and wavelengths; make them again")
    width, height = layout.binning
    n_rows = height * max(trimmed[0].stop for _, trimmed in layout.quadrants)
    n_columns = width * max(trimmed[1].stop for _, trimmed in layout.quadrants)
    edges = trace_edges(trace.edges, n_rows)
    mask = np.zeros(layout.shape, np.uint8)
    cards: list[Card] = []
    for k in number:
        # no further than the slice reaches, and whole binned pixels
        left = max(int(np.floor(edges[k, 0].min())) - 1, 0) // width * width
        right = min(-(-int(np.ceil(edges[k, 1].max())) // width) * width, n_columns)
        part = np.zeros((n_rows, right - left), np.float32)
        shifted = from_column(waves.coefficients[k], left)
        wavelength_map(edges[k] - left, shifted, part)
        part = binned(part, height, width)
        lit = (part >= LOW) & (part <= HIGH)
        cards += _place(k + 1, lit, left // width, layout, mask)
    return mask, [*_wavelengths(trace, waves, number, n_rows, height), *cards]


def _place(number: int, lit: NDArray[np.bool_], first: int, layout: Layout, mask: NDArray[np.uint8]) -> list[Card]:
    """Put the pixels of a slice, from column `first` (from 0) of the trimmed image on, into the mask; its corners."""
    rows, columns = np.nonzero(lit)
    if not rows.size:
        return []
    columns = columns + first
    y, x = np.empty_like(rows), np.empty_like(columns)
    for raw, trimmed in layout.quadrants:
        inside = (rows >= trimmed[0].start) & (rows < trimmed[0].stop)
        inside &= (columns >= trimmed[1].start) & (columns < trimmed[1].stop)
        y[inside] = rows[inside] - trimmed[0].start + raw[0].start
        x[inside] = columns[inside] - trimmed[1].start + raw[1].start
    mask[y, x] = 1
    corners = (
        ("XSTART", x.min(), "First column"),
        ("YSTART", y.min(), "First row"),
        ("XEND", x.max(), "Last column"),
        ("YEND", y.max(), "Last row"),
    )
    return [(f"ESO DET SLICE{number} {key}", int(at) + 1, f"[pix] {word} of the slice") for key, at, word in corners]


def _wavelengths(trace: TraceTable, waves: WavecalTable, number: Sequence[int], n_rows: int, height: int) -> list[Card]:
    """The quadratic functions of the row, from 1 on the trimmed image."""
    rows = np.arange(1.0, n_rows + 1)
    centre = trace.at(rows)[:, 0]
    along = np.array([waves.at(k + 1, centre[k], rows) for k in number])
    middle = along[:, n_rows // 2 - 1]
    row = (rows - 0.5) / height + 0.5
    constant, linear, quadratic = np.polynomial.polynomial.polyfit(row, (along - middle[:, None]).mean(0), 2)
    cards: list[Card] = [
        (f"ESO DET WLEN SLICE{k + 1} POLY0", np.float32(one + constant), "[Angstrom] Wavelength at row 0")
        for k, one in zip(number, middle, strict=True)
    ]
    return [
        *cards,
        ("ESO DET WLEN POLY1", np.float32(linear), "[Angstrom] Linear term of all slices"),
        ("ESO DET WLEN POLY2", np.float32(quadratic), "[Angstrom] Quadratic term of all slices"),
    ]
