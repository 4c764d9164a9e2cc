"""The PSF of a cube: its stars, the fit of their profile, the keywords, the fields of a mosaic."""
