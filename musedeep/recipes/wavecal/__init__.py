"""muse_wavecal."""
