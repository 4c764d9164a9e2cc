"""One Moffat profile fitted to all stars in all bins of wavelength at once.

1. The width and the exponent in the bins are linear functions of a few coefficients: those of two polynomials. Each
   star has its own peak, background and place in each bin.
2. A step of Levenberg and Marquardt's method eliminates these four numbers, star by star and bin by bin (the Schur
   complement of their block). The sums of what is left over the stars are the equations of the coefficients.
3. What is left of one bin alone tells by how much its own width and exponent differ from the polynomials. What is left
   of one star alone tells by how much that star is wider than the others.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musedeep.kernels.field.moffat import ALL, LOCAL, equations, nodes

Array = NDArray[np.float64]

BETAS: Final = (1.05, 30.0)
"""Limits of the exponent: beyond them the light of a profile diverges, or it is a Gaussian."""
NARROWEST: Final = 0.5
"""Width of a profile [pixel]."""
STEPS: Final = 200
CONVERGED: Final = 1e-10
"""Fall of the sum of squares over the sum, with which the fit has converged."""
DAMPING: Final = (1e-4, 1e8)
"""At the beginning, and the most."""


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Attributes
    ----------
    coefficients : float64 (n,)
    fwhm, beta : float64 (bins,) [pixel], exponent
    local : float64 (bins, stars, 4), peak, background, x, y in the cutout [pixel from 0]
    normal, gradient : float64 (bins, stars, 2, 2) and (bins, stars, 2), equations of width and exponent of each star in
        each bin without its four own numbers
    scatter : float, root of the weighted sum of squares over the degrees of freedom: 1 if the variances are right
    """

    coefficients: Array
    fwhm: Array
    beta: Array
    local: Array
    normal: Array
    gradient: Array
    scatter: float

    def of_bins(self) -> tuple[Array, Array]:
        """Width and exponent of each bin by its own stars, and their errors, both float64 (bins, 2); NaN without any.

        To first order in the differences from the fit.
        """
        normal, gradient = self.normal.sum(axis=1), self.gradient.sum(axis=1)
        value, error = np.full((2, *gradient.shape), np.nan)
        known = np.linalg.det(normal) > 0
        inverse = np.linalg.inv(normal[known])
        value[known] = np.einsum("bij,bj->bi", inverse, gradient[known])
        error[known] = self.scatter * np.sqrt(np.einsum("bii->bi", inverse))
        return np.column_stack([self.fwhm, self.beta]) + value, error

    def excess(self) -> tuple[Array, Array]:
        """By which share each star is wider than the fit, and the error of it, both float64 (stars,)."""
        known = np.einsum("b,bsij,b->sij", self.fwhm, self.normal, self.fwhm)[:, 0, 0]
        seen = np.einsum("b,bs->s", self.fwhm, self.gradient[:, :, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            return seen / known, self.scatter / np.sqrt(known)


def fit_profiles(values: Array, weights: Array, design: Array, first: Array, local: Array, integrated: bool) -> Fit:
    """Fit stars; see the module.

    Parameters
    ----------
    values, weights : float64 (bins, stars, ny, nx), weights are inverse variances, 0 without data
    design : float64 (bins, 2, n), width [pixel] and exponent of each bin by the coefficients
    first : float64 (n,), first guess of the coefficients
    local : float64 (bins, stars, 4), first guess of peak, background, x, y of each star in each bin
    integrated : average the profile over spaxels
    """
    values = np.where(weights > 0, values, 0.0)
    places, point_weights = nodes(integrated)
    space = np.empty((*local.shape[:2], ALL, ALL)), np.empty((*local.shape[:2], ALL)), np.empty(local.shape[:2])

    def evaluate(coefficients: Array, local: Array) -> tuple[Array, Array, float] | None:
        fwhm, beta = (design @ coefficients).T
        if not (fwhm.min() > NARROWEST and beta.min() > BETAS[0] and beta.max() < BETAS[1]):
            return None
        equations(
            values, weights, local, np.ascontiguousarray(fwhm), np.ascontiguousarray(beta), places, point_weights,
            *space,
        )  # fmt: skip
        return space[0].copy(), space[1].copy(), float(space[2].sum())

    coefficients, local = np.array(first, np.float64), np.array(local, np.float64)
    now = evaluate(coefficients, local)
    assert now is not None
    damping = DAMPING[0]
    for _ in range(STEPS):
        normal, gradient, square = now
        step, own = _step(normal, gradient, design, damping)
        trial = evaluate(coefficients + step, local + own)
        if trial is None or not trial[2] <= square:
            damping *= 8.0
            if damping > DAMPING[1]:
                break
            continue
        coefficients, local, now = coefficients + step, local + own, trial
        damping = max(damping * 0.1, 1e-12)
        if square - now[2] <= CONVERGED * square:
            break
    fwhm, beta = (design @ coefficients).T
    reduced, left, _ = _eliminated(now[0], now[1], 0.0)
    used = (weights > 0).any(axis=(2, 3))
    freedom = int((weights > 0).sum()) - LOCAL * int(used.sum()) - first.size
    scatter = np.sqrt(now[2] / freedom) if freedom > 0 else 1.0
    return Fit(coefficients, fwhm, beta, local, reduced, left, float(scatter))


def _eliminated(normal: Array, gradient: Array, damping: float) -> tuple[Array, Array, Array]:
    """Equations of width and exponent of each star in each bin, and what gives its own four numbers (.., 4, 3)."""
    block = normal[..., :LOCAL, :LOCAL].copy()
    diagonal = np.einsum("...ii->...i", block)
    diagonal *= 1.0 + damping
    # a block without data, or a number that nothing depends on
    diagonal[...] = np.where(diagonal > 0, diagonal, 1.0)
    across = normal[..., :LOCAL, LOCAL:]
    solved = np.linalg.solve(block, np.concatenate([across, gradient[..., :LOCAL, None]], axis=-1))
    turned = np.swapaxes(across, -1, -2)
    reduced = normal[..., LOCAL:, LOCAL:] - turned @ solved[..., :2]
    left = gradient[..., LOCAL:] - (turned @ solved[..., 2:])[..., 0]
    return reduced, left, solved


def _step(normal: Array, gradient: Array, design: Array, damping: float) -> tuple[Array, Array]:
    """The step of the coefficients, and that of the four numbers of each star in each bin."""
    reduced, left, solved = _eliminated(normal, gradient, damping)
    matrix = np.einsum("bic,bsij,bjd->cd", design, reduced, design)
    matrix[np.diag_indices_from(matrix)] *= 1.0 + damping
    step = np.linalg.lstsq(matrix, np.einsum("bic,bsi->c", design, left), rcond=None)[0]
    change = design @ step
    own = solved[..., 2] - np.einsum("bsij,bj->bsi", solved[..., :2], change)
    return step, own
