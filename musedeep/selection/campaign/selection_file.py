"""The selection file: which exposures become which cube, and how (YAML)."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from musedeep.errors import MusedeepError, nearest
from musedeep.recipes.exp_combine.recipe import RECIPE, ExpCombineParameters
from musedeep.storage.models import validated
from musedeep.storage.stores.location import Location, StoreUrl, is_url, location
from musedeep.storage.yaml_file import read_mapping

COMBINED_FORMATS = ("store", "fits")
"""Forms of the combined pixel table."""


def _text(value: Any) -> Any:
    """Numbers are text where text is wanted: `target: 47` names a target."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _listed(value: Any) -> Any:
    """One path is a list of one; lists of the files of an exposure are taken as their files."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value
    return [path for entry in value for path in (entry if isinstance(entry, list) else [entry])]


class SelectionModel(BaseModel):
    """The keys of a selection file and their types."""

    model_config = ConfigDict(extra="forbid", strict=True)

    target: Annotated[str, BeforeValidator(_text)] = ""
    exposures: Annotated[list[str], BeforeValidator(_listed), Field(description="a list of paths or globs")]
    offset_list: str | None = None
    output_wcs: str | None = None
    filter_list: str | None = None
    parameters: Annotated[dict[str, Any], Field(description="a mapping of names to values")] = {}
    combined_format: Annotated[
        Annotated[list[str], BeforeValidator(_listed)] | None,
        Field(description=f"{' or '.join(COMBINED_FORMATS)}, or a list of both"),
    ] = None
    output: str


@dataclass(frozen=True)
class Selection:
    """A selection file, read and checked; paths are absolute or relative to the working directory.

    Attributes
    ----------
    path : the file itself
    exposures : pixel tables, in the order given, globs replaced by what they match; the files of one exposure (one
        an IFU) are told from those of others by their DATE-OBS, later
    parameter_texts : parameters as given, for the headers of products
    combined_format : how the combined pixel table is written (save=combined): "store", "fits" or both
    output : directory of the products
    """

    path: Path
    target: str
    exposures: tuple[Location, ...]
    offset_list: Path | None
    output_wcs: Path | None
    filter_list: Path | None
    parameters: ExpCombineParameters
    parameter_texts: tuple[tuple[str, str], ...]
    combined_format: frozenset[str]
    output: Path


def load_selection(path: str | Path) -> Selection:
    """Read a selection file.

    Raises MusedeepError for no such file, no YAML; an unknown or missing key, a wrong type; a file that does not exist,
    a glob that matches nothing, a path named twice; a parameter that is not right.
    """
    path = Path(path)
    content = read_mapping(path, "selection file", list(SelectionModel.model_fields))
    model = validated(SelectionModel, content, path)
    here = path.parent
    try:
        parameters = RECIPE.parse(model.parameters)
    except MusedeepError as error:
        raise MusedeepError(f"{path}: parameters: {str(error).removeprefix('muse_exp_combine: ')}") from None
    return Selection(
        path=path,
        target=model.target,
        exposures=_exposures(path, model.exposures),
        offset_list=_existing(path, "offset_list", model.offset_list),
        output_wcs=_existing(path, "output_wcs", model.output_wcs),
        filter_list=_existing(path, "filter_list", model.filter_list),
        parameters=parameters,
        parameter_texts=tuple((name, _as_text(value)) for name, value in model.parameters.items()),
        combined_format=_combined_format(path, model.combined_format, parameters.save),
        output=here / _directory(path, model.output),
    )


def _directory(path: Path, output: str) -> Path:
    if is_url(output):
        raise MusedeepError(f"{path}: output: '{output}' is a URL; give a directory, on a disk that all workers see")
    return Path(os.path.expanduser(output))


def _expand(here: Path, entry: str) -> Path:
    """A path or pattern as the working directory sees it."""
    return here / os.path.expanduser(entry)


def _matches(full: Path) -> list[str] | None:
    """Paths that match a pattern, sorted; None for what is neither a pattern nor there.

    As much of it as there is, from its beginning, is no pattern: the directory of the selection file or one that an
    entry names may have [ ] * ? in its name, and so may a file.
    """
    there, parts = full, list[str]()
    while not os.path.exists(there):
        there, parts = there.parent, [there.name, *parts]
    if not parts:
        return [str(full)]
    pattern = os.path.join(*parts)
    if not glob.has_magic(pattern):
        return None
    return sorted(str(there / found) for found in glob.glob(pattern, root_dir=there, recursive=True))


def _exposures(path: Path, entries: list[str]) -> tuple[Location, ...]:
    if not entries:
        raise MusedeepError(f"{path}: exposures is empty; list pixel tables or globs")
    found: dict[Location, str] = {}
    for entry in entries:
        if is_url(entry):
            for url in _urls(path, entry):
                _name_once(path, found, url, entry, str(url))
            continue
        full = _expand(path.parent, entry)
        matches = _matches(full)
        if matches is None:
            raise MusedeepError(f"{path}: exposures: {full} does not exist; correct the path")
        if not matches:
            raise MusedeepError(f"{path}: exposures: '{entry}' matches nothing in {path.parent.absolute()}")
        for match in matches:
            _name_once(path, found, Path(os.path.realpath(match)), entry, match)
    return tuple(found)


def _name_once(path: Path, found: dict[Location, str], real: Location, entry: str, match: str) -> None:
    if real in found:
        raise MusedeepError(
            f"{path}: exposures: {match} is named twice, by '{found[real]}' and '{entry}'; name it once"
        )
    found[real] = entry


def _urls(path: Path, entry: str) -> list[StoreUrl]:
    """The stores in object storage that a URL or pattern names."""
    given = location(entry)
    assert isinstance(given, StoreUrl)
    if not glob.has_magic(entry):
        return [given]
    from musedeep.storage.stores.object_storage import find

    urls = [StoreUrl(url) for url in find(given.url)]
    if not urls:
        raise MusedeepError(f"{path}: exposures: '{entry}' matches nothing")
    return urls


def _existing(path: Path, key: str, value: str | None) -> Path | None:
    if value is None:
        return None
    full = _expand(path.parent, value)
    if not os.path.isfile(full):
        raise MusedeepError(f"{path}: {key}: {full} does not exist; correct the path")
    return full


def _combined_format(path: Path, given: list[str] | None, save: frozenset[str]) -> frozenset[str]:
    if given is None:
        return frozenset({"store"})
    wrong = next((value for value in given if value not in COMBINED_FORMATS), None)
    if wrong is not None or not given:
        near = nearest(wrong, COMBINED_FORMATS) if wrong else None
        hint = f"did you mean {near}?" if near else f"known are {', '.join(COMBINED_FORMATS)}"
        raise MusedeepError(f"{path}: combined_format: '{wrong or ''}' is not a format; {hint}")
    if "combined" not in save:
        raise MusedeepError(f"{path}: combined_format is given, but nothing to write in it; add combined to save")
    return frozenset(given)


def _as_text(value: Any) -> str:
    return ",".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)
