"""A campaign as it runs: the cascade on a plan, review, and delivery of what came out."""
