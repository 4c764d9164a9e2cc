"""What a command has loaded, as it reports itself: a script for a process of its own, and the reader of its report."""

import json
import subprocess
import sys
from collections import Counter

from tests.makers.places import ROOT

AT_THE_END = """
import json, os, sys
from musedeep.cli.main import run
status = run()
print("MODULES " + json.dumps(sorted(sys.modules)))
sys.exit(status)
"""
"""Runs a command, and reports the modules that are loaded when it is done."""


def loaded(script, directory, *arguments):
    """Names of the modules that a command has loaded when it reports them."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}", *arguments],
        cwd=directory, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    return json.loads(line.removeprefix("MODULES "))


def beyond(names, most):
    """Packages that have more modules among `names` than `most` allows, and how many."""
    counts = Counter(name.split(".")[0] for name in names)
    return {package: counts[package] for package, limit in most.items() if counts[package] > limit}
