"""What a client's directory tree holds, in a form that can be kept: names, forms, keywords and figures of the values.

    python -m tests.clients.product_trees TREE OUT.json        (keeps a tree)

1. Every file below a directory is listed, logs and sets of frames too; of FITS files, extensions, shapes, columns and
   the keywords of both the primary header and the first extension are noted, numbers in keywords as '#'.
2. Of the values of an image or a column: the fraction that is finite, and three quantiles. For images also those of
   their halves along each axis, so that what is at another place is seen. Of many values evenly spaced ones are taken.
"""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

QUANTILES = (0.05, 0.5, 0.95)
PIECES = 2
DIGITS = 6
VALUES = 1_000_000
"""About so many values of an image or column are looked at."""

TEXTS = 50
COMMENTS = ("COMMENT", "HISTORY", "")


def files_below(place: Path) -> list[str]:
    """Names of all files below a directory, in order; links to raw frames count as files."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def keywords(header: fits.Header) -> list[str]:
    """Keywords of a header, with # for each number in those of ESO's hierarchy."""
    found = {re.sub(r"\d+", "#", key) if key.startswith("ESO ") else key for key in header}
    return sorted(found - set(COMMENTS))


def figures_of(values: NDArray[Any]) -> list[float]:
    """The fraction of finite values, and their quantiles, of any numbers."""
    finite = np.isfinite(values)
    chosen = np.asarray(values[finite], np.float64)
    quantiles = np.quantile(chosen, QUANTILES) if chosen.size else np.full(len(QUANTILES), np.nan)
    return [float(f"{one:.{DIGITS}g}") for one in (finite.mean() if values.size else 0.0, *quantiles)]


def thinned(values: NDArray[Any]) -> NDArray[Any]:
    """Evenly spaced values of an image, cube or column, the same for all of one shape."""
    axes = sum(size > 1 for size in values.shape) or 1
    step = max(1, math.ceil((values.size / VALUES) ** (1 / axes)))
    return values[(slice(None, None, step),) * values.ndim]


def image_figures(image: NDArray[Any]) -> dict[str, list[float]]:
    """Figures of a whole image or cube, and of each piece of it."""
    image = thinned(image)
    found = {"all": figures_of(image)}
    cuts = [np.array_split(np.arange(size), min(PIECES, size)) for size in image.shape]
    for index in np.ndindex(*(len(cut) for cut in cuts)):
        place = tuple(slice(cut[i][0], cut[i][-1] + 1) for cut, i in zip(cuts, index, strict=True))
        found["-".join(map(str, index))] = figures_of(image[place])
    return found


def extension(hdu: Any) -> dict[str, Any]:
    """Name, kind, shape and figures of one extension; of the columns, for tables."""
    found: dict[str, Any] = {"name": hdu.name, "kind": type(hdu).__name__}
    if isinstance(hdu, fits.BinTableHDU):
        found |= {"rows": len(hdu.data), "columns": {}, "units": {}}
        for column in hdu.columns:
            values = np.asarray(hdu.data[column.name])
            found["units"][column.name] = column.unit
            numbers = values.dtype.kind in "fiub"
            found["columns"][column.name] = (
                figures_of(thinned(values)) if numbers else sorted(map(str, values.ravel()))[:50]
            )
    elif hdu.data is not None:
        # pixel tables are images of one column: pieces along the rows alone
        found |= {"shape": list(hdu.data.shape), "figures": image_figures(hdu.data)}
    return found


def product(path: Path) -> dict[str, Any]:
    """What a FITS file holds."""
    with fits.open(path) as hdus:
        primary = hdus[0].header
        return {
            "catg": primary.get("ESO PRO CATG"),
            "keywords": keywords(primary),
            "extension keywords": keywords(hdus[1].header) if len(hdus) > 1 else [],
            "extensions": [extension(hdu) for hdu in hdus],
        }


def tree(place: Path) -> dict[str, Any]:
    """What a tree holds: its directories, its files, and the FITS files that are no links."""
    found = files_below(place)
    products = {
        name: product(place / name) for name in found if name.endswith(".fits") and not (place / name).is_symlink()
    }
    directories = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_dir())
    return {"directories": directories, "files": found, "products": products}


def form(one: dict[str, Any]) -> list[Any]:
    """Names, kinds, shapes, columns and units of the extensions of a product; numbers of rows are apart."""
    return [
        (e["name"], e["kind"], shape_of(e), list(e.get("columns", ())), list(e.get("units", {}).values()))
        for e in one["extensions"]
    ]


def shape_of(one: dict[str, Any]) -> list[int] | None:
    """Shape of an extension; None of tables, also of those that are images of one column."""
    shape = one.get("shape")
    return None if shape is None or shape[-1] == 1 else list(shape)


def rows_of(one: dict[str, Any]) -> dict[str, int]:
    """Numbers of rows of the tables of a product, also of those that are images of one column, by extension."""
    tables = [e for e in one["extensions"] if shape_of(e) is None]
    return {e["name"]: int(e.get("rows", (e.get("shape") or [0])[0])) for e in tables}


def deviations(ours: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """How far the values of a product are from those expected, by extension or column: the largest of its pieces.

    That of a piece is the largest difference of its quantiles, in units of their spread or of the median if that is
    larger; or the difference of the fractions that are finite.
    """
    found: dict[str, float] = {}
    for mine, theirs in zip(ours["extensions"], expected["extensions"], strict=True):
        pieces = {
            f"{theirs['name']} {key}": (mine["figures"][key], one) for key, one in theirs.get("figures", {}).items()
        }
        for column, one in theirs.get("columns", {}).items():
            if one and isinstance(one[0], float):
                pieces[f"{theirs['name']}.{column}"] = mine["columns"][column], one
        for key, (own, one) in pieces.items():
            name = key.partition(" ")[0]
            low, middle, high = one[1:]
            unit = max(high - low, abs(middle)) or 1.0
            apart = [abs(own[0] - one[0]), *(abs(a - b) / unit for a, b in zip(own[1:], one[1:], strict=True))]
            found[name] = max(found.get(name, 0.0), *(value for value in apart if not math.isnan(value)), 0.0)
    return found


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(tree(Path(sys.argv[1])), indent=0))
