"""The plan of a night: who needs whom, up to which step, and what is left where something fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musedeep.declaration import MIB
from musedeep.errors import MusedeepError
from musedeep.graph.night.plan import FrameSet, at_once, plan_night, remaining_frames
from musedeep.graph.workers.memory import BASE_BYTES
from musedeep.recipes.registry import night_recipes, steps


def frame_set(name, *inputs, products=(), step=None, recipe=None):
    step = step or name.split("-")[0]
    ifu = int(name.split("-")[-1]) if name[-1].isdigit() else 0
    frames = tuple((path, path.split("-")[0].upper().replace("BIAS", "MASTER_BIAS")) for path in inputs)
    return FrameSet(name, step, recipe or f"muse_{step}", ifu, frames, tuple(products))


def night(ifus):
    sets = []
    for n in ifus:
        sets += [
            frame_set(f"scibasic-OBJECT-{n}", "raw", f"flat-{n}", "cube"),
            frame_set(f"flat-{n}", "raw", f"bias-{n}", products=[f"flat-{n}"]),
            frame_set(f"bias-{n}", "raw", products=[f"bias-{n}"]),
        ]
    inputs = [f"{kind}-{n}" for kind in ("bias", "flat") for n in ifus]
    return [*sets, frame_set("twilight", "raw", *inputs, products=["cube"])]


def test_tasks_follow_what_they_need():
    plan = plan_night(night([1, 2]))
    assert [t.name for t in plan.tasks] == [
        "bias-1", "bias-2", "flat-1", "flat-2", "twilight", "scibasic-OBJECT-1", "scibasic-OBJECT-2",
    ]  # fmt: skip
    tasks = plan.by_name()
    assert tasks["twilight"].needs == ("bias-1", "bias-2", "flat-1", "flat-2")
    assert tasks["scibasic-OBJECT-2"].needs == ("flat-2", "twilight")


@given(st.lists(st.integers(1, 24), min_size=1, max_size=24, unique=True), st.sampled_from(steps()))
def test_every_order_of_urgency_is_one_of_needs(ifus, until):
    plan = plan_night(night(ifus), until)
    tasks = plan.by_name()
    for task in plan.tasks:
        assert steps().index(task.frames.step) <= steps().index(until)
        for name in task.needs:
            assert tasks[name].urgency > task.urgency
    names = [t.name for t in plan.tasks]
    assert all(names.index(n) < names.index(t.name) for t in plan.tasks for n in t.needs)


def test_a_step_is_named_by_the_nearest_right_word():
    with pytest.raises(MusedeepError, match="did you mean scibasic"):
        plan_night([], "scibasik")
    with pytest.raises(MusedeepError, match="did you mean flat"):
        plan_night([], "muse_flat")
    with pytest.raises(MusedeepError, match="the steps are bias"):
        plan_night([], "xyz")


def test_sets_that_contradict_each_other_are_refused():
    with pytest.raises(MusedeepError, match="made by bias-1 and bias-2"):
        plan_night([frame_set(f"bias-{n}", "raw", products=["x"]) for n in (1, 2)])
    with pytest.raises(MusedeepError, match="bias-1: needs flat-1, which comes later"):
        plan_night([frame_set("bias-1", "raw", "y"), frame_set("flat-1", "raw", products=["y"])])


def test_tasks_of_all_ifus_go_on_without_one_that_failed():
    plan = plan_night(night([1, 2]))
    tasks = plan.by_name()
    # everything of an IFU goes, what it had made before included
    assert remaining_frames(plan, tasks["twilight"], {"flat-1"}) == (
        ("raw", "RAW"), ("bias-2", "MASTER_BIAS"), ("flat-2", "FLAT"),
    )  # fmt: skip
    assert remaining_frames(plan, tasks["twilight"], {"flat-1", "bias-2"}) is None
    assert remaining_frames(plan, tasks["flat-1"], {"bias-1"}) is None
    assert remaining_frames(plan, tasks["flat-2"], {"bias-1"}) == tasks["flat-2"].frames.frames
    assert remaining_frames(plan, tasks["scibasic-OBJECT-2"], {"twilight"}) is None


def test_the_order_of_work_is_that_of_urgency_and_needs():
    plan = plan_night(night([1, 2]))
    order = plan.order_of_work()
    assert sorted(task.name for task in order) == sorted(task.name for task in plan.tasks)
    for k, task in enumerate(order):
        over = {one.name for one in order[:k]}
        assert over.issuperset(task.needs)
        assert all(one.urgency <= task.urgency for one in order[k:] if over.issuperset(one.needs))


def test_memory_bounds_the_tasks_at_once():
    plan = plan_night(night([1, 2]))
    largest = max(task.cost.memory for task in plan.tasks)
    assert at_once(plan, 300 * MIB + 3 * largest, 8, 300 * MIB) == 3
    assert at_once(plan, 300 * MIB + 3 * largest, 8, 300 * MIB, processes=True) == 2
    assert at_once(plan, 300 * MIB + 30 * largest, 8, 300 * MIB) == 8
    with pytest.raises(MusedeepError, match=r"needs about 0\.9 GiB, --memory allows 0\.5 GiB"):
        at_once(plan, 512 * MIB, 8, 300 * MIB)


def test_a_task_of_all_ifus_is_expected_to_need_more_with_more():
    small, large = (plan_night(night(range(1, n + 1))).by_name()["twilight"].cost for n in (2, 24))
    assert large.seconds > small.seconds


@pytest.mark.parametrize("recipe", night_recipes(), ids=lambda recipe: recipe.step)
def test_each_task_of_all_ifus_fits_two_gibibytes(recipe):
    assert BASE_BYTES + recipe.cost.memory + 24 * recipe.cost.memory_per_ifu <= 2048 * MIB
