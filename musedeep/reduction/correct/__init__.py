"""Corrections of the rows of an exposure: refraction, flux, sky, velocity, place."""
