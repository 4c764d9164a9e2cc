"""Products of a recipe, put where esorex puts them.

1. They are made in a directory of their own within the output directory, `workplace`, and get their names when the
   recipe has ended. What has its name is whole, and an interrupted call leaves nothing.
2. They are ordered by category, as in the set-of-frames of CPL. With a prefix, PREFIX_0000.fits, PREFIX_0001.fits and
   so on are their names in that order; PIPEFILE keeps the name that the recipe gives them.
3. Products of the same name that are there are replaced.
4. Products of a recipe that has failed are put into the working directory, under the names that the recipe gives them.
"""

import errno
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from musedeep.declaration import Format, Recipe
from musedeep.errors import MusedeepError, reason
from musedeep.esorex.errors import REFUSED, EsorexProblem
from musedeep.esorex.log import Messages
from musedeep.storage.outputs import appearing_whole, partial_name, replace_directory

PARTIAL: Final = ".esorex-"
NO_LIST: Final = 8
"""Exit status where the list of products cannot be written."""

NOT_MOVED: Final = 61
"""Exit status where a product cannot get its name."""

NOT_WRITABLE: Final = 67
"""Exit status where nothing can be written into an output directory that is not the working directory."""

READ_ONLY: Final = 0o444


@dataclass(frozen=True)
class Made:
    """A product as the recipe has made it."""

    path: Path
    category: str


@dataclass(frozen=True)
class Delivery:
    """What becomes of products.

    Attributes
    ----------
    directory : where they go, as it was given
    prefix : of their names; None: they keep those of the recipe
    read_only : write-protect them
    links : directory of symbolic links to them; None: no links
    checksums, digest : whether they have CHECKSUM and DATASUM, and DATAMD5
    """

    directory: str = "."
    prefix: str | None = None
    read_only: bool = False
    links: str | None = None
    checksums: bool = True
    digest: bool = True

    def named(self, made: Sequence[Made]) -> list[tuple[Path, str]]:
        """Of each product its path, and what esorex calls that.

        Raises
        ------
        MusedeepError
            Two of them have the same name.
        """
        # a product that stays where recipes of the ESO pipeline make it is called by its name alone
        here = Path(self.directory).resolve() == Path.cwd()
        found: list[tuple[Path, str]] = []
        for number, one in enumerate(made):
            name = one.path.name if self.prefix is None else f"{self.prefix}_{number:04d}{one.path.suffix}"
            if not here:
                shown = os.path.join(self.directory.rstrip("/") or "/", name)
            else:
                shown = name if self.prefix is None else str(Path.cwd() / name)
            path = Path(self.directory) / name
            if any(path == other for other, _ in found):
                raise MusedeepError(f"{path}: two products have this name; give --suppress-prefix=FALSE to number them")
            found.append((path, shown))
        return found


@contextmanager
def workplace(directory: Path) -> Iterator[Path]:
    """A directory within the output directory, for products in work; removed at the end with all that is in it.

    What killed calls on the same machine have left is removed, too.

    Raises
    ------
    EsorexProblem
        Nothing can be written there.
    """
    host = re.sub(r"\W", "_", socket.gethostname())
    for left in directory.glob(f"{PARTIAL}{host}-*.part"):
        number = left.name.removeprefix(f"{PARTIAL}{host}-").removesuffix(".part")
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    place = directory / f"{PARTIAL}{host}-{os.getpid()}.part"
    try:
        place.mkdir()
    except OSError as error:
        status = REFUSED if directory.resolve() == Path.cwd() else NOT_WRITABLE
        raise EsorexProblem(
            status, f"The output directory [{directory}] cannot be written ({reason(error)}); check its rights"
        ) from None
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def ordered(paths: Sequence[Path]) -> list[Made]:
    """Products in the order of CPL's sets-of-frames, by category; a category's in the order in which they were made."""
    return sorted((Made(path, category_of(path)) for path in dict.fromkeys(paths)), key=lambda one: one.category)


def category_of(path: Path) -> str:
    """PRO CATG of a product; of a store, from its name."""
    if path.is_file():
        from musedeep.storage.fits.headers import primary_header

        return str(primary_header(path).get("ESO PRO CATG", ""))
    return re.sub(r"(_\d{4})?(-\d\d)?$", "", path.stem)


def format_of(recipe: Recipe[Any], category: str) -> Format | None:
    """The format of the products of a category."""
    raws = [one.name for one in recipe.inputs]
    formats = {one.category.replace("TAG", raw): one.format for raw in raws for one in recipe.products}
    return formats.get(category)


