"""muse_flat."""
