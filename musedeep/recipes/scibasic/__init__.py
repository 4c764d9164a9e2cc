"""muse_scibasic."""
