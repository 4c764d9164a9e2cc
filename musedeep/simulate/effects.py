"""Which effects a simulation has: each can be switched off on its own."""

from dataclasses import dataclass, fields

from musedeep.errors import MusedeepError


@dataclass(frozen=True)
class Effects:
    """One switch an effect, all on; what is off is left out of the frames, and the truth says so."""

    photon_noise: bool = True
    read_noise: bool = True
    bias_slope: bool = True
    dark_current: bool = True
    hot_pixels: bool = True
    dead_pixels: bool = True
    saturation: bool = True
    cosmic_rays: bool = True
    pixel_response: bool = True
    slice_throughput: bool = True
    lamp_gradient: bool = True
    vignetting: bool = True
    illumination: bool = True
    wavelength_drift: bool = True
    geometry_offsets: bool = True
    distortion: bool = True
    derotator_wobble: bool = True
    refraction: bool = True
    extinction: bool = True
    telluric: bool = True
    sky: bool = True
    barycentric_velocity: bool = True
    raman: bool = True
    slice_flux: bool = True
    non_linearity: bool = True


def effects_without(names: list[str]) -> Effects:
    """All effects but those named; MusedeepError for a name that is no effect."""
    known = [field.name for field in fields(Effects)]
    for name in names:
        if name not in known:
            raise MusedeepError(f"effect '{name}' is unknown; the effects are {', '.join(known)}")
    return Effects(**{name: False for name in names})
