"""Calibrations as files."""
