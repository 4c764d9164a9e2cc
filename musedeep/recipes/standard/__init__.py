"""muse_standard: response of the instrument and telluric absorption, from a standard star."""
