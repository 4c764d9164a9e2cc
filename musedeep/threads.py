"""Functions called in parallel threads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from musedeep.processors import available_processors

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[int], object], number: int, most: int | None = None) -> None:
    """Call a function with 0 to number - 1, on all processors, or at most so many."""
    with _pool(min(number, most or number)) as pool:
        for _ in pool.map(function, range(number)):
            pass


def results(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of a function for all items, in their order, on all processors."""
    with _pool(len(items)) as pool:
        return list(pool.map(function, items))


def _pool(most: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(min(available_processors(), most), 1))


def results_in_order(
    pool: ThreadPoolExecutor, ahead: int, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Results for all items, in their order; so many calls are submitted ahead of the result that is awaited."""
    queue: list[Future[Result]] = []
    for item in items:
        queue.append(pool.submit(function, item))
        if len(queue) > ahead:
            yield queue.pop(0).result()
    for future in queue:
        yield future.result()
