"""A simulated night through the reference pipeline, and its results beside the truth."""
