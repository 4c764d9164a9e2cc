"""Headers of products."""
