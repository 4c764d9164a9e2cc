"""Systems of equations."""

import numpy as np
import pytest

from musedeep.kernels.cholesky import solve_positive


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_solution_is_that_of_numpy(n):
    rng = np.random.default_rng(n)
    root = rng.standard_normal((n, n + 2))
    matrix, vector = root @ root.T, rng.standard_normal(n)
    wanted = np.linalg.solve(matrix, vector)
    lower = np.tril(matrix)
    assert solve_positive(lower, vector, n, 0.0)
    np.testing.assert_allclose(vector, wanted, rtol=1e-8)
    np.testing.assert_allclose(np.tril(lower), np.linalg.cholesky(matrix), rtol=1e-8)


@pytest.mark.parametrize(("last", "least", "solved"), [(-1.0, 0.0, False), (1e-13, 1e-12, False), (1e-13, 0.0, True)])
def test_a_matrix_that_is_not_positive_is_refused(last, least, solved):
    assert solve_positive(np.diag([1.0, last]), np.ones(2), 2, least) == solved
