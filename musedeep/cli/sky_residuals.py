"""`musedeep sky-residuals`: subtract sky residuals from a finished cube."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from musedeep.cli.errors import UsageProblem
from musedeep.cli.progress import TerminalProgress, shown
from musedeep.cli.resources import parse_amount
from musedeep.cli.text import duration
from musedeep.processors import available_processors
from musedeep.storage.outputs import refuse_existing

SUFFIX: Final = "_SKYRES"
"""Added to the name of the cube where the output has none."""


@dataclass(frozen=True)
class SkyResidualsOptions:
    """The options as given."""

    output: Path | None
    mask: Path | None
    segments: str
    components: int | None
    eigenspectra: Path | None
    save_eigenspectra: Path | None
    keep_level: bool
    scale_variance: bool
    memory: str
    threads: int | None
    overwrite: bool


def parse_segments(text: str) -> tuple[float, ...] | None:
    """Edges of segments [Angstrom]: none of `one`, those of the paper, or as given; None if they are to be chosen."""
    from musedeep.reduction.residuals.components import EDGES

    if text in ("auto", "one", "paper"):
        return {"auto": None, "one": (), "paper": EDGES}[text]
    try:
        edges = tuple(float(word) for word in text.split(","))
    except ValueError:
        edges = ()
    if not edges or list(edges) != sorted(set(edges)) or not 0 < edges[0] <= edges[-1] < 1e6:
        raise UsageProblem(
            f"--segments {text}: give auto, one, paper, or ascending wavelengths between segments, as in 5400,7200"
        )
    return edges


def sky_residuals_command(path: Path, options: SkyResidualsOptions) -> None:
    """Write the cube without its sky residuals, and say what was done."""
    memory = parse_amount("--memory", options.memory, " of memory")
    edges = parse_segments(options.segments)
    if options.eigenspectra and (options.components is not None or edges is not None or options.save_eigenspectra):
        raise UsageProblem(
            "--eigenspectra brings its own segments and components; leave out --components, --segments and "
            "--save-eigenspectra"
        )
    output = options.output or path.with_name(f"{path.stem}{SUFFIX}{path.suffix}")
    from musedeep.reduction.residuals.products import check_output, save_eigenspectra, write_cleaned
    from musedeep.reduction.residuals.sky_residuals import Choices, cleaned
    from musedeep.storage.cubes.open_cube import open_cube

    check_output(output, path, tuple(open_cube(path).arrays))
    refuse_existing(output, options.overwrite)
    if options.save_eigenspectra:
        refuse_existing(options.save_eigenspectra, options.overwrite)
    choices = Choices(
        options.mask, edges, options.components, options.eigenspectra, not options.keep_level, options.scale_variance
    )
    began = time.monotonic()
    with (
        shown(_nothing) as progress,
        cleaned(path, choices, output, memory, options.threads, progress) as made,
    ):
        write_cleaned(output, made, options.threads or available_processors(), progress)
        if options.save_eigenspectra:
            save_eigenspectra(options.save_eigenspectra, made, options.overwrite)
    number = sum(segment.values.size for segment in made.spectra.segments)
    print(
        f"{output}: {number} components in {len(made.spectra.segments)} segments subtracted, "
        f"{int(made.mask.sum())} spaxels of sky, in {duration(time.monotonic() - began)}"
    )


def _nothing(progress: TerminalProgress) -> str:
    """What an interrupted run leaves."""
    return "nothing was written, start again"
