"""muse_scipost_combine_pixtables."""
