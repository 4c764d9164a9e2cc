"""YAML files that people write: a mapping of keys, none of them twice."""

from pathlib import Path
from typing import Any

import yaml

from musedeep.errors import MusedeepError


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, refusing a key given twice (which YAML would silently replace)."""


class _UniqueKeysAsText(yaml.BaseLoader):
    """The same, with all values as text."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if isinstance(key, str) and key in seen:
            raise yaml.MarkedYAMLError(problem=f"'{key}' is given twice", problem_mark=key_node.start_mark)
        seen.add(key if isinstance(key, str) else id(key_node))
    found: dict[Any, Any] = loader.construct_mapping(node)
    return found


for _loader in (_UniqueKeys, _UniqueKeysAsText):
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_mapping(path: Path, kind: str, keys: list[str], as_text: bool = False) -> dict[str, Any]:
    """Read a YAML file whose content is a mapping; its kind (as in "selection file") and keys serve messages.

    With `as_text` all values are text; else numbers, dates and so on are found by their looks (a time of 12:00:00
    becomes a number). Raises MusedeepError for no such file; not text, not YAML, a key twice, or no mapping.
    """
    if not path.is_file():
        raise MusedeepError(f"{path}: no such {kind}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeysAsText if as_text else _UniqueKeys)
    except UnicodeDecodeError:
        raise MusedeepError(f"{path}: not a text file in UTF-8; a {kind} is YAML") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise MusedeepError(f"{path}{where}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise MusedeepError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise MusedeepError(f"{path}: a {kind} has the keys {', '.join(keys)}")
    return content
