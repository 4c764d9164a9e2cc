"""A small grid and the parameters of a box, for tests."""

from musedeep.kernels.cube import reject
from musedeep.reduction.cube.box import Resampling
from musedeep.reduction.cube.grid import Grid

STEP = 0.2 / 3600
GRID = Grid((6, 12, 14), (7.0, 6.0, 1.0), (30.0, -20.0, 7000.0), (-STEP, 0.0, 0.0, STEP), 1.25, "AWAV")


def how(method="drizzle", crsigma=0.0, **options):
    settings = {
        "method": method, "pixfrac": (0.6, 0.6, 0.6), "loop_distance": 1, "critical_radius": 1.25, "crtype": "median",
        "crsigma": crsigma, "rejection": "reference", "slice_direction": reject.NO_DIRECTION, "lambda_low": 4000.0,
        "lambda_high": 10000.0, "use_weight_column": False, "exposure_map": True, "list_rejected": False,
    }  # fmt: skip
    return Resampling(**(settings | options))
