"""Quality control of a finished product: its values, scores, flag, findings and figures (quality.json, figures/).

1. The images of its exposures are brought to the grid of the cube: stars give widths and transparencies, the residuals
   against each other misaligned exposures and satellites.
2. The cube is read once, plane by plane.
3. Raw frames that are there are read for their bright pixels.
4. Values are compared with their ranges; the flag follows.
5. Figures are drawn aside and get their names together, then quality.json its own.
"""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.kernels.field.sources import background
from musedeep.progress import LOG
from musedeep.quality import misalignment, trails
from musedeep.quality.assessed import Assessed
from musedeep.quality.cube import CubeFacts, cube_facts
from musedeep.quality.misalignment import Shift
from musedeep.quality.notes import fewer_exposures, notes
from musedeep.quality.product_files import ProductFiles, open_product
from musedeep.quality.ranges import Ranges, read_ranges
from musedeep.quality.record import QUALITY, ExposureRecord, Finding, QualityRecord, write_record
from musedeep.quality.saturation import BrightCounts, bright_counts
from musedeep.quality.scores import Values, exposure_flag, exposure_values, flag, product_values, scores_of
from musedeep.quality.singles import Singles, read_singles
from musedeep.quality.stars import USUAL, Conditions, completed, conditions
from musedeep.quality.trails import Trail
from musedeep.quality.windows import SIDE, local_limit
from musedeep.reduction.cube.depth import limiting_magnitude
from musedeep.storage.outputs import leftovers

Floats = NDArray[np.float64]

SOURCE: Final = 3.0
"""Signal to noise of pixels that belong to a source."""


def assess(folder: Path, ranges: Ranges | None = None, figures: bool = True, raws: bool = True) -> QualityRecord:
    """Judge a finished product and write its quality.json, and its figures.

    Parameters
    ----------
    folder : of the product, as CAMPAIGN/products/NAME/v1
    ranges : of quality parameters; None: those of the package
    raws : read the raw frames that are there for their bright pixels

    Raises
    ------
    MusedeepError
        The product or one of its files is not there, cut off or damaged; the disk is full.
    """
    for left in leftovers(folder / QUALITY):
        left.unlink(missing_ok=True)
    assessed = measure(open_product(folder), read_ranges() if ranges is None else ranges, raws)
    quality = assessed.quality
    if figures:
        from musedeep.quality.figures.product import draw_all

        drawn = draw_all(assessed)
        quality = quality.model_copy(update={"figures": drawn})
    write_record(quality, folder / QUALITY)
    if not figures:
        # those of an earlier state of the product would mislead
        shutil.rmtree(folder / "figures", ignore_errors=True)
    return quality


def measure(files: ProductFiles, ranges: Ranges, raws: bool = True) -> Assessed:
    """Values, scores, flag and findings of a product, without writing anything; raises as `assess`."""
    record = files.record
    exposures = list(record.used)
    if not exposures:
        raise MusedeepError(f"{files.folder}: no exposure is in the cube; run the campaign again")
    with_image = [k for k, one in enumerate(exposures) if one.image]
    findings: list[Finding] = []
    singles = seen = None
    shifts: list[Shift] = []
    found: list[Trail] = []
    if with_image:
        singles = read_singles([exposures[k] for k in with_image], files.campaign, (files.plane, files.shape))
        seen = conditions(singles)
        exposures = _completed(exposures, singles, seen)
        singles = singles.scaled([float(v) if np.isfinite(v) else 1.0 for v in seen.transparency])
        limit = ranges["misaligned"].high if "misaligned" in ranges else None
        if len(with_image) > 1:
            shifts = misalignment.shifts(singles, seen.sources, seen.heights, limit or misalignment.LIMIT)
            found = [trail for k in range(len(with_image)) for trail in trails.find_trails(singles, k)]
        brightest = ranges["satellite"].high if "satellite" in ranges else None
        findings += misalignment.findings(shifts) + trails.findings(found, brightest)
    if len(with_image) < len(exposures):
        text = (
            f"{len(exposures) - len(with_image)} of {len(exposures)} exposures have no image: stars do not judge them"
        )
        findings.append(Finding(kind="no image", text=text))
    sources = seen.sources if seen is not None and len(seen.sources) else files.sources()
    width = float(np.nanmedian(seen.fwhm)) if seen is not None and np.isfinite(seen.fwhm).any() else USUAL
    image = files.image if files.image is not None else (singles.mean if singles else None)
    empty = _without_sources(image, files.shape)
    facts = cube_facts(files.cube, sources, width / files.plane.scale, empty, files.plane.scale)
    bright = _bright_counts(files, exposures) if raws else {}
    exposures = [_with_saturation(one, bright.get(one.name)) for one in exposures]
    pointings = singles.pointings() if singles else []
    values = _product_values(files, exposures, facts, empty)
    values |= {"pointings": float(len(set(pointings))) if pointings else None}
    each = _each(files, exposures, with_image, singles, shifts, found)
    scores = scores_of(values, ranges, "product")
    for name, own in each.items():
        scores += scores_of(own, ranges, "exposure", name)
    used = record.model_copy(update={"exposures": exposures})
    text, unknown = flag(used, list(each.values()), values, ranges)
    findings += [*_craters(facts), *unknown, *notes(used, values)]
    if files.times:
        findings += fewer_exposures(files.waves, files.times.per_plane, facts.light, len(exposures))
    known = {name: None if value is None or not math.isfinite(value) else value for name, value in values.items()}
    quality = QualityRecord(flag=text, scores=scores, findings=findings, values=known)
    flags = {one.name: exposure_flag(used, one, ranges) for one in exposures}
    return Assessed(
        files, exposures, with_image, singles, seen, shifts, found, facts, bright, each, quality, flags, pointings
    )  # fmt: skip


