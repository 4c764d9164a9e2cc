"""Numerics of fluxes."""
