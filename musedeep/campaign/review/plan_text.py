"""Edits of a plan's text that leave everything else of it as it is: comments, order, empty lines.

1. The parser of YAML tells the lines of each entry.
2. Lines are taken out, put in or replaced.
3. The new text is read again. It must say what was wanted, and nothing else; if it does not (a plan written in another
   form, as on one line), the plan is refused and stays as it is.

What the last scan has written (PLAN.scan.json) is not touched: the next scan finds that a person has changed the plan.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.plan_file import Method, Plan, Product, Remark, Target

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RULE: Final = "review"
"""Rule of exposures that a reviewer has rejected."""
WIDTH: Final = 10_000
"""Of lines that are put in: texts stay on one."""


class PlanText:
    """The text of a plan, and what it says.

    Raises MusedeepError if it is no plan.
    """

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path = path
        try:
            self.text = raw.decode("utf-8-sig")
            self.plan = Plan.model_validate(yaml.load(self.text, Loader=LOADER))
        except (UnicodeDecodeError, yaml.YAMLError, ValidationError):
            raise MusedeepError(f"{path}: is no plan any more; `musedeep campaign scan` says what is wrong") from None

    def target_of(self, product: str) -> Target:
        """The target of a product. Raises MusedeepError if the plan has no such product."""
        for target in self.plan.targets:
            if any(one.name == product for one in target.products):
                return target
        raise MusedeepError(f"{self.path}: has no product {product}; it was renamed or taken out since it was made")

    def exclude(self, product: str, exposure: str, why: str, by: str, date: str) -> list[str]:
        """Move an exposure from all products of a target to its rejected ones; returns the names of these products.

        `why`, `by` and `date` (ISO) are kept with it.

        Raises MusedeepError: not an input; a product would be left without inputs; the plan cannot be edited.
        """
        target = self.target_of(product)
        holders = [one for one in target.products if exposure in one.inputs]
        if not holders:
            raise MusedeepError(f"{self.path}: {exposure} is no input of {product}")
        for one in holders:
            if len(one.inputs) == 1:
                raise MusedeepError(f"{exposure} is the only input of {one.name}; reject the product instead")
        remark = Remark(exposure=exposure, rule=RULE, text=why, by=by, date=date)

        def wanted(copy: Target) -> None:
            for one in copy.products:
                if exposure in one.inputs:
                    one.inputs.remove(exposure)
            copy.rejected.append(remark)

        def edit(lines: Lines) -> None:
            for one in holders:
                lines.remove_item(lines.product(target.name, one.name), "inputs", exposure)
            lines.append(lines.target(target.name), "rejected", [remark.model_dump()], after="products")

        self._edit(target.name, wanted, edit)
        return [one.name for one in holders]

    def include(self, product: str, exposure: str, others: Collection[str] = ()) -> list[str]:
        """Take back the exclusion of an exposure by a reviewer; returns the names of the products that have it again.

        These are the product, and those `others` that the target has still.

        Raises MusedeepError: not rejected by a reviewer; the plan cannot be edited.
        """
        target = self.target_of(product)
        names = [one.name for one in target.products if one.name == product or one.name in others]
        remark = next((one for one in target.rejected if one.exposure == exposure and one.rule == RULE), None)
        if remark is None:
            raise MusedeepError(f"{self.path}: {exposure} of {target.name} was not excluded by a review")

        def wanted(copy: Target) -> None:
            copy.rejected.remove(remark)
            for one in copy.products:
                if one.name in names and exposure not in one.inputs:
                    one.inputs.insert(_place(one, exposure), exposure)

        def edit(lines: Lines) -> None:
            lines.remove_item(lines.target(target.name), "rejected", exposure)
            for one in target.products:
                if one.name in names and exposure not in one.inputs:
                    lines.insert_item(lines.product(target.name, one.name), "inputs", _place(one, exposure), exposure)

        self._edit(target.name, wanted, edit)
        return names

    def set_method(self, product: str, method: Method) -> list[str]:
        """Change the method of a product's target; returns the names of all its products."""
        target = self.target_of(product)
        if target.method == method:
            raise MusedeepError(f"{self.path}: the method of {target.name} is {method} already")

        def wanted(copy: Target) -> None:
            copy.method = method

        self._edit(
            target.name,
            wanted,
            lambda lines: lines.set_value(lines.target(target.name), "method", method, after="name"),
        )
        return [one.name for one in target.products]

    def _edit(self, target: str, wanted: Callable[[Target], None], edit: "Callable[[Lines], None]") -> None:
        plan = self.plan.model_copy(deep=True)
        wanted(next(one for one in plan.targets if one.name == target))
        try:
            lines = Lines(self.text)
            edit(lines)
            text = lines.text
            same = Plan.model_validate(yaml.load(text, Loader=LOADER)) == plan
        except (_OtherForm, yaml.YAMLError, ValidationError):
            same = False
        if not same:
            raise MusedeepError(
                f"{self.path}: target {target} is not written as `musedeep campaign scan` does; edit the plan by hand"
            )
        self.text, self.plan = text, plan


