"""muse_create_sky."""
