"""Rows of many slices side by side: each as `resample_slice` has it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musedeep.kernels.slices.slit_image import resample_slice
from musedeep.kernels.slices.stacked import slice_ranges, stack_rows


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), blocks=st.integers(1, 5))
def test_each_slice_by_itself(seed, blocks):
    rng = np.random.default_rng(seed)
    n, keys = 3000, np.array([65, 70, 129], np.int32)
    origin = (rng.choice(keys, n) | 5 << 11).astype(np.int32)
    x = (rng.uniform(0, 9, n) + 10 * (origin & 63)).astype(np.float32)
    wavelength, data = rng.uniform(7000, 7020, n).astype(np.float32), rng.normal(size=n).astype(np.float32)
    dq = (rng.random(n) < 0.1).astype(np.int32)
    ranges = np.tile([np.inf, -np.inf], (2048, 1))
    slice_ranges(x, origin, ranges)
    assert np.flatnonzero(np.isfinite(ranges[:, 0])).tolist() == keys.tolist()
    columns, lowest = np.full(2048, -1), np.where(np.isfinite(ranges[:, 0]), ranges[:, 0], 0.0)
    columns[keys[[0, 2]]] = 0, 11
    sums = np.zeros((17, 22, 2))
    for part in np.array_split(np.arange(n), blocks):
        rows = (x[part], wavelength[part], data[part], dq[part], origin[part])
        stack_rows(rows, lowest, columns, (1.0, 7000.0, 1.25), sums)
    image = np.divide(sums[..., 0], sums[..., 1], out=np.zeros((17, 22)), where=sums[..., 1] > 0)
    for key, first in ((keys[0], 0), (keys[2], 11)):
        here, out = (origin & 2047) == key, np.zeros((17, 11), np.float32)
        resample_slice(x[here], wavelength[here], data[here], dq[here], lowest[key], 7000.0, 1.25, out)
        np.testing.assert_allclose(image[:, first : first + 11], out, rtol=1e-5, atol=1e-6)
