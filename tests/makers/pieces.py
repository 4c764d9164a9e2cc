"""Pieces of a small combination, and comparisons of products with those of one run."""

import filecmp
import re
from pathlib import Path

from astropy.io import fits

from musedeep.graph.combine.exp_combine import PieceRequest, Request, combine
from musedeep.recipes.exp_combine.recipe import RECIPE
from musedeep.reduction.cube.share import Division, Share

OF_THE_TIME = re.compile("DATE$|CHECKSUM$")
"""Keywords that change with the time of day; so do the comments of checksums."""


def options_of(paths, parameters=None, **options):
    """Fields of a request, with the parameters recorded in headers."""
    given = {"crsigma": 5, **(parameters or {})}
    texts = tuple((name, str(value)) for name, value in given.items())
    paths = [Path(p) for p in paths]
    return {"pixel_tables": paths, "parameters": RECIPE.parse(given), "parameter_texts": texts, **options}


def run_whole(paths, output, parameters=None, **options):
    return combine(Request(output=output, **options_of(paths, parameters, **options)))


def piece_request(paths, output, share, parameters=None, **options):
    share = Share.parse(share)
    return PieceRequest(output=output / share.name, share=share, **options_of(paths, parameters, **options))


def run_piece(paths, output, share, parameters=None, **options):
    return combine(piece_request(paths, output, share, parameters, **options))


def run_pieces(paths, output, number, parameters=None, **options):
    for share in Division.parse(str(number)).shares():
        run_piece(paths, output, f"{share.number}/{number}", parameters, **options)


def cards_of(header):
    """All cards but those of the time, in their order."""
    kept = [c for c in header.cards if not OF_THE_TIME.match(c.keyword)]
    return [(c.keyword, c.value, "" if c.keyword == "DATASUM" else c.comment) for c in kept]


def assert_same_products(made, expected):
    """Every product has the bits and the headers of the expected one."""
    names = sorted(p.name for p in expected.iterdir() if p.suffix in (".fits", ".zarr"))
    assert names == sorted(p.name for p in made.iterdir() if p.suffix in (".fits", ".zarr"))
    for name in names:
        if name.endswith(".fits"):
            with fits.open(made / name) as new, fits.open(expected / name) as old:
                assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
                for a, b in zip(new, old, strict=True):
                    assert cards_of(a.header) == cards_of(b.header)
                    assert (a.data is None) == (b.data is None)
                    assert a.data is None or a.data.tobytes() == b.data.tobytes()
        else:
            files = [p.relative_to(expected) for p in (expected / name).rglob("*") if p.is_file()]
            assert {str(f) for f in files} == {
                str(p.relative_to(made)) for p in (made / name).rglob("*") if p.is_file()
            }
            for file in files:
                # the header of a store, and the checksum over it, have the time
                timed = file.name == "zarr.json" or "checksums" in file.parts
                assert timed or filecmp.cmp(made / file, expected / file, shallow=False), file
