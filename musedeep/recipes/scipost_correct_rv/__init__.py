"""muse_scipost_correct_rv."""
