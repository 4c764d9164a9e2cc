"""Field images of exposures that a catalogue knows: what a person looks at before combining."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from musedeep.selection.catalogue.exposure import archive_name

PREVIEW: Final = "IMAGE_FOV"


def previews_of(products: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Paths of field images by name of exposure, of rows of the table `products`; of several, the last path.

    An image of one exposure goes before one of several, as of an OB.
    """
    found: dict[str, tuple[int, str]] = {}
    for row in products:
        if row["category"] != PREVIEW:
            continue
        names = {name for word in (row["raw"] or "").split() if (name := archive_name(word))}
        # older products do not say of which frames they are made
        names = names or ({archive_name(f"MUSE.{row['date_obs']}")} - {""})
        for name in names:
            if name not in found or len(names) <= found[name][0]:
                found[name] = len(names), str(row["path"])
    return {name: path for name, (_, path) in found.items()}
