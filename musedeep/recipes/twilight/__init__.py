"""muse_twilight."""
