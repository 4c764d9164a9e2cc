"""muse_ampl."""
