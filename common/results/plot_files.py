"""Having those plots drawn that are not drawn yet, in several processes where told."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from common.results.drawn import DrawnPlots, plot_inputs, reported_digest, row_digests
from common.results.spec import Paper

PLAIN_TEXT = ("mode.string_storage", "python")
"""The option of pandas under which results are made: frames of one paper are so small that text in
Arrow's layout, its other choice, takes a third longer to select from and to go through."""


@contextmanager
def plot_workers(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give processes that draw; None for one job, which this process does itself.

    They start empty on every system, so that what they draw depends on nothing but its input.
    """
    if jobs <= 1:
        yield None
        return
    workers = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=pd.set_option,
        initargs=PLAIN_TEXT,
    )
    for _ in range(jobs):
        workers.submit(_wake)  # one process each: starting takes seconds
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def _wake() -> None:
    """Do nothing: a process that is asked to has started and imported this module."""


def start_plots(
    workers: ProcessPoolExecutor | None,
    root: Path,
    paper: Paper,
    protocols: list[str],
    frame: pd.DataFrame,
    reported: pd.DataFrame,
    drawn: DrawnPlots,
) -> Callable[[], list[Path]]:
    """Have those plots of a paper drawn that are not drawn yet.

    Args:
        workers: from :func:`plot_workers`.
        root: the results folder.
        paper: the paper.
        protocols: those whose runs are drawn.
        frame: the paper's runs.
        reported: its reported numbers.
        drawn: what is known of the plots that are there; new ones are added.

    Returns:
        A function that waits for the plots (or draws them) and returns the files of all, in the
        same order whoever draws them.
    """
    digests, theirs = row_digests(frame), reported_digest(reported)
    plots: list[Callable[[], list[Path]]] = []
    for plot in paper.plots:
        mine = frame["experiment"].isin(plot.experiments).to_numpy()
        inputs = plot_inputs(paper, plot, protocols, digests[mine].tolist(), theirs)
        files = drawn.files(f"{paper.name}/{plot.name}", inputs)
        if files is None:
            task = (root, paper, plot, protocols, frame[mine].reset_index(drop=True), reported)
            draw_it = partial(_draw, *task)
            wait = draw_it if workers is None else workers.submit(draw_it).result
            plots.append(partial(_add, drawn, f"{paper.name}/{plot.name}", inputs, wait))
        else:
            plots.append(partial(list, files))
    return lambda: [path for files in plots for path in files()]


def _add(drawn: DrawnPlots, name: str, inputs: str, wait: Callable[[], list[Path]]) -> list[Path]:
    """Wait for a plot's files and note that it is drawn."""
    files = wait()
    drawn.add(name, inputs, files)
    return files


def _draw(*given: Any) -> list[Path]:
    """Draw a plot of all protocols; what draws takes a second to load and is seldom needed."""
    from common.results.plots.files import write_plot  # noqa: PLC0415

    return write_plot(*given)
