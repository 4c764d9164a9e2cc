"""muse_astrometry: the astrometric solution of the field of view, from an exposure of stars with known places."""
