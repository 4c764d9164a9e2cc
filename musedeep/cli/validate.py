"""`musedeep validate`: check files of a delivery as the archive does."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from musedeep.cli.errors import BAD_INPUT, OK
from musedeep.errors import MusedeepError


def validate_command(paths: Sequence[Path], raw: Sequence[Path], as_json: bool, checksums: bool) -> int:
    """Print what is wrong, one line per problem; status 1 if anything but warnings is."""
    from musedeep.campaign.validate.provenance_rules import find_raws
    from musedeep.campaign.validate.validate import files_of, validate

    for directory in raw:
        if not directory.is_dir():
            raise MusedeepError(f"{directory}: no such directory; give one of raw frames to --raw")
    files = files_of(paths)
    problems = validate(files, find_raws(raw), checksums)
    errors = sum(problem.level == "error" for problem in problems)
    if as_json:
        print(json.dumps([asdict(problem) for problem in problems], indent=1, default=str))
    else:
        for problem in problems:
            print(problem.line)
        print(f"{len(files)} files, {errors} errors, {len(problems) - errors} warnings")
    return BAD_INPUT if errors else OK
