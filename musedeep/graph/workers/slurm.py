"""What SLURM says about jobs, and why, in its commands' words and in ours."""

import re
import subprocess
import time
from pathlib import Path

from musedeep.errors import MusedeepError

TIMEOUT = 30.0
"""For an answer of the controller [s]."""

HOPELESS = {
    "PartitionTimeLimit": "its walltime is longer than the partition allows",
    "PartitionNodeLimit": "no node of the partition is as large",
    "PartitionConfig": "it asks for more than the partition has",
    "BadConstraints": "no node has what it asks for",
    "InvalidAccount": "the account is not valid",
    "AccountNotAllowed": "the account may not use the partition",
    "InvalidQOS": "the quality of service (qos) is not valid",
    "QOSNotAllowed": "the quality of service (qos) is not allowed",
    "AssocMaxWallDurationPerJobLimit": "its walltime is longer than the account allows",
    "QOSMaxWallDurationPerJobLimit": "its walltime is longer than the quality of service allows",
    "AssocMaxCpuPerJobLimit": "it asks for more cores than the account allows",
    "QOSMaxCpuPerJobLimit": "it asks for more cores than the quality of service allows",
    "AssocMaxMemPerJob": "it asks for more memory than the account allows",
    "QOSMaxMemoryPerJob": "it asks for more memory than the quality of service allows",
    "MaxMemPerLimit": "it asks for more memory than the partition allows",
    "DependencyNeverSatisfied": "what it depends on has failed",
    "JobHeldAdmin": "the administrator holds it",
    "JobHeldUser": "it is held",
}
"""Reasons of a pending job that time does not heal (squeue(1), JOB REASON CODES), for the user."""


def require_slurm() -> None:
    """Ask SLURM for its queue, once.

    Raises MusedeepError if it cannot be asked here: no configuration, no controller, no right to ask. (That it takes
    long is no reason.)
    """
    try:
        done = _squeue("musedeep")
    except subprocess.TimeoutExpired:
        return
    except OSError as error:
        raise MusedeepError(
            f"--cluster slurm: squeue cannot be run ({error.strerror}); install it, or correct PATH"
        ) from error
    if done.returncode != 0:
        why = refusal_line(done.stderr or f"squeue: status {done.returncode}", "squeue")
        raise MusedeepError(f"--cluster slurm: SLURM does not answer here ({why}); run it where squeue works")


def _squeue(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["squeue", "--noheader", f"--name={name}", "--format=%A|%T|%r"],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip


def job_states(name: str) -> dict[str, tuple[str, str]] | None:
    """State and reason of the jobs of a name that have not ended, by number; None if SLURM does not answer."""
    try:
        done = _squeue(name)
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode != 0:
        return None
    lines = (line.strip().split("|", 2) for line in done.stdout.split("\n") if line.strip())
    return {number: (state, reason) for number, state, reason in lines}


def cancel_named(name: str, seconds: float = 10.0) -> None:
    """Cancel all jobs of a name, which is ours alone, and see to it that none stays behind."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            subprocess.run(["scancel", f"--name={name}"], capture_output=True, timeout=TIMEOUT, check=False)
        except (OSError, subprocess.SubprocessError):
            pass
        states = job_states(name)
        ending = states is not None and all(state == "COMPLETING" for state, _ in states.values())
        if ending or time.monotonic() > deadline:
            return
        time.sleep(0.3)


def refusal_line(text: str, command: str = "sbatch") -> str:
    """What a command says of a refusal, in one line, from all that it and its caller say."""
    said = [line.split("error:", 1)[1].strip() for line in text.splitlines() if line.startswith(f"{command}: error:")]
    if said:
        # the last line is the reason, the one before what it is about
        return ": ".join(dict.fromkeys(reversed(said[-2:])))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def ended_because(directory: Path, number: str | None) -> str:
    """The last words of a job, from its output; which job, if it said nothing."""
    texts = [path.read_text(errors="replace") for path in sorted(directory.glob(f"*-{number}*.err"))]
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"error|not found|no such|denied|cannot|timed out", line, re.I)]
    # times and names of loggers are for the files
    said = re.sub(r"^[\d:, -]+- [\w.]+ - [A-Z]+ - ", "", (wrong or lines or [""])[-1])
    return f"job {number}" + (f" said: {said}" if said else "")
