"""A target of many exposures of 24 IFUs over a narrow range of wavelengths, from PIXTABLE_OBJECT to DATACUBE_DEEP.

    python -m benchmarks.campaign_scale NIGHT DIRECTORY [--exposures 20] [--range 5540,5620] [--memory 2GiB] [--check]

NIGHT is what `musedeep simulate night NIGHT --ifus 1,2` wrote and `musedeep reduce` has reduced.

1. A campaign of one target is simulated in DIRECTORY: OBs of four exposures, turned by 90 degrees, in three nights,
   with dithers, and errors of the pointing that muse_exp_align has to find. Raw frames have their true headers, and
   images of a few pixels.
2. Pixel tables of muse_scibasic are made of the simulator's light: rows are those of IFUs 1 and 2 of NIGHT in the
   range, moved to where the slices of each IFU look. Each has electrons of the sky (with the line-spread function of
   its slice) and of the stars of the deep field, the noise of photons, and that of the read-out. Nothing is blurred by
   the pixel.
3. They stand in the folder of the campaign for what muse_scibasic would make, in the journal of each night; so do the
   LSF_PROFILE and STD_TELLURIC of NIGHT, a STD_RESPONSE that is the simulator's efficiency, and an ASTROMETRY_WCS with
   the simulator's scales and rotation.
4. `musedeep campaign run` does the rest: muse_scipost of each exposure, fluxes compared, muse_exp_align,
   muse_exp_combine. Printed are rows, seconds of each step, wall and processor time, peak memory of the process tree
   (sampled every 20 ms), and the largest size of the campaign's folder.
5. --check compares offsets, fluxes of stars and noise with the truth, and prints a hash of the cube's values.

Tables hold no cosmic rays: the rejection of muse_exp_combine works and finds few.
"""

import argparse
import hashlib
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from benchmarks.full_exposure import renamed
from benchmarks.full_night import Watched
from musedeep.campaign.cascade.archive import Archive
from musedeep.campaign.cascade.nights import plan_nights, recipe_parameters, wanted_of
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.cli.campaign import read_plan_of
from musedeep.cli.catalogue import open_catalogue
from musedeep.graph.night.journal import WORK, Journal, task_key
from musedeep.graph.night.run import NightRequest, prepare
from musedeep.instrument import COLLECTING_AREA, DISPERSION, N_SLICES
from musedeep.kernels.field.forward import FINE_PER_TABLE, add_lines, blur_continuum
from musedeep.kernels.field.tangent import tangent_offsets
from musedeep.quality.record import PRODUCT, ProductRecord, folder_name, read_record
from musedeep.recipes.registry import modules
from musedeep.reduction.rows.product import PixelTableProduct
from musedeep.simulate.campaign.frames import campaign_jobs, scene_of
from musedeep.simulate.campaign.layout import campaign_obs
from musedeep.simulate.campaign.request import read_campaign
from musedeep.simulate.component import Component
from musedeep.simulate.effects import Effects
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.frame import Light, atmosphere_of, light_of
from musedeep.simulate.headers import primary_header
from musedeep.simulate.line_spread import NODES, OVERSAMPLING
from musedeep.simulate.optics import IfuOptics, Instrument, stream
from musedeep.simulate.pointing import field_to_sky, point
from musedeep.simulate.profiles import BETA, CORE
from musedeep.simulate.scene import Scene
from musedeep.simulate.spectrum import FINE, STEP, Spectrum
from musedeep.simulate.templates import photons
from musedeep.storage.calibrations.response import Response, response_hdu
from musedeep.storage.pixel_tables.open import open_pixel_table
from tests.makers.row_sources import RowsInMemory
from tests.makers.tiny_campaigns import make_tiny_campaign

Array = NDArray[np.float64]

MODE = "WFM-NOAO-N"
SPAXEL = 0.2
READ_NOISE = 2.7
"""Of a pixel [electrons]."""
NOISE = 31
"""Purpose of the random numbers, beside those of the simulator."""
MARGIN = 20.0
"""Wavelengths beyond the range from which light comes in [Angstrom]."""
NIGHTS = ("2017-11-17", "2017-11-18", "2017-11-19")
PLAN, CAMPAIGN = "scale.yaml", "scale"


