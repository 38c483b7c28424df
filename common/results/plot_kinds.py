"""The kinds of plots a paper can ask for, as data (see :mod:`common.results.spec`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.errors import unknown_name
from common.results.matrix_kind import Matrix
from common.results.plot_parts import (
    Beside,
    Selector,
    check_columns,
    check_file_name,
    reported_name,
)
from common.results.search_kinds import DensityCurves, SelectionProbabilities, TrainingCurves

LAYER_VALUES = ("kept", "pruning_rate")
SPARSITY_AXES = ("remaining", "pruned")
REPORTED_MARKS = ("markers", "bars")


@dataclass(frozen=True)
class AccuracyVsSparsity:
    """Curves of a metric against sparsity, on a logarithmic axis of remaining weights.

    Attributes:
        axis: ``remaining``: ticks are sparsities and what remains, error bars 95 % intervals;
            ``pruned``: ticks are the percentage pruned, as papers on iterative pruning draw it,
            bands the standard deviation over seeds, and reported numbers joined by a thin line.
        panels: frame columns that make the panels; the first one makes the rows of the grid.
        lines: the frame column whose values are the curves of a panel, or several that together
            name a curve.
        baseline: the method drawn as a horizontal band, or None.
        beside: the reported numbers with panels of their own.

    The other attributes are those of :class:`Table`. A column that would otherwise be averaged
    over (data set, architecture, method, variant) becomes a further panel column.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    panels: tuple[str, ...] = ("method", "architecture")
    lines: str | tuple[str, ...] = "variant"
    metric: str = "test_accuracy"
    baseline: str | None = "dense"
    reported_metric: str | None = None
    where: Selector = field(default_factory=dict)
    beside: Beside | None = None
    axis: str = "remaining"

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "lines", self.line_columns)
        if self.axis not in SPARSITY_AXES:
            raise unknown_name(f"plot {self.name!r}: axis", self.axis, SPARSITY_AXES)

    @property
    def in_pruned(self) -> bool:
        """Return whether the axis speaks of what is pruned."""
        return self.axis == "pruned"

    @property
    def line_columns(self) -> tuple[str, ...]:
        """Return the columns that together name a curve."""
        return (self.lines,) if isinstance(self.lines, str) else self.lines

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return reported_name(self.metric, self.reported_metric)


@dataclass(frozen=True)
class LayerDensities:
    """What every layer keeps or loses, one curve a kind of ticket.

    Attributes:
        sparsity: the target sparsity shown, or several (methods that prune by rounds come only
            near it); densities agree within the paper's tolerance. None takes the highest one of
            each panel. Tickets of methods that find their own sparsity are shown with either.
        lines: frame columns that together name a curve.
        panels: frame columns that make the panels.
        show: ``kept``: percent kept on a logarithmic axis with a band over all seeds, made for
            high sparsity; ``pruning_rate``: the fraction removed on a linear axis from 0 to 1 with
            the standard deviation over seeds.
        reported_metric: the name in ``reported.csv`` of the percentage that a layer keeps. The
            layer's number, from 1 at the input, stands at the end of the row's variant:
            ``layer_07``; the variant itself is what stands before it (set it in ``beside``).
        beside: the reported densities with panels of their own. Of each curve the sparsity nearest
            to ``sparsity`` (the first of several; else the highest) is shown.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    sparsity: float | tuple[float, ...] | None = None
    panels: tuple[str, ...] = ("architecture",)
    lines: tuple[str, ...] = ("method", "variant")
    where: Selector = field(default_factory=dict)
    show: str = "kept"
    reported_metric: str = "layer_density_pct"
    beside: Beside | None = None

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "lines", self.lines)
        if self.show not in LAYER_VALUES:
            raise unknown_name(f"plot {self.name!r}: show", self.show, LAYER_VALUES)

    @property
    def targets(self) -> tuple[float, ...]:
        """Return the target sparsities shown; none for the highest of each panel."""
        if self.sparsity is None:
            return ()
        return self.sparsity if isinstance(self.sparsity, tuple) else (self.sparsity,)


@dataclass(frozen=True)
class Bars:
    """Grouped bars of a metric, every seed drawn as a dot.

    Attributes:
        groups: frame columns whose values name a group of bars; empty for one group. They need not
            hold ``sparsity``: without it, methods with a target and methods that find their own
            share a group (runs at several targets are averaged, so select one in ``where``).
        bars: the frame column whose values are the bars of a group.
        panels: frame columns that make the panels.
        show_reported: reported numbers as open ``markers`` on our bars, or as hatched ``bars`` to
            the right of ours.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    groups: tuple[str, ...] = ("sparsity",)
    bars: str = "variant"
    panels: tuple[str, ...] = ("architecture",)
    metric: str = "test_accuracy"
    reported_metric: str | None = None
    where: Selector = field(default_factory=dict)
    show_reported: str = "markers"

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        if self.show_reported not in REPORTED_MARKS:
            what = f"plot {self.name!r}: show_reported"
            raise unknown_name(what, self.show_reported, REPORTED_MARKS)

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return reported_name(self.metric, self.reported_metric)


