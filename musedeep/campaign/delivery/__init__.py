"""Delivery of the products of a campaign: files, headers, logs, an index."""
