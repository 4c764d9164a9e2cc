"""Kernels on slices: tracing, pixels of slices, the geometry."""
