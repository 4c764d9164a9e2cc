"""Declaration of muse_lingain."""

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.reduction import parameters as shared


class LingainParameters(shared.NifuParameters):
    """Parameters of muse_lingain."""

    ybox: int = parameter(50, "Height of the windows along the slices, pixels.", ge=2)
    xgap: int = parameter(3, "Distance of the windows from the traced edges of a slice, pixels.", ge=0)
    xborder: int = parameter(10, "Windows keep this distance from the first and the last column, pixels.", ge=0)
    order: int = parameter(12, "Order of the polynomial of the non-linearity.", ge=0)
    toffset: float = parameter(0.018, "Time that the shutter is open longer than the header says, s.")
    fluxtol: float = parameter(0.01, "Largest relative difference of the fluxes of a pair of lamp exposures.", gt=0)
    sigma: float = parameter(3.0, "Limit for pixels of a window, in standard deviations.", gt=0)
    signalmin: float = parameter(0.0, "Smallest signal for the gain, log10(adu).", ge=0, le=10)
    signalmax: float = parameter(4.9, "Largest signal for the gain, log10(adu).", ge=0, le=10)
    signalbin: float = parameter(0.1, "Width of the bins of the signal, log10(adu).", ge=0.001)
    gainlimit: float = parameter(100.0, "Smallest signal that the relation of the gain is fitted to, adu.", ge=0)
    gainsigma: float = parameter(3.0, "Limit for the gains of a bin, in standard deviations.", gt=0)
    ctsmin: float = parameter(3.0, "Smallest signal for the non-linearity, log10(count).", ge=0, le=10)
    ctsmax: float = parameter(4.9, "Largest signal for the non-linearity, log10(count).", ge=0, le=10)
    ctsbin: float = parameter(0.1, "Width of the bins of the non-linearity, log10(count).", ge=0.001)
    linearmin: float = parameter(2.5, "Where the range begins that is taken as linear, log10(count).", ge=0, le=10)
    linearmax: float = parameter(3.0, "Where the range ends that is taken as linear, log10(count).", ge=0, le=10)
    merge: bool = shared.MERGE


RECIPE = Recipe(
    name="muse_lingain",
    summary="Measure gain, read-out noise and non-linearity of each quadrant from pairs of lamp exposures.",
    inputs=(
        Input("LINGAIN_LAMP_OFF", 2, None, "Raw exposures without light", raw=True, match=("read_out",)),
        Input("LINGAIN_LAMP_ON", 2, None, "Raw exposures of the lamp, pairs of several exposure times", raw=True,
              match=("read_out",)),
        shared.MASTER_BIAS,
        shared.TRACE_TABLE,
        shared.BADPIX_TABLE,
    ),
    model=LingainParameters,
    products=(
        Product("NONLINEARITY_GAIN-nn.fits", "Gain, read-out noise and non-linearity of the quadrants of IFU nn",
                Format.TABLE, 60_000),
    ),
    quality=(
        Quality("LINGAIN OUTn RON, RONERR", "Read-out noise of quadrant n and its error [count]"),
        Quality("LINGAIN OUTn RON MEDIAN, MAD", "Median of the windows, and their median deviation from it [count]"),
        Quality("LINGAIN OUTn CONAD", "Inverse of the gain [adu/count]"),
        Quality("LINGAIN OUTn GAIN, GAINERR", "Gain at no signal, and scatter of the bins about the fit [count/adu]"),
        Quality("LINGAIN OUTn COUNTS MIN, MAX", "Signals between which the gain was fitted [adu]"),
    ),
    section=15,
    cost=Cost(900 * MIB, 12.0),
    in_night=False,
    work="musedeep.recipes.lingain.gain",
)  # fmt: skip
