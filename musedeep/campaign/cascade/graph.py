"""What a plan will run, as a graph: nights with raw frames and recipes, products, and which night goes into which.

It is had from the sets-of-frames that a run would do, without a look at pixels: as Mermaid text, or drawn.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from musedeep.campaign.cascade.archive import Archive, NightKey
from musedeep.campaign.cascade.night_sets import NightSets
from musedeep.campaign.cascade.nights import plan_nights, wanted_of
from musedeep.campaign.cascade.request import CascadeRequest
from musedeep.campaign.cascade.run import check_request
from musedeep.errors import MusedeepError
from musedeep.quality.figures.cascade import PRODUCT, RAW, arrow, box
from musedeep.reduction.pictures import FAINT, INK, draw
from musedeep.storage.outputs import appearing_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MERMAID: Final = ".mmd"
LINE: Final = 0.19
"""Height of a line of text in a box [inch]."""
NIGHT_AT, PRODUCT_AT, NIGHT_WIDTH, PRODUCT_WIDTH = 3.3, 10.7, 6.2, 4.2
"""Middle and width of boxes [inch]."""


@dataclass
class NightNode:
    """A night in a mode.

    Attributes
    ----------
    own, others : raw frames by tag: of the night, and of other nights by tag and date
    recipes : how often each runs
    problems : why exposures cannot be reduced
    """

    key: NightKey
    own: Counter[str] = field(default_factory=Counter)
    others: Counter[tuple[str, str]] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What a box says."""
        found = [f"night {self.key.date}, {self.key.mode}"]
        found += _several([f"{n} {tag}" for tag, n in self.own.items()])
        found += _several([f"{n} {tag} of {date}" for (tag, date), n in self.others.items()])
        found += _several([f"{n} {recipe}" for recipe, n in self.recipes.items()])
        return found + [f"cannot be reduced: {why}"[:70] for why in self.problems]


@dataclass
class ProductNode:
    """A product: its exposures and SKY exposures by night."""

    name: str
    category: str
    method: str
    version: int
    after_cube: bool
    exposures: Counter[NightKey] = field(default_factory=Counter)
    skies: Counter[NightKey] = field(default_factory=Counter)

    def lines(self, with_nights: bool = False) -> list[str]:
        """What a box says; what comes from which night, too, where arrows are not to say it."""
        found = [self.name, f"{self.exposures.total()} exposures, method {self.method}"]
        if with_nights:
            found += [f"{key.date}: {self.edge(key)}" for key in self.exposures]
        found.append("muse_exp_align, muse_exp_combine" + (", after_cube" if self.after_cube else ""))
        return [*found, f"{self.category}, version {self.version}"]

    def edge(self, night: NightKey) -> str:
        """What comes from a night."""
        sky = f" + {self.skies[night]} SKY" if self.skies[night] else ""
        return f"{self.exposures[night]} OBJECT{sky}"


@dataclass
class CampaignGraph:
    """All nights in the order of time, and all products in the order of the plan."""

    name: str
    nights: list[NightNode]
    products: list[ProductNode]


def campaign_graph(request: CascadeRequest) -> CampaignGraph:
    """The graph of a plan, or of some of its targets; MusedeepError as `run.check_request`."""
    check_request(request)
    nights: dict[NightKey, NightNode] = {}
    seen: set[tuple[NightKey, str]] = set()
    frames: set[tuple[NightKey, str]] = set()
    products = []
    for target, product in request.products():
        settings = request.settings
        node = ProductNode(product.name, product.category, target.method, product.version, bool(settings.after_cube))
        wanted = wanted_of(request.archive, target, product)
        planned = plan_nights(request, wanted)
        for one in wanted:
            key = request.archive.night_of(one.name)
            night = nights.setdefault(key, NightNode(key))
            if one.name in planned.failed:
                night.problems.append(f"{one.name}: {planned.failed[one.name]}")
            else:
                node.exposures[key] += 1
        for sky in {one.sky for one in wanted if one.sky}:
            node.skies[request.archive.night_of(sky)] += 1
        for key, sets in planned.sets.items():
            _add(nights[key], sets, request.archive, seen, frames)
        products.append(node)
    return CampaignGraph(
        request.plan.campaign, [nights[key] for key in sorted(nights, key=lambda one: (one.date, one.mode))], products
    )


