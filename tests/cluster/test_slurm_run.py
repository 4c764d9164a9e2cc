"""Combinations on SLURM: the same bits, as many jobs as there is work for, and nothing left behind."""

import pytest

pytestmark = pytest.mark.slurm


def test_a_run_from_beginning_to_end(slurm, run, same):
    run.environment["BOX_SECONDS"] = "0"
    status, out, error = run.start("--workers", "2").end()
    assert status == 0, error
    same(run.output)
    run.assert_nothing_left(slurm)
