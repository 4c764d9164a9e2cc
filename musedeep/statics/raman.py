"""Raman lines of air in the light of the sodium laser: vibration-rotation bands of O2 and N2.

The 4LGSF shines at 589.16 nm into the air above the telescope; molecules scatter some of the light with the loss of one
quantum of vibration, and some of it gets into the field of view (Vogt et al. 2017, Phys. Rev. X 7, 021044; 2018,
A&A 618, L7). The lines follow from molecular constants:

1. Energies of the levels: vibrating rotators with centrifugal distortion (constants of Huber & Herzberg 1979).
2. Lines v=0, J to v=1, J' with J' - J = -2 (branch O), 0 (Q), 2 (S). O2 has only odd J (its spin splitting, 2 cm-1 at
   most and less in the strong lines of Q, is left out), N2 twice as much weight in even J.
3. Strengths: population of the level at the air's temperature, times the strength of the branch by Placzek and Teller
   (1933) for isotropic and anisotropic polarizability (derivatives of Inaba 1976, as in table 9.1 of Wandinger 2005,
   "Raman Lidar"), times the fourth power of the wavenumber of the scattered light, over the vibration's wavenumber.
4. The two molecules by their abundances in dry air.

Rare isotopes (less than 1 percent) are left out. Lines by rotation alone lie within 60 Angstrom of the laser, where the
modes with adaptive optics have their notch filter.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LASER: Final = 5891.5912
"""Wavelength of the laser in vacuum, Angstrom (Vogt et al. 2023)."""

TEMPERATURE: Final = 270.0
"""Temperature of the air that scatters, K: most of the light comes from near the telescope."""

WEAKEST: Final = 1e-3
"""Lines that are weaker than this part of the strongest of their molecule are left out."""

TOTAL: Final = 37000.0
"""Flux of all lines of N2, 1e-20 erg/s/cm2/arcsec2: 1480 in a spaxel of 0.04 arcsec2.

