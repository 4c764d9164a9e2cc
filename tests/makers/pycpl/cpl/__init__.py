"""A stand-in of PyCPL, ESO's Python bindings of CPL, which is not on PyPI: what recipes in Python use of it.

It is not PyCPL. It follows the reference of PyCPL's public interface (eso.org/sci/software/pycpl), and is as strict as
that says: types of arguments and values, what a recipe must have, frames whose files do not exist. Like PyCPL it does
not check the values of ranges and enumerations. The tests of it hold for PyCPL 1.0.3, too, with which they run where
MUSEDEEP_TEST_PYCPL names the directory of its module `cpl`.
"""

from . import core as core
from . import ui as ui
