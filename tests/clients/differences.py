"""Compare the FITS files of two trees of a client value by value: the table of docs/validation/clients.md.

    python -m tests.clients.differences REFERENCE OURS

1. Files of the same name are compared extension by extension. Of extensions of equal shape the values that are finite
   in both are compared, in units of the reference's sigma where the file has a STAT extension or a column `stat`;
   otherwise in units of the reference's own spread (5 to 95 %), or of its median where that is larger.
2. Of each kind of product the extension or column with the largest difference is shown: median and 99 % of it.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tests.clients.product_trees import files_below, thinned


def compared(reference: NDArray[Any], ours: NDArray[Any], scale: NDArray[Any] | None = None) -> dict[str, float]:
    """Median and 99 % of the differences in units of a scale; the fraction of values finite in one alone."""
    known, found = np.isfinite(reference), np.isfinite(ours)
    both = known & found
    if not both.any():
        return {"median": 0.0, "most": 0.0, "alone": float((known != found).mean())}
    r, o = np.asarray(reference[both], np.float64), np.asarray(ours[both], np.float64)
    if scale is None:
        low, middle, high = np.quantile(r, (0.05, 0.5, 0.95))
        unit: Any = max(high - low, abs(middle), 1e-30)
    else:
        unit = np.where(scale[both] > 0, scale[both], np.nan)
    apart = np.abs(o - r) / unit
    apart = apart[np.isfinite(apart)]
    median, most = np.quantile(apart, (0.5, 0.99)) if apart.size else (0.0, 0.0)
    return {"median": float(median), "most": float(most), "alone": float((known != found).mean())}


def pieces(hdus: fits.HDUList) -> Iterator[tuple[str, NDArray[Any]]]:
    """Images and numeric columns of a file, with names."""
    for number, hdu in enumerate(hdus):
        name = hdu.name or str(number)
        if isinstance(hdu, fits.BinTableHDU):
            for column in hdu.columns.names:
                values = np.asarray(hdu.data[column])
                if values.dtype.kind in "fiu":
                    yield f"{name}.{column}", thinned(values)
        elif hdu.data is not None:
            yield name, thinned(hdu.data)


def sigma_of(name: str, found: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """The sigma of the values of an extension; None where the file has none."""
    partner = {"DATA": "STAT", "data": "stat"}.get(name.rpartition(".")[2])
    variance = found.get(name[: len(name) - 4] + partner) if partner else None
    return None if variance is None else np.sqrt(np.maximum(np.asarray(variance, np.float64), 0))


def file_differences(reference: Path, ours: Path) -> dict[str, dict[str, float] | str]:
    """Differences of two files by extension or column; a text where they cannot be compared."""
    with fits.open(reference) as r, fits.open(ours) as o:
        theirs, mine = dict(pieces(r)), dict(pieces(o))
        shown: dict[str, dict[str, float] | str] = {}
        for name, values in theirs.items():
            if name not in mine:
                shown[name] = "missing"
            elif mine[name].shape != values.shape:
                shown[name] = f"{mine[name].shape}, not {values.shape}"
            else:
                shown[name] = compared(values, mine[name], sigma_of(name, theirs))
        return shown | {name: "ours alone" for name in mine if name not in theirs}


def main(reference: Path, ours: Path) -> None:
    """Print the differences of all files, then a line for each kind of product."""
    kinds: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    names = [name for name in files_below(reference) if name.endswith(".fits")]
    for name in names:
        if (reference / name).is_symlink():
            continue
        if not (ours / name).exists():
            print(f"{name}: missing")
            continue
        for piece, one in file_differences(reference / name, ours / name).items():
            if isinstance(one, str):
                print(f"{name} [{piece}] {one}")
                continue
            print(f"{name} [{piece}] median {one['median']:.2g} 99% {one['most']:.2g} finite in one {one['alone']:.2g}")
            kinds[Path(name).name.split("_20")[0]].append((one["most"], one["median"], piece))
    print()
    for kind, found in sorted(kinds.items()):
        most, median, piece = max(found)
        print(f"| {kind} | {piece} | {median:.1g} | {most:.1g} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
