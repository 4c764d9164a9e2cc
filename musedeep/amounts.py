"""Amounts of memory and disk as users write them."""

import re

_PLAIN = re.compile("([0-9]+)([MG])iB")


def bytes_of(text: str) -> int:
    """The bytes that a text such as 4GiB or 500 MB means; 0 where it means none."""
    if plain := _PLAIN.fullmatch(text):
        return int(plain[1]) << (20 if plain[2] == "M" else 30)
    if not any(character.isdigit() for character in text):  # one of the unit, to dask
        return 0
    from dask.utils import parse_bytes  # 0.1 s

    try:
        return max(int(parse_bytes(text)), 0)
    except (ValueError, OverflowError):
        return 0
