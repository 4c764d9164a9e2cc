"""Header cards that break the FITS standard, made legal: headers are read whatever is in them, and products are FITS.

- Characters outside ASCII, in UTF-8 or Latin-1, lose their accents or become '?'; control characters become blanks.
- A value that is none in FITS (`nan` without quotes, a string that does not end), or a number too large for a double,
  becomes text: its keyword has the value 'nan', which nobody takes for a number.
- A card without keyword or value, or with a keyword that is none in FITS, becomes a COMMENT.
"""

import cmath
import re
import unicodedata
from collections.abc import Sequence

from astropy.io import fits

_CARD = 80

_LEGAL = re.compile(
    r"(?:(?:COMMENT |HISTORY |END     |        )[ -~]*"
    r"|(?:(?=[A-Z0-9_-]+ *=)[A-Z0-9_ -]{8}= |HIERARCH(?: [A-Z0-9_-]+)+ *= ) *"
    r"(?:'(?:[ -&(-~]|'')*'|[TF]|[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[ED][+-]?[0-9]{1,2})?)? *(?:/[ -~]*)?)\Z"
)
"""Cards that are legal at a glance; what else is legal astropy knows."""

_VALUE = re.compile(r"(HIERARCH +[!-~][^=]*|[^=]{8})=(.*)\Z")
_KEYWORD = re.compile(r"[A-Z0-9_-]* *\Z")
_STRING = re.compile(r".{8}[^=]*=? *'((?:[^']|'')*)' *(?:/.*)?\Z")


def ascii_text(text: str) -> str:
    """The text as FITS can hold it: accents left out, other characters outside ASCII as '?', control characters as ' '.

    Bytes of a file name that are no text (surrogates) count as other characters.
    """
    if text.isascii() and text.isprintable():
        return text
    plain = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" if c > "\x7f" else " " for c in plain)


def legal_cards(cards: Sequence[str]) -> Sequence[str]:
    """Raw cards with those that are not legal made so; the same object if all of them are.

    Parameters
    ----------
    cards : raw cards of 80 characters, bytes of the file as Latin-1
    """
    bad = [k for k, card in enumerate(cards) if not _LEGAL.match(card)]
    if not bad:
        return cards
    found = list(cards)
    for k in bad:
        found[k] = _legal(found[k], found[k - 1] if k else "")
    return found


def _legal(card: str, before: str) -> str:
    """One card; `before` is the card before it, made legal."""
    try:
        decoded = card.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        decoded = card
    text = ascii_text(decoded).ljust(_CARD)[:_CARD]
    if _LEGAL.match(text):
        return text
    if text.startswith("CONTINUE"):
        follows = (found := _STRING.match(before)) and found[1].rstrip().endswith("&")
        return text if follows and _STRING.match(text) else _comment(text)
    parts = _VALUE.match(text)
    if parts is None:
        return _comment(text)
    name, value = parts[1], parts[2]
    if not name.startswith("HIERARCH"):
        name = name.upper()
        if not (_KEYWORD.match(name) and name.strip()) or not value.startswith(" "):
            return _comment(text)
    text = f"{name}={value}"
    try:
        found = fits.Card.fromstring(text).value
    except (fits.VerifyError, ValueError):
        return _as_text(name, value)
    too_large = isinstance(found, float | complex) and not cmath.isfinite(found)
    return _as_text(name, value) if too_large else text


def _as_text(name: str, value: str) -> str:
    """The card with its value, whatever it is, as a string."""
    word, slash, comment = value.partition("/")
    room = _CARD - len(name) - 4
    word = word.replace("'", "").strip()[:room]
    return f"{name}= '{word:8}' {slash}{comment}"[:_CARD].ljust(_CARD) if room >= 8 else _comment(f"{name}={value}")


def _comment(text: str) -> str:
    return f"COMMENT {text.rstrip()}"[:_CARD].ljust(_CARD)
