"""How esorex lays out text: lines are broken at single blanks, the lines after the first are one column narrower."""

import shutil
import sys
from typing import Final

WIDTH: Final = 80
"""Columns where the output is no terminal."""

LABEL: Final = 22
"""Columns of names in lists."""


def terminal_width() -> int:
    """Columns of the terminal that is written to; those of `WIDTH` if it is none."""
    return shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout and sys.stdout.isatty() else WIDTH


def broken(text: str, first: int, others: int) -> list[str]:
    """A text in lines of at most so many characters; words that are longer have a line of their own."""
    lines: list[str] = []
    for word in text.split(" "):
        width = first if len(lines) == 1 else others
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def hanging(head: str, text: str, width: int, indent: int | None = None) -> str:
    """A text behind a head, its later lines indented as deep as the head is long, or by so many blanks."""
    deep = len(head) if indent is None else indent
    lines = broken(text, width - len(head), width - 1 - deep)
    return "\n".join([head + lines[0], *(" " * deep + line for line in lines[1:])])


def listed(name: str, text: str, width: int) -> str:
    """An entry of a list: name, colon, text."""
    head = f"  {name:<{LABEL}}: " if len(name) <= LABEL else f"  {name}  : "
    return hanging(head, text, width)


def sentence(text: str) -> str:
    """A text with a full stop at its end."""
    text = text.rstrip(" ")
    return text if text.endswith(".") else f"{text}."
