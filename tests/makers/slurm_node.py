"""A real SLURM on this machine, on loopback: two nodes by two slurmd, without systemd; ends its own processes only."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthInfo=socket={base}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool-%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
SlurmdLogFile={base}/slurmd-%n.log
SlurmctldLogFile={base}/slurmctld.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
DefMemPerCPU=500
EnforcePartLimits=NO
ReturnToService=2
KillWait=3
MinJobAge=300
SlurmctldDebug=info
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs=4 RealMemory=8000
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE
PartitionName=short Nodes=ALL MaxTime=00:10:00
"""


def missing() -> str:
    """Why SLURM cannot run here; empty if it can."""
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "slurmd needs root here"


def _end_with_parent() -> None:
    """In a new process: end when the tests do, even if they are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _free_ports() -> tuple[int, int, int]:
    """One port, and two that follow each other."""
    for first in range(16817 + os.getpid() % 1000 * 8, 65000, 8):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for k, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + k))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
        return first, first + 1, first + 2
    raise RuntimeError("no free ports")


class SlurmNode:
    """Controller and two nodes of four (pretended) processors, as a context; SLURM_CONF names its configuration."""

    def __init__(self) -> None:
        # munged refuses directories that not all may enter, as those of pytest
        self.base = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.base.chmod(0o755)
        self.configuration = self.base / "slurm.conf"
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "SlurmNode":
        for name in ("munge", "state", "spool-n1", "spool-n2"):
            (self.base / name).mkdir()
        (self.base / "munge").chmod(0o755)
        key = self.base / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        host = socket.gethostname().split(".")[0]
        self.configuration.write_text(CONFIGURATION.format(host=host, base=self.base, ports=_free_ports()))
        self.former = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = str(self.configuration)
        try:
            munge = self.base / "munge"
            self._start(
                "munged", "-F", f"--key-file={key}", f"--socket={munge}/socket", f"--pid-file={munge}/pid",
                f"--seed-file={munge}/seed", f"--log-file={munge}/log",
            )  # fmt: skip
            self.wait("munged", lambda: self._succeeds("munge", "-n", "-S", f"{munge}/socket"))
            self._start("slurmctld", "-D")
            for node in ("n1", "n2"):
                self._start("slurmd", "-D", "-N", node)
            self.wait("the nodes", lambda: self.output("sinfo", "-h", "-N", "-p", "debug", "-o", "%t") == "idle\nidle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if len(self._running) > 1:
            self._succeeds("scancel", "--user=root")
            self._succeeds("scancel", "--user=root", "--signal=KILL", "--full")
            try:
                self.wait("jobs to end", lambda: not self.jobs(), 15.0)
            except RuntimeError:
                pass
        for process in reversed(self._running):
            process.terminate()
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self._running.clear()
        if self.former is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = self.former
        shutil.rmtree(self.base, ignore_errors=True)

    def _start(self, *command: str) -> None:
        with open(self.base / f"{command[0]}{len(self._running)}.out", "wb") as out:
            self._running.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    cwd=self.base,
                    preexec_fn=_end_with_parent,
                )
            )

    def wait(self, what: str, there, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not there():
            if time.monotonic() > deadline:
                said = "\n".join(path.read_text()[-500:] for path in sorted(self.base.glob("*.out")))
                raise RuntimeError(f"waited {seconds:.0f} s for {what}\n{said}")
            time.sleep(0.1)

    @staticmethod
    def _succeeds(*command: str) -> bool:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0

    @staticmethod
    def output(*command: str) -> str:
        """What a command of SLURM prints."""
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()

    def jobs(self, name: str = "") -> list[str]:
        """Numbers of the jobs that wait, run or are ending, of this name if one is given."""
        named = [f"--name={name}"] if name else []
        return self.output("squeue", "-h", "-o", "%A", *named).split()

    def names(self) -> set[str]:
        """Names of those jobs."""
        return set(self.output("squeue", "-h", "-o", "%j").split())

    def processes(self, job: str) -> list[int]:
        """Process numbers of a job."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if f"SLURM_JOB_ID={job}".encode() in environment and f"SLURM_CONF={self.configuration}".encode() in (
                environment
            ):
                found.append(int(path.parent.name))
        return found
