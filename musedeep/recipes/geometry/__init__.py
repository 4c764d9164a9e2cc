"""muse_geometry."""
