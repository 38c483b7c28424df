"""The kinds of plots a paper can ask for, as data (see :mod:`common.results.spec`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import UserError, unknown_name

Selector = Mapping[str, object]
"""Frame column -> the value it must have, or a tuple of the values it may have."""

LAYER_VALUES = ("kept", "pruning_rate")
REPORTED_MARKS = ("markers", "bars")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_file_name(what: str, name: str) -> None:
    """Raise UserError unless ``name`` can be part of a file name on every system."""
    if not _FILE_NAME.fullmatch(name):
        raise UserError(f"{what}: {name!r} may hold only letters, digits, '_', '-' and '.'")


@dataclass(frozen=True)
class AccuracyVsSparsity:
    """Curves of a metric against sparsity, on a logarithmic axis of remaining weights.

    Attributes:
        panels: frame columns that make the panels; the first one makes the rows of the grid.
        lines: the frame column whose values are the curves of a panel.
        baseline: the method drawn as a horizontal band, or None.

    The other attributes are those of :class:`Table`. A column that would otherwise be averaged
    over (data set, architecture, method, variant) becomes a further panel column.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    panels: tuple[str, ...] = ("method", "architecture")
    lines: str = "variant"
    metric: str = "test_accuracy"
    baseline: str | None = "dense"
    reported_metric: str | None = None
    where: Selector = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return self.reported_metric or f"{self.metric}_pct"


@dataclass(frozen=True)
class LayerDensities:
    """What every layer keeps or loses, one curve a kind of ticket.

    Attributes:
        sparsity: the target sparsity shown; None takes the highest one of each panel. Tickets of
            methods that find their own sparsity are shown with either.
        lines: frame columns that together name a curve.
        panels: frame columns that make the panels.
        show: ``kept``: percent kept on a logarithmic axis with a band over all seeds, made for
            high sparsity; ``pruning_rate``: the fraction removed on a linear axis from 0 to 1 with
            the standard deviation over seeds.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    sparsity: float | None = None
    panels: tuple[str, ...] = ("architecture",)
    lines: tuple[str, ...] = ("method", "variant")
    where: Selector = field(default_factory=dict)
    show: str = "kept"

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        _check_lines(self.name, self.lines)
        if self.show not in LAYER_VALUES:
            raise unknown_name(f"plot {self.name!r}: show", self.show, LAYER_VALUES)


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
        return self.reported_metric or f"{self.metric}_pct"


@dataclass(frozen=True)
class TrainingCurves:
    """A metric against the epochs of a mask search, from the records' ``search.curves``.

    A curve is the mean over seeds with a band: the standard deviation where three seeds or more are
    there, else from the lowest to the highest. A seed that stopped early counts up to its last
    epoch; a tick on the curve shows where it left. Runs without the metric are left out, and no
    plot is made where none has it.

    Attributes:
        metric: a name in ``search.curves``, such as ``validation_accuracy`` or ``train_loss``.
        lines: frame columns that together name a curve.
        panels: frame columns that make the panels. A column that would otherwise be averaged over
            (data set, architecture, method, variant) becomes a further panel column.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    metric: str = "validation_accuracy"
    lines: tuple[str, ...] = ("method", "variant")
    panels: tuple[str, ...] = ("dataset", "architecture")
    where: Selector = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        _check_lines(self.name, self.lines)


@dataclass(frozen=True)
class SelectionProbabilities:
    """How the probabilities to be selected spread during a mask search.

    From the records' ``search.selection_probability``, averaged over seeds: every panel is a map
    with the probability along x, the noted epochs from the bottom to the top and the fraction of
    the weights as colour (logarithmic). Runs without histograms are left out, and no plot is made
    where none has them.

    Attributes:
        panels: frame columns that make the panels. A column that would otherwise be averaged over
            (data set, architecture, method, variant) becomes a further panel column.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    panels: tuple[str, ...] = ("dataset", "architecture", "method", "variant")
    where: Selector = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)


def _check_lines(plot: str, lines: tuple[str, ...]) -> None:
    """Raise UserError unless there is a column that names the curves."""
    if not lines or isinstance(lines, str):
        raise UserError(f"plot {plot!r}: lines must be a tuple of at least one frame column")


Plot = AccuracyVsSparsity | LayerDensities | Bars | TrainingCurves | SelectionProbabilities


def curve_columns(plot: Plot) -> tuple[str, ...]:
    """Return the columns that name what is drawn inside a panel."""
    if isinstance(plot, Bars):
        return (plot.bars, *plot.groups)
    if isinstance(plot, AccuracyVsSparsity):
        return (plot.lines,)
    return () if isinstance(plot, SelectionProbabilities) else plot.lines
