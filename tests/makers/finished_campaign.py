"""A finished campaign as the cascade leaves it: plan, cubes, images, exposure maps, records and logs, of known truth.

The cubes are small (a few dozen planes of 60 x 60 spaxels), their headers are those of science data products. Exposures
differ in seeing, transparency, background and pointing; their offsets are measured, but for one that may be wrong.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.quality.record import (
    PRODUCT,
    AlignmentTry,
    ExposureRecord,
    ProductRecord,
    StepRecord,
    campaign_folder,
    product_folder,
    write_record,
)
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.depth import collapse_cube
from musedeep.reduction.cube.grid import Grid, Limits
from musedeep.reduction.cube.headers import product_header
from musedeep.reduction.cube.job import Exposure, Job
from musedeep.reduction.cube.products import cube_wcs, write_image
from musedeep.reduction.cube.quality import source_cards
from musedeep.reduction.cube.science_product import science_cards
from musedeep.selection.campaign.plan_file import Method, Plan, Product, Target, write_plan
from musedeep.selection.dates import date_of
from musedeep.storage.cubes.cube_fits import CubeFile, CubeWCS, extension_header, field_image_header
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.cubes.field_view import FieldPlane, write_field_view
from musedeep.storage.fits.header_cards import checksum_cards
from musedeep.storage.offset_list import OffsetRow, write_offset_list

Floats = NDArray[np.float64]

SPAXEL = 0.2
"""[arcsec]"""
POINTING = (53.16, -27.78)
FIRST_WAVELENGTH, STEP = 7000.0, 1.25
EXPTIME = 1500.0
VARIANCE = 64.0
"""Of a voxel of a single exposure, as STAT has it."""
UNIT = "10**(-20)*erg/s/cm**2/Angstrom"
EXPONENT = 2.5
"""Of the Moffat profile of stars."""


@dataclass(frozen=True)
class Trail:
    """A satellite: exposure from 0, peak flux, angle of its trail to the lines [deg], distance to the centre."""

    exposure: int
    peak: float = 60.0
    angle: float = 27.0
    distance: float = 5.0


@dataclass(frozen=True)
class Truth:
    """What went into the exposures.

    Attributes
    ----------
    stars : float64 (n, 3), x, y [pixel from 0] in the grid of the cube, and peak flux at seeing 0.7 arcsec
    galaxy : x, y of the source with an emission line, and its planes
    fwhm, transparency, background : of each exposure, float64 (exposures,)
    pointing : float64 (exposures, 2), errors of the pointing east and north [arcsec]
    shifts : float64 (exposures, 2), what is wrong in the offsets east and north [arcsec]
    """

    stars: Floats
    galaxy: tuple[float, float, slice]
    fwhm: Floats
    transparency: Floats
    background: Floats
    pointing: Floats
    shifts: Floats


@dataclass(frozen=True)
class FinishedCampaign:
    """Paths of a finished campaign: its plan, its folder, the folders of its products; and the truth of the first."""

    plan: Path
    folder: Path
    products: list[Path]
    record: ProductRecord
    truth: Truth


def truth_of(
    exposures: int,
    shape: tuple[int, int],
    planes: int,
    seed: int,
    stars: int = 8,
    shifted: dict[int, float] | None = None,
    pointing: float = 0.15,
) -> Truth:
    """Draw a field and conditions; `shifted` are wrong offsets by number of the exposure [arcsec]."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    places: list[tuple[float, float]] = []
    tries = 0
    while len(places) < stars + 1:
        place = rng.uniform(7, nx - 8), rng.uniform(7, ny - 8)
        tries += 1
        if all(math.dist(place, other) > (11 if tries < 2000 else 4) for other in places):
            places.append(place)
    peaks = 900.0 * 0.6 ** np.arange(stars)
    shifts = np.zeros((exposures, 2))
    for number, size in (shifted or {}).items():
        turn = rng.uniform(0, 2 * np.pi)
        shifts[number] = size * np.cos(turn), size * np.sin(turn)
    middle = planes // 2
    return Truth(
        np.column_stack([np.array(places[:stars]).reshape(-1, 2), peaks]),
        (*places[stars], slice(max(0, middle - 2), middle + 3)),
        rng.uniform(0.65, 0.9, exposures), rng.uniform(0.85, 1.0, exposures), rng.normal(0.0, 1.0, exposures),
        pointing * rng.normal(0.0, 1.0, (exposures, 2)), shifts,
    )  # fmt: skip


def moffat(shape: tuple[int, int], x: float, y: float, fwhm: float) -> Floats:
    """A star of unit peak at a seeing of 0.7 arcsec, and of the same light at others; `fwhm` in arcsec."""
    core = 0.5 * fwhm / SPAXEL / math.sqrt(2.0 ** (1.0 / EXPONENT) - 1.0)
    v, u = np.mgrid[: shape[0], : shape[1]]
    return np.asarray((0.7 / fwhm) ** 2 * (1.0 + ((u - x) ** 2 + (v - y) ** 2) / core**2) ** -EXPONENT)


