"""Normal equations are those of numpy."""

import numpy as np

from musedeep.kernels.sky.normal_equations import normal_equations


def test_matrix_and_right_side():
    rng = np.random.default_rng(1)
    design = rng.standard_normal((50, 4)) * (rng.random((50, 4)) > 0.5)
    values, weights = rng.standard_normal(50), rng.random(50)
    weights[:10] = 0.0
    values[:10] = np.nan
    matrix, right = normal_equations(design, values, weights)
    np.testing.assert_allclose(matrix, design.T @ (weights[:, None] * design), atol=1e-12)
    np.testing.assert_allclose(right, design[10:].T @ (weights * values)[10:], atol=1e-12)
