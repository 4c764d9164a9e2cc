"""The folder that opens from disk."""

import os
import re
from pathlib import Path

import pytest

from musedeep.campaign.review import export as module
from musedeep.campaign.review.campaign import Campaign
from musedeep.campaign.review.export import export
from musedeep.errors import MusedeepError


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_all_links_lead_to_files(plan, tmp_path):
    out, names = tmp_path / "pages", []
    assert export(Campaign(plan), out, False, names.append) == 2 and names == ["FIELD-001", "FIELD-002"]
    files = files_of(out)
    pages = [name for name in files if name.endswith(".html")]
    assert pages == ["index.html", "products/FIELD-001/v1/index.html", "products/FIELD-002/v1/index.html"]
    linked = {"index.html"}
    for page in pages:
        text = files[page].decode()
        assert "<form class" not in text and "read only" in text and "://" not in text
        for link in re.findall(r'(?:src|href)="([^"#]+)"', text):
            target = os.path.normpath(Path(page).parent / link)
            assert target in files, f"{page}: {link}"
            linked.add(target)
    # the others are shown by the script
    assert {re.sub(r"\d+", "N", Path(name).name) for name in files.keys() - linked} == {
        "single-N.png",
        "residual-N.png",
    }
    assert sum("residual-" in name for name in files) == 6
    assert not list(tmp_path.glob(".pages*"))


def test_an_earlier_export_is_replaced_when_told_to(plan, tmp_path):
    out = tmp_path / "pages"
    export(Campaign(plan), out, False)
    before = files_of(out)
    with pytest.raises(MusedeepError, match="pages: exists already; give another name, or --overwrite"):
        export(Campaign(plan), out, False)
    (out / "old.txt").write_text("old")
    export(Campaign(plan), out, True)
    assert files_of(out) == before


def test_other_folders_are_never_replaced(plan, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all my work")
    with pytest.raises(MusedeepError, match="mine: is no export of a review, and is not replaced"):
        export(Campaign(plan), tmp_path / "mine", True)
    with pytest.raises(MusedeepError, match=r"the directory .*none does not exist"):
        export(Campaign(plan), tmp_path / "none" / "pages", False)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all my work"


def test_half_an_export_is_none(plan, tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    out = tmp_path / "pages"
    export(Campaign(plan), out, False)
    before = files_of(out)
    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(MusedeepError, match="disk full while writing pages"):
        export(Campaign(plan), out, True)
    assert files_of(out) == before and not list(tmp_path.glob(".pages*"))
