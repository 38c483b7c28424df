"""Drawing one plot and writing its files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.results.plot_kinds import beside_of
from common.results.plots.layout import Request
from common.results.plots.registry import draw
from common.results.plots.style import save
from common.results.spec import REPORTED, Paper, Plot


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