def exposure_cube(
    truth: Truth,
    number: int,
    shape: tuple[int, int, int],
    seed: int,
    moved: bool,
    trail: Trail | None = None,
    noise: float = 1.0,
) -> NDArray[np.float32]:
    """Voxels of a single exposure on the grid of the cube; `moved` by its wrong offset, or by its pointing error.

    The noise is a factor on the usual one.
    """
    rng = np.random.default_rng([seed, number, int(moved)])
    east, north = truth.shifts[number] if moved else truth.pointing[number]
    dx, dy = -east / SPAXEL, north / SPAXEL
    stars, line = np.zeros(shape[1:]), np.zeros(shape[0])
    for x, y, peak in truth.stars:
        stars += peak * moffat(shape[1:], x + dx, y + dy, truth.fwhm[number])
    x, y, planes = truth.galaxy
    if shape[0] > 1:
        line[planes] = 400.0
    galaxy = moffat(shape[1:], x + dx, y + dy, math.hypot(truth.fwhm[number], 0.5))
    flux = stars + galaxy * (8.0 + line)[:, None, None]
    if trail and trail.exposure == number:
        v, u = np.mgrid[: shape[1], : shape[2]] - np.array(shape[1:]).reshape(2, 1, 1) / 2
        angle = math.radians(trail.angle)
        away = v * math.cos(angle) - u * math.sin(angle) - trail.distance
        flux = flux + trail.peak * np.exp(-0.5 * (away / (0.5 * truth.fwhm[number] / SPAXEL)) ** 2)
    flux = truth.transparency[number] * flux + truth.background[number]
    return np.asarray(flux + noise * math.sqrt(VARIANCE) * rng.normal(size=shape), np.float32)


def combined(
    cubes: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint16]]:
    """Mean without outliers (10 sigma from the median), variances, and numbers of exposures."""
    values = np.array(cubes)
    middle = np.median(values, axis=0)
    kept = np.abs(values - middle) < 10.0 * math.sqrt(VARIANCE)
    number = np.maximum(kept.sum(axis=0), 1)
    mean = np.where(kept, values, 0.0).sum(axis=0) / number
    return mean.astype(np.float32), (VARIANCE / number).astype(np.float32), number.astype(np.uint16)


def finished_campaign(
    parent: Path,
    products: int = 1,
    exposures: int = 8,
    shifted: dict[int, float] | None = None,
    trail: Trail | None = None,
    oversubtracted: bool = False,
    shape: tuple[int, int, int] = (24, 60, 60),
    stars: int = 8,
    seed: int = 1,
    name: str = "deep",
    method: Method = "standard",
    pointing: float = 0.15,
) -> FinishedCampaign:
    """Make a finished campaign in a folder.

    Parameters
    ----------
    products : the first is made; files of the others are links to it, their records differ
    shifted : wrong offsets [arcsec] by number of the exposure, from 0
    oversubtracted : whether 30e-20 too much sky is taken off
    stars : 0 for an empty field
    pointing : standard deviation of errors of the pointing [arcsec]
    """
    plan_path = parent / f"{name}.yaml"
    campaign = campaign_folder(plan_path)
    truth = truth_of(exposures, shape[1:], shape[0], seed, stars, shifted, pointing)
    folder = product_folder(campaign, "FIELD-001", 1)
    for part in (folder / "singles", folder / "logs"):
        part.mkdir(parents=True)
    record = _record(campaign, folder, truth, exposures, method)
    _write_singles(campaign, record, truth, shape, seed, trail, oversubtracted)
    cubes = [exposure_cube(truth, k, shape, seed, True, trail) for k in range(exposures)]
    _write_cube(folder, record, combined([cube - 30.0 * oversubtracted for cube in cubes]))
    rows = [OffsetRow(e.date_obs, e.ra_offset or 0.0, e.dec_offset or 0.0, None, e.mjd) for e in record.exposures]
    write_offset_list(folder / "OFFSET_LIST.fits", rows)
    for step in record.steps:
        (campaign / step.log).write_text(f"2017-06-17T03:00:00 {step.recipe} began\n2017-06-17T03:01:00 done\n")
    write_record(record, folder / PRODUCT)
    folders = [folder]
    for number in range(2, products + 1):
        folders.append(_copy(campaign, folder, record, f"FIELD-{number:03d}"))
    write_plan(plan_path, _plan(name, record, products), [e.name for e in record.exposures])
    return FinishedCampaign(plan_path, campaign, folders, record, truth)


