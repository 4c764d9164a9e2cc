"""The simulation of a run: bounds that hold for any schedule, limits that are kept."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.graph.forecast.simulation import Machine, SimulatedStage, SimulatedTask, simulate

ALMOST = 1e-9

tasks = st.lists(
    st.builds(
        SimulatedTask, st.floats(0, 100), st.floats(0, 1e9), st.integers(0, 10**9), st.integers(0, 10**7),
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip
machines = st.builds(
    Machine, workers=st.integers(1, 12), threads=st.integers(1, 3), base_memory=st.integers(0, 10**9),
    dispatch_seconds=st.floats(0, 0.1), start_seconds=st.floats(0, 10),
    end_seconds=st.floats(0, 5),
)  # fmt: skip


def seconds(tasks, machine, first=0.0):
    return simulate([SimulatedStage("boxes", tasks, first_task_seconds=first)], machine).seconds


@given(tasks, st.integers(1, 12), st.integers(1, 3))
def test_no_schedule_is_shorter_and_none_of_this_kind_is_longer(tasks, workers, threads):
    slots = workers * threads
    longest, total = max(t.seconds for t in tasks), sum(t.seconds for t in tasks)
    took = seconds(tasks, Machine(workers, threads))
    assert took >= max(longest, total / slots) * (1 - ALMOST)
    # Graham's bound of a list schedule
    assert took <= (total / slots + longest * (1 - 1 / slots)) * (1 + ALMOST)


@given(tasks, machines, st.one_of(st.none(), st.floats(1e6, 1e10)), st.floats(0, 3))
def test_bounds_hold_with_all_that_delays(tasks, machine, bandwidth, first):
    machine = replace(machine, bytes_per_second=bandwidth)
    run = simulate([SimulatedStage("boxes", tasks, serial_seconds=1.5, first_task_seconds=first)], machine)
    slots = machine.workers * machine.threads
    around = machine.start_seconds + machine.end_seconds + 1.5
    total = sum(t.seconds for t in tasks)
    least = [max(t.seconds for t in tasks), total / slots, len(tasks) * machine.dispatch_seconds]
    reading = sum(t.bytes_read for t in tasks) / bandwidth if bandwidth else 0.0
    assert run.seconds >= (around + max(*least, reading)) * (1 - ALMOST)
    most = around + total + reading + len(tasks) * machine.dispatch_seconds
    assert run.seconds <= (most + first * slots) * (1 + ALMOST)
    assert 0 <= run.busy <= 1 + ALMOST
    assert run.bytes_read == pytest.approx(sum(t.bytes_read for t in tasks))


@given(tasks, machines)
def test_memory_is_that_of_the_tasks_in_work(tasks, machine):
    run = simulate([SimulatedStage("boxes", tasks)], machine)
    slots = machine.workers * machine.threads
    sizes = sorted((t.memory for t in tasks), reverse=True)
    base = machine.base_memory * machine.processes
    assert base + sizes[0] <= run.peak_memory <= base + sum(sizes[:slots])
    assert run.worker_peak_memory <= machine.base_memory + sum(sizes[: machine.threads])
    assert run.worker_peak_memory >= machine.base_memory + sizes[0]


@given(tasks, machines, st.floats(0, 3))
def test_slower_tasks_and_fewer_workers_never_help(tasks, machine, factor):
    machine = replace(machine, dispatch_seconds=0.0)
    took = seconds(tasks, machine)
    slower = [replace(t, seconds=t.seconds * (1 + factor * (k % 3))) for k, t in enumerate(tasks)]
    assert seconds(slower, machine) >= took * (1 - ALMOST)
    assert seconds(tasks, replace(machine, workers=machine.workers + 1)) <= took * (1 + ALMOST)


@given(tasks, machines, st.floats(0.1, 10))
def test_time_scales_with_all_rates(tasks, machine, factor):
    times = ("dispatch_seconds", "start_seconds", "end_seconds")
    scaled = replace(machine, **{name: getattr(machine, name) * factor for name in times})
    other = [replace(t, seconds=t.seconds * factor) for t in tasks]
    # ties may fall differently when numbers are rounded: they move a task at most
    longest = max(t.seconds for t in tasks) + machine.dispatch_seconds
    assert seconds(other, scaled) == pytest.approx(factor * seconds(tasks, machine), abs=factor * longest + 1e-9)


def test_a_schedule_by_hand():
    tasks = [SimulatedTask(s) for s in (4, 3, 2, 2)]
    assert seconds(tasks, Machine(2)) == pytest.approx(6)
    assert seconds(tasks, Machine(1, 2)) == pytest.approx(6)
    assert seconds(tasks, Machine(1)) == pytest.approx(11)
    # both workers load code first
    assert seconds(tasks, Machine(2), first=1) == pytest.approx(7)
    # the client is what takes longest
    assert seconds([SimulatedTask(0.0)] * 100, Machine(8, dispatch_seconds=0.5)) == pytest.approx(50)


def test_readers_share_the_storage():
    tasks = [SimulatedTask(1, bytes_read=100), SimulatedTask(1, bytes_read=300)]
    # both read at 50 a second until the first has its 100, after 2 s; the other has 200 left, for 2 s
    assert seconds(tasks, Machine(2, bytes_per_second=100)) == pytest.approx(5)
    assert seconds(tasks, Machine(1, bytes_per_second=100)) == pytest.approx(6)
    assert seconds(tasks, Machine(2)) == pytest.approx(1)


def test_stages_follow_each_other_and_code_is_loaded_once():
    first = SimulatedStage("a", [SimulatedTask(1)] * 8, 2.0, first_task_seconds=1)
    stages = [first, SimulatedStage("b", [SimulatedTask(3)] * 4)]
    last = SimulatedStage("c", [SimulatedTask(5), SimulatedTask(5)], on_client=True)
    run = simulate([*stages, last], Machine(4, start_seconds=2, end_seconds=1))
    assert [s.seconds for s in run.stages] == pytest.approx([5, 3, 10])
    assert run.seconds == pytest.approx(2 + 5 + 3 + 10 + 1)


@pytest.mark.parametrize("machine", [Machine(0), Machine(1, 0), Machine(1, bytes_per_second=0.0)])
def test_impossible_machines(machine):
    with pytest.raises(ValueError, match=r"worker|storage"):
        simulate([], machine)