def _place(product: Product, exposure: str) -> int:
    """Where an exposure belongs among inputs, which are in the order of time, as are their names."""
    return next((k for k, one in enumerate(product.inputs) if one > exposure), len(product.inputs))


class _OtherForm(Exception):
    """A part of the plan is not in lines of its own."""


class Lines:
    """The lines of a plan, and its entries as the parser finds them; it looks again after each edit."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines(keepends=True)
        if self.lines and not self.lines[-1].endswith("\n"):
            self.lines[-1] += "\n"
        self.root = yaml.compose(text, Loader=LOADER)

    @property
    def text(self) -> str:
        """All lines."""
        return "".join(self.lines)

    def target(self, name: str) -> yaml.MappingNode:
        """The entry of a target."""
        return _named(_value(self.root, "targets"), name)

    def product(self, target: str, name: str) -> yaml.MappingNode:
        """The entry of a product."""
        return _named(_value(self.target(target), "products"), name)

    def remove_item(self, mapping: yaml.MappingNode, key: str, name: str) -> None:
        """Take out the item of a list that is a name, or has it as `exposure`; with the list if that was the last."""
        items = _items(_value(mapping, key))
        chosen = next(item for item in items if _name_of(item) == name)
        first, last = self._dash(chosen), _last_line(chosen)
        if len(items) == 1:
            first = next(k for k, _ in mapping.value if k.value == key).start_mark.line
        self._replace(first, last + 1, [])

    def insert_item(self, mapping: yaml.MappingNode, key: str, place: int, name: str) -> None:
        """Put a name into a list of names."""
        items = _items(_value(mapping, key))
        beside = items[min(place, len(items) - 1)]
        line = self._dash(beside)
        indent = " " * self.lines[line].index("-")
        at = line if place < len(items) else _last_line(beside) + 1
        self._replace(at, at, _yaml([name], indent))

    def append(self, mapping: yaml.MappingNode, key: str, items: list[Any], after: str) -> None:
        """Put items at the end of a list, which is made below the key `after` if it is not there."""
        node = _value(mapping, key)
        if node is not None and _items(node):
            last = _items(node)[-1]
            indent = " " * self.lines[self._dash(last)].index("-")
            self._replace(_last_line(last) + 1, _last_line(last) + 1, _yaml(items, indent))
            return
        if node is not None:  # an empty list
            line = next(k for k, _ in mapping.value if k.value == key).start_mark.line
            self._replace(line, _last_line(node) + 1, [])
            mapping = self._again(mapping)
        self._put_below(mapping, after, {key: items})

    def set_value(self, mapping: yaml.MappingNode, key: str, value: str, after: str) -> None:
        """Change a word, or put it below the key `after`."""
        node = _value(mapping, key)
        if node is None:
            self._put_below(mapping, after, {key: value})
            return
        line = node.start_mark.line
        if node.end_mark.line != line:
            raise _OtherForm
        old = self.lines[line]
        new = old[: node.start_mark.column] + value + old[node.end_mark.column :]
        self._replace(line, line + 1, [new])

    def _put_below(self, mapping: yaml.MappingNode, after: str, content: dict[str, Any]) -> None:
        column = mapping.value[0][0].start_mark.column
        before = _value(mapping, after)
        if before is None or mapping.flow_style:
            raise _OtherForm
        line = _last_line(before) + 1
        self._replace(line, line, _yaml(content, " " * column))

    def _dash(self, item: yaml.Node) -> int:
        """The line of an item, which begins with a dash."""
        line = int(item.start_mark.line)
        if self.lines[line][: item.start_mark.column].strip() != "-":
            raise _OtherForm
        return line

    def _replace(self, first: int, end: int, new: list[str]) -> None:
        self.lines[first:end] = new
        self.root = yaml.compose(self.text, Loader=LOADER)

    def _again(self, mapping: yaml.MappingNode) -> yaml.MappingNode:
        return self.target(_name_of(mapping))


def _value(mapping: Any, key: str) -> Any:
    """The value of a key, None if it is not there."""
    if not isinstance(mapping, yaml.MappingNode):
        raise _OtherForm
    return next((value for one, value in mapping.value if one.value == key), None)


def _items(node: Any) -> list[Any]:
    if not isinstance(node, yaml.SequenceNode) or (node.value and node.flow_style):
        raise _OtherForm
    return list(node.value)


def _name_of(item: Any) -> str:
    if isinstance(item, yaml.ScalarNode):
        return str(item.value)
    node = _value(item, "exposure") or _value(item, "name")
    return str(node.value) if node is not None else ""


def _named(node: Any, name: str) -> yaml.MappingNode:
    found = next((item for item in _items(node) if _name_of(item) == name), None)
    if not isinstance(found, yaml.MappingNode):
        raise _OtherForm
    return found


def _last_line(node: Any) -> int:
    """The last line with something of a node; comments that follow are not its own."""
    if isinstance(node, yaml.ScalarNode) or not node.value or node.flow_style:
        mark = node.end_mark
        return int(mark.line if mark.column or mark.line == node.start_mark.line else mark.line - 1)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _yaml(content: Any, indent: str) -> list[str]:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=WIDTH)
    return [indent + line for line in text.splitlines(keepends=True)]
