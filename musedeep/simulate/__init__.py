"""The instrument run forwards: from a truth that is known to raw frames."""
