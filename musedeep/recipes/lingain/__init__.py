"""muse_lingain."""
