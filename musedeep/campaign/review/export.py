"""The pages as a folder that opens from disk: no server, nothing to decide, all links relative.

The folder is made beside its place and gets its name when all is in it.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from musedeep.campaign.review.campaign import Campaign, Item
from musedeep.campaign.review.pages import ASSETS, Pages, Visitor, logs_of
from musedeep.campaign.review.pictures import Pictures
from musedeep.campaign.review.server import asset_path, log_text, picture_of
from musedeep.errors import MusedeepError
from musedeep.storage.outputs import partial_name, replace_directory, write_error

MARK = "index.html"
"""A folder that has it, and `assets`, was exported before."""


def export(campaign: Campaign, folder: Path, overwrite: bool, done: Callable[[str], None] = lambda name: None) -> int:
    """Write the pages; returns the number of products.

    Parameters
    ----------
    overwrite : whether an earlier export may be replaced
    done : is called with the name of each product

    Raises
    ------
    MusedeepError
        The folder exists, or is no export; it cannot be written.
    """
    if not folder.parent.is_dir():
        raise MusedeepError(f"{folder}: the directory {folder.parent} does not exist; create it first")
    if folder.exists() and not overwrite:
        raise MusedeepError(f"{folder}: exists already; give another name, or --overwrite to replace it")
    if folder.exists() and not ((folder / MARK).is_file() and (folder / "assets").is_dir()):
        raise MusedeepError(f"{folder}: is no export of a review, and is not replaced; give another name")
    partial = partial_name(folder)
    pictures = Pictures(campaign)
    try:
        pages = Pages(campaign, pictures)
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "assets").mkdir(parents=True)
        for name in ASSETS:
            shutil.copyfile(asset_path(name), partial / "assets" / name)
        (partial / MARK).write_text(pages.index(Visitor()), encoding="utf-8")
        items = campaign.items()
        for item in items:
            _product(pages, item, partial / "products" / item.key)
            done(item.product.name)
        replace_directory(partial, folder)
        return len(items)
    except OSError as error:
        raise write_error(folder, error, 0) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        pictures.close()


def _product(pages: Pages, item: Item, folder: Path) -> None:
    (folder / "pictures").mkdir(parents=True)
    (folder / MARK).write_text(pages.product(item, Visitor()), encoding="utf-8")
    numbers = range(len(pages.pictures.with_images(item)))
    names = ["field", "depth", *(f"figure-{k}" for k in range(len(item.quality.figures)))]
    names += [f"{what}-{k}" for what in ("single", "residual") for k in numbers]
    for name in names:
        path = picture_of(pages, item, name)
        if path is not None:
            shutil.copyfile(path, folder / "pictures" / f"{name}.png")
    for number in range(len(logs_of(item))):
        log = pages.log(item, number)
        if log is not None:
            (folder / "logs").mkdir(exist_ok=True)
            (folder / "logs" / f"{number}.txt").write_text(log_text(log), encoding="utf-8")
    for path in folder.rglob("*"):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