def _completed(exposures: Sequence[ExposureRecord], singles: Singles, seen: Conditions) -> list[ExposureRecord]:
    """With what images tell where the record does not say it."""
    measured = completed(exposures, singles, seen)
    keys = ("fwhm", "transparency", "background")
    return [
        new.model_copy(update={key: getattr(old, key) for key in keys if getattr(old, key) is not None})
        for old, new in zip(exposures, measured, strict=True)
    ]


def _without_sources(image: NDArray[np.floating] | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if image is None:
        return np.ones(shape, np.bool_)
    middle, noise = background(image)
    return np.asarray(image < middle + SOURCE * noise)


def _bright_counts(files: ProductFiles, exposures: Sequence[ExposureRecord]) -> dict[str, BrightCounts]:
    """Bright pixels of the raw frames that are there; one that cannot be read is told."""
    out = {}
    for one in exposures:
        path = files.campaign / one.raw
        if not one.raw or not path.is_file():
            continue
        try:
            out[one.name] = bright_counts(path)
        except MusedeepError as error:
            LOG.warning(f"{error}; its bright pixels are not counted")
    return out


def _with_saturation(one: ExposureRecord, counts: BrightCounts | None) -> ExposureRecord:
    if one.saturated is not None or counts is None:
        return one
    return one.model_copy(update={"saturated": counts.saturated})


def _product_values(
    files: ProductFiles, exposures: Sequence[ExposureRecord], facts: CubeFacts, empty: NDArray[np.bool_]
) -> Values:
    """Values of the product, by name."""
    used = files.record.model_copy(update={"exposures": list(exposures)})
    pixnoise, limit = files.number("PIXNOISE"), files.number("ABMAGLIM")
    image = facts.image if files.image is None else files.image
    scale = files.plane.scale
    waves = files.waves
    width = (files.number("SKY_RES") or USUAL) / scale
    local = local_limit(image, width, (float(waves[0]), float(waves[-1])), max(8, round(SIDE / scale)))
    middle, noise = background(image)
    return product_values(used) | {
        "naxis1": float(files.shape[1]), "naxis2": float(files.shape[0]), "naxis3": float(files.cube.shape[0]),
        "n_sources": files.n_sources(), "abmaglim": limit, "abmaglim_local": local,
        "pixnoise": None if pixnoise is None else pixnoise * 1e20, "histo_mode": facts.histogram.mode(),
        "histo_17": facts.histogram.histo_17(), "histo_width": facts.histogram.width(), "noise": facts.local_noise,
        "noise_ratio": facts.local_ratio, "background": middle, "image_noise": noise,
        "crater": float(np.median(facts.holes[:5])) if facts.holes.size else None,
        "lit": float(1.0 - empty[np.isfinite(image)].mean()) if np.isfinite(image).any() else None,
        "quadrant_step": _quadrants(image, empty), "epochs": float(len({int(one.mjd - 0.5) for one in exposures})),
    }  # fmt: skip


def _quadrants(image: NDArray[np.floating], empty: NDArray[np.bool_]) -> float | None:
    """Largest difference of the background of quadrants, over the noise of a pixel."""
    ny, nx = image.shape
    levels = []
    for y in (slice(0, ny // 2), slice(ny // 2, ny)):
        for x in (slice(0, nx // 2), slice(nx // 2, nx)):
            some = image[y, x][empty[y, x] & np.isfinite(image[y, x])]
            if some.size > 100:
                levels.append(float(np.median(some)))
    noise = background(image)[1]
    return (max(levels) - min(levels)) / noise if len(levels) == 4 and noise > 0 else None


def _craters(facts: CubeFacts) -> list[Finding]:
    holes = int((facts.holes > 0).sum())
    if holes < 2:
        return []
    text = (
        f"{holes} of the {facts.holes.size} brightest sources have a hole in their middle, as of a misaligned exposure"
    )
    return [Finding(kind="craters", text=text, value=float(holes))]


def _each(
    files: ProductFiles,
    exposures: Sequence[ExposureRecord],
    with_image: Sequence[int],
    singles: Singles | None,
    shifts: Sequence[Shift],
    found: Sequence[Trail],
) -> dict[str, Values]:
    """Values of each exposure, by name."""
    out = {one.name: exposure_values(one) for one in exposures}
    waves = files.waves
    limits = float(waves[0]), float(waves[-1])
    for number in range(len(with_image)):
        assert singles is not None
        image = singles.images[number]
        # as for the cube, so that both can be compared
        width = (files.number("SKY_RES") or out[image.name]["fwhm"] or USUAL) / singles.scale
        own = limiting_magnitude(image.data * image.scale, width, limits)
        peaks = [trail.peak / trail.noise for trail in found if trail.exposure == image.name and trail.noise > 0]
        out[image.name] |= {
            "naxis1": float(image.pixels[1]), "naxis2": float(image.pixels[0]), "abmaglim": own,
            "noise": image.noise * image.scale, "satellite": max(peaks, default=0.0),
        }  # fmt: skip
    for shift in shifts:
        out[shift.name] |= {"misaligned": shift.size if math.isfinite(shift.size) else None}
    return out
