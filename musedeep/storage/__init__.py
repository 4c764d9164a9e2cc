"""Formats: pixel tables, cubes, tables and headers, as FITS and zarr."""
