"""musedeep: raw MUSE frames to deep datacubes, one band of wavelengths at a time."""

from musedeep.compiled import keep_compiled

__version__ = "0.1.0"

keep_compiled()
