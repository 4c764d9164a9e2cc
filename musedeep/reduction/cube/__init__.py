"""From rows to cubes."""
