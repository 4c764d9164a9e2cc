"""Spectra of the night sky on arrays: lines, sums over rows, subtraction."""
