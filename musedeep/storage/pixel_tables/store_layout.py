"""What stores of rows hold beside their rows: smaller arrays, and HDUs that are no columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musedeep.storage.pixel_tables.zarr import create_rows
from musedeep.storage.stores.checked_store import RecordedStore
from musedeep.storage.stores.column_writer import ColumnWriter


def save_whole(target: RecordedStore, group: Any, name: str, values: NDArray[Any]) -> None:
    """Write a smaller array into a group of a new store, at once."""
    column = ColumnWriter(create_rows(group, name, values.shape, values.dtype), target)
    column.append(values)
    column.finish()


def save_other_hdus(target: RecordedStore, layout: dict[str, Any]) -> None:
    """Write the data of HDUs that are no columns, and note where they are in a layout of `store_writer`."""
    hdus = target.group.create_group("hdus")
    for number, hdu in enumerate(layout["hdus"]):
        if "raw" in hdu:
            content = hdu.pop("raw")
        elif "bytes" in hdu:
            with open(layout["path"], "rb") as stream:
                stream.seek(hdu.pop("offset"))
                content = stream.read(hdu.pop("bytes"))
        else:
            continue
        save_whole(target, hdus, str(number), np.frombuffer(content, np.uint8))
        hdu["array"] = f"hdus/{number}"