def _record(campaign: Path, folder: Path, truth: Truth, number: int, method: Method) -> ProductRecord:
    place = folder.relative_to(campaign)
    cosine = math.cos(math.radians(POINTING[1]))
    exposures = []
    for k in range(number):
        mjd = 57920.2 + (k // 4) * 9.0 + (k % 4) * 0.025
        measured = truth.pointing[k] - truth.shifts[k]
        name = f"MUSE.{date_of(mjd)}"
        exposures.append(
            ExposureRecord(
                name=name, date_obs=date_of(mjd), mjd=mjd, exposure_time=EXPTIME, mode="WFM-NOAO-N", object="FIELD-001",
                target="FIELD-001", ob_id=str(1000 + k // 2), ob_name=f"FIELD-001-{k // 2 + 1}", run="099.A-0001(A)",
                raw=f"raw/{name}.fits", image=str(place / "singles" / f"{name}.fits"),
                pixel_tables=[f"nights/reduced/PIXTABLE_REDUCED_{k + 1:04d}.fits"],
                ra_offset=measured[0] / 3600.0 / cosine, dec_offset=measured[1] / 3600.0, matched=7, residual=0.03,
                flux_ratio=float(truth.transparency[k]), response="nights/reduced/STD_RESPONSE_0001.fits",
                response_days=0.2, arc_days=0.4, twilight=True, sky=False, sky_converged=True, saturated=12,
                lambda_shift=0.06, barycentric=-12.0 + 0.4 * k,
            )
        )  # fmt: skip
    recipes = ("muse_scibasic", "muse_scipost", "muse_exp_align", "muse_exp_combine")
    steps = [
        StepRecord(recipe=recipe, label=f"step {k}", parameters={"save": "cube"}, seconds=60.0,
                   inputs=[["PIXTABLE_REDUCED_0001.fits", "PIXTABLE_REDUCED"]],
                   log=str(place / "logs" / f"{recipe}.log"))
        for k, recipe in enumerate(recipes, 1)
    ]  # fmt: skip
    return ProductRecord(
        name="FIELD-001", target="FIELD-001", category="DATACUBE_DEEP", method=method, campaign="deep",
        cube=str(place / "DATACUBE_DEEP.fits"), images=[str(place / "IMAGE_FOV_DEEP.fits")],
        exposure_map=str(place / "EXPOSURE_MAP.fits"), offsets=str(place / "OFFSET_LIST.fits"), exposures=exposures,
        aligned=True, alignment=[AlignmentTry(threshold=10.0, matched=7, residual=0.03, accepted=True)], steps=steps,
        made="2017-07-01T12:00:00",
    )  # fmt: skip


def _write_singles(
    campaign: Path,
    record: ProductRecord,
    truth: Truth,
    shape: tuple[int, int, int],
    seed: int,
    trail: Trail | None,
    oversubtracted: bool,
) -> None:
    """Images of exposures as the telescope pointed: what is in error there is not in their coordinates."""
    for k, exposure in enumerate(record.exposures):
        image = exposure_cube(truth, k, shape, seed, False, trail).mean(axis=0) - 30.0 * oversubtracted
        image[0, :5] = np.nan
        grid = _grid(shape)
        plane = FieldPlane(grid.crpix[:2], grid.crval[:2], np.array(grid.cd).reshape(2, 2))
        header = _exposure_header(exposure, k)
        header["HIERARCH ESO PRO CATG"] = "IMAGE_FOV"
        write_field_view(campaign / exposure.image, header, image, plane, UNIT)


def _grid(shape: tuple[int, int, int]) -> Grid:
    _, ny, nx = shape
    step = SPAXEL / 3600.0
    crpix = (nx + 1) / 2, (ny + 1) / 2, 1.0
    return Grid(shape, crpix, (*POINTING, FIRST_WAVELENGTH), (-step, 0.0, 0.0, step), STEP, "AWAV")


def _exposure_header(exposure: ExposureRecord, number: int) -> fits.Header:
    cards: dict[str, object] = {
        "ORIGIN": "ESO-PARANAL", "TELESCOP": "ESO-VLT-U4", "INSTRUME": "MUSE", "OBJECT": exposure.object,
        "RA": POINTING[0], "DEC": POINTING[1], "EQUINOX": 2000.0, "RADESYS": "FK5", "EXPTIME": exposure.exposure_time,
        "MJD-OBS": exposure.mjd, "DATE-OBS": exposure.date_obs, "SPECSYS": "BARYCENT",
        "ARCFILE": f"{exposure.name}.fits",
        "HIERARCH ESO OBS ID": int(exposure.ob_id), "HIERARCH ESO OBS NAME": exposure.ob_name,
        "HIERARCH ESO OBS TARG NAME": exposure.target, "HIERARCH ESO OBS PROG ID": exposure.run,
        "HIERARCH ESO TPL START": exposure.date_obs[:19], "HIERARCH ESO TPL EXPNO": number % 2 + 1,
        "HIERARCH ESO TEL AIRM START": 1.1, "HIERARCH ESO TEL AIRM END": 1.12, "HIERARCH ESO TEL IA FWHMLIN": 0.75,
        "HIERARCH ESO INS MODE": exposure.mode, "HIERARCH ESO INS DROT POSANG": 0.0,
        "HIERARCH ESO DRS MUSE PIXTABLE FLUXCAL": True,
    }  # fmt: skip
    return fits.Header(list(cards.items()) + checksum_cards())


def _write_cube(
    folder: Path, record: ProductRecord, made: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint16]]
) -> None:
    """Cube, image and exposure map, with the headers of a science data product."""
    data, stat, number = made
    grid = _grid(data.shape)
    headers = [_exposure_header(exposure, k) for k, exposure in enumerate(record.exposures)]
    job = _job(grid, record)
    wcs = cube_wcs(job, headers[0])
    assert isinstance(wcs, CubeWCS)
    target = record.target
    partial = folder / ".cube"
    extensions = [extension_header(n, target, wcs, n == "STAT", science=True) for n in ("DATA", "STAT")]
    cube = CubeFile.create(partial, data.shape, fits.Header(checksum_cards()), *extensions)
    cube.write_box(0, 0, data, stat)
    images, variances = collapse_cube(cube, [np.ones(data.shape[0])], count_variances=True)
    quality = source_cards(cube, grid, "EXPCOMB")
    names = ["IMAGE_FOV_DEEP.fits"]
    extra = [*quality, *science_cards(job, headers, images[0], variances, names)]
    head = product_header(RECIPE, headers[0], job, "DATACUBE_DEEP", "DATACUBE_DEEP.fits", {}, extra)
    cube.finish(folder / "DATACUBE_DEEP.fits", head)
    archive = [("PRODCATG", "ANCILLARY.IMAGE.WHITELIGHT", "Data product category")]
    head = product_header(RECIPE, headers[0], job, "IMAGE_FOV_DEEP", names[0], {}, [*quality, *archive])
    write_image(folder / names[0], head, field_image_header(wcs, True), images[0])
    primary = product_header(RECIPE, headers[0], job, "EXPOSURE_MAP", "EXPOSURE_MAP.fits", {})
    exposure_map = ExposureMapFile.create(folder / ".map", data.shape, primary, wcs)
    exposure_map.write_box(0, 0, number, (EXPTIME * number).astype(np.float32))
    exposure_map.collapse()
    exposure_map.finish(folder / "EXPOSURE_MAP.fits")


