"""muse_illum."""
