"""The whole cube of pieces that runs of their own have made, and all that belongs to it: as one run makes them.

1. The notes of the pieces say of which job they are; pieces of others are refused.
2. The cube, and the exposure map, are laid out as a run lays them out. The voxels of each piece are copied to their
   place, band by band, and compared with the checksums in its headers. A piece whose voxels are there is noted.
3. Where pieces are missing, they are named. What is there stays, and the next start goes on with it.
4. The products are completed as those of a run (`CubeProducts.finish`): quality control, field images, the cube store
   and all else come from the whole cube. Headers come from the note of a piece; pixel tables are opened only for
   products that hold their rows.
"""

import json
import shutil
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from musedeep.errors import MusedeepError
from musedeep.progress import LOG, Progress, Silent
from musedeep.recipes.exp_combine.piece import JOB_DIGITS, NOTE, PROGRAM
from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.grid import nothing_in_cube
from musedeep.reduction.cube.job import CUBE, MAP, Exposure, Job
from musedeep.reduction.cube.joined import is_empty
from musedeep.reduction.cube.share import PIECE, Division, Ranges, Share
from musedeep.storage.cubes.cube_fits import CubeFile
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.cubes.open_cube import open_cube
from musedeep.storage.cubes.voxels import bands
from musedeep.storage.fits.checksums import written_data_sum
from musedeep.storage.fits.header_cards import sum_of_file
from musedeep.storage.fits.headers import scan_file, value_of
from musedeep.storage.fits.parts import ArrayInFile
from musedeep.storage.lock import output_lock
from musedeep.storage.outputs import write_error
from musedeep.storage.pixel_tables.table import file_identity
from musedeep.storage.stores.location import location

WORK: Final = ".musedeep-stitch"
"""Directory in that of the products, with what is made of them."""

DONE: Final = "done.txt"

_TYPES: Final = {name: np.dtype(kind) for name, kind in (
    ("DATA", ">f4"), ("STAT", ">f4"), ("EXPOSURES", ">i2"), ("EXPTIME", ">f4")
)}  # fmt: skip
"""Of the values of each array."""