def _job(grid: Grid, record: ProductRecord) -> Job:
    """The job of which such a cube would have come."""
    exposures = tuple(
        Exposure(tuple(e.pixel_tables), e.date_obs, e.mode, e.target, *POINTING,
                 (e.ra_offset or 0.0, e.dec_offset or 0.0), 1.0, e.exposure_time, 1.0, 0.0, 0, False)
        for e in record.exposures
    )  # fmt: skip
    waves = grid.wavelengths()
    limits = Limits((-1e-3, 1e-3), (-1e-3, 1e-3), (float(waves[0]), float(waves[-1])))
    how = Resampling(
        "drizzle", (0.6, 0.6, 0.6), 1, 1.25, "median", 10.0, "reference", 0, 4650.0, 9350.0, False, True, False
    )
    return Job(exposures, POINTING, limits, grid, how)


def _copy(campaign: Path, folder: Path, record: ProductRecord, name: str) -> Path:
    """A product of links to another's files, with a record of its own."""
    target = product_folder(campaign, name, 1)
    old, new = str(folder.relative_to(campaign)), str(target.relative_to(campaign))
    for path in folder.rglob("*"):
        if path.is_file() and path.name != PRODUCT:
            there = target / path.relative_to(folder)
            there.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, there)
    text = record.model_dump_json().replace(old, new).replace(f'"{record.name}"', f'"{name}"')
    write_record(ProductRecord.model_validate_json(text), target / PRODUCT)
    return target


def _plan(name: str, record: ProductRecord, products: int) -> Plan:
    inputs = [exposure.name for exposure in record.exposures]
    seconds = sum(exposure.exposure_time for exposure in record.exposures)
    targets = [
        Target(
            name=f"FIELD-{k:03d}", names=[f"FIELD-{k:03d}"],
            method="crowded" if record.method == "crowded" else "standard",
            products=[Product(name=f"FIELD-{k:03d}", inputs=inputs, obs=len({e.ob_id for e in record.exposures}),
                              exposure_time=seconds, modes=["WFM-NOAO-N"], runs=["099.A-0001(A)"])],
        )
        for k in range(1, products + 1)
    ]  # fmt: skip
    return Plan(campaign=name, scanned="2017-07-01", targets=targets)
