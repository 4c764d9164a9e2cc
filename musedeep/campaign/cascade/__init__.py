"""From a plan to deep cubes: nights, single exposures, flux scales, offsets, cubes, and a record of each."""