def campaign_file(directory: Path, exposures: int) -> Path:
    """The YAML of the simulated campaign."""
    each = min(4, exposures // 2)
    obs = -(-exposures // each)
    target = {
        "name": "deep field", "ra": 53.16, "dec": -27.78, "scene": "deep-field", "obs": obs, "exposures": each,
        "exposure_times": [900], "nights": [NIGHTS[k * len(NIGHTS) // obs] for k in range(obs)],
        "seeing": 0.8, "pointing_error": 0.25,
    }  # fmt: skip
    path = directory / "request.yaml"
    path.write_text(yaml.safe_dump({"seed": 1, "small": True, "targets": [target]}))
    return path


def stars_of(scene: Scene) -> Scene:
    """A scene without its galaxies."""
    return Scene(scene.name, scene.ra, scene.dec, tuple(one for one in scene.sources if one.kind == "point"
                                                        and not one.line_flux.size))  # fmt: skip


def objects_of(request_file: Path) -> tuple[list[Exposure], Scene]:
    """The OBJECT exposures of the campaign, and what they look at."""
    request = read_campaign(request_file)
    scenes = {target.name: stars_of(scene_of(target)) for target in request.targets}
    jobs = campaign_jobs(request, campaign_obs(request), scenes)
    found = [one for job in jobs.values() for one in job.exposures if one.kind == "OBJECT"]
    return found, next(iter(scenes.values()))


class Template:
    """The rows of an IFU of NIGHT within the range, its header and its optics."""

    def __init__(self, night: Path, ifu: int, limits: tuple[float, float]) -> None:
        table = open_pixel_table(night / "reduced" / f"PIXTABLE_OBJECT_0001-{ifu:02d}.zarr")
        rows = table.read(np.array([[0, table.n_rows]]), table.names)
        inside = (rows["lambda"] > limits[0]) & (rows["lambda"] < limits[1])
        self.ifu, self.header, self.units = ifu, table.header, table.units
        self.rows = {name: values[inside] for name, values in rows.items()}
        self.slice = (self.rows["origin"] & 0x3F) - 1
        self.optics = Instrument(MODE).ifu(ifu)

    def moved(self, optics: IfuOptics) -> dict[str, NDArray[Any]]:
        """The rows of another IFU, without data."""
        rows = {name: values.copy() for name, values in self.rows.items()}
        for name, axis in (("xpos", "x"), ("ypos", "y")):
            shift = np.asarray(optics.geometry[axis]) - np.asarray(self.optics.geometry[axis])
            rows[name] += shift[self.slice].astype(np.float32)
        rows["origin"] = (rows["origin"] & ~np.int32(0x1F << 6)) | np.int32(optics.ifu << 6)
        return rows

    def sky(self, spectrum: Spectrum, wavelength: Array) -> Array:
        """What a spectrum gives in each row through the line-spread function of its slice, as per Angstrom."""
        first, last = np.searchsorted(FINE, [wavelength.min() - MARGIN, wavelength.max() + MARGIN])
        start = float(FINE[first])
        near = (spectrum.line_wavelength > start) & (spectrum.line_wavelength < FINE[last])
        grid = float(NODES[0]), float(NODES[1] - NODES[0]), start, STEP
        out = np.zeros(wavelength.size)
        for index in range(N_SLICES):
            profiles = self.optics.line_spread.profiles(index)
            coarse = np.ascontiguousarray(profiles[:, (profiles.shape[1] // 2) % OVERSAMPLING :: OVERSAMPLING])
            table = blur_continuum(spectrum.continuum[first:last], coarse, *grid)
            add_lines(table, spectrum.line_wavelength[near], spectrum.line_flux[near], profiles, OVERSAMPLING, *grid)
            mine = self.slice == index
            places = start + STEP * FINE_PER_TABLE * np.arange(table.size)
            out[mine] = np.interp(wavelength[mine], places, table)
        return out


def electrons(template: Template, rows: dict[str, NDArray[Any]], light: Light, sky: Array, seconds: float) -> Array:
    """Expected electrons of each row."""
    assert light.pointing is not None
    wavelength = rows["lambda"].astype(np.float64)
    x, y = (SPAXEL * rows[name].astype(np.float64) for name in ("xpos", "ypos"))
    xi, eta = light.pointing.sky(x, y, wavelength)
    total = sky.copy()
    for one in light.components:
        if not isinstance(one, Component) or (bounds := one.pattern.bounds()) is None:
            continue
        near = np.flatnonzero((np.abs(xi - bounds[0]) < bounds[2]) & (np.abs(eta - bounds[1]) < bounds[2]))
        if near.size:
            density = one.pattern.density(xi[near], eta[near], wavelength[near])
            total[near] += np.interp(wavelength[near], FINE, one.spectrum.continuum) * density
    return np.asarray(total * efficiency(wavelength, MODE) * (seconds * DISPERSION * SPAXEL**2))


def make_tables(templates: Sequence[Template], instrument: Instrument, exposure: Exposure, folder: Path) -> int:
    """Write the PIXTABLE_OBJECTs of an exposure, those of 24 IFUs; how many rows they have."""
    light = light_of(exposure, instrument, Effects(raman=False, slice_flux=False), instrument.seed)
    uniform = next(one for one in light.components if isinstance(one, Component) and one.pattern.bounds() is None)
    skies = [one.sky(uniform.spectrum, one.rows["lambda"].astype(np.float64)) for one in templates]
    n_rows = 0
    for ifu in instrument.ifus:
        k = (ifu - 1) % len(templates)
        template, optics = templates[k], instrument.ifu(ifu)
        rows = template.moved(optics)
        expected = electrons(template, rows, light, skies[k], exposure.exposure_time)
        rng = stream(instrument.seed, NOISE, exposure.index, ifu)
        data = rng.poisson(expected) + READ_NOISE * rng.standard_normal(expected.size)
        rows["data"] = data.astype(np.float32)
        rows["stat"] = (np.maximum(data, 0.0) + READ_NOISE**2).astype(np.float32)
        header = renamed(template.header, template.ifu, ifu, 0.0)
        for card in primary_header(exposure).cards:
            header[f"HIERARCH {card.keyword}" if " " in card.keyword else card.keyword] = card.value
        header["HIERARCH ESO PRO ANCESTOR"] = header["ARCFILE"]
        for name, column in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
            for word, value in (("LOW", rows[column].min()), ("HIGH", rows[column].max())):
                header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS {name} {word}"] = float(value)
        made = PixelTableProduct(RowsInMemory(rows, template.units), header)
        made.write_store(folder / f"PIXTABLE_OBJECT_0001-{ifu:02d}.zarr", 1, False)
        n_rows += expected.size
    return n_rows


def write_response(path: Path) -> None:
    """A STD_RESPONSE that is the simulator's efficiency."""
    grid = np.arange(4150.0, 9801.25, DISPERSION)
    counts = photons(efficiency(grid, MODE), grid, COLLECTING_AREA)
    header = fits.Header([("HIERARCH ESO INS MODE", MODE), ("HIERARCH ESO PRO CATG", "STD_RESPONSE")])
    hdu = response_hdu(Response(grid, 2.5 * np.log10(counts), np.full(grid.size, 1e-4)))
    fits.HDUList([fits.PrimaryHDU(header=header), hdu]).writeto(path)


def write_astrometry(measured: Path, path: Path) -> None:
    """An ASTROMETRY_WCS with the scales and the rotation of the simulator; two IFUs are too narrow to measure them."""
    cd = field_to_sky(0.0) * SPAXEL / 3600.0
    with fits.open(measured) as hdus:
        for i, k in np.ndindex(2, 2):
            hdus[0].header[f"CD{i + 1}_{k + 1}"] = float(cd[i, k])
        hdus.writeto(path)


def profile_of(night: Path, ifu: int, path: Path) -> None:
    """The LSF_PROFILE of the IFU of NIGHT whose rows an IFU has."""
    old = 2 - ifu % 2
    with fits.open(night / "reduced" / f"LSF_PROFILE-{old:02d}.fits") as hdus:
        for hdu in hdus:
            if "EXTNAME" in hdu.header:
                hdu.header["EXTNAME"] = hdu.header["EXTNAME"].replace(f"CHAN{old:02d}", f"CHAN{ifu:02d}")
        hdus.writeto(path)


def request_of(directory: Path) -> CascadeRequest:
    """What `musedeep campaign run` asks for."""
    plan, place = read_plan_of(directory / PLAN, "")
    with open_catalogue(place) as catalogue:
        archive = Archive.read(catalogue, plan.settings.cascade, directory / CAMPAIGN)
    return CascadeRequest(plan, archive, directory / CAMPAIGN)


def stand_in(directory: Path, night: Path, limits: tuple[float, float]) -> tuple[int, float]:
    """Put products where the cascade would make them, and record them; rows of all tables, and seconds."""
    began, n_rows = time.perf_counter(), 0
    instrument = Instrument(MODE)
    templates = [Template(night, ifu, limits) for ifu in (1, 2)]
    exposures = {f"MUSE.{one.date_obs}": one for one in objects_of(directory / "request.yaml")[0]}
    by_folder = {folder_name(name): one for name, one in exposures.items()}
    request = request_of(directory)
    for target, product in request.products():
        nights = plan_nights(request, wanted_of(request.archive, target, product))
        if nights.failed:
            raise SystemExit("\n".join(f"{name}: {why}" for name, why in nights.failed.items()))
        for sets in nights.sets.values():
            asked = NightRequest(
                sets=sets.needed(list(sets.exposures.values())), output=sets.place, modules=modules(),
                parameters=recipe_parameters(request.settings),
            )  # fmt: skip
            plan, parameters = prepare(asked)
            journal, keys, made = Journal(sets.place), dict[str, str](), set[str]()
            for task in plan.tasks:
                one = task.frames
                if one.step == "scipost":
                    continue
                key = task_key(one.recipe, one.settings(parameters[one.recipe]).texts(), one.frames, keys)
                keys.update(dict.fromkeys(one.products, key))
                if not journal.why(task.name, key):
                    continue
                (sets.place / WORK).mkdir(parents=True, exist_ok=True)
                scratch = Path(tempfile.mkdtemp(dir=sets.place / WORK))
                if one.step == "scibasic" and one.directory in by_folder:
                    # all IFUs of an exposure are made together, and wait beside its folder
                    waiting = sets.place / WORK / f"{one.directory}.made"
                    if one.directory not in made:
                        shutil.rmtree(waiting, ignore_errors=True)
                        waiting.mkdir()
                        n_rows += make_tables(templates, instrument, by_folder[one.directory], waiting)
                        made.add(one.directory)
                    name = f"PIXTABLE_OBJECT_0001-{one.ifu:02d}.zarr"
                    (waiting / name).rename(scratch / name)
                elif one.step == "lsf":
                    profile_of(night, one.ifu, scratch / f"LSF_PROFILE-{one.ifu:02d}.fits")
                elif one.step == "standard":
                    write_response(scratch / "STD_RESPONSE_0001.fits")
                    shutil.copy(night / "reduced" / "STD_TELLURIC_0001.fits", scratch)
                elif one.step == "astrometry":
                    write_astrometry(
                        night / "reduced" / "ASTROMETRY_WCS_0001.fits", scratch / "ASTROMETRY_WCS_0001.fits"
                    )
                journal.keep(task.name, key, scratch, one.directory, True)
    return n_rows, time.perf_counter() - began


def prepare_campaign(directory: Path, exposures: int, limits: tuple[float, float]) -> None:
    """Headers, catalogue and plan."""
    directory.mkdir(parents=True, exist_ok=True)
    make_tiny_campaign(campaign_file(directory, exposures), directory / "simulated")
    command = [sys.executable, "-m", "musedeep"]
    subprocess.run([*command, "catalogue", "add", "simulated"], cwd=directory, check=True)
    subprocess.run([*command, "campaign", "scan", PLAN], cwd=directory, check=True)
    # the sizes that the cascade expects on disk are those of this range
    low, high = limits
    plan = (directory / PLAN).read_text()
    given = f"recipes: {{muse_scipost: {{lambdamin: {low:g}, lambdamax: {high:g}}}}}"
    (directory / PLAN).write_text(plan.replace("recipes: {}", given))


def the_product(directory: Path) -> ProductRecord:
    """The record of the product that was made."""
    return read_record(ProductRecord, next((directory / CAMPAIGN / "products").glob(f"*/v1/{PRODUCT}")))


def print_steps(directory: Path, n_rows: int, run: Watched) -> None:
    """Tables of what it took."""
    record = the_product(directory)
    seconds: dict[str, list[float]] = {}
    for step in record.steps:
        seconds.setdefault(step.recipe, []).append(step.seconds)
    print("| step | calls | s of all | s of the longest |\n|---|---|---|---|")
    for name, values in seconds.items():
        if sum(values):
            print(f"| {name} | {len(values)} | {sum(values):.0f} | {max(values):.1f} |")
    print("\n| exposures | rows | wall s | user+sys s | peak MiB | read GB | written GB | folder at most GB |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(record.used)} | {n_rows:,} | {run.wall:.0f} | {run.processor:.0f} | {run.peak:.0f} | {run.read:.1f} | "
        f"{run.written:.1f} | {run.largest:.1f} |"
    )


def check(directory: Path) -> None:
    """Compare with the truth, and print a hash of the values of the cube."""
    record = the_product(directory)
    exposures, scene = objects_of(directory / "request.yaml")
    print(f"{len(record.used)} of {len(record.exposures)} exposures used, aligned: {record.aligned}; {record.notes}")
    _check_offsets(record, {f"MUSE.{one.date_obs}": one for one in exposures})
    with fits.open(directory / CAMPAIGN / record.cube) as hdus:
        data, stat, header = hdus["DATA"].data, hdus["STAT"].data, hdus["DATA"].header
        digest = hashlib.sha256(np.nan_to_num(data).tobytes() + np.nan_to_num(stat).tobytes()).hexdigest()[:16]
        print(f"cube of {data.shape}, values {digest}")
        _check_stars(data, header, scene, exposures)
        free = _free(header, scene)
        _check_noise(directory, record, scene, data, stat, free)


def _check_offsets(record: ProductRecord, exposures: dict[str, Exposure]) -> None:
    """Offsets, measured minus reference, are the opposite of where the telescope looked, but for a constant."""
    found, truth = [], []
    for one in record.used:
        exposure = exposures[one.name]
        assert exposure.scene is not None and one.ra_offset is not None and one.dec_offset is not None
        found.append((one.ra_offset * 3600.0 * math.cos(math.radians(exposure.dec)), one.dec_offset * 3600.0))
        place = np.array(exposure.ra), np.array(exposure.dec)
        told = [float(v) for v in tangent_offsets(*place, exposure.scene.ra, exposure.scene.dec)]
        looked = point(exposure, atmosphere_of(exposure, Effects()), Effects(), Instrument(MODE).aim).centre
        truth.append((told[0] - looked[0], told[1] - looked[1]))
    error = np.array(found) - np.array(truth)
    error -= np.median(error, axis=0)
    spread = np.hypot(*(np.array(truth) - np.median(truth, axis=0)).T)
    print(
        f"offsets: true ones up to {spread.max():.3f} arcsec; errors rms {np.sqrt(np.mean(error**2)):.4f} arcsec an "
        f"axis, the largest {np.hypot(*error.T).max():.4f}"
    )


def _places(header: fits.Header, scene: Scene) -> Array:
    """Spaxels (x, y) from 0 of the sources: float64 (n, 2)."""
    dec = np.array([scene.dec + one.eta / 3600.0 for one in scene.sources])
    ra = np.array([scene.ra + one.xi / 3600.0 / math.cos(math.radians(scene.dec)) for one in scene.sources])
    return np.asarray(WCS(header).celestial.all_world2pix(np.stack([ra, dec], axis=1), 0))


def _check_stars(data: Array, header: fits.Header, scene: Scene, exposures: Sequence[Exposure]) -> None:
    """Fluxes in apertures over those that the profiles of the exposures put there."""
    image = np.nanmean(data, axis=0)
    wavelength = header["CRVAL3"] + header["CD3_3"] * (np.arange(data.shape[0]) + 1 - header["CRPIX3"])
    places, radius = _places(header, scene), 1.5
    shared = []
    for one in exposures:
        square = (float(atmosphere_of(one, Effects()).seeing_fwhm(np.array(wavelength.mean()))) / CORE) ** 2
        shared.append(1.0 - (1.0 + radius**2 / square) ** (1.0 - BETA))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    ratios, shifts, magnitudes = [], [], []
    for k, (px, py) in enumerate(places):
        others = np.hypot(*(np.delete(places, k, 0) - (px, py)).T) * SPAXEL
        if others.min() < 5.0 or not (25 < px < image.shape[1] - 25 and 25 < py < image.shape[0] - 25):
            continue
        ring = np.hypot(x - px, y - py) * SPAXEL
        lit = np.nan_to_num(image - np.nanmedian(image[(ring > 3.0) & (ring < 4.0)]))
        core = ring < 1.0
        shine = float(np.sum(lit * core))
        shifts.append([SPAXEL * float(np.sum((v - p) * lit * core)) / shine for v, p in ((x, px), (y, py))])
        centre = np.hypot(x - px - shifts[-1][0] / SPAXEL, y - py - shifts[-1][1] / SPAXEL) * SPAXEL
        flux = float(lit[centre < radius].sum()) * (math.pi * radius**2 / (SPAXEL**2 * (centre < radius).sum()))
        true = float(np.mean(np.interp(wavelength, FINE, scene.sources[k].flux_continuum))) * 1e20 * np.mean(shared)
        ratios.append(flux / true)
        magnitudes.append(true)
    bright = np.array(ratios)[np.array(magnitudes) > np.median(magnitudes)]
    place = np.median(shifts, axis=0)
    print(
        f"{len(ratios)} stars without neighbours: flux over the truth {np.median(ratios):.4f} (scatter "
        f"{np.std(ratios):.4f}; the brighter half {np.median(bright):.4f}, {np.std(bright):.4f}); places off by "
        f"({place[0]:+.3f}, {place[1]:+.3f}) arcsec, scatter {np.std(np.array(shifts), axis=0).max():.3f}"
    )


def _free(header: fits.Header, scene: Scene) -> NDArray[np.bool_]:
    """Spaxels well inside that no star reaches."""
    shape = header["NAXIS2"], header["NAXIS1"]
    y, x = np.mgrid[: shape[0], : shape[1]]
    free = (x > 40) & (x < shape[1] - 40) & (y > 40) & (y < shape[0] - 40)
    for px, py in _places(header, scene):
        free &= np.hypot(x - px, y - py) * SPAXEL > 3.5
    return free


def spread(values: Array) -> float:
    """Standard deviation from the median of absolute deviations."""
    good = values[np.isfinite(values)]
    return 1.4826 * float(np.median(np.abs(good - np.median(good))))


def _check_noise(
    directory: Path, record: ProductRecord, scene: Scene, data: Array, stat: Array, free: NDArray[np.bool_]
) -> None:
    """Noise of the deep image over that of single ones, and of planes over what STAT says."""
    deep = spread(np.nanmean(data, axis=0)[free])
    singles = []
    for one in record.used:
        with fits.open(directory / CAMPAIGN / one.image) as hdus:
            hdu = next(hdu for hdu in hdus if hdu.data is not None)
            singles.append(spread(hdu.data[_free(hdu.header, scene)]))
    n, single = len(record.used), float(np.median(singles))
    print(
        f"noise of the image: singles {single:.3f}, deep {deep:.3f}: {single / deep:.3f}, which is "
        f"{single / deep / math.sqrt(n):.4f} of sqrt({n})"
    )
    planes = np.array([spread(plane[free]) for plane in data])
    told = np.array([math.sqrt(float(np.nanmedian(plane[free]))) for plane in stat])
    print(
        f"noise of planes over sqrt(STAT): {np.nanmedian(planes / told):.3f} (median), {np.nanmax(planes / told):.3f} "
        f"at most, the plane of {int(np.nanargmax(planes / told))}"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("night", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--exposures", type=int, default=20)
    parser.add_argument("--range", default="5540,5620", help="wavelengths [Angstrom]")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare with the truth at the end")
    given = parser.parse_args()
    low, high = (float(word) for word in given.range.split(","))
    if not (given.directory / PLAN).exists():
        prepare_campaign(given.directory, given.exposures, (low, high))
    made, seconds = stand_in(given.directory, given.night, (low, high))
    print(f"{made:,} rows made in {seconds:.0f} s", flush=True)
    tables = (given.directory / CAMPAIGN / "nights").glob("*/*/MUSE*/PIXTABLE_OBJECT_*.zarr")
    n_rows = sum(open_pixel_table(path).n_rows for path in tables)
    command = [sys.executable, "-m", "musedeep", "campaign", "run", str(given.directory / PLAN)]
    command += ["--memory", given.memory, "--threads", str(given.threads), "--no-quality"]
    run = Watched(command, given.directory / "run.txt", given.directory / CAMPAIGN)
    if run.status != 0 or not re.search("DATACUBE_DEEP|made", run.text):
        raise SystemExit(f"the run ended with status {run.status}:\n{run.text[-3000:]}")
    print_steps(given.directory, n_rows, run)
    if given.check:
        check(given.directory)


if __name__ == "__main__":
    main()
