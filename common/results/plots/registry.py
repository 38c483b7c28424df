"""Which function draws which kind of plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from common.results.plots.accuracy import draw_accuracy
from common.results.plots.bars import draw_bars
from common.results.plots.curves import draw_curves
from common.results.plots.layers import draw_layers
from common.results.plots.layout import Request
from common.results.plots.probabilities import draw_probabilities
from common.results.plots.style import plot_style
from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    LayerDensities,
    SelectionProbabilities,
    TrainingCurves,
)

DRAWERS: Mapping[type, Callable[[Request], Figure | None]] = {
    AccuracyVsSparsity: draw_accuracy,
    Bars: draw_bars,
    LayerDensities: draw_layers,
    TrainingCurves: draw_curves,
    SelectionProbabilities: draw_probabilities,
}


def draw(request: Request) -> Figure | None:
    """Draw a plot of one protocol, or return None where there is no run to show."""
    with plot_style():
        return DRAWERS[type(request.plot)](request)
