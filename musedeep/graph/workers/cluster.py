"""Workers as jobs of SLURM, through dask-jobqueue: as many as there is work for, replaced when lost, ended at the end.

The scheduler of dask runs in this process. A job is one worker; its script, certificate and output lie in a
directory of the output, which the workers see, too. What is known of a job that has not yet reported comes from
`squeue`, asked less and less often.
"""

import asyncio
import atexit
import os
import shlex
import shutil
import sys
import threading
import uuid
from pathlib import Path
from typing import Any, cast

import psutil
from distributed.deploy.adaptive import Adaptive
from distributed.deploy.spec import ProcessInterface

from musedeep.errors import MusedeepError
from musedeep.graph.workers.cluster_profile import ClusterProfile
from musedeep.graph.workers.credentials import make_credentials
from musedeep.graph.workers.interrupts import handlers_kept, uninterrupted
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.graph.workers.slurm import HOPELESS, cancel_named, ended_because, job_states, refusal_line, require_slurm
from musedeep.progress import LOG

with handlers_kept():  # the import takes the signals of the process
    from dask_jobqueue.slurm import SLURMCluster, SLURMJob

DIRECTORY = ".musedeep-cluster"
"""In the output directory: certificate, key, output of the jobs; gone at the end."""

SUBMISSIONS = 8
"""Of jobs at once."""

OF_THE_SITE = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT")
"""Variables of SLURM that are not of the job in which this process may run."""

UNSEEN_JOBS = 3
"""Jobs that may end without their worker being seen, before the run gives up."""

DEATH_TIMEOUT = 60
"""A worker that does not reach the scheduler for so long ends [s]."""

_SCRIPT = """\
%(shebang)s
%(job_header)s
%(job_script_prologue)s
%(worker_command)s &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null; wait "$worker"' TERM INT
wait "$worker"
"""

_WORKER_SETTINGS = {
    # results are small: nothing is to spill; a worker that pauses would keep its memory
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "0.95",
    # what it is at, for --report; dask would look every 10 ms
    "DASK_DISTRIBUTED__WORKER__PROFILE__INTERVAL": "100ms",
}


class _Job(SLURMJob):
    """A job that tells of a refusal instead of raising it in an event loop where nobody listens."""

    _script_template = _SCRIPT

    def __init__(self, *arguments: Any, told: "SlurmWorkers", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._told = told

    async def _submit_job(self, script_filename: str) -> Any:
        # what SLURM has set for a job that we may run in must not become options of ours
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k in OF_THE_SITE}
        return await self._call([*shlex.split(self.submit_command), script_filename], env=environment)

    async def start(self) -> None:
        async with self._told.submissions():
            try:
                await super().start()
            except (RuntimeError, ValueError, OSError) as error:
                self._told.refused(refusal_line(str(error)))
                await ProcessInterface.start(self)


class _Wanted(Adaptive):
    """As many workers as the run has use for."""

    async def target(self) -> int:
        return cast(_Cluster, self.cluster).wanted


class _Cluster(SLURMCluster):
    job_cls: Any = _Job
    wanted = 0


