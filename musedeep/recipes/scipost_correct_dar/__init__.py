"""muse_scipost_correct_dar."""
