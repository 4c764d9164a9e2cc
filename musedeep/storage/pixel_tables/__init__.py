"""Pixel tables: FITS in both formats, and zarr stores."""
