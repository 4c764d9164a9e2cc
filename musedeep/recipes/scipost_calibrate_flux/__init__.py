"""muse_scipost_calibrate_flux."""