def _add(
    node: NightNode,
    sets: NightSets,
    archive: Archive,
    seen: set[tuple[NightKey, str]],
    frames: set[tuple[NightKey, str]],
) -> None:
    """Count recipes and raw frames of a night that other products have not had yet."""
    for one in sets.needed(list(sets.exposures.values())):
        if (node.key, one.name) in seen:
            continue
        seen.add((node.key, one.name))
        node.recipes[one.recipe] += 1
        for path, tag in one.frames:
            name = archive.names.get(path)
            if name is None or (node.key, name) in frames:
                continue
            frames.add((node.key, name))
            date = archive.of(name).night
            if date == node.key.date:
                node.own[tag] += 1
            else:
                node.others[tag, date] += 1


def _several(words: Sequence[str]) -> list[str]:
    """Words in lines that are not too long."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < 70:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines


def write_graph(graph: CampaignGraph, path: Path) -> None:
    """Write a graph to a file: Mermaid text if its name ends in .mmd, else a picture.

    Raises MusedeepError if the file exists already, and as `pictures.draw`.
    """
    if path.exists():
        raise MusedeepError(f"{path}: exists already; remove it, or give another name")
    if path.suffix.lower() == MERMAID:
        with appearing_whole(path) as partial:
            partial.write_text(mermaid(graph), encoding="utf-8")
        return
    heights = [_column(graph.nights), _column(graph.products)]
    draw(_drawing(graph, max(heights)), path, False, (13.0, max(heights) + 0.8))


def mermaid(graph: CampaignGraph) -> str:
    """The graph as a flowchart of Mermaid."""
    lines = ["flowchart LR"]
    numbers = {night.key: f"night{k}" for k, night in enumerate(graph.nights, 1)}
    for night in graph.nights:
        lines.append(f'    {numbers[night.key]}["{_escaped(night.lines())}"]')
    for k, product in enumerate(graph.products, 1):
        lines.append(f'    product{k}(["{_escaped(product.lines())}"])')
        lines += [f'    {numbers[key]} -- "{product.edge(key)}" --> product{k}' for key in product.exposures]
    return "\n".join(lines) + "\n"


def _escaped(lines: Sequence[str]) -> str:
    texts = (
        line.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") for line in lines
    )
    return "<br/>".join(texts)


def _text(node: NightNode | ProductNode) -> list[str]:
    return node.lines(with_nights=True) if isinstance(node, ProductNode) else node.lines()


def _height(node: NightNode | ProductNode) -> float:
    return LINE * (len(_text(node)) + 0.8)


def _column(nodes: Sequence[NightNode | ProductNode]) -> float:
    """Height of boxes one below the other [inch]."""
    return sum(_height(node) + 0.3 for node in nodes)


def _drawing(graph: CampaignGraph, height: float) -> "Callable[[Figure], None]":
    def drawing(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0, 13)
        axes.set_ylim(0, height + 0.6)
        axes.text(0.2, height + 0.55, graph.name, fontsize=15, fontweight="bold", va="top", color=INK)
        words = f"{len(graph.nights)} nights, {len(graph.products)} products"
        axes.text(0.2, height + 0.2, words, fontsize=10.5, va="top", color=FAINT)
        nights = _places(graph.nights, height)
        for product, y in zip(graph.products, _places(graph.products, height), strict=True):
            own = [at for night, at in zip(graph.nights, nights, strict=True) if product.exposures[night.key]]
            for k, at in enumerate(own, 1):  # their ends are apart
                end = y + _height(product) * (0.5 - k / (len(own) + 1))
                arrow(axes, NIGHT_AT + NIGHT_WIDTH / 2, at, PRODUCT_AT - PRODUCT_WIDTH / 2, end)
            box(axes, PRODUCT_AT, y, PRODUCT_WIDTH, "\n".join(_text(product)), PRODUCT, _height(product))
        for night, y in zip(graph.nights, nights, strict=True):
            box(axes, NIGHT_AT, y, NIGHT_WIDTH, "\n".join(_text(night)), RAW, _height(night))

    return drawing


def _places(nodes: Sequence[NightNode | ProductNode], height: float) -> list[float]:
    """Middles of boxes, spread over the height."""
    gap = (height - _column(nodes)) / max(len(nodes), 1) + 0.3
    found, top = list[float](), height - gap / 2
    for node in nodes:
        found.append(top - _height(node) / 2)
        top -= _height(node) + gap
    return found
