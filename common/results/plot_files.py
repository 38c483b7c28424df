"""Having those plots drawn that are not drawn yet, in several processes where told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from common.results.drawn import DrawnPlots, plot_inputs, reported_digest, row_digests
from common.results.spec import Paper
from common.results.workers import start


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
        workers: from :func:`common.results.workers.worker_pool`.
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
            wait = start(workers, _draw, *task)
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
