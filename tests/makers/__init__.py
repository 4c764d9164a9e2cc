"""Makers of inputs for tests and benchmarks."""
