"""What the analyses hand back, and the frame of their plots: title, caption and legend."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from common.results.formats import write_csv
from common.results.plots.style import save

NAME_INCHES = 0.075
"""Of a figure's height that one character of a name takes which is written upwards."""


@dataclass(frozen=True)
class Outcome:
    """What an analysis found.

    Attributes:
        figure: its plot.
        table: every number in the plot, and more, in long form.
        lines: what is said on the screen.
    """

    figure: Figure
    table: pd.DataFrame
    lines: list[str] = field(default_factory=list)

    def write(self, folder: Path, stem: str) -> list[Path]:
        """Write ``<stem>.png``, ``.svg`` and ``.csv`` and return their paths.

        Raises:
            OSError: the folder cannot be written to.
        """
        save(self.figure, folder / stem)
        write_csv(folder / f"{stem}.csv", self.table)
        return [folder / f"{stem}.{ending}" for ending in ("png", "svg", "csv")]


def frame(figure: Figure, title: str, caption: str, handles: Sequence[Any] = ()) -> None:
    """Add a title, a caption below it and a legend at the foot; make the figure higher for them.

    Args:
        figure: with all its panels, as high as these are to be.
        title: broken into lines where it is too long.
        caption: likewise.
        handles: what the legend explains; none: no legend.
    """
    width = figure.get_figwidth()
    title_lines = textwrap.wrap(title, int(width * 10))
    caption_lines = textwrap.wrap(caption, int(width * 16))
    columns = _columns(figure, handles)
    above = 0.15 + 0.2 * len(title_lines) + 0.15 * len(caption_lines)
    below = 0.1 + 0.2 * -(-len(handles) // columns)
    height = figure.get_figheight() + above + below
    figure.set_figheight(height)
    style: dict[str, Any] = {"x": 0.012, "va": "top"}
    top = 1 - 0.06 / height
    figure.text(y=top, s="\n".join(title_lines), fontsize=11, fontweight="bold", **style)
    top -= (0.05 + 0.2 * len(title_lines)) / height
    figure.text(y=top, s="\n".join(caption_lines), fontsize=8, color="#444444", **style)
    if handles:
        legend = figure.legend(
            handles=list(handles), loc="lower center", ncols=columns, borderaxespad=0.3
        )
        legend.set_in_layout(False)
    rect = (0.005, below / height, 0.99, 1 - (above + below) / height)
    engine = ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.06)
    engine.execute(figure)
    # Once and for all, at rounded places: the solver's last digits differ from call to call.
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(tuple(round(value, 4) for value in axes.get_position().bounds))


def _columns(figure: Figure, handles: Sequence[Any]) -> int:
    """Return in how many columns a legend fits the figure's width."""
    limit = 0.98 * figure.get_figwidth() * figure.dpi
    for columns in range(len(handles), 1, -1):
        legend = figure.legend(handles=list(handles), ncols=columns, borderaxespad=0.3)
        extent = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        legend.remove()
        if extent.width <= limit:
            return columns
    return 1


def percent(fraction: float) -> str:
    """Return a sparsity in percent, with as many decimals as tell it from 100."""
    left = 100 * (1 - fraction)
    decimals = 0 if left >= 10 or left == 0 else 1 if left >= 1 else 2 if left >= 0.1 else 3
    return f"{100 * fraction:.{max(decimals, 1)}f} %"
