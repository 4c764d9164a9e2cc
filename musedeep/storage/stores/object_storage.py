"""Stores in object storage, through fsspec.

Address and credentials come from the environment and the usual files of the client (for s3: AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID ..., ~/.aws), on every machine that reads.
"""

import glob
import logging
from typing import Any

from musedeep.errors import MusedeepError, reason
from musedeep.storage.stores.location import StoreUrl

OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 10,
            "read_timeout": 60,
            "retries": {"max_attempts": 2, "mode": "standard"},
            "max_pool_connections": 32,
        }
    }
}
"""Options of fsspec's file systems, by protocol. s3fs makes `max_attempts` five times."""


def _options(url: str) -> dict[str, Any]:
    """Options of fsspec for a URL.

    Raises
    ------
    MusedeepError
        No such protocol, or its package is missing.
    """
    logging.getLogger("s3fs").setLevel(logging.ERROR)
    protocol = url.split("://", 1)[0]
    install = "pip install 'musedeep[s3]'" if protocol == "s3" else "install it"
    try:
        import fsspec

        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise MusedeepError(
            f"{url}: {protocol}:// needs a package that is missing ({reason(error)}); {install}"
        ) from error
    except ValueError as error:
        raise MusedeepError(f"{url}: {protocol}:// is no protocol that fsspec knows; give s3://bucket/name") from error
    return {"use_listings_cache": False, **OPTIONS.get(protocol, {})}


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it; see `_options` for errors."""
    options = _options(url)
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url, **options)
    except Exception as error:
        raise unreachable(url, error) from error
    return files, path


class RemoteObjects:
    """The objects of a store at a URL: see `checked_store.Directory`. Nothing is read when it is made."""

    def __init__(self, where: StoreUrl) -> None:
        self._files, self._root = file_system(where.url)
        self._parts: dict[str, bytearray] = {}

    def read(self, key: str, start: int, size: int | None) -> bytes | None:
        """See `Directory`."""
        bounds = {} if size is None else {"start": start, "end": start + size}
        try:
            content: bytes = self._files.cat_file(f"{self._root}/{key}", **bounds)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            if "not satisfiable" in str(error):  # the object ends before
                return b""
            raise
        return content

    def write(self, key: str, content: bytes) -> None:
        """See `Directory`."""
        self._files.pipe_file(f"{self._root}/{key}", content)

    def append(self, key: str, content: bytes) -> None:
        """See `Directory`; in memory until the object ends."""
        self._parts.setdefault(key, bytearray()).extend(content)

    def end(self, key: str, content: bytes) -> None:
        """See `Directory`."""
        self.append(key, content)
        self.write(key, bytes(self._parts.pop(key)))


def exists(where: StoreUrl) -> bool:
    """Whether anything is at a URL or below it.

    Raises
    ------
    MusedeepError
        There is no such bucket; the service does not answer, or refuses.
    """
    files, path = file_system(where.url)
    try:
        if files.exists(path):
            return True
        bucket = path.split("/")[0]
        there = where.protocol != "s3" or files.exists(bucket)
    except Exception as error:
        raise unreachable(where.url, error) from error
    if not there:
        raise MusedeepError(f"{where}: there is no bucket {bucket}; correct the URL, or make the bucket")
    return False


def find(pattern: str) -> list[str]:
    """URLs that match a pattern, sorted; its leading parts are taken literally as far as they exist."""
    files, path = file_system(pattern)
    try:
        parts = path.split("/")
        there = 1
        while there < len(parts) and (not glob.has_magic(parts[there]) or files.exists("/".join(parts[: there + 1]))):
            there += 1
        path = "/".join([*map(glob.escape, parts[:there]), *parts[there:]])
        return sorted(files.unstrip_protocol(found) for found in files.glob(path))
    except Exception as error:
        raise unreachable(pattern, error) from error


def remove(where: StoreUrl) -> None:
    """Remove a store; first its checksums, without which it is no store."""
    files, path = file_system(where.url)
    try:
        last = f"{path}/checksums/c/0"
        if files.exists(last):
            files.rm_file(last)
        if glob.has_magic(path):  # which `rm` would take for a pattern
            for name in files.find(path):
                files.rm_file(name)
        elif files.exists(path):
            files.rm(path, recursive=True)
    except Exception as error:
        raise unreachable(where.url, error) from error


def unreachable(url: str, error: Exception) -> MusedeepError:
    """The error to raise for an error of the client of object storage."""
    if isinstance(error, MusedeepError):
        return error
    return MusedeepError(
        f"{url}: cannot be reached ({reason(error)}); check the URL, the endpoint, and the credentials in the "
        "environment"
    )
