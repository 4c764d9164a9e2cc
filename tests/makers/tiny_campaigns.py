"""Campaigns of raw frames with true headers and images of 20 x 30 pixels, made in a second."""

from unittest.mock import patch

import numpy as np

from musedeep.progress import Silent
from musedeep.simulate import night
from musedeep.simulate.campaign.frames import simulate_campaign
from musedeep.simulate.campaign.layout import campaign_obs
from musedeep.simulate.campaign.request import read_campaign
from tests.makers.tiny_nights import Here


def tiny_images(exposures, ifu, instrument, effects, seed):
    """Images whose values are the number of the exposure; all are saturated where there is a bright star."""
    for exposure in exposures:
        stars = exposure.scene.sources if exposure.scene is not None else ()
        bright = any(star.name == "bright-star" for star in stars)
        yield exposure, np.full((20, 30), 65535 if bright else exposure.index % 1000, np.uint16)


def make_tiny_campaign(file, directory, overwrite=False):
    """Make the campaign of a YAML file; how many frames it has, and its OBs."""
    request = read_campaign(file)
    obs = campaign_obs(request)
    with (
        patch.object(night, "simulate_ifu", tiny_images),
        patch.object(night, "worker_processes", Here),
        patch.object(night, "check_space", lambda path, need: None),
        patch.object(night, "guiding_extensions", lambda exposure, seed: []),
    ):
        return simulate_campaign(directory, request, obs, 1, overwrite, Silent()), obs
