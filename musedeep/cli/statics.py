"""`musedeep statics`: static calibrations as FITS files."""

from pathlib import Path


def print_statics(directory: Path, mode: str, seed: int, overwrite: bool) -> None:
    """Write the static calibrations, and print them as lines of a set-of-frames."""
    from musedeep.statics.build import write_statics

    for tag, path in write_statics(directory, mode=mode, seed=seed, overwrite=overwrite).items():
        print(path, tag)
