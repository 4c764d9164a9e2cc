"""Whole nights of raw frames with true headers and images of 20 x 30 pixels, made in a second."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from musedeep.simulate import night
from musedeep.simulate.job import Job
from musedeep.simulate.night import simulate_night
from musedeep.simulate.optics import Instrument
from musedeep.simulate.scene import make_scene
from musedeep.simulate.schedule import SMALL, night_schedule


class Here:
    """Does at once, in this process, what a pool of processes would do."""

    def __init__(self, *arguments, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def tiny_images(exposures, ifu, instrument, effects, seed):
    for exposure in exposures:
        yield exposure, np.full((20, 30), 100 * ifu + exposure.index % 100, np.uint16)


def make_tiny_night(directory, ifus=(3, 7), mode="WFM-NOAO-N", compress=False, **counts):
    """Make a night: raw/, static/, sof/, truth/; returns the directory."""
    exposures = night_schedule(mode, make_scene("empty"), 1, replace(SMALL, **counts), len(ifus))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night, "simulate_ifu", tiny_images)
        patch.setattr(night, "worker_processes", Here)
        patch.setattr(night, "check_space", lambda path, need: None)
        patch.setattr(night, "guiding_extensions", lambda exposure, seed: [])
        simulate_night(directory, Job(tuple(exposures), Instrument(mode, 1, ifus), compress=compress))
    return directory


def edit(path, **cards):
    """Change cards of a primary header: names with _ for blanks; those of ESO begin with it."""
    from astropy.io import fits

    with fits.open(path, mode="update") as hdus:
        for name, value in cards.items():
            key = name.replace("__", "-").replace("_", " ")
            hdus[0].header[("HIERARCH " if key.startswith("ESO") else "") + key] = value
