"""Cluster profiles: what they may say, and one line for every mistake."""

from pathlib import Path

import pytest

from musedeep.cli.main import run
from musedeep.errors import MusedeepError
from musedeep.graph.workers.cluster_profile import load_profile, user_profile
from tests.makers.places import ROOT

LEAST = "cores: 4\nmemory: 16GiB\nwalltime: 12:00:00\n"


def written(tmp_path, text):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return path


def test_what_is_said_is_found(tmp_path):
    profile = load_profile(
        written(tmp_path, LEAST + "modules: [gcc/12, python/3.11]\nprologue: source /x\npartition: long\naccount: ~\n")
    )
    assert (profile.cores, profile.memory, profile.partition, profile.account) == (4, 16 * 2**30, "long", None)
    # which YAML would take for a number to the base of 60
    assert profile.walltime == "12:00:00"
    assert profile.modules == ("gcc/12", "python/3.11") and profile.prologue == ("source /x",)
    assert profile.dashboard == "127.0.0.1:0"
    assert 0.8 * profile.memory < profile.worker_bytes < profile.worker_limit < profile.memory
    assert profile.job_bytes(profile.worker_bytes) >= profile.memory


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("core: 4\n", "unknown key 'core'; did you mean cores?"),
        ("quux: 4\n", "unknown key 'quux'; known are cores, memory"),
        ("path: x\n", "unknown key 'path'"),
        ("cores: 8\n", "'cores' is given twice"),
        ("workers: many\n", "workers: 'many' is not right; it has to be a whole number of at least 1"),
        ("workers: 0\n", "workers: '0' is not right"),
        (
            "directives: [exclusive]\n",
            "directives: ['exclusive'] is not right; it has to be a list of options of sbatch",
        ),
        ("dashboard: here\n", "dashboard: 'here' is not right; it has to be an address as in 127.0.0.1:0"),
        ("modules: {a: b}\n", "modules: {'a': 'b'} is not right; it has to be a list of lines of text"),
        ("partition: [a, b]\n", "partition: ['a', 'b'] is not right; it has to be one line of text"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    path = written(tmp_path, LEAST + text)
    with pytest.raises(MusedeepError) as error:
        load_profile(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEAST.replace("cores: 4\n", ""), "key 'cores' is missing; add it"),
        (LEAST.replace("16GiB", "lots"), "memory: 'lots' is not right; it has to be an amount of memory"),
        (LEAST.replace("16GiB", "100MiB"), "at least 700 MiB"),
        (LEAST.replace("12:00:00", "long"), "walltime: 'long' is not right; it has to be a time as HH:MM:SS"),
        ("- cores\n", "a cluster profile has the keys cores, "),
        ("cores: [\n", "not valid YAML"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, text, message):
    with pytest.raises(MusedeepError) as error:
        load_profile(written(tmp_path, text))
    assert message in str(error.value)


def test_the_profile_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(MusedeepError, match=r"musedeep/cluster\.yaml: no such cluster profile; write one"):
        load_profile(None)
    (tmp_path / "musedeep").mkdir()
    (tmp_path / "musedeep" / "cluster.yaml").write_text(LEAST)
    assert load_profile(None).path == tmp_path / "musedeep" / "cluster.yaml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert user_profile() == Path("/home/somebody/.config/musedeep/cluster.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "cluster").glob("*.yaml")), ids=lambda path: path.name)
def test_the_profiles_that_come_along_are_right(path):
    assert load_profile(path).cores >= 1


def test_there_are_profiles_that_come_along():
    assert len(list((ROOT / "cluster").glob("*.yaml"))) >= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cluster", "pbs"], "--cluster pbs: there is slurm"),
        (["--cluster-profile", "x.yaml"], "--cluster-profile: for which? give --cluster slurm, too"),
        (["--cluster", "slurm", "--scheduler", "tcp://x:1"], "leave out --scheduler"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(options, message, capsys):
    assert run(["combine", "x.yaml", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_profile_is_one_line(capsys):
    assert run(["combine", "x.yaml", "--cluster", "slurm", "--cluster-profile", "none.yaml"]) == 1
    assert capsys.readouterr().err == "musedeep: none.yaml: no such cluster profile\n"