def deliver(made: Sequence[Made], delivery: Delivery, messages: Messages) -> list[tuple[str, str]]:
    """Give products their names; returns what esorex calls them, with their categories.

    Raises
    ------
    MusedeepError
        Two have the same name; one cannot be written.
    """
    if delivery.checksums or delivery.digest:
        messages.info("Calculating product checksums")
    places = delivery.named(made)
    for one in made:
        if one.path.is_file():
            adjust_sums(one.path, delivery.checksums, delivery.digest)
    listed = []
    for one, (path, shown) in zip(made, places, strict=True):
        in_place = shown == path.name
        if path.exists() and not in_place:
            messages.warning(f"Product final output path file already exists and will be overwritten ({shown})")
        moved(one.path, path)
        if delivery.read_only:
            _protect(path)
        if delivery.links is not None:
            _link(Path(delivery.links) / path.name, shown)
        messages.info(f"Created product {shown}{' (in place)' if in_place else ''}")
        listed.append((shown, one.category))
    messages.info(f"{len(made)} product{'' if len(made) == 1 else 's'} created")
    return listed


def moved(source: Path, target: Path) -> None:
    """Give a file or a store its name, in place of what has it; on another disk it appears when it is whole.

    Raises MusedeepError if it cannot be written.
    """
    try:
        if source.is_dir() or target.is_dir():
            replace_directory(source, target)
        else:
            os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise MusedeepError(f"{target}: cannot be written ({reason(error)}); check the directory") from None
        if source.is_dir():
            part = partial_name(target)
            shutil.copytree(source, part)
            replace_directory(part, target)
        else:
            with appearing_whole(target, source.stat().st_size) as part:
                shutil.copyfile(source, part)


def moved_here(paths: Sequence[Path]) -> list[str]:
    """Give products their names in the working directory, in place of what has them; the names, each once.

    Raises MusedeepError if one cannot be written.
    """
    places = {path.name: path for path in paths}
    for name, path in places.items():
        moved(path, Path(name))
    return list(places)


def _protect(path: Path) -> None:
    for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
        if one.is_file():
            one.chmod(READ_ONLY)


def _link(link: Path, target: str) -> None:
    """Make a symbolic link, in place of one that is there; the target is written as esorex writes it."""
    part = partial_name(link)
    try:
        part.symlink_to(target)
        os.replace(part, link)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MusedeepError(f"{link}: the link cannot be made ({reason(error)}); check --link-dir") from None


def adjust_sums(path: Path, checksums: bool, digest: bool) -> None:
    """Take CHECKSUM and DATASUM, or DATAMD5, out of the headers of a FITS file; the data are not read.

    Parameters
    ----------
    checksums, digest : whether they stay
    """
    if checksums and digest:
        return
    from musedeep.storage.fits.header_cards import signed_header, utc_now
    from musedeep.storage.fits.headers import raw_bytes, scan_file

    leave = ["CHECKSUM=", "DATASUM ="] * (not checksums) + ["DATAMD5 ="] * (not digest)
    with open(path, "r+b") as stream:
        for unit in scan_file(path):
            cards = without(unit.cards, leave)
            if checksums and "DATASUM" in unit.header:
                raw = signed_header(cards, int(unit.header["DATASUM"]), utc_now())
            else:
                raw = raw_bytes(cards)
            stream.seek(unit.offset)
            stream.write(raw)


def without(cards: Sequence[str], leave: Sequence[str]) -> list[str]:
    """Cards of a header, with END and fill, but for those that begin so; in as many blocks.

    Blank cards keep END in the last block, where it belongs.
    """
    from musedeep.storage.fits.headers import BLOCK, CARD

    end = next(k for k, one in enumerate(cards) if one.rstrip() == "END")
    kept = [one for one in cards[:end] if not one.startswith(tuple(leave))]
    blank, block = " " * CARD, BLOCK // CARD
    kept += [blank] * (len(cards) - block - len(kept))
    kept.append(cards[end])
    return kept + [blank] * (len(cards) - len(kept))


def write_list(path: Path, listed: Sequence[tuple[str, str]]) -> None:
    """Write names and categories of products: in JSON if the name ends so, otherwise as a set-of-frames.

    Raises
    ------
    EsorexProblem
        It cannot be written.
    """
    text = json_list(listed) if path.suffix == ".json" else "\n".join(f"{name}     {tag}" for name, tag in listed)
    raw = os.fsencode(text)
    try:
        with appearing_whole(path, len(raw)) as part:
            part.write_bytes(raw)
    except MusedeepError as error:
        raise EsorexProblem(NO_LIST, f"Cannot create output sof file, status = {NO_LIST}: {error}") from None


def json_list(listed: Sequence[tuple[str, str]]) -> str:
    """Names and categories in JSON, with the slashes escaped, as esorex writes them."""

    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False).replace("/", "\\/")

    rows = [f'  {{\n    "name": {text(name)},\n    "category": {text(tag)}\n  }}' for name, tag in listed]
    return "[\n" + ",\n".join(rows) + "\n]\n"
