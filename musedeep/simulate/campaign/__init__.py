"""Simulated campaigns: OBs, runs, targets, night logs of many nights, and what a careful person would select."""
