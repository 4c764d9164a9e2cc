"""How often a misaligned exposure is found, and how often one is found where there is none.

    python -m benchmarks.misalignment [--stacks 200] [--errors 0.03]

Stacks of eight made-up images of 60 x 60 pixels with stars of different seeing, transparency and noise; other offsets
have errors of some arcsec along each axis. Prints a line for each kind of field and each shift.
"""

import argparse

import numpy as np

from musedeep.quality.misalignment import shifts
from musedeep.quality.stars import find_sources
from tests.makers.single_images import made_up_singles

FIELDS = {"8 stars": (8, 1.0), "3 faint stars": (3, 0.03), "40 stars, crowded": (40, 1.0)}
"""Number of stars, and a factor on their light."""
SHIFTS = (0.0, 0.4, 0.7, 1.0)


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stacks", type=int, default=200)
    parser.add_argument("--errors", type=float, default=0.03)
    given = parser.parse_args()
    for name, (stars, faint) in FIELDS.items():
        for size in SHIFTS:
            # what is right needs more of them to be told from rare mistakes
            number = given.stacks if size == 0 else max(1, given.stacks // 5)
            found = false = unknown = 0
            off = []
            for seed in range(number):
                wrong = {seed % 8: size} if size else None
                singles, truth = made_up_singles(
                    8, wrong, seed=seed, stars=stars, faint=faint, errors=given.errors
                )  # fmt: skip
                all_ = shifts(singles, *find_sources(singles))
                unknown += sum(not np.isfinite(one.size) for one in all_)
                for k, one in enumerate(all_):
                    if size and k == seed % 8:
                        found += one.misaligned
                        off.append(one.size - float(np.hypot(*truth.shifts[k])))
                    else:
                        false += one.misaligned
            others = number * 8 - (number if size else 0)
            text = f"{name}, shift {size:.1f} arcsec: {number} stacks, {false} of {others} right exposures called wrong"
            if size:
                text += f", {found} of {number} found; size off by {np.nanstd(off):.3f} arcsec"
            print(text + (f"; {unknown} not judged" if unknown else ""), flush=True)


if __name__ == "__main__":
    main()