@dataclass(frozen=True)
class Piece:
    """A piece that is there, and its note."""

    directory: Path
    share: Share
    note: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Of its job."""
        return str(self.note["fingerprint"])

    def identity(self) -> str:
        """Changes when the piece is made again."""
        return f"{self.fingerprint} {file_identity(self.directory / CUBE)}"


def read_piece(directory: Path) -> Piece:
    """Read the note of a piece; MusedeepError if it is none."""
    path = directory / NOTE
    try:
        note = json.loads(path.read_text())
        piece = Piece(directory, Share(int(note["number"]), Division.parse(note["of"])), note)
        if missing := {"fingerprint", "job", "request", "unit", "headers"} - set(note):
            raise ValueError(f"no {min(missing)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MusedeepError(
            f"{path}: no note of a piece can be read from it ({error}); make the piece again with "
            "`musedeep combine SELECTION --piece k/N`"
        ) from error
    return piece


def find_pieces(paths: Sequence[Path]) -> list[Piece]:
    """The pieces in directories, or in the directories in them.

    Parameters
    ----------
    paths : directories of pieces (those without a note are of pieces that are not finished), or of their directories

    Raises
    ------
    MusedeepError
        No such directory, or one without pieces; none of the pieces is finished; the same piece twice.
    """
    found: dict[Path, Piece] = {}
    for path in paths:
        if not path.is_dir():
            raise MusedeepError(f"{path}: no such directory; give those of pieces (piece-1-of-8 ...), or the one above")
        inside = [one for one in sorted(path.iterdir()) if Share.of_name(one.name) and one.is_dir()]
        if (path / NOTE).exists():
            inside = [path]
        elif not inside and not Share.of_name(path.name):
            raise MusedeepError(
                f"{path}: has no pieces (piece-1-of-8 ...); make them with `musedeep combine SELECTION --pieces N`"
            )
        for one in inside:
            if one.resolve() in found and one in paths:
                raise MusedeepError(f"{one}: is given twice; leave it out once")
            if (one / NOTE).exists():
                found[one.resolve()] = read_piece(one)
    if not found:
        raise MusedeepError(f"{paths[0]}: no piece is finished; the command that makes one goes on where it was")
    return list(found.values())


def check_pieces(pieces: Sequence[Piece]) -> list[int]:
    """Check that pieces are of one cube; returns the numbers of those that are missing.

    Raises
    ------
    MusedeepError
        Names the piece that is of another job, of another number of pieces, or there twice.
    """
    first, numbers = pieces[0], dict[int, Piece]()
    for one in pieces:
        if one.share.of != first.share.of:
            raise MusedeepError(
                f"{one.directory}: is {one.share}, {first.directory} is {first.share}; give the pieces of one run"
            )
        if one.fingerprint != first.fingerprint:
            raise MusedeepError(
                f"{one.directory}: was made of other inputs, with other parameters or by another version than "
                f"{first.directory}; make one of them again with --overwrite"
            )
        if other := numbers.get(one.share.number):
            raise MusedeepError(f"{one.directory}: is {one.share}, and so is {other.directory}; leave one of them out")
        numbers[one.share.number] = one
    return [k for k in range(1, first.share.of.number + 1) if k not in numbers]


Row = list[tuple[Piece, dict[str, ArrayInFile]]]
"""Pieces and their arrays, by the names of the extensions."""


@dataclass
class Stitched(ExpCombine):
    """The products of muse_exp_combine of pieces; headers of the exposures come from the note of a piece."""

    headers: dict[tuple[str, ...], fits.Header] = field(default_factory=dict, kw_only=True)
    unit: str = field(default="", kw_only=True)

    def header_of(self, exposure: Exposure) -> fits.Header:
        """See `CubeProducts.header_of`."""
        known = self.headers.get(exposure.paths)
        return super().header_of(exposure) if known is None else known

    def _unit(self, job: Job) -> str:
        return self.unit


def stitched_of(piece: Piece, output: Path) -> tuple[Stitched, Job]:
    """The products and the job that a piece is of; MusedeepError if its note is that of another version."""
    try:
        job = Job.from_json(json.dumps(piece.note["job"]))
        request = piece.note["request"]
        auxiliary = {tag: Path(path) for tag, (path, _) in request["auxiliary"].items()}
        headers = [fits.Header.fromstring(text, sep="\n") for text in piece.note["headers"]]
        cube = Stitched(
            pixel_tables=[location(path) for one in job.exposures for path in one.paths],
            parameters=RECIPE.parse(request["parameters"]),
            parameter_texts=tuple((name, text) for name, text in request["texts"]),
            combined_format=frozenset(request["combined_format"]),
            output=output,
            headers={one.paths: header for one, header in zip(job.exposures, headers, strict=False)},
            unit=str(piece.note["unit"]),
            offset_list=auxiliary.get("OFFSET_LIST"),
            output_wcs=auxiliary.get("OUTPUT_WCS"),
            filter_list=auxiliary.get("FILTER_LIST"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MusedeepError(
            f"{piece.directory / NOTE}: is of {piece.note.get('program', 'another version')} and cannot be used "
            f"({error}); make the pieces again"
        ) from error
    path = cube.filter_list
    if path and not (path.is_file() and file_identity(path) == request["auxiliary"]["FILTER_LIST"][1]):
        raise MusedeepError(f"{path}: the FILTER_LIST is not the one with which the pieces were made; put it back")
    return cube, job


def stitch(
    paths: Sequence[Path],
    output: Path | None = None,
    *,
    overwrite: bool = False,
    memory: int = 1 << 30,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[Path]:
    """Join pieces into the products of one run; returns their paths.

    Parameters
    ----------
    paths : see `find_pieces`
    output : directory of the products; default: the one that the pieces are in
    overwrite : replace existing products, once the new ones are whole
    memory : working memory, for products that need more than a few planes [bytes]
    threads : for a combined pixel table
    progress : of planes

    Raises
    ------
    MusedeepError
        See `find_pieces` and `check_pieces`; a piece is missing, damaged, or has other planes than its note says;
        a product exists and may not be replaced; no space.
    """
    progress = progress or Silent()
    pieces = sorted(find_pieces(paths), key=lambda one: one.share.number)
    missing = check_pieces(pieces)
    places = sorted({one.directory.absolute().parent for one in pieces})
    if output is None and len(places) > 1:
        raise MusedeepError(f"{places[1]}: the pieces are here and in {places[0]}; say with --output-dir where to")
    cube, job = stitched_of(pieces[0], output or places[0])
    cube.check_existing(overwrite)
    cube.open_inputs()
    if pieces[0].note.get("program") != PROGRAM:
        LOG.warning(f"the pieces are of {pieces[0].note.get('program')}, their products will be of {PROGRAM}")
    checked = [(piece, _arrays(piece, job)) for piece in pieces]
    with output_lock(cube.output):
        cube.check_existing(overwrite)  # again: a run may have ended in the meantime
        work = cube.output / WORK
        try:
            filled = _fill(work, cube, job, checked, progress)
            if missing:
                raise _missing(missing, job, pieces)
            if not filled:
                shutil.rmtree(work)
                raise nothing_in_cube(job.grid, job.limits, job.reference, cube.output_wcs)
            for piece in pieces:
                for path in piece.directory.glob("rejected-*.npy"):
                    shutil.copyfile(path, work / f"rejected-{piece.share.number}-{path.name}")
            progress.begin(0, "completing the products")
            made = cube.finish(work, job, memory, threads)
            shutil.rmtree(work)
        except OSError as error:
            raise write_error(cube.output / CUBE, error, job.grid.n_voxels * 8) from error
        finally:
            progress.stop()
    return made


def _missing(missing: Sequence[int], job: Job, pieces: Sequence[Piece]) -> MusedeepError:
    """The error that names the pieces that are missing."""
    of = pieces[0].share.of
    where = described(Share(missing[0], of).part(job.grid.shape), job)
    numbers = ", ".join(str(k) for k in missing[:20]) + (" ..." if len(missing) > 20 else "")
    which = f"piece {numbers} of {of} is" if len(missing) == 1 else f"pieces {numbers} of {of} are"
    others, them = (", and others", "them") if len(missing) > 1 else ("", "it")
    return MusedeepError(
        f"{pieces[0].directory.parent}: {which} missing ({where}{others}); make {them} with `musedeep combine "
        f"SELECTION --piece {missing[0]}/{of}`, then the same command goes on: the other pieces are joined"
    )


def described(part: Ranges, job: Job) -> str:
    """Which part of a cube a piece is."""
    (z0, z1), (y0, y1), (x0, x1) = part
    if (z0, z1) == (0, job.grid.shape[0]) and (y0, y1, x0, x1) != (0, job.grid.shape[1], 0, job.grid.shape[2]):
        return f"columns {x0 + 1} to {x1}, lines {y0 + 1} to {y1}"
    waves = job.grid.wavelengths()
    return f"planes {z0 + 1} to {z1}, {waves[z0]:.2f} to {waves[z1 - 1]:.2f} Angstrom"


def _arrays(piece: Piece, job: Job) -> dict[str, ArrayInFile]:
    """The arrays of a piece by the names of their extensions, checked; the values are read later."""
    path = piece.directory / CUBE
    nz, ny, nx = (last - first for first, last in piece.share.part(job.grid.shape))
    expected = (nz, ny, nx)
    found = open_cube(path)
    arrays = {name: a for name, a in (("DATA", found.data), ("STAT", found.stat)) if isinstance(a, ArrayInFile)}
    if len(arrays) < 2:
        raise MusedeepError(f"{path}: is a store, expected a FITS cube; make {piece.share} again with --overwrite")
    said = [value_of(found.primary, PIECE + name) for name in ("NUMBER", "TOTAL", "JOB")]
    if said != [piece.share.number, piece.share.of.number, piece.fingerprint[:JOB_DIGITS]]:
        raise MusedeepError(
            f"{path}: is not the cube that {NOTE} beside it tells of ({PIECE}NUMBER, TOTAL, JOB are "
            f"{', '.join(map(repr, said))}); make {piece.share} again with --overwrite"
        )
    if job.how.exposure_map:
        path = piece.directory / MAP
        for unit in scan_file(path):
            if unit.name in ("EXPOSURES", "EXPTIME") and unit.header["NAXIS"] == 3:
                shape = unit.header["NAXIS3"], unit.header["NAXIS2"], unit.header["NAXIS1"]
                arrays[unit.name] = ArrayInFile(path, unit.data_offset, shape, unit.header["BITPIX"])
        for name in ("EXPOSURES", "EXPTIME"):
            if name not in arrays:
                raise MusedeepError(f"{path}: no extension {name}; make {piece.share} again with --overwrite")
    for name, array in arrays.items():
        if array.dtype != _TYPES[name]:
            kinds = [str(dtype.newbyteorder("=")) for dtype in (array.dtype, _TYPES[name])]
            raise MusedeepError(
                f"{array.path}: {name} has values of {kinds[0]}, expected {kinds[1]}; make {piece.share} again with "
                "--overwrite"
            )
        if array.shape != expected:
            sizes = [" x ".join(str(n) for n in reversed(shape)) for shape in (array.shape, expected)]
            raise MusedeepError(
                f"{array.path}: {name} has {sizes[0]} voxels, {piece.share} has {sizes[1]}; make it again with "
                "--overwrite"
            )
    return arrays


def _fill(work: Path, cube: Stitched, job: Job, checked: Row, progress: Progress) -> bool:
    """Copy the planes of those pieces that are not copied yet; returns whether any voxel has a value."""
    done = _done(work)
    identities = {piece.share.number: piece.identity() for piece, _ in checked}
    if any(identities.get(number, identity) != identity for number, (identity, _) in done.items()) or any(
        not identity.startswith(checked[0][0].fingerprint) for identity, _ in done.values()
    ):
        LOG.warning(f"{work}: pieces have been made again since; starting afresh")
        done = {}
    if not done:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            cube.create(work, job)
        except MusedeepError:
            shutil.rmtree(work)
            raise
    target = CubeFile.reopen(work / CUBE)
    places = {"DATA": target.data, "STAT": target.stat}
    if job.how.exposure_map:
        exposure_map = ExposureMapFile.reopen(work / MAP)
        places |= {"EXPOSURES": exposure_map.number, "EXPTIME": exposure_map.seconds}
    sizes = {piece.share.number: arrays["DATA"].shape[0] for piece, arrays in checked}
    progress.begin(sum(sizes.values()), "planes", sum(sizes.get(number, 0) for number in done))
    pool = ThreadPoolExecutor(1)
    try:
        with open(work / DONE, "a") as stream:
            for row in _rows(checked, done, job):
                # taken while the same bytes are copied, and in the memory of the system
                sums = [pool.submit(_check_sum, piece, name, array) for piece, a in row for name, array in a.items()]
                filled = _copy(row, places, job, progress)
                for one in sums:
                    one.result()
                for (piece, _), values in zip(row, filled, strict=True):
                    done[piece.share.number] = piece.identity(), values
                    stream.write(f"{piece.share.number} {int(values)} {piece.identity()}\n")
                stream.flush()
    finally:
        pool.shutdown(cancel_futures=True)
    return any(filled for _, filled in done.values())


def _copy(row: Row, places: Mapping[str, ArrayInFile], job: Job, progress: Progress) -> list[bool]:
    """Copy pieces that lie side by side, or one, to their place; returns whether each has values."""
    z, y, x = (first for first, _ in row[0][0].share.part(job.grid.shape))
    filled = [False] * len(row)
    for name, place in places.items():
        sources = [arrays[name] for _, arrays in row]
        for z0, z1 in bands(sources[0]):
            if _columns(row) == job.grid.shape[2]:
                place.copy_planes(sources, z0, z1, z + z0, y)
            else:
                place.write_box(z + z0, y, sources[0].read_stored(z0, z1), x)
            if name == "DATA":
                filled = [
                    known or any(not is_empty(source, plane) for plane in range(z0, z1))
                    for known, source in zip(filled, sources, strict=True)
                ]
                progress.advance((z1 - z0) * len(row))
    return filled


def _columns(row: Row) -> int:
    """Of all its pieces."""
    return sum(arrays["DATA"].shape[2] for _, arrays in row)


def _check_sum(piece: Piece, name: str, array: ArrayInFile) -> None:
    """Refuse an array whose bytes are not those that were written, as DATASUM in its header tells."""
    said = next(written_data_sum(unit) for unit in scan_file(array.path) if unit.name == name)
    with open(array.path, "rb") as stream:
        found = sum_of_file(stream.fileno(), array.offset, array.nbytes, array.path)
    if said != found:
        raise MusedeepError(
            f"{array.path}: {name} is damaged: DATASUM of its data is {found}, its header says {said}; make "
            f"{piece.share} again with --overwrite"
        )


def _rows(checked: Row, done: Container[int], job: Job) -> list[Row]:
    """The pieces that are not copied yet: those side by side together, if they make whole lines; others one by one."""
    rows: dict[Any, Row] = {}
    for piece, arrays in checked:
        if piece.share.number not in done:
            rows.setdefault(piece.share.part(job.grid.shape)[:2], []).append((piece, arrays))
    whole = job.grid.shape[2]
    return [part for row in rows.values() for part in ([row] if _columns(row) == whole else [[one] for one in row])]


def _done(work: Path) -> dict[int, tuple[str, bool]]:
    """Pieces that an earlier start has copied: what they were, and whether they have values."""
    path = work / DONE
    if not path.exists() or not (work / CUBE).exists():
        return {}
    found = {}
    try:
        for line in path.read_text().split("\n")[:-1]:  # what follows the last newline was not finished
            number, filled, identity = line.split(" ", 2)
            found[int(number)] = identity, filled == "1"
    except ValueError:
        LOG.warning(f"{path}: cannot be read; starting afresh")
        return {}
    return found
