"""Which exposures go in: the selection file."""
