"""Files of a finished product, as quality control reads them: cube, image, exposure map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from musedeep.errors import MusedeepError
from musedeep.quality.record import PRODUCT, ProductRecord, read_record
from musedeep.storage.cubes.field_view import FieldPlane, read_field_view, read_plane
from musedeep.storage.cubes.open_cube import OpenCube, open_cube
from musedeep.storage.fits.headers import number_of, number_or_none, scan_file
from musedeep.storage.fits.parts import ArrayInFile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExposureTimes:
    """An exposure map: float32 (ny, nx) seconds and number of exposures, float64 (nz,) usual number per plane."""

    seconds: NDArray[np.float32]
    number: NDArray[np.float32]
    per_plane: Floats


@dataclass(frozen=True)
class ProductFiles:
    """A finished product.

    Attributes
    ----------
    folder, campaign : of the product, and of its campaign
    record : of the product
    cube : to read
    plane : coordinates of the field
    image : float64 (ny, nx), of the field; None if the product has none
    times : its exposure map; None if it has none
    """

    folder: Path
    campaign: Path
    record: ProductRecord
    cube: OpenCube
    plane: FieldPlane
    image: Floats | None
    times: ExposureTimes | None

    @property
    def shape(self) -> tuple[int, int]:
        """Of the field."""
        return self.cube.shape[1], self.cube.shape[2]

    @property
    def waves(self) -> Floats:
        """Wavelength of each plane, float64 (nz,) [Angstrom]."""
        header, path = self.cube.header, self.cube.path
        pixel, value, step = (number_of(header, key, path) for key in ("CRPIX3", "CRVAL3", "CD3_3"))
        offset = (np.arange(self.cube.shape[0]) + 1.0 - pixel) * step
        if str(header.get("CTYPE3", "")).endswith("-LOG"):
            return np.asarray(value * np.exp(offset / value), np.float64)
        return np.asarray(value + offset, np.float64)

    def number(self, keyword: str) -> float | None:
        """A number of the primary header of the cube."""
        return number_or_none(self.cube.primary, keyword)

    def sources(self) -> Floats:
        """Sources that the pipeline has found (EXPCOMB or SCIPOST POSk), float64 (n, 2) [pixel from 0]."""
        header = self.cube.primary
        for word in ("EXPCOMB", "SCIPOST"):
            if f"ESO QC {word} NDET" in header:
                n = int(number_of(header, f"ESO QC {word} NDET", self.cube.path))
                keys = [f"ESO QC {word} POS{k} " for k in range(1, n + 1)]
                both = [(number_or_none(header, key + "X"), number_or_none(header, key + "Y")) for key in keys]
                known = [(x - 1.0, y - 1.0) for x, y in both if x is not None and y is not None and x > 0]
                return np.array(known, np.float64).reshape(-1, 2)
        return np.empty((0, 2))

    def n_sources(self) -> float | None:
        """Number of sources that the pipeline has found; None if the header does not say it."""
        found = (self.number(f"ESO QC {word} NDET") for word in ("EXPCOMB", "SCIPOST"))
        return next((one for one in found if one is not None), None)


def campaign_of(folder: Path) -> Path:
    """The campaign of the folder of a product, as products/NAME/v1."""
    parts = folder.absolute().parents
    if len(parts) < 3 or parts[1].name != "products":
        raise MusedeepError(f"{folder}: no folder of a product; give CAMPAIGN/products/NAME/v1")
    return parts[2]


def open_product(folder: Path) -> ProductFiles:
    """Open a finished product.

    Raises MusedeepError: no product in the folder, a file is missing, cut off, or of another size than the cube.
    """
    campaign = campaign_of(folder)
    record = read_record(ProductRecord, folder / PRODUCT)
    if not record.cube:
        raise MusedeepError(f"{folder / PRODUCT}: the product has no cube; run the campaign again")
    cube = open_cube(campaign / record.cube)
    plane = read_plane(cube.header, cube.path)
    image = read_field_view(campaign / record.images[0]).data if record.images else None
    times = _times(campaign / record.exposure_map) if record.exposure_map else None
    for name, array in (("image", image), ("exposure map", times.seconds if times else None)):
        if array is not None and array.shape != cube.shape[1:]:
            raise MusedeepError(
                f"{cube.path}: {cube.shape[2]} x {cube.shape[1]} spaxels, its {name} has {array.shape[1]} x "
                f"{array.shape[0]}; make the product again"
            )
    return ProductFiles(folder, campaign, record, cube, plane, image, times)


def _times(path: Path) -> ExposureTimes:
    units = {unit.name: unit for unit in scan_file(path)}
    missing = [name for name in ("EXPOSURES", "EXPTIME_IMAGE", "EXPOSURES_IMAGE") if name not in units]
    if missing:
        raise MusedeepError(f"{path}: no extension {missing[0]}; give an EXPOSURE_MAP of muse_exp_combine")
    images = []
    for name in ("EXPTIME_IMAGE", "EXPOSURES_IMAGE"):
        array = _array(path, units[name].header, units[name].data_offset, name)
        images.append(array.read_box(0, 1)[0].astype(np.float32))
    numbers = _array(path, units["EXPOSURES"].header, units["EXPOSURES"].data_offset, "EXPOSURES")
    per_plane = np.zeros(numbers.shape[0])
    for z in range(numbers.shape[0]):
        plane = numbers.read_box(z, z + 1)[0]
        some = plane[plane > 0]
        per_plane[z] = np.median(some) if some.size else 0.0
    return ExposureTimes(images[0], images[1], per_plane)


def _array(path: Path, header: fits.Header, offset: int, name: str) -> ArrayInFile:
    axes = int(header["NAXIS"])
    if axes not in (2, 3):
        raise MusedeepError(f"{path}: {name} has {axes} axes; give an EXPOSURE_MAP of muse_exp_combine")
    shape = (int(header["NAXIS3"]) if axes == 3 else 1, int(header["NAXIS2"]), int(header["NAXIS1"]))
    return ArrayInFile(path, offset, shape, int(header["BITPIX"]))
