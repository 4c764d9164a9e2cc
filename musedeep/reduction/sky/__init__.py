"""The sky of an exposure: where it is, its spectrum, and the model of its lines and continuum."""
