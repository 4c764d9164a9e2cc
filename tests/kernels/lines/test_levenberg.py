"""Damped least squares: the minimum is found, and each way to fail has its status."""

import numpy as np
import pytest

from musedeep.kernels.lines.levenberg import (
    CONVERGED,
    SINGULAR,
    STUCK,
    UNFINISHED,
    Damping,
    Model,
    eliminate,
    minimise,
    never,
    space,
)

DAMPING = Damping(attempts=200, steps=200, refusals=20, decrease=1e-14)


def valley(curvature=10.0):
    """Rosenbrock's valley, with its minimum of 0 at (1, 1)."""

    def equations(_, p, normal, gradient):
        residuals = np.array([1.0 - p[0], curvature * (p[1] - p[0] ** 2)])
        slopes = np.array([[1.0, 0.0], [2.0 * curvature * p[0], -curvature]])
        normal[:], gradient[:] = slopes.T @ slopes, slopes.T @ residuals
        return residuals @ residuals

    return equations


def run(equations, damping=DAMPING, within=lambda data, p: True, start=(-1.2, 1.0)):
    p = np.array(start)
    model = Model(equations, eliminate.py_func, within, never.py_func)
    status, total = minimise.py_func(model, 2, (), p, space.py_func(2), damping)
    return status, total, p


def test_the_minimum_of_a_bent_valley_is_found():
    status, total, p = run(valley())
    assert status == CONVERGED and total < 1e-20
    assert p == pytest.approx([1.0, 1.0], abs=1e-9)


def test_parameters_stay_within_their_range():
    _, total, p = run(valley(), within=lambda data, p: p[0] < 0.5)
    assert 0.4 < p[0] < 0.5 and total == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("limit", ["attempts", "steps"])
def test_too_many_steps_leave_it_unfinished(limit):
    assert run(valley(), DAMPING._replace(**{limit: 3}))[0] == UNFINISHED


def test_equations_without_a_solution_are_singular():
    assert run(valley(0.0))[0] == SINGULAR


def test_sums_that_are_no_numbers_are_never_taken():
    status, total, p = run(valley(), start=(np.nan, 1.0))
    assert status in (STUCK, SINGULAR) and np.isnan(total) and p[1] == 1.0
