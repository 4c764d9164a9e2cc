"""Selection files: paths and globs, and what is refused."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.selection.campaign.selection_file import load_selection


@pytest.fixture
def field(tmp_path):
    """A directory with what a selection names."""
    (tmp_path / "reduced").mkdir()
    for k in (1, 2, 3):
        (tmp_path / "reduced" / f"PIXTABLE_REDUCED_{k:04d}.fits").touch()
    (tmp_path / "offsets.fits").touch()
    return tmp_path


def write(directory, text):
    path = directory / "selection.yaml"
    path.write_text(text)
    return path


MINIMAL = "exposures: [reduced/*.fits]\noutput: deep\n"


def test_everything(field):
    chosen = load_selection(
        write(
            field,
            "target: UDF-10\nexposures:\n  - reduced/PIXTABLE_REDUCED_*.fits\noffset_list: offsets.fits\n"
            "parameters:\n  resample: drizzle\n  pixfrac: 0.6,0.6\n  crsigma: 10\n  filter: white,Johnson_V\n"
            "output: deep/UDF-10\n",
        )
    )
    assert chosen.target == "UDF-10"
    assert [p.name for p in chosen.exposures] == [f"PIXTABLE_REDUCED_{k:04d}.fits" for k in (1, 2, 3)]
    assert chosen.offset_list == field / "offsets.fits"
    assert chosen.output_wcs is None
    assert chosen.output == field / "deep" / "UDF-10"
    assert chosen.parameters.filter == ("white", "Johnson_V")
    assert chosen.parameters.crsigma == 10.0
    assert ("crsigma", "10") in chosen.parameter_texts


def test_minimal_and_a_single_path(field):
    assert len(load_selection(write(field, MINIMAL)).exposures) == 3
    chosen = load_selection(write(field, "exposures: reduced/PIXTABLE_REDUCED_0001.fits\ntarget: 47\noutput: o\n"))
    assert len(chosen.exposures) == 1
    assert chosen.target == "47"


def test_files_of_one_exposure_may_be_a_list(field):
    one, two = "reduced/PIXTABLE_REDUCED_0001.fits", "reduced/PIXTABLE_REDUCED_0002.fits"
    text = f"exposures:\n  - [{one}, {two}]\n  - reduced/*3.fits\noutput: o\n"
    assert len(load_selection(write(field, text)).exposures) == 3


@pytest.mark.parametrize("name", ["run [1]", "what?", "deep*", "[a-z]", "{x}[!1]"])
def test_names_that_look_like_patterns(tmp_path, name):
    """The directory of the selection file, one that an entry names, and a file that is there."""
    here = tmp_path / name
    (here / name).mkdir(parents=True)
    for path in (here / "a1.fits", here / "a2.fits", here / name / "b1.fits", here / "c[1].fits", here / "c1.fits"):
        path.touch()
    (here / "offsets[1].fits").touch()
    text = (
        f"exposures: ['a*.fits', 'c[1].fits', '{name}/b?.fits']\noffset_list: offsets[1].fits\noutput: '{name}/out'\n"
    )
    chosen = load_selection(write(here, text))
    assert [p.relative_to(here).as_posix() for p in chosen.exposures] == [
        "a1.fits", "a2.fits", "c[1].fits", f"{name}/b1.fits",
    ]  # fmt: skip
    assert chosen.offset_list == here / "offsets[1].fits"
    assert chosen.output == here / name / "out"
    for entry in (f"{name}/x.fits", f"{name}/x*.fits"):
        with pytest.raises(MusedeepError, match=r"does not exist|matches nothing"):
            load_selection(write(here, f"exposures: ['{entry}']\noutput: o\n"))


def test_a_pattern_still_is_one(tmp_path):
    (tmp_path / "night 1" / "deep").mkdir(parents=True)
    (tmp_path / "night 2").mkdir()
    names = ["night 1/p1.fits", "night 1/deep/p3.fits", "night 2/p2.fits"]
    for name in names:
        (tmp_path / name).touch()
    found = load_selection(write(tmp_path, "exposures: ['night [12]/**/p?.fits']\noutput: o\n")).exposures
    assert sorted(p.relative_to(tmp_path).as_posix() for p in found) == sorted(names)


def test_the_home_of_a_user_is_no_pattern(tmp_path, monkeypatch):
    home = tmp_path / "home [x]"
    home.mkdir()
    (home / "a1.fits").touch()
    monkeypatch.setenv("HOME", str(home))
    chosen = load_selection(write(tmp_path, "exposures: ['~/a*.fits']\noutput: ~/out\n"))
    assert chosen.exposures == (home / "a1.fits",)
    assert chosen.output == home / "out"
    with pytest.raises(MusedeepError, match=r"~nobody-of-this-name/a\.fits does not exist"):
        load_selection(write(tmp_path, "exposures: ['~nobody-of-this-name/a.fits']\noutput: o\n"))


def test_parameters_may_be_yaml_lists(field):
    chosen = load_selection(write(field, MINIMAL + "parameters: {pixfrac: [0.8, 0.6], save: [cube, zarr]}\n"))
    assert chosen.parameters.pixfrac == (0.8, 0.8, 0.6)
    assert ("pixfrac", "0.8,0.6") in chosen.parameter_texts


@pytest.mark.parametrize(
    ("text", "formats"),
    [("", {"store"}), ("combined_format: fits\n", {"fits"}), ("combined_format: [store, fits]\n", {"store", "fits"})],
)
def test_format_of_the_combined_table(field, text, formats):
    chosen = load_selection(write(field, MINIMAL + "parameters: {save: 'cube,combined'}\n" + text))
    assert chosen.combined_format == formats


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "ofset_list: x\n", "unknown key 'ofset_list'; did you mean offset_list?"),
        (MINIMAL + "zzz: x\n", "unknown key 'zzz'; known are target, exposures"),
        ("exposures: [reduced/*.fits]\n", "key 'output' is missing"),
        ("output: o\n", "key 'exposures' is missing"),
        (MINIMAL + "parameters: [1]\n", "parameters: [1] is not right; it has to be a mapping of names"),
        (MINIMAL + "offset_list: 3\n", "offset_list: 3 is not right; it has to be text"),
        ("exposures: {a: 1}\noutput: o\n", "it has to be a list of paths or globs"),
        ("exposures: [1, 2]\noutput: o\n", "it has to be a list of paths or globs"),
        ("exposures: []\noutput: o\n", "exposures is empty"),
        ("exposures: [nothing/*.fits]\noutput: o\n", "'nothing/*.fits' matches nothing"),
        ("exposures: [reduced/x.fits]\noutput: o\n", "reduced/x.fits does not exist"),
        (MINIMAL + "filter_list: f.fits\n", "f.fits does not exist"),
        (MINIMAL + "output: o\n", "'output' is given twice"),
        ("exposures: [a\n", "not valid YAML"),
        ("just text\n", "a selection file has the keys"),
        (MINIMAL + "parameters: {pixfrc: 1}\n", "parameters: no parameter 'pixfrc'; did you mean pixfrac?"),
        (MINIMAL + "parameters: {crsigma: high}\n", "crsigma=high is not a number"),
        (MINIMAL + "combined_format: fit\n", "combined_format: 'fit' is not a format; did you mean fits?"),
        (MINIMAL + "combined_format: [csv]\n", "combined_format: 'csv' is not a format; known are store, fits"),
        (MINIMAL + "combined_format: []\n", "combined_format: '' is not a format; known are store, fits"),
        (MINIMAL + "combined_format: 3\n", "combined_format: 3 is not right; it has to be store or fits"),
        (MINIMAL + "combined_format: fits\n", "but nothing to write in it; add combined to save"),
        (
            "exposures: [reduced/*.fits, reduced/PIXTABLE_REDUCED_0001.fits]\noutput: o\n",
            "is named twice, by 'reduced/*.fits' and 'reduced/PIXTABLE_REDUCED_0001.fits'",
        ),
    ],
)
def test_wrong_files_are_refused_in_one_line(field, text, message):
    path = write(field, text)
    with pytest.raises(MusedeepError) as error:
        load_selection(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(MusedeepError, match=r"none\.yaml: no such selection file"):
        load_selection(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MusedeepError, match="not a text file"):
        load_selection(tmp_path / "b.yaml")
