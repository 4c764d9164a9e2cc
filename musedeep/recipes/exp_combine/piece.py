"""A piece of a cube, made by a run of its own: some planes of the whole cube, in a directory of its own.

1. All inputs are surveyed, as for the whole cube, so that the grid and the place of each row in it are the same.
2. Only the planes of the piece are computed, from all rows that reach into them. They have the bits of the whole cube.
3. The directory gets the cube of these planes, their exposure map if one is wanted, the rejected rows if a combined
   pixel table is, and last the note: a file that says which piece of which job this is, and all that is needed to
   complete the products of the whole cube (`stitch`). A directory without a note has no piece.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from musedeep import __version__
from musedeep.errors import MusedeepError
from musedeep.provenance_key import code_state
from musedeep.recipes.exp_combine.products import ExpCombine
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.grid import Grid
from musedeep.reduction.cube.job import CUBE, MAP, Exposure, Job
from musedeep.reduction.cube.products import Card, give_name
from musedeep.reduction.cube.share import PIECE, Division, Ranges, Share
from musedeep.storage.cubes.cube_fits import CubeFile
from musedeep.storage.cubes.exposure_map import ExposureMapFile
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.pixel_tables.table import file_identity

NOTE: Final = "piece.json"
"""What a directory with a piece has: which it is, and of what."""

PROGRAM: Final = f"musedeep {__version__}"

JOB_DIGITS: Final = 32
"""Of the fingerprint of a job in a header: it fits into one card."""


@dataclass
class ExpCombinePiece(ExpCombine):
    """A piece of the cube of muse_exp_combine, as the graph runs it (`reduction.cube.job.CubeRecipe`).

    Attributes
    ----------
    share : Share, which piece; `output` is its own directory
    """

    share: Share = field(default=Share(1, Division()), kw_only=True)

    def part(self, grid: Grid) -> Ranges | None:
        """See `CubeRecipe.part`."""
        return self.share.part(grid.shape)

    def request(self) -> dict[str, Any]:
        """What was asked for, but for the exposures: plain data."""
        return {
            "parameters": {name: _plain(value) for name, value in self.parameters.given.items()},
            "texts": [list(pair) for pair in self.parameter_texts],
            "combined_format": sorted(self.combined_format),
            "auxiliary": {tag: [str(path.absolute()), file_identity(path)] for path, tag in self.calibrations},
        }

    def fingerprint(self, exposures: Sequence[Exposure], how: Resampling) -> str:
        """A hash of all that the cube depends on: inputs, parameters, number of pieces, and the code."""
        known = {
            "of": str(self.share.of),
            "exposures": [asdict(one) for one in exposures],
            "how": asdict(how),
            "request": self.request(),
        }
        return hashlib.sha256(f"{code_state()} {json.dumps(known)}".encode()).hexdigest()

    def finished(self) -> bool:
        """Whether the piece is there already, made of the same inputs with the same parameters; raises on bad input."""
        if not (self.output / CUBE).exists():
            return False
        try:
            known = json.loads((self.output / NOTE).read_text())["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        exposures, _ = self.exposures()
        return bool(known == self.fingerprint(exposures, self.resampling(exposures)))

    def check_existing(self, overwrite: bool) -> None:
        """See `CubeRecipe.check_existing`; a directory without a note has only what an earlier start has left."""
        if self.output.exists() and not self.output.is_dir():
            raise MusedeepError(f"{self.output}: a file of this name exists; the output has to be a directory")
        if (self.output / NOTE).exists() and not overwrite:
            raise MusedeepError(
                f"{self.output}: {self.share} is there, made of other inputs, with other parameters or by another "
                "version; give --overwrite to replace it, or another output"
            )

    def own_cards(self, job: Job) -> Sequence[Card]:
        """What the headers of a piece say of it."""
        division, (z, y, x), (nz, ny, nx) = self.share.of, job.start, job.grid.shape
        where: list[Card] = [
            (PIECE + "FIRST", z + 1, "First plane, in the whole cube"),
            (PIECE + "PLANES", nz, "Planes of the whole cube"),
        ]
        if division.spatial:
            where = [
                (PIECE + "FIELD", str(division), "Columns and lines of pieces"),
                (PIECE + "COLUMN", x + 1, "First column, in the whole cube"),
                (PIECE + "COLUMNS", nx, "Columns of the whole cube"),
                (PIECE + "LINE", y + 1, "First line, in the whole cube"),
                (PIECE + "LINES", ny, "Lines of the whole cube"),
            ]
        return [
            (PIECE + "NUMBER", self.share.number, "Number of this piece"),
            (PIECE + "TOTAL", division.number, "Pieces of the cube"),
            *where,
            (PIECE + "JOB", self.fingerprint(job.exposures, job.how)[:JOB_DIGITS], "Job"),
        ]

    def finish(self, work: Path, job: Job, memory: int, threads: int) -> list[Path]:
        """Complete the piece, the note last; see `CubeRecipe.finish`."""
        first, _ = self._first(job)
        (self.output / NOTE).unlink(missing_ok=True)
        for former in self.output.glob("rejected-*.npy"):
            former.unlink()
        CubeFile.reopen(work / CUBE).set_primary(self._header(first, job, "DATACUBE_FINAL", CUBE))
        names = [CUBE]
        if job.how.exposure_map:
            ExposureMapFile.reopen(work / MAP).collapse()
            names.append(MAP)
        for name in names:
            sign(work / name)
        rejected = sorted(path.name for path in work.glob("rejected-*.npy"))
        headers = [self.header_of(one) for one in (job.exposures if self.science else job.exposures[:1])]
        note = {
            "program": PROGRAM,
            "fingerprint": self.fingerprint(job.exposures, job.how),
            "number": self.share.number,
            "of": str(self.share.of),
            "job": asdict(replace(job, part=None)),
            "request": self.request(),
            "unit": self._unit(job),
            "headers": [header.tostring(sep="\n", padding=False) for header in headers],
        }
        (work / NOTE).write_text(json.dumps(note, indent=1))
        for name in (*names, *rejected, NOTE):
            give_name(work / name, self.output / name)
        return [self.output / name for name in names]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
