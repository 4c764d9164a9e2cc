"""A network that is cut between a worker and the scheduler: packets are lost, and nobody is told."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slurm


class Cable:
    """A network namespace with one interface, and a bridge of the same name here; between them a cable."""

    def __init__(self):
        self.name = f"muse{os.getpid()}"
        self.plug = f"plug{os.getpid()}"
        self.undo = []

    def ip(self, *words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def __enter__(self):
        name = self.name
        try:
            self.ip("netns", "add", name)
            self.undo.append(("netns", "delete", name))
            self.ip("link", "add", name, "type", "bridge")
            self.undo.append(("link", "delete", name))
            self.ip("link", "add", self.plug, "type", "veth", "peer", "name", name, "netns", name)
            self.undo.append(("link", "delete", self.plug))
            self.ip("link", "set", self.plug, "master", name)
            self.ip("address", "add", "10.213.97.1/24", "dev", name)
            self.ip("-n", name, "address", "add", "10.213.97.2/24", "dev", name)
            for device in (name, self.plug):
                self.ip("link", "set", device, "up")
            for device in (name, "lo"):
                self.ip("-n", name, "link", "set", device, "up")
        except OSError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        for words in reversed(self.undo):
            subprocess.run(["ip", *words], capture_output=True, check=False)

    def cut(self):
        self.ip("link", "set", self.plug, "nomaster")

    def mend(self):
        self.ip("link", "set", self.plug, "master", self.name)


@pytest.fixture
def cable():
    if shutil.which("ip") is None:
        pytest.skip("no ip: apt-get install iproute2")
    made = Cable()
    try:
        made.__enter__()
    except OSError as error:
        pytest.skip(f"no network namespaces here ({error})")
    yield made
    made.__exit__()


@pytest.mark.parametrize("mended", [False, True], ids=["for ever", "for a while"])
def test_the_network_is_cut(slurm, run, same, cable, mended):
    run.environment |= {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6s", "BOX_SECONDS": "1.5" if mended else "1"}
    # the job that makes the directory is the one behind the cable
    run.profile(
        interface=cable.name,
        prologue=f"['behind=', 'mkdir \"{run.directory}/behind\" && behind=\"ip netns exec {cable.name}\"']",
        container="$behind",
        python=sys.executable,
    )
    run.start("--workers", "2").wait_workers(slurm, 2)
    run.wait_boxes(3)
    cable.cut()
    if mended:
        # one of them may have been computed behind the cable
        before = run.boxes()
        slurm.wait("the other worker to go on", lambda: run.boxes() > before + 2)
        cable.mend()
        assert run.process.poll() is None
    status, _, error = run.end()
    assert status == 0, error
    same(run.output)
    run.assert_nothing_left(slurm)
