"""Kernels on the line spread function."""
