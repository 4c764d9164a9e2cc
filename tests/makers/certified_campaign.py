"""A finished campaign that has been reviewed, with figures and a catalogue: what a delivery needs.

The figures are made-up PNG of a few bytes; the catalogue has grades, comments and requests of OBs, and programmes with
days of release.
"""

import base64
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from musedeep.quality.record import (
    PRODUCT,
    QUALITY,
    REVIEW,
    Decision,
    ExposureRecord,
    Finding,
    ProductRecord,
    QualityRecord,
    ReviewRecord,
    folder_name,
    read_record,
    write_record,
)
from musedeep.selection.catalogue.database import Catalogue
from musedeep.selection.catalogue.exposure import Exposure
from musedeep.selection.catalogue.night_log import Constraint, LoggedFile, NightLog
from musedeep.storage.fits.header_cards import sign
from tests.makers.finished_campaign import FinishedCampaign, finished_campaign

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TODAY = "2026-01-01"
GRADES = ("A", "B", "C")


@dataclass(frozen=True)
class CertifiedCampaign:
    """A campaign that can be delivered: its paths, and its catalogue."""

    plan: Path
    folder: Path
    products: list[Path]
    database: Path

    def copy(self, place: Path) -> "CertifiedCampaign":
        """The same elsewhere."""
        old = self.plan.parent
        shutil.copytree(old, place)
        moved = [place / path.relative_to(old) for path in (self.plan, self.folder, self.database, *self.products)]
        return CertifiedCampaign(moved[0], moved[1], moved[3:], moved[2])

    def arguments(self, *more: str) -> list[str]:
        """Of the command that delivers it."""
        words = ["campaign", "deliver", str(self.plan), "--database", str(self.database), "--today", TODAY]
        return [*words, *more]


def certified_campaign(
    parent: Path,
    release: Mapping[str, str] | None = None,
    state: str = "certified",
    findings: tuple[str, ...] = ("AO exposures with waves in the blue",),
    runs: tuple[str, ...] = (),
    **made: Any,
) -> CertifiedCampaign:
    """Make a campaign in a folder.

    Parameters
    ----------
    release : day of release by run; default: 2018-07-01 of all
    findings : texts that quality control has left
    runs : of the exposures, if they are not all of one
    made : of `finished_campaign`
    """
    one: FinishedCampaign = finished_campaign(parent, **{"exposures": 4, "shape": (8, 40, 40), **made})
    for path in {folder / "DATACUBE_DEEP.fits" for folder in one.products}:
        know_astrometry(path)
    for folder in one.products:
        change_runs(folder / PRODUCT, runs)
        review(one.folder, folder, state, findings)
    database = parent / "catalogue.sqlite"
    catalogue(database, read_record(ProductRecord, one.products[0] / PRODUCT).exposures, release or {})
    return CertifiedCampaign(one.plan, one.folder, one.products, database)


def know_astrometry(path: Path) -> None:
    """Write the error of the astrometric solution into a cube, where it has none."""
    with fits.open(path) as hdus:
        if "CSYER1" in hdus["DATA"].header:
            return
        for hdu in hdus[1:]:
            hdu.header["CSYER1"], hdu.header["CSYER2"] = 5.75577662036e-07, 9.47171367883e-07
        hdus.writeto(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    sign(path)


def change_runs(path: Path, runs: tuple[str, ...]) -> None:
    """Give exposures of a record other runs."""
    record = read_record(ProductRecord, path)
    for exposure, run in zip(record.exposures, runs, strict=False):
        exposure.run = run
    write_record(record, path)


def review(campaign: Path, folder: Path, state: str, findings: tuple[str, ...] = ()) -> None:
    """Records of quality control and of a review, and figures."""
    record = read_record(ProductRecord, folder / PRODUCT)
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    figures = {}
    for name in ("deep", *(f"single:{exposure.name}" for exposure in record.used)):
        path = place / f"{folder_name(name)}.png"
        path.write_bytes(PNG + name.encode())
        figures[name] = path.relative_to(campaign).as_posix()
    write_record(
        QualityRecord(
            flag="0010000000", figures=figures, findings=[Finding(kind="remark", text=text) for text in findings]
        ),
        folder / QUALITY,
    )
    history = [Decision(date="2017-07-02T09:00:00", by="A. Reviewer", action="certify", text="good, see figure 3")]
    write_record(ReviewRecord(state=state, history=history), folder / REVIEW)  # type: ignore[arg-type]


def catalogue(database: Path, exposures: list[ExposureRecord], release: Mapping[str, str]) -> None:
    """A catalogue of the exposures, with night logs and programmes."""
    with Catalogue.open(database, create=True) as found:
        found.add_exposures(
            [
                Exposure(
                    name=one.name, mjd=one.mjd, date_obs=one.date_obs, tag="OBJECT", mode=one.mode, target=one.target,
                    exposure_time=one.exposure_time, ob_id=one.ob_id, ob_name=one.ob_name, run=one.run,
                    ob_start=f"start of {one.ob_id}",
                )
                for one in exposures
            ]
        )  # fmt: skip
        for number, ob in enumerate(dict.fromkeys(one.ob_id for one in exposures)):
            members = [one for one in exposures if one.ob_id == ob]
            found.add_log(
                NightLog(
                    ob_id=ob, ob_name=members[0].ob_name, ob_start=f"start of {ob}", target=members[0].target,
                    run=members[0].run, container="", grade=GRADES[number % 3],
                    comments=f"OB {ob}: thin clouds,\tstable",
                    constraints=(Constraint("Seeing", "0.9", "0.8"),), weather=(),
                    files=tuple(LoggedFile(one.name, 1.1, 0.7) for one in members),
                )
            )  # fmt: skip
        found.add_programmes(
            {"run": run, "pi": f"PI of {run}", "release_date": release.get(run, "2018-07-01"), "observing_mode": "SM"}
            for run in dict.fromkeys(one.run for one in exposures)
        )
