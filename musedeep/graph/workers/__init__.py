"""Processes that work: on this machine, on a cluster; their memory and records."""
