"""Drawing the plots of papers and writing their files, in several processes where told."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from common.results.plot_kinds import beside_of
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.plots.style import save
from common.results.spec import REPORTED, Paper, Plot


@contextmanager
def plot_workers(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give processes that draw; None for one job, which this process does itself.

    They start empty on every system, so that what they draw depends on nothing but its input.
    """
    if jobs <= 1:
        yield None
        return
    workers = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def start_plots(
    workers: ProcessPoolExecutor | None,
    root: Path,
    paper: Paper,
    protocols: list[str],
    frame: pd.DataFrame,
    reported: pd.DataFrame,
) -> Callable[[], list[Path]]:
    """Have all plots of a paper drawn.

    Args:
        workers: from :func:`plot_workers`.
        root: the results folder.
        paper: the paper.
        protocols: those whose runs are drawn.
        frame: the paper's runs.
        reported: its reported numbers.

    Returns:
        A function that waits for the plots (or draws them) and returns their files, in the same
        order whoever draws them.
    """
    if workers is None:
        return lambda: [
            path
            for plot in paper.plots
            for path in write_plot(root, paper, plot, protocols, frame, reported)
        ]
    started = [
        workers.submit(write_plot, root, paper, plot, protocols, frame, reported)
        for plot in paper.plots
    ]
    return lambda: [path for one in started for path in one.result()]


def write_plot(
    root: Path,
    paper: Paper,
    plot: Plot,
    protocols: list[str],
    frame: pd.DataFrame,
    reported: pd.DataFrame,
) -> list[Path]:
    """Write a plot of all protocols; one that only reported numbers can fill is drawn from them."""
    written: list[Path] = []
    for protocol in (*protocols, REPORTED):
        if protocol == REPORTED and (written or beside_of(plot) is None):
            continue
        figure = draw(Request(paper, plot, protocol, frame, reported))
        if figure is None:
            continue
        stem = root / "plots" / paper.name / f"{plot.name}_{protocol}"
        save(figure, stem)
        written += [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    return written
