"""Cubes as FITS and zarr, and their grids."""
