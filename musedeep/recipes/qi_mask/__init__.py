"""muse_qi_mask."""
