"""What a cluster does to a run: each fault in the middle of the boxes, and the cube is the same to the last bit."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.slurm

RESUMES = "the same command resumes where it stopped"


def finish(run, slurm, same, expected=0):
    status, _, error = run.end()
    assert status == expected, error
    same(run.output)
    run.assert_nothing_left(slurm)
    return error


def again(run, slurm, same):
    """The same command once more: does only what is missing."""
    run.environment["BOX_SECONDS"] = "0"
    done = run.boxes()
    assert done
    error = finish(run.start("--workers", "2"), slurm, same)
    assert f"resuming: {done} of " in error


def test_a_worker_is_killed(slurm, run, same):
    run.start("--workers", "2").wait_boxes(3)
    os.kill(next(iter(run.workers(slurm).values())), signal.SIGKILL)
    finish(run, slurm, same)


def test_a_job_is_cancelled_and_replaced(slurm, run, same):
    run.environment["BOX_SECONDS"] = "1.5"
    run.start("--workers", "2").wait_workers(slurm, 2)
    run.wait_boxes(1)
    first = set(slurm.jobs())
    slurm.output("scancel", min(first, key=int))
    slurm.wait("another job", lambda: set(slurm.jobs()) - first)
    finish(run, slurm, same)


def test_the_walltime_of_a_job_is_over(slurm, run, same):
    # SLURM looks at walltimes every 30 s
    run.environment["BOX_SECONDS"] = "4.5"
    run.start("--workers", "2").wait_workers(slurm, 2)
    run.wait_boxes(1)
    first = set(slurm.jobs())
    job = min(first, key=int)
    slurm.output("scontrol", "update", f"JobId={job}", "EndTime=now+1")
    slurm.wait("the end", lambda: slurm.output("squeue", "-h", "-t", "all", "-j", job, "-o", "%T") == "TIMEOUT", 60)
    slurm.wait("another job", lambda: set(slurm.jobs()) - first)
    finish(run, slurm, same)


def test_the_client_is_killed(slurm, run, same):
    run.start("--workers", "2").wait_workers(slurm, 2)
    run.wait_boxes(3)
    run.process.kill()
    run.process.communicate()
    # the workers see that the scheduler, which is in the same process, is gone
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not list(run.scratch.iterdir())
    again(run, slurm, same)


def test_all_are_killed_at_once(slurm, run, same):
    run.start("--workers", "2").wait_workers(slurm, 2)
    run.wait_boxes(3)
    victims = [number for job in slurm.jobs() for number in slurm.processes(job)]
    for number in [run.process.pid, *victims]:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass
    run.process.communicate()
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    # what the jobs could not remove lies in their scratch directories, for the system to clean
    for path in run.scratch.iterdir():
        assert path.name.startswith("musedeep-")
        path.rename(run.directory / path.name)
    again(run, slurm, same)


def test_a_worker_hangs(slurm, run, same):
    run.environment["DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"] = "6s"
    run.start("--workers", "2").wait_boxes(3)
    os.kill(next(iter(run.wait_workers(slurm, 2).values())), signal.SIGSTOP)
    finish(run, slurm, same)


def test_a_worker_needs_more_memory_than_it_has(slurm, run, same):
    greedy = run.directory / "greedy.py"
    greedy.write_text(
        "import os, time\n"
        "import numpy as np\n"
        "import musedeep.graph.combine.tasks as tasks\n"
        "if tasks.combine_box.__name__ != 'greedily':\n"
        "    compute = tasks.combine_box\n"
        "    def greedily(*arguments):\n"
        f"        if not os.path.exists('{run.directory}/once'):\n"
        f"            open('{run.directory}/once', 'w').close()\n"
        "            much = np.ones(2 * 2**30 // 8)\n"
        "            time.sleep(5)\n"
        "        return compute(*arguments)\n"
        "    tasks.combine_box = greedily\n"
    )
    run.environment["DASK_DISTRIBUTED__WORKER__PRELOAD"] = str(greedy)
    finish(run.start("--workers", "2"), slurm, same)
    assert (run.directory / "once").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_twice(slurm, run, same, number):
    run.start("--workers", "2").wait_boxes(3)
    for seconds in (0.0, 0.05, 0.3):
        time.sleep(seconds)
        run.process.send_signal(number)
    status, _, error = run.end()
    # the last signal may find it at its end, when Python takes signals no more
    assert status in (130, -number), error
    assert RESUMES in error.splitlines()[-1]
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not (run.output / ".musedeep-cluster").exists()
    assert not list(run.scratch.iterdir())
    if number == signal.SIGTERM:
        again(run, slurm, same)


@pytest.mark.parametrize("seconds", [0.0, 0.7, 1.5])
def test_interrupted_early(slurm, run, seconds):
    run.start("--workers", "2")
    slurm.wait("the lock", lambda: (run.output / ".musedeep-lock").exists())
    time.sleep(seconds)
    run.process.send_signal(signal.SIGINT)
    status, _, _ = run.end()
    assert status == 130
    slurm.wait("jobs to end", lambda: not slurm.jobs())
    assert not (run.output / ".musedeep-cluster").exists()
