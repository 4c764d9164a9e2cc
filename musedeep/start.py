"""What every command of musedeep sets first, before it imports what computes."""

import gc
import os


def set_up_process() -> None:
    """Make searches for garbage rare in this process, and have BLAS use one thread."""
    # imports leave two hundred thousand objects that stay; looking for garbage among them takes 0.06 s each time
    gc.set_threshold(400_000, 50, 100)
    # threads of BLAS are not worth it here: they wait in busy loops; the variable is read when numpy is imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
