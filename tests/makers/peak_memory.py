"""The memory that a command takes."""

import os
import subprocess
import sys

from tests.makers.places import ROOT

CODE = """
import sys
from musedeep.cli.main import run
status = run(sys.argv[1:])
from musedeep.graph.workers.records import peak_memory
print(peak_memory())
sys.exit(status)
"""
"""The process asks for itself: what its parent is told of its memory includes that of the parent when it began."""


def peak_memory_of(*arguments: str) -> int:
    """Run a command of musedeep that has to work, in a process of its own: its largest resident memory [bytes]."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])
