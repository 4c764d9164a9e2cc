"""`python -m musedeep` is `musedeep`."""

import sys

from musedeep.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
