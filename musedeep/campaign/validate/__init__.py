"""Checks of science data products, as the archive makes them before it takes a delivery."""
