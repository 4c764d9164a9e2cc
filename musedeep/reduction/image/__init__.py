"""From raw frames to a calibrated image."""
