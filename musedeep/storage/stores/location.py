"""The location of a pixel table: a path, or the URL of a store in object storage (`s3://bucket/exposure-1.zarr`)."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from musedeep.errors import MusedeepError

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class StoreUrl:
    """The URL of a pixel-table store, without a slash at its end, for a protocol that fsspec knows."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def protocol(self) -> str:
        """The protocol, for example s3."""
        return self.url.split("://", 1)[0]


Location = Path | StoreUrl


def is_url(text: str) -> bool:
    """Whether a text is a URL, not a path."""
    return _URL.match(text) is not None


def location(text: str | Path | StoreUrl) -> Location:
    """The path or URL in a text.

    Raises
    ------
    MusedeepError
        A URL that carries a user name or a password, or names no store.
    """
    if not isinstance(text, str):
        return text
    found = _URL.match(text)
    if found is None:
        return Path(text)
    rest = text[found.end() :].rstrip("/")
    bucket, _, key = rest.partition("/")
    if "@" in bucket or "=" in rest.partition("?")[2]:
        # without the URL: it would put the password into a log
        raise MusedeepError(
            f"a {found[1]}:// URL with a user, a password or options in it; "
            "credentials are taken from the environment or the usual files alone"
        )
    if not bucket or not key:
        raise MusedeepError(f"{text}: names no store; give it as in {found[1]}://bucket/exposure-1.zarr")
    return StoreUrl(f"{found[1].lower()}://{rest}")


def absolute(where: Location) -> str:
    """The location as a text that is valid in any directory."""
    return os.path.abspath(where) if isinstance(where, Path) else where.url
