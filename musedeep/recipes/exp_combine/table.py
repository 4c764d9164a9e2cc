"""PIXTABLE_COMBINED: all rows of all exposures in one table, as a FITS file and as a store."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.recipes.exp_combine.headers import pixel_table_cards, product_header, slice_offset_cards
from musedeep.recipes.exp_combine.job import Job
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.recipes.exp_combine.rows import CombinedRows, row_blocks
from musedeep.storage.fits.header_cards import sign
from musedeep.storage.fits.headers import raw_cards
from musedeep.storage.fits.parts import ArrayInFile, header_bytes, padded, reserve
from musedeep.storage.pixel_tables.store_writer import write_store


def _rejected(work: Path, n_exposures: int) -> list[NDArray[np.int64]]:
    """Row numbers of the rejected rows of each exposure, ascending."""
    files = sorted(work.glob("rejected-*.npy"))
    rows = np.concatenate([np.load(f) for f in files]) if files else np.empty((0, 2), np.int64)
    return [np.sort(rows[rows[:, 0] == k, 1]) for k in range(n_exposures)]


class CombinedTable:
    """The combined pixel table (manual A.3.2, image format), to be written in one form or another.

    Parameters
    ----------
    work : Path
        Work directory with the rejected rows of all boxes.
    name : str
        File name of the FITS table, for its header.
    job : Job
    first : fits.Header
        Primary header of the first exposure.
    texts : sequence of (name, value)
        Parameters of the recipe that were given.
    weighted : bool
        Whether the table gets a weight column.

    Raises
    ------
    MusedeepError
        A pixel table cannot be read any more.
    """

    def __init__(
        self, work: Path, name: str, job: Job, first: fits.Header, texts: Sequence[tuple[str, str]], weighted: bool
    ) -> None:
        self.rows = CombinedRows(Path(name), job, _rejected(work, len(job.exposures)), weighted)
        self._name, self._job, self._first, self._texts = name, job, first, texts

    @cached_property
    def _headers(self) -> dict[str, bytes]:
        """Headers of the FITS table as bytes: of the primary HDU, and of each column."""
        job, rows = self._job, self.rows
        prefix = "ESO DRS MUSE PIXTABLE LIMITS "
        offset = (job.reference[0], job.reference[0], job.reference[1], job.reference[1], 0.0, 0.0)
        headers = (rows.table(k).header for k in range(len(job.exposures)))
        cards = [*pixel_table_cards(rows.counts), *slice_offset_cards(headers)]
        for k, axis in enumerate(("X LOW", "X HIGH", "Y LOW", "Y HIGH", "LAMBDA LOW", "LAMBDA HIGH")):
            cards.append((prefix + axis, np.float32(rows.limits[k] + offset[k]), ""))
        cards += [("CRVAL1", job.reference[0], ""), ("CRVAL2", job.reference[1], "")]
        if "weight" not in rows.names:
            cards = [c for c in cards if not c[0].endswith("PIXTABLE WEIGHTED")]
        primary = product_header(
            RECIPE, self._first, job, "PIXTABLE_COMBINED", self._name, dict(self._texts), cards, keep_pixel_table=True
        )
        found = {"primary": header_bytes(primary, False, 8, ())}
        for name in rows.names:
            header = fits.Header([fits.Card("EXTNAME", name)])
            if name in rows.units:
                header["BUNIT"] = rows.units[name]
            found[name] = header_bytes(header, True, _bitpix(name), (rows.n_rows, 1))
        return found

    def write_fits(self, path: Path) -> None:
        """Write the FITS table, streaming; in place, the caller renames it.

        Raises
        ------
        MusedeepError
            Not enough disk space.
        """
        n = self.rows.n_rows
        arrays, position = {}, 0
        for name, head in self._headers.items():
            position += len(head)
            if name != "primary":
                arrays[name] = ArrayInFile(path, position, (1, n, 1), _bitpix(name))
                position += padded(n * 4)
        reserve(path, position)
        with open(path, "r+b") as stream:
            stream.write(self._headers["primary"])
            for name, array in arrays.items():
                stream.seek(array.offset - len(self._headers[name]))
                stream.write(self._headers[name])
            for block in row_blocks(n):
                rows = self.rows.read(block, self.rows.names)
                for name, array in arrays.items():
                    stream.seek(array.offset + int(block[0, 0]) * 4)
                    stream.write(np.ascontiguousarray(rows[name], array.dtype).data)
            stream.flush()
            os.fsync(stream.fileno())
        sign(path)

    def write_store(self, path: Path, memory: int, workers: int) -> None:
        """Write the store, streaming; `export` makes of it the FITS table that `write_fits` writes.

        Parameters
        ----------
        path : Path
            The zarr group; replaced if it exists.
        memory : int
            Working memory [bytes].
        workers : int
            Threads.

        Raises
        ------
        MusedeepError
            Not enough disk space, or memory for one slice in one band.
        """
        hdus = [{"cards": list(raw_cards(head)), "role": name} for name, head in self._headers.items()]
        layout = {"format": "image", "hdus": hdus, "unsigned": True}
        write_store(self.rows, path, layout, workers=workers, memory=memory, overwrite=True)


def _bitpix(name: str) -> int:
    return 32 if name in ("dq", "origin") else -32
