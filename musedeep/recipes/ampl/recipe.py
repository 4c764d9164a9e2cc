"""Declaration of muse_ampl."""

from dataclasses import replace

from musedeep.declaration import MIB, Cost, Format, Input, Product, Quality, Recipe, parameter
from musedeep.instrument import IMAGE_BYTES, N_COLUMNS, N_ROWS
from musedeep.reduction import parameters as shared


class AmplParameters(shared.CombineParameters, shared.OverscanParameters, shared.NifuParameters):
    """Parameters of muse_ampl."""

    fbeam: float = parameter(1.1, "Widening of the beam between the focal plane and photodiode 2.", gt=0)
    temp: float = parameter(3200.0, "Temperature of the lamp, a black body [K].", gt=0)
    savemaster: bool = parameter(False, "Write the combined image, too.")
    savetable: bool = parameter(False, "Write the values of all pixels within the filter as a table, too.")
    merge: bool = shared.MERGE


RECIPE = Recipe(
    name="muse_ampl",
    summary="Measure the throughput from lamp flats with readings of the photodiodes.",
    inputs=(
        Input("AMPL", 3, None, "Raw lamp flat with readings of the pico-amplifiers in its header", raw=True,
              match=("mode", "read_out")),
        shared.MASTER_BIAS,
        shared.MASTER_DARK,
        shared.BADPIX_TABLE,
        replace(shared.GEOMETRY_TABLE, minimum=0),
        Input("FILTER_LIST", 1, 1, "Filter curves, among them that of INS AMPL2 FILTER", match=()),
        shared.TRACE_TABLE,
        shared.WAVECAL_TABLE,
    ),
    model=AmplParameters,
    products=(
        Product("MASTER_AMPL-nn.fits", "Combined image of IFU nn, count", Format.IMAGE, IMAGE_BYTES,
                {"savemaster": True}),
        Product("TABLE_AMPL-nn.fits", "Photons and energy of the pixels within the filter", Format.TABLE, 220_000_000,
                {"savetable": True}),
        Product("AMPL_CONVOLVED-nn.fits", "Images of photons and energy, times the filter", Format.PLANE,
                8 * N_COLUMNS * N_ROWS),
    ),
    quality=(
        Quality("AMPL PHOTONS", "Photons of all pixels within the filter"),
        Quality("AMPL POWER", "Power on the detector within the filter [W]"),
        Quality("AMPL THRU1, THRU2", "Throughput against photodiode 1, 2 [%]"),
        Quality("AMPL THRU2ERR", "Error of the throughput against photodiode 2 [%]"),
        Quality("AMPL SLICEj THRU2", "Throughput of slice j against photodiode 2 [%]"),
        Quality("AMPL INPUTi NSATURATED", "Saturated pixels of raw image i"),
        Quality("AMPL MASTER NSATURATED", "Saturated pixels of the combined image"),
    ),
    section=16,
    cost=Cost(700 * MIB, 4.0),
    in_night=False,
    work="musedeep.recipes.ampl.throughput",
)  # fmt: skip
