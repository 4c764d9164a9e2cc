"""muse_exp_align: offsets of exposures against each other."""
