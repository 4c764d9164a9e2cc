"""muse_bias."""
