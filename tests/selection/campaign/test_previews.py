"""Field images of exposures in a catalogue."""

from musedeep.selection.campaign.previews import previews_of

A, B = "MUSE.2016-10-02T03:04:05.678", "MUSE.2016-10-02T03:33:05.678"


def row(path, raw, category="IMAGE_FOV", date_obs=""):
    return {"path": path, "raw": raw, "category": category, "date_obs": date_obs}


def test_an_image_of_one_exposure_goes_before_one_of_several():
    rows = [row("/a", f"{A}.fits"), row("/ob", f"{A}.fits {B}.fits.fz"), row("/c", A, "DATACUBE_FINAL")]
    assert previews_of(rows) == previews_of(rows[::-1]) == {A: "/a", B: "/ob"}


def test_images_that_do_not_name_their_frames():
    assert previews_of([row("/a", None, date_obs="2016-10-02T03:04:05.678"), row("/b", None)]) == {A: "/a"}
