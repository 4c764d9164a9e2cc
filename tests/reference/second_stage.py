"""Our recipes after muse_scibasic on the set-of-frames of the night that the reference has reduced."""

import fcntl
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.registry import recipes
from tests.makers.peak_memory import peak_memory_of
from tests.reference.night.night_files import Night

PEAK = "peak-memory"
"""File beside products: the peak memory of the process that made them [bytes]."""


@dataclass(frozen=True)
class SecondStage:
    """A night that the reference has reduced, and what our recipes make of its pixel tables.

    Attributes
    ----------
    night : whose `product` gives those of the reference
    place : directory of our products, shared by the processes of a session
    """

    night: Night
    place: Path

    def frames(self, step: str) -> list[tuple[str, str]]:
        """Paths and tags of a set-of-frames of the night, as of scipost-1."""
        lines = (self.night.directory / "sof" / f"{step}.sof").read_text().splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines if line.strip()]

    def ours(self, step: str, *parameters: str, recipe: str = "", frames: list[tuple[str, str]] | None = None) -> Path:
        """Directory of the products of a recipe of ours; made once per session, in the memory that a night gives it.

        Parameters
        ----------
        step : of the night, as standard or scipost-1
        parameters : as --rvcorr=none
        recipe : another recipe on the frames than that of the step, as muse_scipost_correct_dar
        frames : other frames than those of the step
        """
        recipe = recipe or f"muse_{re.sub(r'-[0-9]+$', '', step)}"
        frames = self.frames(step) if frames is None else frames
        key = hashlib.sha256(repr((recipe, parameters, frames)).encode()).hexdigest()[:12]
        made = self.place / f"{recipe}-{key}"
        with (self.place / f"{made.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (made / "done").exists():
                made.mkdir(exist_ok=True)
                sof = made / "in.sof"
                sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames))
                memory = f"--memory={(BASE_BYTES + declared_memory(recipe, frames)) >> 20}MiB"
                peak = peak_memory_of(
                    "recipe", recipe, "--overwrite", f"--output-dir={made}", memory, *parameters, str(sof)
                )
                (made / PEAK).write_text(str(peak))
                (made / "done").touch()
        return made


def declared_memory(recipe: str, frames: list[tuple[str, str]]) -> int:
    """Memory that a recipe declares for a set-of-frames, beyond that of its process [bytes]."""
    cost = recipes()[recipe].cost
    ifus = {m[1] for path, tag in frames if "PIXTABLE" in tag and (m := re.search(r"-(\d\d)\.", path))}
    return cost.memory + len(ifus) * cost.memory_per_ifu


SAVE = {
    "scipost": ("--save=cube,skymodel,individual", "--filter=white", "--save-fits"),
    "exp_combine": ("--save=cube", "--filter=white"),
}
"""Parameters of steps, as in `night.reduce`."""

MAKERS = (
    ("STD_", "standard"),
    ("DATACUBE_STD", "standard"),
    ("ASTROMETRY_WCS", "astrometry"),
    ("DATACUBE_ASTROMETRY", "astrometry"),
    ("SKY_", "create_sky"),
)
"""The step that makes a product, by the beginning of its name."""


@dataclass(frozen=True)
class OurNight(Night):
    """The same night, whose products after muse_scibasic are made by our recipes, each from ours before it."""

    stage: SecondStage = field(kw_only=True)

    def product(self, name: str, ifu: int | None = None) -> Path:
        """See `Night.product`; a product that a recipe of ours makes is made now."""
        step, slash, stem = name.rpartition("/")
        if not slash:
            step = next((maker for start, maker in MAKERS if stem.startswith(start)), "")
        if not step or ifu is not None:
            return super().product(name, ifu)
        return self.made(step) / f"{stem}.fits"

    def frames(self, step: str) -> list[tuple[str, str]]:
        """Set-of-frames of a step; what a recipe of ours makes of it is made now."""
        found = []
        for path, tag in self.stage.frames(step):
            name = str(Path(path).relative_to(self.directory)) if Path(path).is_relative_to(self.directory) else path
            inside = Path(name).parts[:1] == ("reduced",)
            found.append(
                (str(self.product(name.removeprefix("reduced/").removesuffix(".fits"))) if inside else path, tag)
            )
        return found

    def made(self, step: str, *parameters: str) -> Path:
        """Directory of the products of a step, with parameters beside its own."""
        kind = re.sub(r"-[0-9]+$", "", step)
        own = SAVE.get(kind, ())
        if kind == "standard" and self.narrow:
            # the aperture of this mode takes 32 pixels and more; in a strip of 24 it loses a fifth of the light
            own = ("--profile=smoffat",)
        return self.stage.ours(step, *own, *parameters, frames=self.frames(step))
