"""Stores of columns: where they are, how they are written whole, and checked."""
