"""Memory that arrays leave: pages touched first are what it costs."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="for the C library of GNU")

CODE = """
import ctypes
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from musedeep import allocation

DISABLE_HUGE_PAGES = 41  # of prctl(2); 512 of them would be touched as one
ctypes.CDLL(None).prctl(DISABLE_HUGE_PAGES, 1, 0, 0, 0)
allocation.{function}()

def pages(_):
    for size in (3, 5, 9, 17):
        np.ones(size << 18, np.float32)

with ThreadPoolExecutor(2) as pool:
    list(pool.map(pages, range(4)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    list(pool.map(pages, range(40)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_touched(function):
    """Page faults of 40 times 34 MiB of arrays."""
    command = [sys.executable, "-c", CODE.format(function=function)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_used_again_or_given_back():
    all_pages = 40 * (34 << 20) // 4096
    assert pages_touched("return_large_arrays") > all_pages // 2
    assert pages_touched("keep_freed_memory") < all_pages // 10
