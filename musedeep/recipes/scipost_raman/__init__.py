"""muse_scipost_raman."""
