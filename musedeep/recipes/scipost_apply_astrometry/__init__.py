"""muse_scipost_apply_astrometry."""