In six real exposures of 2017 the ESO pipeline, which counts in spaxels, measured 1434 to 1612 (musered database)."""

SOURCE: Final = (
    "levels: constants of Huber & Herzberg 1979 (Constants of Diatomic Molecules); laser: Vogt et al. 2023",
    "strengths: Placzek & Teller 1933, polarizabilities of Inaba 1976; air of 270 K",
    "flux of N2: quality control of exposures of 2017 in the musered database",
)
"""Where the figures come from."""

SECOND_RADIATION: Final = 1.438776877
"""h c / k, cm K."""


@dataclass(frozen=True)
class Molecule:
    """A diatomic molecule in its electronic ground state.

    Attributes
    ----------
    name, group : group is the number in the column of RAMAN_LINES
    vibration, anharmonicity, third : omega_e, omega_e x_e, omega_e y_e [1/cm]
    rotation, coupling, distortion : B_e, alpha_e, D_e [1/cm]
    even, odd : weights of levels with even and odd J, by the spins of the nuclei
    isotropic, anisotropic : squares of the derivatives of the polarizability [1e-14 cm4/g]
    abundance : part of the molecules of dry air
    """

    name: str
    group: int
    vibration: float
    anharmonicity: float
    third: float
    rotation: float
    coupling: float
    distortion: float
    even: float
    odd: float
    isotropic: float
    anisotropic: float
    abundance: float

    def energy(self, v: int, j: Floats) -> Floats:
        """Energy of levels, 1/cm."""
        half, turn = v + 0.5, j * (j + 1.0)
        vibration = half * (self.vibration - half * (self.anharmonicity - half * self.third))
        return vibration + turn * (self.rotation - self.coupling * half - self.distortion * turn)


OXYGEN: Final = Molecule("O2", 0, 1580.193, 11.981, 0.04747, 1.44563, 0.0159, 4.839e-6, 0.0, 1.0, 1.63, 6.46, 0.20946)
NITROGEN: Final = Molecule(
    "N2", 1, 2358.57, 14.324, -0.00226, 1.998241, 0.017318, 5.76e-6, 6.0, 3.0, 2.62, 4.23, 0.78084
)  # fmt: skip


@dataclass(frozen=True)
class RamanLines:
    """Raman lines by ascending wavelength.

    Attributes
    ----------
    name : n texts, as in "N2 Q(6)"
    group : int32 (n,), 0 is O2, 1 is N2
    wavelength : float64 (n,), air [Angstrom]
    flux : float64 (n,), at the telescope [1e-20 erg/s/cm2/arcsec2]
    """

    name: tuple[str, ...]
    group: NDArray[np.int32]
    wavelength: Floats
    flux: Floats


@cache
def raman_lines(temperature: float = TEMPERATURE) -> RamanLines:
    """The lines of O2 and N2 at a temperature of the air [K]; N2 has the flux `TOTAL`, whatever the temperature."""
    parts = [_band(molecule, temperature) for molecule in (OXYGEN, NITROGEN)]
    names = [name for part in parts for name in part[0]]
    groups = np.repeat(np.array([OXYGEN.group, NITROGEN.group], np.int32), [len(part[0]) for part in parts])
    wavelength, flux = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    flux = flux * (TOTAL / flux[groups == NITROGEN.group].sum())
    order = np.argsort(wavelength, kind="stable")
    arrays = groups[order], wavelength[order], flux[order]
    for array in arrays:
        array.setflags(write=False)
    return RamanLines(tuple(names[k] for k in order), *arrays)


def _band(molecule: Molecule, temperature: float) -> tuple[list[str], Floats, Floats]:
    """Names, wavelengths in air [Angstrom] and relative fluxes of a molecule's lines."""
    levels = np.arange(60.0)
    weight = np.where(levels % 2 == 0, molecule.even, molecule.odd) * (2.0 * levels + 1.0)
    lowest = molecule.energy(0, levels)
    population = weight * np.exp(-SECOND_RADIATION * (lowest - lowest[0]) / temperature)
    population *= molecule.abundance / population.sum()
    names, wavenumber, flux = list[str](), list[Floats](), list[Floats]()
    for branch, step in (("O", -2.0), ("Q", 0.0), ("S", 2.0)):
        j = levels[(levels + step >= 0.0) & (population > 0.0)]
        shift = molecule.energy(1, j + step) - molecule.energy(0, j)
        scattered = 1e8 / LASER - shift
        cross_section = scattered**4 / shift * _strength(molecule, branch, j)
        names += [f"{molecule.name} {branch}({number:.0f})" for number in j]
        wavenumber.append(scattered)
        flux.append(population[j.astype(np.int64)] * cross_section)
    fluxes = np.concatenate(flux)
    strong = np.flatnonzero(fluxes > WEAKEST * fluxes.max())
    wavelength = air_wavelength(1e8 / np.concatenate(wavenumber)[strong])
    return [names[k] for k in strong], wavelength, fluxes[strong]


def _strength(molecule: Molecule, branch: str, j: Floats) -> Floats:
    """Strength of the lines of a branch for unpolarized detection of backscattered light."""
    if branch == "O":
        factor = 3.0 * j * (j - 1.0) / (2.0 * (2.0 * j + 1.0) * (2.0 * j - 1.0))
    elif branch == "S":
        factor = 3.0 * (j + 1.0) * (j + 2.0) / (2.0 * (2.0 * j + 1.0) * (2.0 * j + 3.0))
    else:
        factor = j * (j + 1.0) / ((2.0 * j - 1.0) * (2.0 * j + 3.0))
    isotropic = molecule.isotropic if branch == "Q" else 0.0
    return np.asarray(isotropic + 7.0 / 45.0 * molecule.anisotropic * factor)


def air_wavelength(vacuum: Floats) -> Floats:
    """Wavelengths in standard air of wavelengths in vacuum [Angstrom] (Peck & Reeder 1972, JOSA 62, 958)."""
    square = (1e4 / vacuum) ** 2
    return vacuum / (1.0 + 1e-8 * (8060.51 + 2480990.0 / (132.274 - square) + 17455.7 / (39.32957 - square)))
