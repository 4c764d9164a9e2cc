"""Raw frames."""
