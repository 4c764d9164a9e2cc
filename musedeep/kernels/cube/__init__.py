"""Kernels on voxels: resampling, rejection, statistics of cubes."""
