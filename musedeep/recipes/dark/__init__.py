"""muse_dark."""
