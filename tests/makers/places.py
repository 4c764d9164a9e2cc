"""Where the repository is."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""For processes that import the package and the tests."""