class SlurmWorkers:
    """The jobs of one run, `most` at most, in an output directory that this run has to itself.

    Raises MusedeepError if there is no SLURM here, no such network interface, or `cryptography` is missing.
    """

    def __init__(self, profile: ClusterProfile, most: int, output: Path) -> None:
        if shutil.which("sbatch") is None:
            raise MusedeepError("--cluster slurm: no sbatch here; run it where jobs of SLURM are submitted")
        interfaces = list(psutil.net_if_addrs())
        if profile.interface and profile.interface not in interfaces:
            raise MusedeepError(
                f"{profile.path}: interface: there is no {profile.interface} here, but {', '.join(interfaces)}"
            )
        require_slurm()
        self.profile, self.most = profile, most
        self.directory = output.absolute() / DIRECTORY
        self.problem = ""
        self._refusal = self._notice = ""
        self._arrived: set[str] = set()
        self._unseen: list[str] = []
        self._semaphore: asyncio.Semaphore | None = None
        self._ended = threading.Event()
        self._look_again = threading.Event()
        self.cluster: _Cluster | None = None
        self._end_former()
        self.name = f"musedeep-{uuid.uuid4().hex[:8]}"
        try:
            self.directory.mkdir(mode=0o700)
            (self.directory / "jobs").write_text(self.name)
            atexit.register(self.close)
            self.cluster = self._start(make_credentials(self.directory))
            self._adaptive = self.cluster.adapt(Adaptive=_Wanted, minimum=0, maximum=most, interval="1s")
        except BaseException:
            self.close()
            raise
        self._watch = threading.Thread(target=self._keep_watch, name="slurm", daemon=True)
        self._watch.start()

    def _end_former(self) -> None:
        """End what a run that was killed has left: its jobs, and its key."""
        record = self.directory / "jobs"
        if record.exists():
            cancel_named(record.read_text())
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self, security: Any) -> _Cluster:
        profile = self.profile
        python = profile.python or ("python3" if profile.container else sys.executable)
        memory = max(profile.worker_bytes - BASE_BYTES, 1)
        return _Cluster(
            cores=profile.cores,
            processes=1,
            memory=f"{profile.worker_limit}B",
            job_mem=f"{profile.memory >> 20}M",
            queue=profile.partition,
            account=profile.account,
            walltime=profile.walltime,
            interface=profile.interface,
            protocol="tls://",
            security=security,
            shared_temp_directory=str(self.directory),
            python=f"{profile.container} {python}" if profile.container else python,
            # with a name of its own, the jobs of this run can be found whatever happens
            job_name=self.name,
            job_extra_directives=[
                # a job that SLURM starts again would come beside the one that has replaced it
                "--no-requeue",
                *([f"--qos={profile.qos}"] if profile.qos else []),
                *profile.directives,
            ],
            job_script_prologue=self._prologue(),
            local_directory='"$scratch"',
            log_directory=profile.log_directory or str(self.directory),
            death_timeout=DEATH_TIMEOUT,
            silence_logs=False,
            worker_extra_args=["--dashboard-address", "127.0.0.1:0", "--resources", f"memory={memory}"],
            scheduler_options={"dashboard_address": profile.dashboard},
            told=self,
        )

    def _prologue(self) -> list[str]:
        """Lines of the job before the worker: what the profile says, settings, a scratch directory of its own."""
        modules = [f"module load {shlex.quote(module)}" for module in self.profile.modules]
        return [
            *modules,
            *self.profile.prologue,
            *(f"export {name}={value}" for name, value in _WORKER_SETTINGS.items()),
            # dask would make it 1 in the worker; recipes use so many threads
            f'export OMP_NUM_THREADS="${{OMP_NUM_THREADS:-{self.profile.cores}}}"',
            f'scratch="{self.profile.local_scratch}/musedeep-$SLURM_JOB_ID"',
            # without a trap the shell would not wait for the end of the worker, which still writes there
            "trap : TERM",
            "trap 'rm -rf -- \"$scratch\"' EXIT",
            'mkdir -p -m 700 -- "$scratch" || exit 1',
            'export TMPDIR="$scratch"',
        ]

    def submissions(self) -> asyncio.Semaphore:
        """Limits the submissions at once."""
        if self._semaphore is None:
            self._semaphore = asyncio.Semaphore(SUBMISSIONS)
        return self._semaphore

    def refused(self, why: str) -> None:
        """SLURM has refused a job."""
        self._refusal = why
        self._look_again.set()

    def want(self, number: int) -> None:
        """So many workers would be of use."""
        assert self.cluster is not None
        self.cluster.wanted = min(number, self.most)

    @property
    def dashboard(self) -> str:
        """Address of dask's dashboard."""
        return str(self.cluster.dashboard_link) if self.cluster is not None else ""

    def _keep_watch(self) -> None:
        interval, former = 1.0, None
        while True:
            self._look_again.wait(interval)
            self._look_again.clear()
            if self._ended.is_set():
                return
            state = self._look()
            # a queue may be long: its controller is not to be asked every second
            interval = 1.0 if state != former or not state else min(interval * 1.5, 30.0)
            former = state

    def _look(self) -> Any:
        """See to the jobs whose worker is not there; returns what was seen, None if there are none."""
        assert self.cluster is not None
        cluster = self.cluster
        jobs = {name: job.job_id for name, job in list(cluster.workers.items())}
        there = set(cluster.observed)
        self._arrived |= there
        unseen = {name: job for name, job in jobs.items() if name not in there}
        if not unseen:
            self._refusal = "" if there else self._refusal
            return None
        states = job_states(self.name)
        if states is None:
            if self._refusal and not self._arrived:
                self._judge([])
            return None
        ended = [name for name, job in unseen.items() if job is not None and job not in states]
        for name in ended:
            if name not in self._arrived:
                self._unseen.append(ended_because(Path(self.profile.log_directory or self.directory), unseen[name]))
            # the adaptive scaling makes another one
            cast(Any, cluster.loop).add_callback(cluster.workers.pop, name, None)
        reasons = sorted({reason for state, reason in states.values() if state == "PENDING"})
        if not there:
            self._judge(reasons)
        notice = ""
        if self._refusal:
            notice = f"SLURM takes no more jobs ({self._refusal}); going on with those there are"
        elif reasons and not there and reasons != ["None"]:
            waiting = sum(state == "PENDING" for state, _ in states.values())
            notice = f"{waiting} jobs wait in the queue of SLURM ({', '.join(reasons)})"
        if notice and notice != self._notice and not self.problem:
            self._notice = notice
            LOG.warning(notice)
        return sorted(states.items())

    def _judge(self, reasons: list[str]) -> None:
        """With no worker there: whether any will come."""
        hopeless = [HOPELESS[reason] for reason in reasons if reason in HOPELESS]
        if self._refusal:
            self.problem = f"SLURM refuses the job: {self._refusal}; correct {self.profile.path}"
        elif hopeless:
            self.problem = f"the job would wait in the queue for ever: {hopeless[0]}; correct {self.profile.path}"
        elif len(self._unseen) >= UNSEEN_JOBS:
            self.problem = (
                f"{len(self._unseen)} jobs have ended before their workers reported; the last one: {self._unseen[-1]}"
            )

    def close(self) -> None:
        """End the jobs, and remove what they left. Signals wait meanwhile; once is enough."""
        if self._ended.is_set():
            return
        with uninterrupted("ending the jobs"):
            self._ended.set()
            self._look_again.set()
            atexit.unregister(self.close)
            if self.cluster is not None:
                # all at once, and not one after the other
                cancel_named(self.name)
                try:
                    self.cluster.close(timeout=15)
                except Exception as error:
                    LOG.warning(f"dask's scheduler did not end in time ({type(error).__name__})")
                # a job that was being submitted meanwhile
                cancel_named(self.name)
            shutil.rmtree(self.directory, ignore_errors=True)
