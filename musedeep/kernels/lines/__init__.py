"""Kernels on spectral lines: arc lines, sky lines, the dispersion."""
