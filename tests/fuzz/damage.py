"""Ways to damage a file: cards of its headers, its tables and images, its bytes, its name.

A strategy of hypothesis draws a `Damage`, which says in words what it does: a case that fails can be read and repeated.
"""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from hypothesis import strategies as st

from musedeep.storage.fits.headers import BLOCK, CARD, HeaderUnit, scan_file

VALUES = (
    b"'text    '", b"''", b"'57001.55'", b"nan", b"NaN", b"inf", b"'NaN     '", b"T", b"F", b"0", b"1", b"-1", b"7",
    b"-32", b"1E30", b"-1.5", b"1e400", b"99999999999999999999", b"0.0", b"1.5D0", b"%$#!", b"", b"(1.0, 2.0)",
    "'Zürich'".encode("latin-1"), "'深場 é'".encode(), b"'open", b"/", b"1 2 3",
)  # fmt: skip
"""Values that a card may get."""

LEFT_ALONE = ("COMMENT", "HISTORY", "END", "")


@dataclass(frozen=True)
class Damage:
    """What is done to a file.

    Attributes
    ----------
    text : says it
    apply : does it to the file of this path, in place
    harmless : the file means what it meant before
    replaced : it is another sound file, or without a part or a value; another file may then be the one that is named
    """

    text: str
    apply: Callable[[Path], object]
    harmless: bool = False
    replaced: bool = False

    def __repr__(self) -> str:
        return self.text


def _keyword(card: str) -> str:
    return card.split("=")[0].strip() if "=" in card else card[:8].strip()


