"""Non-linear least squares with damped steps (Levenberg 1944, Marquardt 1963).

1. The model gives the sum of squared residuals at the start values, and the normal equations there.
2. The equations, their diagonal raised by the damping, give a step.
3. A step that does not raise the sum is taken, and the damping becomes smaller; any other step is refused, and the
   damping becomes larger.
4. The fit has converged when the step, or the decrease of the sum, is small.

`minimise` becomes part of each kernel that calls it: the functions of the model cost no call, and numba can cache the
kernel (it cannot where compiled functions are arguments at run time). Slices are copied by loops: assignments of whole
arrays would double the time of compilation.
"""

from typing import Any, Final, NamedTuple

import numba as nb
import numpy as np

CONVERGED: Final = 0
STUCK: Final = 1
"""Every step raises the sum, however short it is."""
UNFINISHED: Final = 2
"""There were too many steps."""
SINGULAR: Final = 3
"""The normal equations have no solution."""


class Model(NamedTuple):
    """Functions of a model of n parameters p; data is a tuple of all else that they need.

    Attributes
    ----------
    equations : (data, p, normal, gradient) -> sum of squares, fills the normal equations, float64 (n, n) and (n,)
    solve : (normal, gradient, damping, work, step) -> bool
        Fills the step, float64 (n,), with work, float64 (n, n); False if the equations are singular.
    within : (data, p) -> bool, the parameters are in their range; may move them there
    small : (step, p) -> bool, the step is small enough to end the fit
    """

    equations: Any
    solve: Any
    within: Any
    small: Any


class Damping(NamedTuple):
    """Constants of a fit.

    Attributes
    ----------
    attempts, steps, refusals : largest numbers of all steps, of those taken, of those refused in a row
    decrease : relative decrease of the sum that ends the fit; -inf: none does
    start, least, most : damping of the first step, and its limits
    up, down : factors on the damping after a refused step, and after one that was taken
    """

    attempts: int
    steps: int
    refusals: int
    decrease: float
    start: float = 1e-3
    least: float = 1e-9
    most: float = np.inf
    up: float = 10.0
    down: float = 0.1


@nb.njit(nogil=True, cache=True)
def space(n):  # type: ignore[no-untyped-def]
    """Arrays that `minimise` needs for n parameters: three of (n, n), four of (n,)."""
    return np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty(n), np.empty(n), np.empty(n), np.empty(n)


@nb.njit(nogil=True, inline="always")
def minimise(model, n, data, p, arrays, damping):  # type: ignore[no-untyped-def]
    """Fit the parameters of a model: CONVERGED, STUCK, UNFINISHED or SINGULAR, and the sum of squares.

    Parameters
    ----------
    model : Model
    n : number of parameters
    data : tuple
    p : float64 (n,), start values, then the result
    arrays : of `space`; the first is filled with the normal matrix of the result
    damping : Damping
    """
    normal, new_normal, work, gradient, new_gradient, step, trial = arrays
    total = model.equations(data, p, normal, gradient)
    factor, steps, refusals = damping.start, 0, 0
    for _ in range(damping.attempts):
        if not model.solve(normal, gradient, factor, work, step, n):
            return SINGULAR, total
        if model.small(step, p):
            return CONVERGED, total
        for i in range(n):
            trial[i] = p[i] + step[i]
        new = model.equations(data, trial, new_normal, new_gradient) if model.within(data, trial) else np.inf
        if new <= total:
            done = total - new <= damping.decrease * total
            for i in range(n):
                p[i], gradient[i] = trial[i], new_gradient[i]
                for j in range(n):
                    normal[i, j] = new_normal[i, j]
            total = new
            steps += 1
            if done or steps == damping.steps:
                return CONVERGED if done else UNFINISHED, total
            factor, refusals = max(factor * damping.down, damping.least), 0
        else:
            factor *= damping.up
            refusals += 1
            if refusals == damping.refusals or factor > damping.most:
                return STUCK, total
    return UNFINISHED, total


@nb.njit(nogil=True, cache=True)
def eliminate(normal, gradient, damping, work, step, n):  # type: ignore[no-untyped-def]
    """Solve the damped equations by elimination without pivots, as `Model.solve`."""
    for i in range(n):
        step[i] = gradient[i]
        for j in range(n):
            work[i, j] = normal[i, j]
        work[i, i] *= 1.0 + damping
    for i in range(n):
        if not abs(work[i, i]) > 1e-300:
            return False
        for j in range(i + 1, n):
            factor = work[j, i] / work[i, i]
            for k in range(i, n):
                work[j, k] -= factor * work[i, k]
            step[j] -= factor * step[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            step[i] -= work[i, k] * step[k]
        step[i] /= work[i, i]
    return True


@nb.njit(nogil=True, cache=True)
def never(step, p):  # type: ignore[no-untyped-def]
    """No step is small, as `Model.small`."""
    return False
