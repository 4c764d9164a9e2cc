"""Deliver a product: a folder of files as the archive takes them.

1. The inputs are looked for: cube, white-light image, exposure map, a figure of the product and of each exposure.
2. A folder beside its final place gets figures, image, exposure map and log, then the cube, whose header needs their
   MD5 sums. The cube is copied in pieces; its data are compared with their checksums on the way.
3. The files are checked (`musedeep validate`); a product with errors is not delivered.
4. The folder gets its name. A version that has been delivered is never replaced: the same records are left alone,
   others are refused.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.campaign.delivery.epochs import epochs_of, velocity_span
from musedeep.campaign.delivery.facts import Finished
from musedeep.campaign.delivery.headers import Associate, cube_header, extension_header, image_header
from musedeep.campaign.delivery.images import exposure_seconds, white_image, write_image
from musedeep.campaign.delivery.log import write_log
from musedeep.campaign.delivery.manifest import (
    CHECKSUMS,
    MANIFEST,
    DeliveredFile,
    DeliveredProduct,
    Night,
    acknowledgement,
    sha256_of,
    source_of,
    write_checksums,
)
from musedeep.campaign.delivery.names import Names, names_of
from musedeep.campaign.delivery.settings import DeliverySettings
from musedeep.campaign.validate.associate_rules import EXPOSURE_MAP, WHITE, md5_of
from musedeep.campaign.validate.validate import validate
from musedeep.errors import MusedeepError
from musedeep.quality.record import folder_name, read_record, write_record
from musedeep.selection.dates import date_of
from musedeep.storage.cubes.open_cube import OpenCube, open_cube
from musedeep.storage.fits.copied import copy_with_headers
from musedeep.storage.fits.headers import number_or_none
from musedeep.storage.outputs import check_space, leftovers, make_directory, partial_name, write_error

README, PREVIEW = "ANCILLARY.README", "ANCILLARY.PREVIEW"
SLACK: Final = 64 << 20
"""Room for log, figures and headers [bytes]."""
CUBE_EXTENSIONS: Final = ("DATA", "STAT", "DQ")


@dataclass(frozen=True)
class Choice:
    """What is asked of a delivery.

    Attributes
    ----------
    today : ISO date, on which the access is judged
    invalid : whether products with faults are delivered, too
    velocity_span : of barycentric velocities; a product with a larger one is told of [km/s]
    """

    settings: DeliverySettings
    today: str
    invalid: bool = False
    velocity_span: float = 30.0


@dataclass(frozen=True)
class Delivery:
    """A delivered product: its folder, whether it is new, and what a person should know of it."""

    folder: Path
    product: DeliveredProduct
    new: bool
    notes: list[str] = field(default_factory=list)


def folder_of(product: Finished, output: Path) -> Path:
    """Where a version of a product is delivered."""
    return output / folder_name(product.record.name) / f"v{product.record.version}"


def deliver(product: Finished, output: Path, choice: Choice) -> Delivery:
    """Deliver a product into a directory that is locked.

    Raises
    ------
    MusedeepError
        An input is missing or damaged; the version has been delivered with other records; it is not valid; the disk is
        full. Nothing is left then.
    """
    folder = folder_of(product, output)
    if (folder / MANIFEST).exists():
        return _delivered_before(product, folder)
    if folder.exists():
        raise MusedeepError(f"{folder}: exists, and is no delivery of musedeep; move it away, or give another --output")
    names = names_of(product)
    cube = _open(product)
    figures, notes = _figures(product, names)
    need = sum(os.path.getsize(path) for path in [cube.path, *figures.values()]) + SLACK
    make_directory(folder.parent)
    with _appearing(folder, need) as place:
        _copy_figures(figures, place)
        seconds = _write_images(product, cube, names, place, choice.settings)
        span = velocity_span(product, *_position(cube.primary))
        if span is not None and span > choice.velocity_span:
            notes.append(
                f"barycentric velocities differ by {span:.1f} km/s: residuals of telluric lines are broadened as much"
            )
        lacking = write_log(place / names.log, product, names, _facts(product, cube.primary, span, choice))
        notes += [f"missing: {one}" for one in lacking]
        associates = _associates(names, place)
        header = cube_header(product, cube.path, cube.primary, names, associates, choice.settings, seconds)
        headers = [header, *(extension_header(unit.header) for unit in cube.units[1:])]
        sums = {names.cube: copy_with_headers(cube.path, place / names.cube, headers)}
        problems = validate([place / name for name in (names.cube, names.image, names.exposure_map)], checksums=False)
        faults = [one.line.replace(f"{place}/", "") for one in problems]
        errors = [line for line, one in zip(faults, problems, strict=True) if one.level == "error"]
        if errors and not choice.invalid:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise MusedeepError(
                f"{product.folder}: not valid: {errors[0]}{more}; mend it, or give --invalid to deliver it as it is"
            )
        notes += errors
        files = [names.cube, names.image, names.exposure_map, names.log, *figures]
        sums |= {name: sha256_of(place / name) for name in files[1:]}
        write_checksums(place / CHECKSUMS, sums)
        record = _record(product, cube.primary, span, choice, faults)
        record.files = [
            DeliveredFile(
                name=name, category=_category(name, names), bytes=(place / name).stat().st_size, sha256=sums[name]
            )
            for name in files
        ]
        write_record(record, place / MANIFEST)
    return Delivery(folder, record, True, notes)


def _delivered_before(product: Finished, folder: Path) -> Delivery:
    record = read_record(DeliveredProduct, folder / MANIFEST)
    if record.source != source_of(product):
        raise MusedeepError(
            f"{folder}: version {record.version} was delivered on {record.delivered[:10]} from other records, and is "
            f"never replaced; make a new version of {record.name}"
        )
    return Delivery(folder, record, False)


def _open(product: Finished) -> OpenCube:
    """The cube, as the archive takes it: DATA and STAT, nothing else."""
    path = product.path(product.record.cube)
    if not product.record.cube or not path.is_file():
        raise MusedeepError(f"{product.folder}: its cube {path} is not there; run the product again")
    cube = open_cube(path)
    # astropy may have been told to keep the case of names
    names = [unit.name.upper() or "without EXTNAME" for unit in cube.units[1:]]
    others = [name for name in names if name not in CUBE_EXTENSIONS]
    if others:
        raise MusedeepError(f"{path}: has an extension {others[0]}; make the cube with format=sdpCube")
    return cube


def _figures(product: Finished, names: Names) -> tuple[dict[str, Path], list[str]]:
    """Figures by their delivered names; what is missing, of a product that is not certified."""
    found, notes = {}, []
    wanted = {names.figure: ""} | {name: exposure for exposure, name in names.figures.items()}
    for name, exposure in wanted.items():
        path = figure_of(product, exposure)
        if path is not None:
            found[name] = path
            continue
        what = f"figure of exposure {exposure}" if exposure else "figure of the product"
        if product.certified:
            raise MusedeepError(f"{product.folder}: no {what} in quality.json; run quality control again")
        notes.append(f"missing: {what}")
    return found, notes


def figure_of(product: Finished, exposure: str) -> Path | None:
    """The figure of an exposure, or (without one) of the product, as quality control names them; None if not there."""
    name = product.quality.figures.get(f"single:{exposure}" if exposure else "deep")
    path = product.path(name) if name else None
    return path if path is not None and path.is_file() else None


def _copy_figures(figures: dict[str, Path], place: Path) -> None:
    for name, path in figures.items():
        shutil.copyfile(path, place / name)


def _write_images(product: Finished, cube: OpenCube, names: Names, place: Path, settings: DeliverySettings) -> float:
    """Write white-light image and exposure map; the mean time of spaxels with data [s]."""
    _, ny, nx = cube.shape
    image = white_image([product.path(name) for name in product.record.images], cube)
    suffix = product.record.category.removeprefix("DATACUBE")
    head = image_header(product, image.primary, cube.primary, names.image, WHITE, f"IMAGE_FOV{suffix}", settings)
    write_image(place / names.image, head, extension_header(image.header), image.data)
    if not product.record.exposure_map:
        raise MusedeepError(f"{product.folder}: no exposure map in product.json; combine with save=cube,exposures")
    seconds = exposure_seconds(product.path(product.record.exposure_map), (ny, nx))
    name, kind = names.exposure_map, "EXPOSURE_MAP"
    head = image_header(product, seconds.primary, cube.primary, name, EXPOSURE_MAP, kind, settings)
    write_image(place / names.exposure_map, head, extension_header(seconds.header), seconds.data)
    lit: NDArray[np.bool_] = seconds.data > 0
    return float(seconds.data[lit].mean(dtype=np.float64)) if lit.any() else 0.0


def _associates(names: Names, place: Path) -> list[Associate]:
    """Files that belong to the cube, those that are there: FITS files by their names, the others with MD5 sums."""
    found = [
        Associate(names.image),
        Associate(names.exposure_map),
        Associate(names.log, README, md5_of(place / names.log)),
    ]
    for name in (names.figure, *names.figures.values()):
        if (place / name).exists():
            found.append(Associate(name, PREVIEW, md5_of(place / name)))
    return found


def _category(name: str, names: Names) -> str:
    known = {names.cube: "SCIENCE.CUBE.IFS", names.image: WHITE, names.exposure_map: EXPOSURE_MAP, names.log: README}
    return known.get(name, PREVIEW)


def _position(header: fits.Header) -> tuple[float | None, float | None]:
    return number_or_none(header, "RA"), number_or_none(header, "DEC")


def _facts(product: Finished, header: fits.Header, span: float | None, choice: Choice) -> dict[str, Sequence[str]]:
    """Section 1 of the log."""
    record = product.record
    certificate = product.certificate
    facts: dict[str, Sequence[str]] = {
        "name": [record.name],
        "target": [record.target],
        "category": [record.category],
        "version": [f"{record.version}" + (f", supersedes {record.supersedes}" if record.supersedes else "")],
        "method": [record.method],
        "made": [record.made],
        "certified": [f"{certificate.date} by {certificate.by}" if certificate else "no"],
        "access": [product.access(choice.today)],
        "runs": [", ".join(product.runs)],
        "investigators": [", ".join(product.investigators)],
        "observing mode": [product.observing_mode],
        "INSMODE": product.modes,
        "QCFLAG": [product.quality.flag],
        "exposure time": [f"{product.seconds:g} s, {len(product.exposures)} exposures, {len(product.obs)} OBs"],
        "epoch": [f"{one.night} {one.exposures} exposures, {one.seconds:g} s" for one in epochs_of(product)],
        "barycentric velocities": [f"within {span:.3f} km/s" if span is not None else ""],
        "excluded": [f"{one.name} {one.excluded}" for one in record.exposures if one.excluded],
        "finding": [f"{one.kind} {one.exposure} {one.text}" for one in product.quality.findings],
        "comment": [f"{one.date} {one.by}: {one.text}" for one in product.review.history if one.text],
        "note": record.notes,
        "acknowledgement": [acknowledgement(product, choice.settings.doi)],
    }
    if (depth := number_or_none(header, "ABMAGLIM")) is not None:
        facts["ABMAGLIM"] = [f"{depth:.3f}"]
    return {name: found for name, values in facts.items() if (found := [one for one in values if one])}


def _record(
    product: Finished, header: fits.Header, span: float | None, choice: Choice, faults: list[str]
) -> DeliveredProduct:
    record, certificate = product.record, product.certificate
    ra, dec = _position(header)
    return DeliveredProduct(
        name=record.name,
        target=record.target,
        category=record.category,
        version=record.version,
        supersedes=record.supersedes,
        method=record.method,
        source=source_of(product),
        delivered=datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00"),
        access=product.access(choice.today),
        release_date=product.release_date,
        runs=product.runs,
        investigators=product.investigators,
        observing_mode=product.observing_mode,
        modes=product.modes,
        obs=product.obs,
        exposures=len(product.exposures),
        seconds=product.seconds,
        first=product.exposures[0].date_obs,
        last=date_of(product.end),
        nights=[Night(night=one.night, exposures=one.exposures, seconds=one.seconds) for one in epochs_of(product)],
        velocities=span,
        ra=ra,
        dec=dec,
        depth=number_or_none(header, "ABMAGLIM"),
        resolution=number_or_none(header, "SKY_RES"),
        flag=product.quality.flag,
        certified=f"{certificate.date} {certificate.by}" if certificate else "",
        acknowledgement=acknowledgement(product, choice.settings.doi),
        notes=record.notes,
        problems=faults,
    )


@contextmanager
def _appearing(folder: Path, need: int) -> Iterator[Path]:
    """A place where a folder is made that gets its name at the end, or is not there at all."""
    for left in leftovers(folder):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed: the output is locked by this one
    place = partial_name(folder)
    try:
        check_space(folder, need)
        place.mkdir()
        yield place
        os.rename(place, folder)
    except OSError as error:
        raise write_error(folder, error, need) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
