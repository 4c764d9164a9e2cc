"""What every command sets first."""

import os
import subprocess
import sys

import pytest

from tests.makers.places import ROOT

CODE = "import gc, os; from musedeep.start import set_up_process; set_up_process(); {shown}"


@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "4"}, "4")])
def test_garbage_is_sought_seldom_and_the_users_threads_stay(given, threads):
    code = CODE.format(shown="print(gc.get_threshold()[0], os.environ['OPENBLAS_NUM_THREADS'])")
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(ROOT)} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["400000", threads]
