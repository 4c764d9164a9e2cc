"""Stand-in of `cpl.ui`: recipes, parameters and frames."""

import abc
import enum
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from . import core

_KINDS = ((bool, core.Type.BOOL), (int, core.Type.INT), (float, core.Type.DOUBLE), (str, core.Type.STRING))
_INT = range(-(2**31), 2**31)


def _texts(**words):
    for name, word in words.items():
        if not isinstance(word, str):
            raise TypeError(f"incompatible constructor arguments: {name}={word!r} is not a str")


class Parameter:
    """Base of the three kinds of parameters. Name, context, description and default do not change."""

    def __init__(self, name, description, context, default):
        _texts(name=name, description=description, context=context)
        kind = next((kind for known, kind in _KINDS if isinstance(default, known)), None)
        if kind is None:
            raise TypeError(f"incompatible constructor arguments: default={default!r}")
        if kind is core.Type.INT and default not in _INT:
            kind = core.Type.DOUBLE
        self._fixed = (name, description, context, default, kind)
        self._value = default
        self.presence = False
        self._aliases = {"cli": name, "cfg": name, "env": name}

    name = property(lambda self: self._fixed[0])
    description = property(lambda self: self._fixed[1])
    context = property(lambda self: self._fixed[2])
    default = property(lambda self: self._fixed[3])
    data_type = property(lambda self: self._fixed[4])

    @property
    def value(self):
        return self._value

    @value.setter
    def value(self, new):
        kind = self.data_type
        if kind is core.Type.INT and isinstance(new, float):
            warnings.warn("An Integer type CPL Parameter received a floating-point value", RuntimeWarning, stacklevel=2)
            new = int(new)
        if kind is core.Type.DOUBLE and type(new) is int:
            new = float(new)
        wanted = next(known for known, other in _KINDS if other is kind)
        if type(new) is not wanted:
            raise RuntimeError(f"A parameter of type {wanted.__name__} does not match the received type")
        self._value = new
        self.presence = True


def _alias(kind):
    def change(self, alias):
        _texts(alias=alias)
        self._aliases[kind] = alias

    return property(lambda self: self._aliases[kind], change)


class ParameterValue(Parameter):
    """A plain value."""

    cli_alias, cfg_alias, env_alias = map(_alias, ("cli", "cfg", "env"))


class ParameterRange(ParameterValue):
    """A value with a lowest and a highest one, of its type, which are not enforced."""

    def __init__(self, name, description, context, default, min, max):
        super().__init__(name, description, context, default)
        if self.data_type not in (core.Type.INT, core.Type.DOUBLE):
            raise TypeError(f"incompatible constructor arguments: default={default!r}")
        for limit in (min, max):
            if isinstance(limit, bool) or not isinstance(limit, int | float):
                raise TypeError(f"incompatible constructor arguments: {limit!r}")
            if self.data_type is core.Type.INT and limit not in _INT:
                raise TypeError(f"incompatible constructor arguments: {limit!r}")
        self._limits = (min, max)

    min = property(lambda self: self._limits[0])
    max = property(lambda self: self._limits[1])


class ParameterEnum(ParameterValue):
    """A value of several, which are not enforced; the default must be one of them."""

    def __init__(self, name, description, context, default, alternatives):
        super().__init__(name, description, context, default)
        self._alternatives = list(alternatives)
        if isinstance(default, bool) or any(type(one) is not type(default) for one in self._alternatives):
            raise TypeError(f"incompatible constructor arguments: {alternatives!r}")
        if default not in self._alternatives:
            raise core.IllegalInputError(f"Default value '{default}' not found in given alternatives")

    alternatives = property(lambda self: list(self._alternatives))


class _Sequence:
    """Elements of one class, by number and in turn."""

    kind: type

    def __init__(self, elements=()):
        self._elements = []
        for one in elements:
            if not isinstance(one, self.kind):
                raise TypeError(f"expected iterable of cpl.ui.{self.kind.__name__}, not {type(one).__name__}")
            self.append(one)

    def append(self, one):
        if not isinstance(one, self.kind):
            raise TypeError(f"append(): incompatible function arguments: {one!r}")
        self._elements.append(one)

    def __len__(self):
        return len(self._elements)

    def __getitem__(self, index):
        if not isinstance(index, int):
            raise TypeError(f"incompatible function arguments: {index!r}")
        return self._elements[index]


class ParameterList(_Sequence):
    """Parameters, also by full name."""

    kind = Parameter

    def __getitem__(self, index):
        if isinstance(index, str):
            for one in self._elements:
                if one.name == index:
                    return one
            raise KeyError(index)
        return super().__getitem__(index)


class _Members(enum.EnumMeta):
    """Members are attributes alone."""

    def __getitem__(cls, name):
        raise TypeError(f"type 'cpl.ui.{cls.__name__}' is not subscriptable")


class _Kind(enum.Enum, metaclass=_Members):
    """Base of the enumerations."""


class Frame:
    """A file that exists, and what it is."""

    FrameGroup = _Kind("FrameGroup", ["NONE", "RAW", "CALIB", "PRODUCT"], start=0)
    FrameLevel = _Kind("FrameLevel", ["NONE", "TEMPORARY", "INTERMEDIATE", "FINAL"], start=0)
    FrameType = _Kind("FrameType", ["NONE", "IMAGE", "MATRIX", "TABLE", "PAF", "ANY"], start=0)

    def __init__(
        self, file, tag="", group=FrameGroup.NONE, level=FrameLevel.NONE, frameType=FrameType.NONE
    ):  # fmt: skip
        if not isinstance(file, str | os.PathLike):
            raise TypeError(f"incompatible constructor arguments: file={file!r}")
        _texts(tag=tag)
        for value, kind in ((group, Frame.FrameGroup), (level, Frame.FrameLevel), (frameType, Frame.FrameType)):
            if not isinstance(value, kind):
                raise TypeError(f"incompatible constructor arguments: {value!r}")
        if not os.path.exists(file):
            raise core.FileIOError(f"{file} could not be found")
        self.file, self.tag, self.group, self.level, self.type = os.fspath(file), tag, group, level, frameType


class FrameSet(_Sequence):
    """Frames, of a set-of-frames or one after the other."""

    kind = Frame

    def __init__(self, frames=()):
        if isinstance(frames, str | os.PathLike):
            try:
                lines = Path(frames).read_text().splitlines()
            except OSError:
                raise core.FileIOError(f"{frames} could not be read") from None
            frames = [Frame(*line.split()[:2]) for line in lines if line.strip() and not line.startswith("#")]
        if not isinstance(frames, Iterable):
            raise TypeError(f"incompatible constructor arguments: {frames!r}")
        super().__init__(frames)


class AbstractRecipe(abc.ABC):
    """What all recipes have; without one of the names there is no object."""

    _name = _author = _copyright = _description = _email = _synopsis = _version = None

    def __new__(cls):
        for name in ("_name", "_author", "_copyright", "_description", "_email", "_synopsis", "_version"):
            if getattr(cls, name) is None:
                raise TypeError(f"Can't instantiate class {cls.__name__} with class variable {name} not set.")
        return super().__new__(cls)

    name = property(lambda self: self._name)
    author = property(lambda self: self._author)
    copyright = property(lambda self: self._copyright)
    description = property(lambda self: self._description)
    email = property(lambda self: self._email)
    synopsis = property(lambda self: self._synopsis)
    version = property(lambda self: self._version)

    @abc.abstractmethod
    def run(self, frameset, settings): ...


class PyRecipe(AbstractRecipe):
    """Base of recipes in Python."""