@dataclass(frozen=True)
class Scatter:
    """One metric against another: a marker a cell, a faint dot a seed, the diagonal, chance.

    A cell is what has one method, variant and sparsity; nothing else is averaged over. Both axes
    have the same limits where both metrics are accuracies.

    Attributes:
        x: the metric along x.
        y: the metric along y.
        colours: the frame column whose values are colours.
        markers: frame columns whose values together are markers. Where there are more than eight,
            the rarest share a small one.
        panels: frame columns that make the panels.
        reported_x: the name of ``x`` in ``reported.csv``; None means ``<x>_pct``.
        reported_y: the same for ``y``. Two reported numbers make a point where method, variant,
            data set and architecture agree and the sparsity agrees within the paper's tolerance;
            those of one experiment go first.
        beside: the reported points with panels of their own.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    x: str = "prefinetune_test_accuracy"
    y: str = "test_accuracy"
    colours: str = "method"
    markers: tuple[str, ...] = ("sparsity",)
    panels: tuple[str, ...] = ("dataset", "architecture")
    reported_x: str | None = None
    reported_y: str | None = None
    where: Selector = field(default_factory=dict)
    beside: Beside | None = None

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "markers", self.markers)

    @property
    def reported_names(self) -> tuple[str, str]:
        """Return the names of both metrics in ``reported.csv``."""
        return reported_name(self.x, self.reported_x), reported_name(self.y, self.reported_y)


@dataclass(frozen=True)
class Costs:
    """What finding a ticket costs: horizontal bars on a logarithmic axis, their numbers beside.

    Attributes:
        metrics: the metrics, a panel each; none of them may be negative. A cost of 0 has no bar.
        bars: frame columns that together name a bar. They need not hold ``sparsity``, but runs at
            several sparsities are then averaged, so select one in ``where``.
        panels: frame columns that make the panels.
        beside: the reported numbers with panels of their own. Metrics have the same names in
            ``reported.csv``.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    metrics: tuple[str, ...] = ("search_epochs", "search_seconds")
    bars: tuple[str, ...] = ("method",)
    panels: tuple[str, ...] = ("dataset", "architecture")
    where: Selector = field(default_factory=dict)
    beside: Beside | None = None

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "bars", self.bars)
        check_columns(self.name, "metrics", self.metrics)


Plot = (
    AccuracyVsSparsity
    | LayerDensities
    | Bars
    | Scatter
    | Costs
    | Matrix
    | TrainingCurves
    | DensityCurves
    | SelectionProbabilities
)


def curve_columns(plot: Plot) -> tuple[str, ...]:
    """Return the columns that name what is drawn inside a panel."""
    if isinstance(plot, Bars):
        return (plot.bars, *plot.groups)
    if isinstance(plot, AccuracyVsSparsity):
        return plot.line_columns
    if isinstance(plot, Scatter):
        return (plot.colours, *plot.markers)
    if isinstance(plot, Costs):
        return plot.bars
    if isinstance(plot, Matrix):
        return (*plot.row_columns, *plot.column_columns)
    return () if isinstance(plot, SelectionProbabilities) else plot.lines


def beside_of(plot: Plot) -> Beside | None:
    """Return the reported numbers that have panels of their own in a plot, if any."""
    return None if isinstance(plot, (Bars, SelectionProbabilities)) else plot.beside
