"""Lets `python -m docs.pictures.NAME` find these scripts where another package is called docs, too."""
