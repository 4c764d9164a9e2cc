"""Kernels on the field of view: cells, cubes of the field, sources, the forward model."""
