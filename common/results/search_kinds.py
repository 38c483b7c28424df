"""The kinds of plots of what a mask search noted epoch by epoch, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.results.plot_parts import (
    Beside,
    Selector,
    check_columns,
    check_file_name,
    reported_name,
)


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
        reported_metric: the metric's name in ``reported.csv``; None means ``<metric>_pct`` for an
            accuracy. Every row is a point at its epoch: that of the column ``epoch``, or the one
            that its note names.
        beside: the reported points with panels of their own. Rows without an epoch of the metric
            or of ``<metric>_pct`` are horizontal lines there.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    metric: str = "validation_accuracy"
    lines: tuple[str, ...] = ("method", "variant")
    panels: tuple[str, ...] = ("dataset", "architecture")
    where: Selector = field(default_factory=dict)
    reported_metric: str | None = None
    beside: Beside | None = None

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "lines", self.lines)

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return reported_name(self.metric, self.reported_metric)


@dataclass(frozen=True)
class DensityCurves:
    """What a mask search keeps, epoch by epoch, in percent on a logarithmic axis.

    Drawn are the densities, 1 - sparsity, of sparsities in the records' ``search.curves``; means
    and bands are those of :class:`TrainingCurves`.

    Attributes:
        metrics: names of sparsities in ``search.curves``. All curves of the first one are solid,
            of the second one dashed, and so on. Runs need not have all of them.
        lines: frame columns that together name a curve.
        panels: as in :class:`TrainingCurves`.
        reported_metric: the name in ``reported.csv`` of the first one's density in percent. Every
            row is a point at its epoch: that of the column ``epoch``, or the one that its note
            names.
        beside: the reported points with panels of their own.

    The other attributes are those of :class:`Table`.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    metrics: tuple[str, ...] = ("rounded_sparsity", "frozen_sparsity")
    lines: tuple[str, ...] = ("method", "variant")
    panels: tuple[str, ...] = ("dataset", "architecture")
    where: Selector = field(default_factory=dict)
    reported_metric: str = "density_pct"
    beside: Beside | None = None

    def __post_init__(self) -> None:
        check_file_name("plot", self.name)
        check_columns(self.name, "lines", self.lines)
        check_columns(self.name, "metrics", self.metrics)


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
