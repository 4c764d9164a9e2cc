"""musedeep: raw MUSE frames to deep datacubes, one band of wavelengths at a time."""

__version__ = "0.1.0"
