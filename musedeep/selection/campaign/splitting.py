"""Products of a mosaic that has more exposures than one product may have.

1. Pointings are joined in the order of what they share, the most first, as long as the product stays within the
   limit. Pointings that share less than a part (a tenth by default) are not joined: there is nothing to gain.
2. If it is wanted, a pointing is used a second time where it shares much with a product that could not take it.

For the pointings of the Hubble Ultra Deep Field, nine of 25 exposures and one of 50 across four of them, this gives the
seven cubes of ESO's release for at most 125 exposures, which uses the deep pointing twice.
"""

from collections.abc import Sequence


def split(
    counts: Sequence[int], shares: Sequence[tuple[int, int, float]], limit: int | None, least: float, reuse: bool
) -> list[list[int]]:
    """Which pointings make a product together.

    Parameters
    ----------
    counts : exposures of each pointing
    shares : pairs of pointings and the shared part, 0 to 1
    limit : of the exposures of a product; None: none, all are one product
    least : pointings that share less are joined only where there is no limit, or the limit is not reached
    reuse : whether a pointing may be in two products

    Returns
    -------
    products, lists of indices; a pointing of more exposures than the limit is a product of its own
    """
    if limit is None or sum(counts) <= limit:
        return [list(range(len(counts)))]
    product = {k: [k] for k in range(len(counts))}
    strong = sorted((one for one in shares if one[2] >= least), key=lambda one: (-one[2], one[0], one[1]))
    left = []
    for first, second, share in strong:
        a, b = product[first], product[second]
        if a is b:
            continue
        if sum(counts[k] for k in (*a, *b)) > limit:
            left.append((first, second, share))
            continue
        joined = sorted([*a, *b])
        for k in joined:
            product[k] = joined
    found = sorted({tuple(one) for one in product.values()})
    if reuse:
        found = [_with_reused(one, left, counts, limit) for one in found]
    return [list(one) for one in found]


def _with_reused(
    one: tuple[int, ...], left: Sequence[tuple[int, int, float]], counts: Sequence[int], limit: int
) -> tuple[int, ...]:
    """A product with the pointings of others that it overlaps, within the limit."""
    members = list(one)
    for first, second, _ in left:
        for here, there in ((first, second), (second, first)):
            if here in one and there not in members and sum(counts[k] for k in members) + counts[there] <= limit:
                members.append(there)
    return tuple(sorted(members))
