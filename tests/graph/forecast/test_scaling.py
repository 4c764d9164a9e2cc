"""Where the time of the workers goes: runs whose parts are known."""

from dataclasses import asdict

import pytest

from musedeep.graph.forecast.scaling import Shares, efficiencies, shares
from musedeep.graph.forecast.simulation import Machine, SimulatedStage, SimulatedTask, simulate
from musedeep.graph.workers.records import BOXES, COMPLETION, INDEXING

ALONE = SimulatedStage(COMPLETION, [SimulatedTask(5.0)], on_client=True)


def run(machine, boxes, indexing=0.0, needed=0.0):
    stages = [SimulatedStage(INDEXING, [], serial_seconds=indexing), boxes, ALONE]
    found = shares(simulate(stages, machine), machine, needed)
    assert sum(asdict(found).values()) == pytest.approx(1)
    return found


def test_every_second_is_told_once():
    # 28 s: 4 to start, 6 to index, 12 of boxes (one of the two workers is idle for 3), 5 and 1 at the end
    machine = Machine(2, start_seconds=4.0, end_seconds=1.0)
    boxes = SimulatedStage(BOXES, [SimulatedTask(s) for s in (7.0, 6.0, 4.0)], first_task_seconds=2.0)
    found = run(machine, boxes, indexing=6.0, needed=12.0)
    # boxes with the loading of code: 9 and 8, and 4 after the one of 8
    expected = Shares(rows=12, margins=5, storage=0, idle=3, start=8 + 4, indexing=12, completion=12)
    whole = 2 * (4 + 6 + 12 + 5 + 1)
    assert asdict(found) == pytest.approx({name: seconds / whole for name, seconds in asdict(expected).items()})
    assert found.bound in ("start", "indexing", "completion")


def test_waiting_for_the_storage():
    # two read 50 bytes each of 10 a second at once, and compute for 2 s
    machine = Machine(2, bytes_per_second=10.0)
    boxes = SimulatedStage(BOXES, [SimulatedTask(2.0, bytes_read=100.0)] * 2, moved=0.5)
    found = run(machine, boxes, needed=100.0)
    whole = 2 * (10 + 2 + 5)
    assert found.storage == pytest.approx(20 / whole) and found.bound == "storage"
    # no more is needed than is done
    assert found.rows == pytest.approx(4 / whole) and found.margins == 0


def test_efficiency_is_against_the_fewest_workers():
    assert efficiencies([32, 16, 64], [50.0, 100.0, 50.0]) == pytest.approx([1.0, 1.0, 0.5])
    assert efficiencies([1], [0.0]) == [1.0]
