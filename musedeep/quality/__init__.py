"""Quality control: scores, flags and figures of products."""
