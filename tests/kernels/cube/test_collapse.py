import numpy as np

from musedeep.kernels.cube.collapse import add_planes


def test_sums_do_not_depend_on_grouping():
    rng = np.random.default_rng(1)
    data = rng.normal(size=(11, 5, 7)).astype(np.float32)
    data[rng.random(data.shape) < 0.2] = np.nan
    weights = rng.uniform(0, 1, 11)
    weights[3] = 0
    results = []
    for step in (1, 4, 11):
        total, norm = np.zeros((2, 5, 7))
        for z in range(0, 11, step):
            add_planes(data[z : z + step], weights[z : z + step], total, norm)
        results.append((total, norm))
    finite = np.isfinite(data)
    expected = np.einsum("z,zyx->yx", weights, np.where(finite, data, 0).astype(np.float64))
    np.testing.assert_allclose(results[0][0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(results[0][1], np.einsum("z,zyx->yx", weights, finite.astype(float)), rtol=1e-12)
    for total, norm in results[1:]:
        np.testing.assert_array_equal(total, results[0][0])
        np.testing.assert_array_equal(norm, results[0][1])
