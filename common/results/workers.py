"""Processes that make results, and tasks for them; light to import, so that they start early."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

T = TypeVar("T")
Wait = Callable[[], T]
"""Waits for a task and returns its result, or raises what it raised."""

PLAIN_TEXT = ("mode.string_storage", "python")
"""The option of pandas under which results are made: frames of one paper are so small that text in
Arrow's layout, its other choice, takes a third longer to select from and to go through."""


@contextmanager
def worker_pool(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give processes that work; None for one job, which this process does itself.

    They start empty on every system, so that what they make depends on nothing but its input.
    """
    if jobs <= 1:
        yield None
        return
    workers = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
    )
    for _ in range(jobs):
        workers.submit(_wake)  # a process each, before there is work: starting takes seconds
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def start(workers: ProcessPoolExecutor | None, task: Callable[..., T], *given: Any) -> Wait[T]:
    """Begin a task in a worker; without one it is done when its result is first asked for."""
    return cache(partial(task, *given)) if workers is None else workers.submit(task, *given).result


def _begin() -> None:
    """Make a process a worker, with all that its tasks need imported."""
    import pandas as pd  # noqa: PLC0415

    import common.results.report.shards  # noqa: PLC0415
    import common.results.tasks  # noqa: F401, PLC0415

    pd.set_option(*PLAIN_TEXT)
    gc.freeze()  # what is imported stays; no search for cycles needs to look at it


def _wake() -> None:
    """Do nothing: a process that is asked to has begun."""
