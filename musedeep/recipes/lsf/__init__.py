"""muse_lsf."""
