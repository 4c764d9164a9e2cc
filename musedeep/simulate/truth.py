"""The truth of a simulated night, as text tables that a person and astropy can read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.table import Table

from musedeep import __version__
from musedeep.instrument import N_SLICES
from musedeep.kernels.field.tangent import sky_position
from musedeep.simulate.effects import Effects
from musedeep.simulate.efficiency import efficiency
from musedeep.simulate.exposure import Exposure
from musedeep.simulate.monitoring import monitoring_tables
from musedeep.simulate.optics import Instrument
from musedeep.simulate.pointing import airmass, middle, parallactic_angle
from musedeep.simulate.raman import has_raman_light, raman_light
from musedeep.simulate.scene import Scene
from musedeep.simulate.slice_flux import LIMITS, slice_flux
from musedeep.simulate.spectrum import FINE
from musedeep.simulate.velocity import barycentric_velocity

COLOURS = (5000.0, 6000.0, 7000.0, 8000.0, 9000.0)
"""Wavelengths at which fluxes of sources are listed, Angstrom."""


def write_truth(
    directory: Path,
    instrument: Instrument,
    effects: Effects,
    seed: int,
    exposures: Sequence[Exposure],
    names: Mapping[int, str],
    sources: bool = True,
) -> None:
    """Write everything that a reduction should find into a directory that exists.

    `names` has the name of each exposure's raw file, by its index. The sources of the science targets are left out on
    request.
    """
    known: dict[str, Any] = {
        "version": __version__,
        "seed": seed,
        "mode": instrument.mode,
        "ifus": list(instrument.ifus),
        "aim": [round(value, 6) for value in instrument.aim],
        "effects": asdict(effects),
        "scenes": sorted({e.scene.name for e in exposures if e.scene is not None}),
    }
    (directory / "night.yaml").write_text(yaml.safe_dump(known, sort_keys=False))
    for ifu in instrument.ifus:
        for name, table in instrument.ifu(ifu).truth_tables().items():
            _write(table, directory / f"{name}-{ifu:02d}.ecsv")
    for name, table in monitoring_tables(instrument, effects, seed, exposures).items():
        _write(table, directory / f"{name}.ecsv")
    _write(instrument.geometry_table(), directory / "geometry.ecsv")
    wavelength = FINE[::50]
    curve = Table({"wavelength": wavelength, "efficiency": efficiency(wavelength, instrument.mode)})
    curve.meta["comment"] = "Angstrom; electrons per photon at the telescope's entrance, slices of throughput 1"
    _write(curve, directory / "efficiency.ecsv")
    _write(exposures_table(exposures, names, effects), directory / "exposures.ecsv")
    if effects.raman and (shone := [e for e in exposures if has_raman_light(e)]):
        _write(raman_table(shone, names, seed), directory / "raman-light.ecsv")
    if effects.slice_flux and (science := [e for e in exposures if e.kind == "OBJECT"]):
        for ifu in instrument.ifus:
            _write(slice_flux_table(science, names, ifu, seed), directory / f"slice-flux-{ifu:02d}.ecsv")
    scenes = {e.scene.name: e.scene for e in exposures if e.scene is not None and e.kind == "OBJECT"}
    for scene in scenes.values() if sources else ():
        write_sources(scene, directory)


def write_sources(scene: Scene, directory: Path, ending: str = "") -> None:
    """Write sources and lines of a scene; `ending` is that of the names of the tables."""
    _write(sources_table(scene), directory / f"sources{ending}.ecsv")
    _write(lines_table(scene), directory / f"lines{ending}.ecsv")


def exposures_table(exposures: Sequence[Exposure], names: Mapping[int, str], effects: Effects) -> Table:
    """One row an exposure: all that is known of it."""
    rows: list[dict[str, Any]] = []
    left_out = {"scene", "pointing_error", "observation"}
    rare = ("field_rotation", "wavelength_shift")
    left_out |= {name for name in rare if not any(getattr(exposure, name) for exposure in exposures)}
    plain = [field.name for field in fields(Exposure) if field.name not in left_out]
    for exposure in exposures:
        row: dict[str, Any] = {"file": names[exposure.index]}
        for name in plain:
            value = getattr(exposure, name)
            row[name] = ("" if name == "lamp" else -1) if value is None else value
        row["scene"] = exposure.scene.name if exposure.scene is not None else ""
        row["pointing_error_east"], row["pointing_error_north"] = exposure.pointing_error
        on_sky = exposure.scene is not None
        place = exposure.ra, exposure.dec, middle(exposure)
        row["airmass"] = airmass(*place) if on_sky else np.nan
        row["parallactic_angle"] = parallactic_angle(*place) if on_sky else np.nan
        row["barycentric_velocity"] = barycentric_velocity(*place) if on_sky and effects.barycentric_velocity else 0.0
        rows.append(row)
    table = Table(rows=rows)
    table.meta["comment"] = (
        "pointing errors in arcsec: where the telescope looked minus what the header says; angles in degrees, "
        "velocity in km/s (wavelength in the barycentre = observed (1 + v/c)), airmass and angle in the middle"
    )
    return table


def raman_table(exposures: Sequence[Exposure], names: Mapping[int, str], seed: int) -> Table:
    """The Raman light of exposures, one row each."""
    rows = [{"file": names[e.index]} | asdict(raman_light(e, seed)) for e in exposures]
    table = Table(rows=rows)
    table.meta["comment"] = (
        "flux of all lines of O2 and N2 in the middle of the field, at the telescope, erg/s/cm2/arcsec2; over the "
        "field times 1 + xx x**2 + xy x y + yy y**2 + x x + y y, in spaxels of scale arcsec"
    )
    return table


def slice_flux_table(exposures: Sequence[Exposure], names: Mapping[int, str], ifu: int, seed: int) -> Table:
    """Errors of the flux of the slices of an IFU, one row for each slice of each exposure."""
    columns: dict[str, Any] = {
        "file": np.repeat([names[e.index] for e in exposures], N_SLICES),
        "slice": np.tile(np.arange(1, N_SLICES + 1), len(exposures)),
    }
    coefficients = np.concatenate([slice_flux(e, ifu, seed) for e in exposures])
    columns |= {f"c{k}": column for k, column in enumerate(coefficients.T)}
    table = Table(columns)
    table.meta["comment"] = (
        f"flux of a slice is that of a right one times 1 + sum_k c_k T_k(u), Chebyshev polynomials of u = -1 at "
        f"{LIMITS[0]:.0f} to 1 at {LIMITS[1]:.0f} Angstrom, constant beyond"
    )
    return table


def sources_table(scene: Scene) -> Table:
    """The sources of a scene: positions, and flux densities above the atmosphere in the barycentre's frame."""
    xi, eta = (np.array([getattr(source, axis) for source in scene.sources], np.float64) for axis in ("xi", "eta"))
    ra, dec = sky_position(xi, eta, scene.ra, scene.dec)
    table = Table({"name": [source.name for source in scene.sources], "ra": ra, "dec": dec, "xi": xi, "eta": eta})
    table["kind"] = [source.kind for source in scene.sources]
    table["fwhm"] = [source.fwhm_major for source in scene.sources]
    table["redshift"] = [source.redshift for source in scene.sources]
    for colour in COLOURS:
        index = int(np.argmin(np.abs(FINE - colour)))
        table[f"flux_{colour:.0f}"] = [float(source.flux_continuum[index]) for source in scene.sources]
    table.meta["comment"] = (
        "degrees; arcsec from the centre; intrinsic full width, arcsec; continuum, erg/s/cm2/Angstrom"
    )
    table.meta["centre"] = [scene.ra, scene.dec]
    table.meta["cube"] = scene.cube is not None
    return table


def lines_table(scene: Scene) -> Table:
    """The emission lines of a scene's sources, in air of the barycentre, one row a line."""
    sources = [source for source in scene.sources if source.line_flux.size]
    numbers = [source.line_flux.size for source in sources]
    columns: dict[str, Any] = {"name": np.repeat(np.array([source.name for source in sources], str), numbers)}
    for name in ("wavelength", "flux"):
        values = [getattr(source, f"line_{name}") for source in sources]
        columns[name] = np.concatenate([np.empty(0), *values])
    columns["dispersion"] = np.repeat(np.array([source.line_dispersion for source in sources], np.float64), numbers)
    table = Table(columns)
    table.meta["comment"] = "Angstrom; erg/s/cm2, not extinguished by the atmosphere; standard deviation, km/s"
    return table


def _write(table: Table, path: Path) -> None:
    """Write a table with numbers that a person can read."""
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".10g"
    table.write(path, format="ascii.ecsv")
