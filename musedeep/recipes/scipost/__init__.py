"""muse_scipost: pixel tables of exposures to reduced pixel tables and a cube."""
