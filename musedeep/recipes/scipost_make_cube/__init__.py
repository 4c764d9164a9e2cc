"""muse_scipost_make_cube."""
