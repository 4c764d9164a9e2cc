"""Frames of a night: what they are, and which belong together."""
