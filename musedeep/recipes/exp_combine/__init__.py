"""muse_exp_combine."""
