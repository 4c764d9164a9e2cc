"""`musedeep statics`: static calibrations as FITS files."""

from pathlib import Path

from musedeep.cli.progress import shown


def print_statics(directory: Path, mode: str, seed: int, overwrite: bool) -> None:
    """Write the static calibrations, and print them as lines of a set-of-frames."""
    from musedeep.simulate.statics import write_statics

    with shown(lambda _: "nothing was written, start again") as progress:
        progress.begin(0, "making the static calibrations")
        paths = write_statics(directory, mode=mode, seed=seed, overwrite=overwrite)
    for tag, path in paths.items():
        print(path, tag)
