"""Kernels on rows of pixel tables."""
