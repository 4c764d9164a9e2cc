"""A small cube as a pipeline writes it, with all that a cube may hold, in one FITS file."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from musedeep.storage.cubes.cube_fits import CubeWCS, extension_header, filter_image_header
from tests.makers import cube_pieces, cubes

SHAPE = (40, 12, 17)
STEP = 1.25
FIRST = 7000.0
TURNED = CubeWCS(
    (5.5, 4.0, 1.0), (53.16, -27.78, FIRST),
    (-0.2 / 3600 * 0.8, 0.2 / 3600 * 0.6, 0.2 / 3600 * 0.6, 0.2 / 3600 * 0.8), STEP, "AWAV",
)  # fmt: skip
"""Axes that are turned by 37 degrees against north."""


def header_of(name: str, wcs: CubeWCS) -> fits.Header:
    header = extension_header("DATA" if name == "DQ" else name, "field", wcs, name == "STAT")
    header["EXTNAME"] = name
    if name == "DQ":
        del header["BUNIT"]
    return header


def write(
    path: Path,
    shape: tuple[int, int, int] = SHAPE,
    *,
    wcs: CubeWCS | None = None,
    names: tuple[str, ...] = ("DATA", "STAT", "DQ"),
    image: bool = True,
    table: bool = False,
    **primary: object,
) -> dict[str, np.ndarray]:
    """Write the cube; its arrays by extension. NaN of DATA have different bits."""
    wcs = wcs or cubes.wcs()
    data, stat = cubes.values(shape)
    data[5, 3, 3] = np.array(0xFFC00001, np.uint32).view(np.float32)
    data[:, 5, 5] = np.array(0xFFC00000, np.uint32).view(np.float32)
    values: dict[str, np.ndarray] = {"DATA": data, "STAT": stat, "DQ": np.isnan(data).astype(np.int32) << 30}
    values = {name: values[name] for name in names}
    head = cube_pieces.primary(RADESYS="FK5", EQUINOX=2000.0, **primary)
    hdus = fits.HDUList([fits.PrimaryHDU(header=head)])
    for name in names:
        hdus.append(fits.ImageHDU(values[name], header_of(name, wcs), name=name))
    if image:
        values["white"] = np.nansum(data, 0).astype(np.float32)
        hdus.append(fits.ImageHDU(values["white"], filter_image_header("white", "field", wcs, [])))
        hdus[-1].header["EXTNAME"] = "white"
    if table:
        hdus.append(fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.arange(3.0))], name="SOURCES"))
    hdus.writeto(path, overwrite=True, checksum=True)
    return values


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays of one type, of either byte order, have the same bits."""
    kind = f"u{one.dtype.itemsize}"
    first, second = (a.astype(a.dtype.newbyteorder("=")).view(kind) for a in (one, other))
    return one.shape == other.shape and bool((first == second).all())
