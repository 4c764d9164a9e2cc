"""Memory of processes."""

BASE_BYTES = 330 * 1024**2
"""A process with its libraries and compiled kernels, before any data."""
