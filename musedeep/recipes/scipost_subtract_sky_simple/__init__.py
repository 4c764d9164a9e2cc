"""muse_scipost_subtract_sky_simple."""
