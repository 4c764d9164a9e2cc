"""The files of manual A.2: names, columns, types, units; whole or not there."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.simulate import statics as build
from musedeep.statics import formats, load
from musedeep.statics.fields import RADIUS, SEPARATION, load_astrometric_field, synthetic_field
from musedeep.storage.calibrations.filters import read_filters

TAGS = tuple(build.FILE_NAMES)


def bad_pixels(x=(100, 4000), y=(50, 4100)):
    n = len(x)
    return Table({"xpos": x, "ypos": y, "status": np.full(n, 512), "value": np.zeros(n)})


def slices():
    ifu, on_ccd = (a.ravel() for a in np.mgrid[1:25, 1:49])
    return Table(
        {
            "SubField": ifu,
            "SliceCCD": on_ccd,
            "SliceSky": on_ccd,
            "x": 112.5 - 75.0 * ((on_ccd - 1) // 12),
            "y": 12.0 * (ifu - 12.5) + (on_ccd - 1) % 12 - 5.5,
            "angle": np.zeros(ifu.size),
            "width": np.full(ifu.size, 75.0),
        }
    )


@pytest.fixture
def instrument():
    """An instrument that has only what static calibrations need."""
    detector = SimpleNamespace(bad_pixels=bad_pixels)
    return SimpleNamespace(
        mode="WFM-NOAO-N",
        ifus=(1, 2, 24),
        geometry_table=slices,
        ifu=lambda number: SimpleNamespace(detector=detector),
    )


@pytest.fixture
def files(tmp_path, instrument):
    return build.write_statics(tmp_path / "static", instrument)


FORMATS = {
    "LINE_CATALOG": {"lambda": "E", "flux": "E", "ion": "A", "quality": "J", "comment": "A"},
    "SKY_LINES": {"name": "A", "group": "J", "lambda": "D", "flux": "D", "dq": "J"},
    "RAMAN_LINES": {"name": "A", "group": "J", "lambda": "D", "flux": "D", "dq": "J"},
    "EXTINCT_TABLE": {"lambda": "D", "extinction": "D"},
    "STD_FLUX_TABLE": {"lambda": "D", "flux": "D", "fluxerr": "D"},
    "FILTER_LIST": {"lambda": "D", "throughput": "D"},
    "TELLURIC_REGIONS": {"lmin": "D", "lmax": "D", "bgmin": "D", "bgmax": "D"},
    "ASTROMETRY_REFERENCE": {"SourceID": "A", "RA": "D", "DEC": "D", "filter": "A", "mag": "D"},
    "BADPIX_TABLE": {"xpos": "J", "ypos": "J", "status": "J", "value": "E"},
    "GEOMETRY_TABLE": {
        "SubField": "J", "SliceCCD": "J", "SliceSky": "J", "x": "D", "y": "D", "angle": "D", "width": "D",
    },
}  # fmt: skip


def test_every_tag_has_its_file(files):
    assert tuple(files) == TAGS
    for tag, path in files.items():
        with fits.open(path) as hdus:
            assert hdus[0].header["ESO PRO CATG"] == tag
            hdus.verify("exception")
    directory = files["SKY_LINES"].parent
    assert sorted(p.name for p in directory.iterdir()) == sorted(p.name for p in files.values())


@pytest.mark.parametrize("tag", FORMATS)
def test_columns_and_types_are_those_of_the_manual(files, tag):
    with fits.open(files[tag]) as hdus:
        assert len(hdus) > 1
        for hdu in hdus[1:]:
            found = {column.name: column.format.lstrip("0123456789") for column in hdu.columns}
            assert found == FORMATS[tag]
            units = {column.name: column.unit for column in hdu.columns}
            assert units.get("lambda", "Angstrom") == "Angstrom"


def test_extension_names_keep_their_case(files):
    def names(tag):
        with fits.open(files[tag]) as hdus:
            return [hdu.header.get("EXTNAME") for hdu in hdus[1:]]

    assert names("SKY_LINES") == names("RAMAN_LINES") == ["LINES"]
    assert names("BADPIX_TABLE") == ["CHAN01", "CHAN02", "CHAN24"]
    assert names("STD_FLUX_TABLE") == list(load.standard_names())
    assert "SDSS_g" in names("FILTER_LIST") and "Johnson_V" in names("FILTER_LIST")


def test_line_catalog_is_sorted_and_has_a_version(files):
    with fits.open(files["LINE_CATALOG"]) as hdus:
        assert [hdu.header["VERSION"] for hdu in hdus] == [3, 3]
        assert (np.diff(hdus[1].data["lambda"]) > 0).all()
        assert {str(ion) for ion in hdus[1].data["ion"]} == {"NeI", "XeI", "HgI", "CdI"}


def test_units(files):
    with fits.open(files["SKY_LINES"]) as hdus:
        assert hdus[1].columns["flux"].unit == "10**(-20)*erg/(s cm^2 arcsec^2)"
    with fits.open(files["STD_FLUX_TABLE"]) as hdus:
        assert hdus["GD71"].columns["flux"].unit == "erg/s/cm**2/Angstrom"
    with fits.open(files["EXTINCT_TABLE"]) as hdus:
        assert hdus[1].columns["extinction"].unit == "mag/airmass"


def test_objects_are_found_by_their_place(files):
    with fits.open(files["STD_FLUX_TABLE"]) as hdus:
        header = hdus["EG274"].header
        assert (header["RA"], header["DEC"]) == pytest.approx((245.891, -39.2295), abs=1e-3)
    with fits.open(files["ASTROMETRY_REFERENCE"]) as hdus:
        for hdu in hdus[1:]:
            assert np.abs(hdu.data["DEC"] - hdu.header["DEC"]).max() * 3600 <= RADIUS


def test_musedeep_reads_its_filter_list(files):
    found, missing = read_filters(files["FILTER_LIST"], ("white", "Cousins_R", "SDSS_z"))
    assert not missing
    assert found[1].zero_points == pytest.approx((21.671, 21.474), abs=1e-3)


def test_mask_covers_the_lower_right_corner(files):
    with fits.open(files["VIGNETTING_MASK"]) as hdus:
        mask, header = hdus[0].data, hdus[0].header
        assert mask.dtype == np.uint8
        assert mask.shape == (288, 301)
        assert (header["CRVAL1"], header["CRVAL2"]) == (-150.0, -143.5)
        assert mask[0, -1] == 1 and mask[-1, -1] == 0 and mask[0, 0] == 0
        assert mask[:45, -45:].sum() == mask.sum()


def test_same_arguments_same_bytes(files, tmp_path, instrument):
    again = build.write_statics(tmp_path / "again", instrument)
    for tag, path in files.items():
        assert path.read_bytes() == again[tag].read_bytes(), tag


def test_narrow_field_has_its_own_name(tmp_path, instrument):
    instrument.mode = "NFM-AO-N"
    assert build.write_statics(tmp_path, instrument)["GEOMETRY_TABLE"].name == "geometry_table_nfm.fits"


def test_nothing_is_replaced_unless_told(files, instrument):
    directory = files["SKY_LINES"].parent
    files["SKY_LINES"].write_text("mine")
    with pytest.raises(MusedeepError, match="--overwrite"):
        build.write_statics(directory, instrument)
    assert files["SKY_LINES"].read_text() == "mine"
    build.write_statics(directory, instrument, overwrite=True)
    assert files["SKY_LINES"].stat().st_size > 1000


def test_all_or_none(tmp_path, instrument, monkeypatch):
    from musedeep.simulate import statics as module

    monkeypatch.setattr(module, "check_space", lambda path, need: (_ for _ in ()).throw(MusedeepError("disk full")))
    with pytest.raises(MusedeepError, match="disk full"):
        build.write_statics(tmp_path / "full", instrument)
    assert not list((tmp_path / "full").iterdir())


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ({25: bad_pixels()}, "IFU 25"),
        ({3: bad_pixels(x=(0, 5))}, "xpos = 0"),
        ({3: bad_pixels(y=(1, 4241))}, "ypos = 4241"),
        ({3: Table({"xpos": [1]})}, "no column ypos, status, value"),
    ],
)
def test_wrong_bad_pixels(tmp_path, pixels, message):
    with pytest.raises(MusedeepError, match=message):
        build.write_badpix_table(tmp_path / "badpix.fits", pixels)
    assert not list(tmp_path.iterdir())


def test_wrong_geometry():
    short = slices()[:-1]
    with pytest.raises(MusedeepError, match="1151 rows"):
        formats.geometry_table(short)
    twice = slices()
    twice["SliceCCD"][0] = 2
    with pytest.raises(MusedeepError, match="SliceCCD"):
        formats.geometry_table(twice)


def test_geometry_is_sorted():
    hdus = formats.geometry_table(slices()[::-1])
    assert len(hdus[1].data) == 1152
    assert hdus[1].data["SubField"][47] == 1 and hdus[1].data["SliceCCD"][47] == 48


def test_fields_are_the_same_every_time_and_without_blends(tmp_path):
    field = load_astrometric_field("synthetic-13")
    again = synthetic_field(field.name, field.ra, field.dec, 13)
    assert np.array_equal(field.star_ra, again.star_ra) and np.array_equal(field.magnitude, again.magnitude)
    assert not np.array_equal(field.star_ra, synthetic_field(field.name, field.ra, field.dec, 14).star_ra)
    x = (field.star_ra - field.ra) * np.cos(np.radians(field.dec)) * 3600
    y = (field.star_dec - field.dec) * 3600
    apart = np.hypot(x[:, None] - x, y[:, None] - y)[np.triu_indices(x.size, 1)]
    assert apart.min() > 0.99 * SEPARATION
    assert (np.diff(field.magnitude) >= 0).all()
    path = build.write_astrometry_reference(tmp_path / "own.fits", [again])
    with fits.open(path) as hdus:
        assert hdus[1].name == "SYNTHETIC-13"
    with pytest.raises(MusedeepError, match="SYNTHETIC-02"):
        load_astrometric_field("omega Cen")


def test_field_positions_are_those_of_the_projection():
    from astropy.wcs import WCS

    field = synthetic_field("pole", 359.999, -80.0, 5, n_stars=20)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [field.ra, field.dec]
    xi, eta = wcs.wcs_world2pix(field.star_ra, field.star_dec, 1)
    assert (np.hypot(xi, eta) * 3600 <= RADIUS * 1.0001).all()
    back = wcs.wcs_pix2world(xi, eta, 1)
    assert back[0] == pytest.approx(field.star_ra, abs=1e-9)
    assert ((field.star_ra >= 0) & (field.star_ra < 360)).all()


def test_command(tmp_path, capsys):
    assert run(["statics", str(tmp_path / "static")]) == 0
    lines = capsys.readouterr().out.split("\n")[:-1]
    assert [line.split()[1] for line in lines] == list(TAGS)
    assert all((tmp_path / "static" / line.split()[0]).is_file() for line in lines)
    with fits.open(tmp_path / "static" / "badpix_table.fits") as hdus:
        assert len(hdus) == 25
    assert run(["statics", str(tmp_path / "static")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["statics", str(tmp_path / "static"), "--overwrite"]) == 0


def test_command_refuses_what_is_not_there(tmp_path, capsys):
    assert run(["statics", str(tmp_path), "--mode", "WFM"]) == 1
    assert "WFM-NOAO-N" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    assert run(["statics", str(tmp_path / "file")]) == 1
    assert "no directory" in capsys.readouterr().err
