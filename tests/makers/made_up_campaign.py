"""A campaign of tiny raw frames over several nights, its catalogue and its plan, for made-up recipes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from musedeep.campaign.cascade.archive import Archive
from musedeep.campaign.cascade.request import CascadeRequest, Machine
from musedeep.progress import Silent
from musedeep.quality.record import campaign_folder
from musedeep.selection.campaign.cascade_settings import CascadeSettings
from musedeep.selection.campaign.plan_file import Plan, Product, Settings, Target, write_plan
from musedeep.selection.catalogue.collect import collect
from musedeep.selection.catalogue.database import Catalogue
from musedeep.selection.dates import date_of
from tests.makers.tiny_nights import make_tiny_night

IFUS = (3, 7)


@dataclass
class MadeUpCampaign:
    """A campaign: its catalogue, its plan, and the names of its exposures by raw tag, in the order of time."""

    place: Path
    plan_file: Path
    database: Path
    names: dict[str, list[str]]

    @property
    def folder(self) -> Path:
        return campaign_folder(self.plan_file)

    def plan(self, **settings: object) -> Plan:
        """One target, and one deep product of all exposures."""
        cascade = CascadeSettings.model_validate(settings)
        product = Product(name="field", inputs=list(self.names["OBJECT"]), modes=["WFM-NOAO-N"])
        target = Target(name="field", products=[product])
        return Plan(campaign="made", catalogue=str(self.database), settings=Settings(cascade=cascade), targets=[target])

    def write(self, plan: Plan) -> Path:
        write_plan(self.plan_file, plan, self.names["OBJECT"])
        return self.plan_file

    def request(self, plan: Plan | None = None, **options: object) -> CascadeRequest:
        plan = plan or self.plan()
        with Catalogue.open(self.database) as catalogue:
            archive = Archive.read(catalogue, plan.settings.cascade, self.folder)
        return CascadeRequest(plan, archive, self.folder, machine=Machine(threads=2), **options)


def make_campaign(place: Path, nights: int = 2, apart: int = 3, **counts: int) -> MadeUpCampaign:
    """Nights that are some days apart, all of the same frames but for their dates.

    Parameters
    ----------
    counts : numbers of exposures, as `simulate.schedule.Counts` has them
    """
    place.mkdir()
    first = make_tiny_night(place / "night-0", IFUS, **counts)
    for number in range(1, nights):
        other = place / f"night-{number}"
        shutil.copytree(first / "raw", other / "raw")
        for path in sorted((other / "raw").iterdir()):
            _later(path, apart * number)
    database = place / "catalogue.sqlite"
    with Catalogue.open(database, create=True) as catalogue:
        collect(catalogue, [place / f"night-{k}" for k in range(nights)], Silent())
        names: dict[str, list[str]] = {}
        for one in catalogue.exposures():
            names.setdefault(one.tag, []).append(one.name)
    return MadeUpCampaign(place, place / "deep.yaml", database, names)


def _later(path: Path, days: int) -> None:
    """Move a raw frame to a later night."""
    with fits.open(path, mode="update") as hdus:
        header = hdus[0].header
        mjd = header["MJD-OBS"] + days
        date = date_of(mjd)[:11] + header["DATE-OBS"][11:]
        header["MJD-OBS"], header["DATE-OBS"], header["ARCFILE"] = mjd, date, f"MUSE.{date}.fits"
        header["ESO TPL START"] = date_of(mjd)[:10] + header["ESO TPL START"][10:]
    path.rename(path.with_name(f"MUSE.{date}.fits"))
