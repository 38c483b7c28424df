"""Which function draws which kind of plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from common.results.plots.accuracy import draw_accuracy
from common.results.plots.bars import draw_bars
from common.results.plots.costs import draw_costs
from common.results.plots.curves import draw_curves
from common.results.plots.layers import draw_layers
from common.results.plots.layout import Request
from common.results.plots.matrix import draw_matrix
from common.results.plots.probabilities import draw_probabilities
from common.results.plots.scatter import draw_scatter
from common.results.plots.style import plot_style
from common.results.spec import (
    AccuracyVsSparsity,
    Bars,
    Costs,
    DensityCurves,
    LayerDensities,
    Matrix,
    Scatter,
    SelectionProbabilities,
    TrainingCurves,
)

DRAWERS: Mapping[type, Callable[[Request], Figure | None]] = {
    AccuracyVsSparsity: draw_accuracy,
    Bars: draw_bars,
    Scatter: draw_scatter,
    Costs: draw_costs,
    LayerDensities: draw_layers,
    Matrix: draw_matrix,
    TrainingCurves: draw_curves,
    DensityCurves: draw_curves,
    SelectionProbabilities: draw_probabilities,
}


def draw(request: Request) -> Figure | None:
    """Draw a plot of one protocol (or reported numbers alone); None where it shows nothing."""
    with plot_style():
        return DRAWERS[type(request.plot)](request)
