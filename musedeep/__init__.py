"""musedeep: raw MUSE frames to deep datacubes, one band of wavelengths at a time."""

import logging

from musedeep.compiled import keep_compiled

__version__ = "0.1.0"

logging.getLogger("musedeep").addHandler(logging.NullHandler())

keep_compiled()
