"""The sets-of-frames of a night of a campaign: those of `musedeep associate`, with a place for each exposure.

1. Exposures that are wanted, and the calibrations of their night, are associated as `musedeep reduce` does.
2. Sets of scibasic are parted, so that each exposure has one for each IFU: what is wrong with an exposure costs none of
   the others, and another exposure of the same night changes nothing for those that are done.
3. Each SKY exposure has a create_sky of its own; the OBJECT exposures that it belongs to subtract its sky.
4. Each exposure has a scipost with parameters of its own. SKY exposures have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from musedeep.campaign.cascade.archive import Archive, NightKey
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import Frames, FrameSet
from musedeep.quality.record import folder_name
from musedeep.selection.campaign.cascade_settings import CascadeSettings, texts
from musedeep.selection.night.associate import Night, Wish, associate

SAVE: Final = "cube,individual"
"""What muse_scipost saves: the image to align exposures by, and the pixel table to combine."""
OF_SKY: Final = ("SKY_LINES", "SKY_CONTINUUM")
PRODUCTS_OF_SKY: Final = tuple(f"{tag}.fits" for tag in OF_SKY)
IMAGE: Final = "IMAGE_FOV_0001.fits"
TABLE: Final = "PIXTABLE_REDUCED_0001.fits"
CUBE: Final = "DATACUBE_FINAL.fits"
RESPONSE: Final = "STD_RESPONSE_0001.fits"
TELLURIC: Final = "STD_TELLURIC_0001.fits"


@dataclass(frozen=True)
class Wanted:
    """An exposure that is to be reduced.

    Attributes
    ----------
    name : of the exposure
    crowded : whether its field is
    sky : SKY exposure whose sky it subtracts; empty: none
    response, telluric : of another standard star than that of the night; empty: as the night has them
    """

    name: str
    crowded: bool = False
    sky: str = ""
    response: str = ""
    telluric: str = ""

    @property
    def folder(self) -> str:
        """Of its products, below that of the night: one for each method, which two products of a plan may differ in."""
        method = "-sky" if self.sky else "-crowded" if self.crowded else ""
        other = f"-{Path(self.response).parent.name}" if self.response else ""
        return folder_name(self.name) + method + other

    def parameters(self, settings: CascadeSettings) -> dict[str, str]:
        """Parameters of muse_scipost: as the release has them, and as the plan gives them."""
        method = settings.sky_skymethod if self.sky else settings.crowded_skymethod if self.crowded else "model"
        own = {"save": SAVE, "skymethod": method, "rvcorr": settings.rvcorr}
        if method == "model":
            own |= {"save": f"{SAVE},skymodel", "skymodel_fraction": f"{settings.skymodel_fraction:g}"}
        return own | texts(settings.recipes.get("muse_scipost", {}))


@dataclass
class NightSets:
    """What is to be done of a night.

    Attributes
    ----------
    key, place : which night, and the directory of its products
    sets : of all recipes, in their order
    exposures : set of muse_scipost of each exposure that is wanted
    standard : STD_RESPONSE of the night; empty if there is none
    missing : why an exposure has no set, by its name
    notes : on what was left out
    """

    key: NightKey
    place: Path
    sets: list[FrameSet] = field(default_factory=list)
    exposures: dict[str, FrameSet] = field(default_factory=dict)
    standard: str = ""
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def makers(self) -> dict[str, FrameSet]:
        """The set that makes each product."""
        return {path: one for one in self.sets for path in one.products}

    def behind(self, one: FrameSet) -> list[FrameSet]:
        """A set, and all that make what it needs, in their order."""
        makers, wanted, todo = self.makers(), {one.name}, [one]
        while todo:
            for path, _ in todo.pop().frames:
                maker = makers.get(path)
                if maker is not None and maker.name not in wanted:
                    wanted.add(maker.name)
                    todo.append(maker)
        return [other for other in self.sets if other.name in wanted]

    def needed(self, targets: Sequence[FrameSet]) -> list[FrameSet]:
        """All sets that some need, and these, each once."""
        names = {behind.name for one in targets for behind in self.behind(one)}
        return [one for one in self.sets if one.name in names]


def night_sets(
    archive: Archive,
    key: NightKey,
    place: Path,
    wanted: Sequence[Wanted],
    settings: CascadeSettings,
    standard: str = "",
) -> NightSets:
    """The sets-of-frames of a night.

    Parameters
    ----------
    place : directory of its products
    wanted : exposures of this night; none: only its standard star
    standard : name of the exposure of the standard star; empty: the nearest

    Raises
    ------
    MusedeepError
        No calibrations at all, or several modes.
    """
    found = NightSets(key, place)
    names = list(dict.fromkeys([one.name for one in wanted] + [one.sky for one in wanted if one.sky]))
    raws: dict[str, Path] = {}
    for name in names:
        try:
            raws[name] = archive.path(name)
        except MusedeepError as error:
            found.missing[name] = str(error)
    for one in archive.calibrations_of(key, standard):
        try:
            raws[one.name] = archive.path(one.name)
        except MusedeepError as error:
            found.notes.append(f"{error}; the night does without it")
    if not any(name in raws for name in names) and wanted:
        return found
    frames = archive.frames(list(raws.values()))
    for name, frame in zip(raws, frames, strict=True):
        if not frame.tag:
            found.missing[name] = f"{frame.path}: {frame.reason}"
    wish = Wish(
        reduced=place, mode=key.mode, night=key.date if wanted else "", ifus=tuple(settings.ifus),
        parameters={recipe: texts(given) for recipe, given in settings.recipes.items()},
    )  # fmt: skip
    night = associate([*frames, *archive.frames(list(archive.calibrations))], wish)
    found.notes += night.notes
    _arrange(found, night, {str(path): name for name, path in raws.items()}, wanted, settings)
    return found


def _arrange(
    found: NightSets, night: Night, names: Mapping[str, str], wanted: Sequence[Wanted], settings: CascadeSettings
) -> None:
    """Give each exposure its place; see the beginning of this module."""
    moved: dict[str, str] = {}
    tables: dict[str, list[str]] = {}
    sky_sets: dict[str, FrameSet] = {}
    posts: list[FrameSet] = []
    skies: FrameSet | None = None
    for one in night.sets:
        frames = tuple((moved.get(path, path), tag) for path, tag in one.frames)
        one = replace(one, frames=frames)
        if one.step == "scibasic":
            for part in _parted(found.place, one, names, moved):
                found.sets.append(part)
                tables.setdefault(names[part.frames[0][0]], []).extend(part.products)
        elif one.step == "standard":
            star = Path(one.frames[0][0]).parent.name
            found.sets.append(_moved(found.place, one, star, moved))
            found.standard = next(path for path in found.sets[-1].products if path.endswith(RESPONSE))
        elif one.step == "create_sky":
            skies = one
        elif one.step == "scipost":
            posts.append(one)
        elif one.step not in ("exp_align", "exp_combine"):
            found.sets.append(one)
    problems = night.problem_lines()
    why = "; ".join(problems) or "association has found no set of scipost for it"
    for exposure in wanted:
        if exposure.name in found.missing:
            continue
        own = tables.get(exposure.name, [])
        post = next((s for s in posts if own and s.frames[0][0] == own[0]), None)
        if post is None or not own:
            found.missing[exposure.name] = why
            continue
        sky: FrameSet | None = None
        if exposure.sky:
            if skies is None or not tables.get(exposure.sky):
                lost = found.missing.get(exposure.sky, why)
                found.missing[exposure.name] = f"its SKY exposure {exposure.sky} cannot be reduced: {lost}"
                continue
            if exposure.sky not in sky_sets:
                sky_sets[exposure.sky] = _sky_set(found.place, skies, exposure.sky, tables[exposure.sky])
                found.sets.append(sky_sets[exposure.sky])
            sky = sky_sets[exposure.sky]
        found.exposures[exposure.name] = _post(found.place, post, exposure, own, skies, sky, settings)
        found.sets.append(found.exposures[exposure.name])


def _parted(place: Path, one: FrameSet, names: Mapping[str, str], moved: dict[str, str]) -> Iterator[FrameSet]:
    """A set of muse_scibasic for each of its exposures."""
    tag = one.frames[0][1]
    raws = [path for path, other in one.frames if other == tag]
    others = tuple((path, other) for path, other in one.frames if other != tag)
    for raw, product in zip(raws, one.products, strict=True):
        folder = folder_name(names[raw])
        new = str(place / folder / f"PIXTABLE_{tag}_0001-{one.ifu:02d}.fits")
        moved[product] = new
        yield replace(
            one, name=f"scibasic-{tag}-{folder}-{one.ifu:02d}", frames=((raw, tag), *others), products=(new,),
            directory=folder,
        )  # fmt: skip


def _moved(place: Path, one: FrameSet, folder: str, moved: dict[str, str]) -> FrameSet:
    new = tuple(str(place / folder / Path(path).name) for path in one.products)
    moved.update(zip(one.products, new, strict=True))
    return replace(one, name=f"{one.name}-{folder}", products=new, directory=folder)


def _sky_set(place: Path, skies: FrameSet, name: str, tables: Sequence[str]) -> FrameSet:
    """The set of muse_create_sky of one SKY exposure."""
    folder = folder_name(name)
    frames = (*((path, "PIXTABLE_SKY") for path in tables), *_without(skies.frames, "PIXTABLE_SKY"))
    products = tuple(str(place / folder / product) for product in PRODUCTS_OF_SKY)
    return replace(skies, name=f"create_sky-{folder}", frames=frames, products=products, directory=folder)


def _without(frames: Frames, *tags: str) -> Frames:
    return tuple((path, tag) for path, tag in frames if tag not in tags)


def _post(
    place: Path,
    post: FrameSet,
    one: Wanted,
    tables: Sequence[str],
    skies: FrameSet | None,
    sky: FrameSet | None,
    settings: CascadeSettings,
) -> FrameSet:
    """The set of muse_scipost of one exposure."""
    frames: Frames = (*((path, "PIXTABLE_OBJECT") for path in tables), *_without(post.frames, "PIXTABLE_OBJECT"))
    if sky is not None:
        frames = (*_without(frames, *OF_SKY), *zip(sky.products, OF_SKY, strict=True))
    elif skies is not None:
        # the night has made lines of a SKY exposure of another field: those that came with the pipeline are meant
        lines = tuple((path, tag) for path, tag in skies.frames if tag == "SKY_LINES")
        frames = (*_without(frames, *OF_SKY), *lines)
    if one.response:
        others = [(one.response, "STD_RESPONSE"), *([(one.telluric, "STD_TELLURIC")] if one.telluric else [])]
        frames = (*_without(frames, "STD_RESPONSE", "STD_TELLURIC"), *others)
    at = place / one.folder
    return replace(
        post, name=f"scipost-{one.folder}", frames=frames, products=(str(at / IMAGE), str(at / TABLE)),
        directory=one.folder, exposure=post.exposure or 1, parameters=tuple(one.parameters(settings).items()),
    )  # fmt: skip
