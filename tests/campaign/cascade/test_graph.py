"""The graph of a plan: nights, raw frames of this and of other nights, recipes, products."""

import re

import pytest

from musedeep.campaign.cascade.graph import campaign_graph, mermaid, write_graph
from musedeep.errors import MusedeepError
from tests.makers.made_up_campaign import make_campaign


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return make_campaign(tmp_path_factory.mktemp("campaign") / "c")


def test_nights_and_products_of_a_plan(campaign):
    plan = campaign.plan(after_cube="true")
    # another product of the first night does nothing of it again
    again = plan.targets[0].products[0].model_copy(update={"name": "first", "inputs": campaign.names["OBJECT"][:2]})
    plan.targets[0].products.append(again)
    graph = campaign_graph(campaign.request(plan))
    assert [night.key.date for night in graph.nights] == ["2014-12-09", "2014-12-12"]
    for night in graph.nights:
        assert night.own["OBJECT"] == 2 and night.own["STD"] == 1 and not night.problems
        # those of the day before
        assert {tag for tag, _ in night.others} == {"BIAS", "FLAT", "ARC"} and sorted(night.others.values()) == [
            3,
            3,
            9,
        ]
        assert night.recipes["muse_scipost"] == 2 and night.recipes["muse_scibasic"] == 2 * (2 + 1 + 1)
    field, first = graph.products
    assert field.exposures == {night.key: 2 for night in graph.nights}
    assert first.exposures == {graph.nights[0].key: 2}
    assert "muse_exp_align, muse_exp_combine, after_cube" in field.lines()
    assert not campaign.folder.exists()


def test_calibrations_of_another_night_and_what_cannot_be_reduced_are_told(campaign):
    request = campaign.request()
    archive = request.archive
    late = campaign.names["OBJECT"][-1]
    night = archive.night_of(late)
    own = [name for name, one in archive.exposures.items() if one.tag == "STD" and one.night == night.date]
    archive.files = {name: paths for name, paths in archive.files.items() if name not in (*own, late)}
    [_, second] = campaign_graph(request).nights
    assert second.others["STD", "2014-12-09"] == 1 and not second.own["STD"] and second.own["OBJECT"] == 1
    assert len(second.problems) == 1 and "its file is not known" in second.problems[0]
    assert any(line.startswith(f"cannot be reduced: {late}") for line in second.lines())


def test_mermaid_and_pictures(campaign, tmp_path):
    plan = campaign.plan()
    plan.targets[0].products[0].name = 'a "field" <1>'
    graph = campaign_graph(campaign.request(plan))
    lines = mermaid(graph).splitlines()
    assert lines[0] == "flowchart LR" and sum("-->" in line for line in lines) == 2
    assert re.search(r'product1\(\["a #quot;field#quot; #lt;1#gt;<br/>4 exposures', lines[3])
    assert lines[4] == '    night1 -- "2 OBJECT" --> product1'
    write_graph(graph, tmp_path / "plan.mmd")
    assert (tmp_path / "plan.mmd").read_text().splitlines() == lines
    write_graph(graph, tmp_path / "plan.svg")
    assert "<svg" in (tmp_path / "plan.svg").read_text()
    for name, said in (("plan.mmd", "exists already"), ("plan.xyz", "no format for pictures")):
        with pytest.raises(MusedeepError, match=said):
            write_graph(graph, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.mmd", "plan.svg"]
