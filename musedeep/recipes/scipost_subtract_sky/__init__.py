"""muse_scipost_subtract_sky."""