def edit_header(path: Path, number: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Give the cards of a header, without END and fill, to a function, and write what it returns."""
    raw = path.read_bytes()
    unit = scan_file(path)[number]
    cards = [raw[unit.offset + i * CARD : unit.offset + (i + 1) * CARD] for i in range(len(unit.cards))]
    end = next(i for i, card in enumerate(cards) if card.rstrip() == b"END")
    block = b"".join(card[:CARD].ljust(CARD) for card in [*change(cards[:end]), b"END"])
    block = block.ljust(-(-len(block) // BLOCK) * BLOCK)
    path.write_bytes(raw[: unit.offset] + block + raw[unit.data_offset :])


def _card_damage(number: int, key: str, how: str, value: bytes) -> Damage:
    def change(cards: list[bytes]) -> list[bytes]:
        at = next(i for i, card in enumerate(cards) if _keyword(card.decode("latin-1")) == key)
        name = cards[at].split(b"=")[0]
        new = name + b"= " + value.rjust(20)
        if how == "missing":
            return cards[:at] + cards[at + 1 :]
        if how == "twice":
            return [*cards[:at], new, *cards[at:]]
        if how == "twice, later":
            return [*cards, new]
        if how == "comment":
            head = cards[at].split(b" / ")[0].rstrip()
            return [*cards[:at], head + " / für é".encode("latin-1"), *cards[at + 1 :]]
        return [*cards[:at], new, *cards[at + 1 :]]

    said = f"{how} {value!r}" if how in ("value", "twice", "twice, later") else how
    return Damage(f"header {number}: {key}: {said}", lambda p: edit_header(p, number, change), how == "comment")


def header_damage(path: Path) -> st.SearchStrategy[Damage]:
    """Cards missing, of another value or type, twice, with text outside ASCII."""
    units = scan_file(path)
    places = {k: _keys(unit) for k, unit in enumerate(units) if _keys(unit)}
    chosen = st.sampled_from(sorted(places)).flatmap(
        lambda number: st.tuples(st.just(number), st.sampled_from(places[number]))
    )
    hows = st.sampled_from(("missing", "value", "value", "value", "twice", "twice, later", "comment"))
    return st.tuples(chosen, hows, st.sampled_from(VALUES)).map(lambda t: _card_damage(*t[0], t[1], t[2]))


def _keys(unit: HeaderUnit) -> list[str]:
    """Keywords of a header; of the thousand offsets of slices, and of the ports, a few."""
    keys = list(dict.fromkeys(k for card in unit.cards if (k := _keyword(card)) not in LEFT_ALONE))
    return [k for k in keys if " XOFFSET" not in k or k.endswith("SLICE01 XOFFSET")]


def _cut(n: int) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with path.open("r+b") as stream:
            stream.truncate(n)

    return apply


def _scribble(position: int, text: bytes) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with path.open("r+b") as stream:
            stream.seek(position)
            stream.write(text)

    return apply


def _replaced(by: Path) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.unlink()
        shutil.copytree(by, path) if by.is_dir() else shutil.copyfile(by, path)

    return apply


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _gzipped(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


def file_damage(path: Path, others: list[Path]) -> st.SearchStrategy[Damage]:
    """Cut at any byte, empty, another file, scribbled over, packed, a directory, gone."""
    size = path.stat().st_size
    cuts = st.one_of(
        st.integers(0, size - 1),
        st.integers(0, (size - 1) // BLOCK).map(lambda k: k * BLOCK),
        st.integers(0, 3 * BLOCK),
    ).map(lambda n: Damage(f"cut at byte {min(n, size)} of {size}", _cut(min(n, size))))
    texts = st.sampled_from((b"\0" * 80, b"\xff" * 40, b"END".ljust(80), b"nan", "é".encode("latin-1"), b"'", b"="))
    scribbles = st.tuples(st.one_of(st.integers(0, size - 1), st.integers(0, min(size - 1, 3 * BLOCK))), texts).map(
        lambda t: Damage(f"{t[1][:8]!r} at byte {t[0]}", _scribble(*t))
    )
    swaps = [st.sampled_from(others).map(lambda p: Damage(f"replaced by {p.name}", _replaced(p), replaced=True))]
    fixed = st.sampled_from(
        (
            Damage("empty", lambda p: p.write_bytes(b"")),
            Damage("a text", lambda p: p.write_text("no FITS file\n")),
            Damage("a directory", _directory),
            Damage("gone", Path.unlink),
            Damage("gzipped under the same name", _gzipped),
            Damage("bytes after the end", lambda p: p.write_bytes(p.read_bytes() + b"\0" * 100)),
        )
    )
    return st.one_of(cuts, scribbles, fixed, *(swaps if others else []))


def _edit(change: Callable[[fits.HDUList], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with fits.conf.set_temp("extension_name_case_sensitive", True), fits.open(path, memmap=False) as hdus:
            change(hdus)
            hdus.writeto(path, overwrite=True, output_verify="ignore")

    return apply


def _with_columns(number: int, change: Callable[[list[fits.Column]], list[fits.Column]]) -> Callable[[Path], None]:
    def run(hdus: fits.HDUList) -> None:
        old = hdus[number]
        keep = {k: v for k, v in old.header.items() if not k.startswith(("T", "NAXIS", "PCOUNT", "GCOUNT", "BITPIX"))}
        columns = [
            fits.Column(c.name, c.format, c.unit, array=np.array(old.data[c.name]), dim=c.dim) for c in old.columns
        ]
        new = fits.BinTableHDU.from_columns(change(columns))
        for key, value in keep.items():
            if key not in new.header:
                new.header[("HIERARCH " if " " in key else "") + key] = value
        hdus[number] = new

    return _edit(run)


def table_damage(path: Path) -> st.SearchStrategy[Damage] | None:
    """Columns missing, in another order, of other types, scaled; no rows, NaN."""
    with fits.open(path, memmap=False) as hdus:
        tables = {k: [c.name for c in hdu.columns] for k, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU)}
    if not tables:
        return None

    def damage(number: int, name: str, how: str) -> Damage:
        def change(columns: list[fits.Column]) -> list[fits.Column]:
            one = next(c for c in columns if c.name == name)
            values = np.asarray(one.array)
            numbers = values.dtype.kind in "iuf" and values.ndim == 1

            def instead(form: str, array: np.ndarray, zero: int | None = None) -> list[fits.Column]:
                new = fits.Column(name, form, one.unit, bzero=zero, array=array)
                return [new if c is one else c for c in columns]

            if how in ("no rows", "one row"):
                n = 1 if how == "one row" else 0
                return [
                    fits.Column(c.name, c.format, c.unit, array=np.asarray(c.array)[:n], dim=c.dim) for c in columns
                ]
            if how == "dropped":
                return [c for c in columns if c is not one]
            if how == "reordered":
                return columns[::-1]
            if how == "upper case":
                return [*(c for c in columns if c is not one), fits.Column(name.upper(), one.format, array=values)]
            if how == "text":
                return instead("8A", np.full(len(values), "x"))
            if how == "vectors":
                return instead("2E", np.repeat(np.arange(len(values))[:, None], 2, 1))
            if how == "double" and numbers:
                return instead("D", values)
            if how == "NaN" and values.dtype.kind == "f":
                return instead(one.format, np.full_like(values, np.nan))
            if how == "negative" and numbers:
                return instead(one.format, -values.astype(float))
            if how == "unsigned" and numbers and values.dtype.kind == "i" and (values >= 0).all():
                return instead("J", values.astype(np.uint32), 2**31)
            return columns

        same = ("reordered", "unsigned")
        return Damage(f"table {number}: column {name}: {how}", _with_columns(number, change), how in same)

    hows = (
        "dropped", "reordered", "upper case", "text", "vectors", "double", "NaN", "negative", "unsigned", "no rows",
        "one row",
    )  # fmt: skip
    places = [(number, name) for number, names in tables.items() for name in names]
    return st.tuples(st.sampled_from(places), st.sampled_from(hows)).map(lambda t: damage(*t[0], t[1]))


def image_damage(path: Path) -> st.SearchStrategy[Damage] | None:
    """Images of other types and shapes, without data, missing, twice."""
    with fits.open(path, memmap=False) as hdus:
        images = [k for k, hdu in enumerate(hdus) if getattr(hdu, "is_image", False) and hdu.data is not None]
        n = len(hdus)

    def damage(number: int, how: str) -> Damage:
        def change(hdus: fits.HDUList) -> None:
            data = hdus[number].data
            if how == "double":
                hdus[number].data = data.astype(np.float64)
            elif how == "16 bits":
                with np.errstate(invalid="ignore"):
                    hdus[number].data = data.astype(np.int16)
            elif how == "unsigned":
                with np.errstate(invalid="ignore"):
                    hdus[number].data = data.astype(np.uint32)
            elif how == "one line":
                hdus[number].data = data.reshape(-1)
            elif how == "three axes":
                hdus[number].data = data[None]
            elif how == "cut":
                hdus[number].data = np.ascontiguousarray(data[: max(len(data) - 1, 1)])
            elif how == "no data":
                hdus[number].data = None
            elif how == "NaN" and data.dtype.kind == "f":
                hdus[number].data = np.full_like(data, np.nan)
            elif how == "infinite" and data.dtype.kind == "f":
                hdus[number].data = np.full_like(data, np.inf)
            elif how == "twice" and number:
                hdus.append(hdus[number].copy())

        return Damage(f"image {number}: {how}", _edit(change), replaced=how in ("NaN", "infinite"))

    def without(number: int) -> Damage:
        return Damage(f"without HDU {number}", _edit(lambda hdus: hdus.pop(number)), replaced=True)

    hows = (
        "double", "16 bits", "unsigned", "one line", "three axes", "cut", "no data", "NaN", "infinite", "twice"
    )  # fmt: skip
    kinds = []
    if images:
        kinds.append(st.tuples(st.sampled_from(images), st.sampled_from(hows)).map(lambda t: damage(*t)))
    if n > 1:
        kinds.append(st.integers(1, n - 1).map(without))
    return st.one_of(kinds) if kinds else None


def fits_damage(path: Path, others: list[Path]) -> st.SearchStrategy[Damage]:
    """Everything that can be wrong with a FITS file."""
    more = [s for s in (table_damage(path), image_damage(path)) if s is not None]
    return st.one_of(header_damage(path), header_damage(path), file_damage(path, others), *more)


def store_damage(path: Path, others: list[Path]) -> st.SearchStrategy[Damage]:
    """Files of a store cut, scribbled over, replaced by each other, or gone; texts of its metadata changed."""
    parts = sorted(p for p in path.rglob("*") if p.is_file())
    texts = [p for p in parts if p.name == "zarr.json"]

    def of(part: Path) -> st.SearchStrategy[Damage]:
        place = part.relative_to(path)
        kinds = file_damage(part, [p for p in parts if p != part])
        if part in texts:
            kinds = st.one_of(kinds, text_damage(part, [p for p in texts if p != part]))
        return kinds.map(lambda d: Damage(f"{place}: {d.text}", lambda p: d.apply(p / place), replaced=d.replaced))

    whole = st.sampled_from(
        (Damage("store: gone", shutil.rmtree), Damage("store: empty", lambda p: (shutil.rmtree(p), p.mkdir())))
    )
    return st.one_of(whole, *(st.sampled_from(group).flatmap(of) for group in (texts, parts)))


def text_damage(path: Path, others: list[Path]) -> st.SearchStrategy[Damage]:
    """Everything that can be wrong with a text file: lines gone, twice, words replaced, bytes outside ASCII."""
    lines = path.read_text().splitlines(keepends=True)
    words = ("[", "{a: 1}", "nan", "-1", "1e99", "é", "\t", "''", "null", "yes", ": x", "- ", "&a", "*a", "0", "/", "~")

    def without(k: int) -> Damage:
        return Damage(f"without line {k}", lambda p: p.write_text("".join(lines[:k] + lines[k + 1 :])))

    def twice(k: int) -> Damage:
        return Damage(f"line {k} twice", lambda p: p.write_text("".join(lines[: k + 1] + lines[k:])))

    def replaced(t: tuple[int, int, str]) -> Damage:
        k, at, word = t
        line = lines[k]
        head = line[: at % (len(line) + 1)]
        new = [*lines[:k], head + word + "\n", *lines[k + 1 :]]
        return Damage(f"line {k}: {head + word!r}", lambda p: p.write_text("".join(new)))

    def latin(k: int) -> Damage:
        text = "".join(lines[:k]).encode() + b"\xe9\xff" + "".join(lines[k:]).encode()
        return Damage(f"bytes e9 ff before line {k}", lambda p: p.write_bytes(text))

    number = st.integers(0, len(lines) - 1)
    return st.one_of(
        number.map(without),
        number.map(twice),
        number.map(latin),
        st.tuples(number, st.integers(0, 200), st.sampled_from(words)).map(replaced),
        file_damage(path, others),
    )
