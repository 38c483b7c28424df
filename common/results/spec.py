"""What a paper's results should look like, as data: its tables, plots and claims.

A replication fills these classes in; the rest of this package turns them and the records into
files. Frame columns are those of :func:`common.results.records.records_frame`; besides them,
``config.<dotted path>`` names any value of a run's configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError, unknown_name
from common.results.matrix_kind import Matrix
from common.results.plot_kinds import (
    AccuracyVsSparsity,
    Bars,
    Costs,
    LayerDensities,
    Plot,
    Scatter,
    curve_columns,
)
from common.results.plot_parts import Beside, Selector, check_file_name, reported_name
from common.results.search_kinds import DensityCurves, SelectionProbabilities, TrainingCurves

__all__ = [
    "PAPER_PROTOCOL",
    "RELATIONS",
    "REPORTED",
    "AccuracyVsSparsity",
    "Bars",
    "Beside",
    "Claim",
    "Comparison",
    "Costs",
    "DensityCurves",
    "LayerDensities",
    "Matrix",
    "Paper",
    "Plot",
    "ReportedAs",
    "ReportedTable",
    "Scatter",
    "SelectionProbabilities",
    "Selector",
    "Table",
    "TrainingCurves",
    "check_file_name",
    "config_columns",
]

PAPER_PROTOCOL = "paper"
"""The protocol of most papers' reported numbers, see :attr:`Paper.reported_protocol`."""

REPORTED = "reported"
"""Stands in the place of a protocol in the names of files that hold reported numbers alone."""

MOST_TOLERANCE = 0.1

RELATIONS = ("greater", "not_worse", "equivalent")


@dataclass(frozen=True)
class Table:
    """One table: mean and standard deviation over seeds of one metric, pivoted.

    Attributes:
        name: file name without ending.
        title: the caption.
        experiments: the record experiments whose runs it shows.
        rows: frame columns whose values name a row. Where ``sparsity`` is in neither rows nor
            columns, methods with a target and methods that find their own stand side by side; runs
            at several targets would be averaged (marked in the table), so select one in ``where``.
        columns: frame columns whose values name a column; empty for a single column.
        metric: the metric shown.
        reported_metric: its name in ``reported.csv``; None means ``<metric>_pct`` for an accuracy
            and the metric's own name for anything else.
        where: only runs that match.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...] = ()
    metric: str = "test_accuracy"
    reported_metric: str | None = None
    where: Selector = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_file_name("table", self.name)
        if not self.rows:
            raise UserError(f"table {self.name!r}: rows must name at least one frame column")

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return reported_name(self.metric, self.reported_metric)


@dataclass(frozen=True)
class ReportedTable:
    """A table of reported numbers alone, such as properties that no run measures.

    It is made once, as ``<name>_reported``, whatever runs there are.

    Attributes:
        name: file name without ending.
        title: the caption.
        experiments: the experiments of ``reported.csv`` it shows.
        metrics: the metrics of ``reported.csv`` that make the columns.
        rows: columns of ``reported.csv`` whose values name a row.
        where: only reported numbers that match.
        marks: those of the metrics that are properties: 1 is shown as yes, 0 as no.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[str, ...] = ("method",)
    where: Selector = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_file_name("table", self.name)
        for name in self.marks:
            if name not in self.metrics:
                raise unknown_name(f"table {self.name!r}: marks", name, self.metrics)


@dataclass(frozen=True)
class Comparison:
    """One comparison of two groups of runs, made in every cell and paired by seed.

    The difference of a seed is ``left - right``; a seed counts where both sides have it.

    Attributes:
        left: selects the runs of the left side.
        right: selects the runs of the right side, or a number to compare the left side with.
            Columns of ``over`` that it leaves out must agree with those of the left side.
        relation: ``greater``: left - right > margin; ``not_worse``: left - right > -margin;
            ``equivalent``: |left - right| < margin.
        margin: in the metric's unit, which for accuracies is points; never negative.
        over: frame columns that make a cell.
        metric: what is compared.
        left_minus: selects runs whose metric is first taken from the left side's, for claims on
            gains; columns of ``over`` that it leaves out must agree.
        right_minus: the same for the right side.
    """

    left: Selector
    right: Selector | float
    relation: str
    margin: float = 0.0
    over: tuple[str, ...] = ("dataset", "architecture", "sparsity")
    metric: str = "test_accuracy"
    left_minus: Selector | None = None
    right_minus: Selector | None = None

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise unknown_name("comparison relation", self.relation, RELATIONS)
        if not self.margin >= 0:
            raise UserError(f"comparison margin: {self.margin} must be 0 or more")
        if self.relation == "equivalent" and self.margin == 0:
            raise UserError("comparison margin: 'equivalent' needs a margin above 0")
        if self.right_minus is not None and not isinstance(self.right, Mapping):
            raise UserError("comparison right_minus: the right side must be a selector, too")


@dataclass(frozen=True)
class Claim:
    """A statement of the paper and the comparisons that decide it.

    Attributes:
        id: a short name such as ``C1``, unique in the paper.
        text: the statement in one sentence.
        source: where the paper (or its specification) says so.
        comparisons: all must hold for the claim to hold.
        protocols: the protocols that can decide it; None for any.
    """

    id: str
    text: str
    source: str
    comparisons: tuple[Comparison, ...]
    protocols: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ReportedAs:
    """How rows of ``reported.csv`` translate into the names that records use.

    Attributes:
        where: which reported rows; keys are columns of ``reported.csv``.
        becomes: columns to set in those rows, such as ``{"variant": "original"}``.
        source: who reports them, shown where one cell has several reported numbers.
    """

    where: Selector
    becomes: Mapping[str, str | float] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Paper:
    """A paper's results: where its reported numbers are and what is made of the records.

    Attributes:
        name: the paper's name in records and paths.
        title: its title.
        arxiv: its arXiv identifier.
        reported: path of ``reported.csv``, or None.
        notes: shown with the paper in the index, such as what is out of scope.
        order: frame column -> its values in the order tables and plots show them; values that are
            not listed follow in alphabetical order.
        labels: value or column name -> how tables and plots show it. An empty label leaves a value
            as it is, and out of a curve's name that has other parts.
        reported_as: translations of reported rows, applied in turn.
        compared_metrics: metric of ``reported.csv`` -> the metric of ours (or several, the first
            that a cell has) that ``comparison_<protocol>.csv`` sets beside it. Without an entry it
            is the reported name less ``_pct``.
        reported_tables: tables of reported numbers alone.
        sparsity_tolerance: how far the densities (1 - sparsity) of a run's target and of a reported
            number may be apart to be the same cell, relative to the reported one; 0.1 at most, and
            to the last of four printed digits in any case. The nearest one counts, so raise it
            where a paper prints 1.4 % for 1.44 % (0.03), as long as no two targets of ours and no
            two reported numbers of one method are closer than twice that.
        reported_protocol: the one protocol whose runs may share a table's rows and a plot's axes
            with reported numbers: that of the experiments which gave ``reported.csv``. It is not
            ``paper`` where those are another group's, who changed the paper's protocol.
        page: path of the replication's page (Markdown), from which the report takes the
            methodology and the deviations, or None. Its folder holds ``run.py`` and ``configs``.
    """

    name: str
    title: str
    arxiv: str = ""
    reported: Path | None = None
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: str = ""
    order: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    reported_as: tuple[ReportedAs, ...] = ()
    compared_metrics: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    reported_tables: tuple[ReportedTable, ...] = ()
    sparsity_tolerance: float = 0.01
    reported_protocol: str = PAPER_PROTOCOL
    page: Path | None = None

    def __post_init__(self) -> None:
        check_file_name("paper", self.name)
        check_file_name(f"paper {self.name!r}: reported_protocol", self.reported_protocol)
        if self.reported_protocol == REPORTED:
            raise UserError(
                f"paper {self.name!r}: reported_protocol may not be {REPORTED!r}, which stands "
                "for reported numbers alone"
            )
        names = [table.name for table in self.tables]
        names += [table.name for table in self.reported_tables]
        _check_unique(f"paper {self.name!r}: table", names)
        if not 0 <= self.sparsity_tolerance <= MOST_TOLERANCE:
            raise UserError(
                f"paper {self.name!r}: sparsity_tolerance is {self.sparsity_tolerance}, "
                f"allowed: 0 to {MOST_TOLERANCE}"
            )
        _check_unique(f"paper {self.name!r}: plot", [plot.name for plot in self.plots])
        _check_unique(f"paper {self.name!r}: claim", [claim.id for claim in self.claims])

    @property
    def by_the_paper(self) -> bool:
        """Return whether the reported numbers are the paper's own."""
        return self.reported_protocol == PAPER_PROTOCOL


def _check_unique(what: str, names: list[str]) -> None:
    """Raise UserError where a name occurs twice."""
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{what} {name!r} is there {names.count(name)} times")


def config_columns(papers: Iterable[Paper]) -> tuple[str, ...]:
    """Return the ``config.<path>`` columns that the papers' tables, plots and claims name."""
    names: set[str] = set()
    for paper in papers:
        for table in paper.tables:
            names.update((*table.rows, *table.columns, *table.where))
        for plot in paper.plots:
            names.update((*curve_columns(plot), *plot.panels, *plot.where))
        for claim in paper.claims:
            for part in claim.comparisons:
                names.update((*part.left, *part.over))
                for side in (part.right, part.left_minus, part.right_minus):
                    names.update(side if isinstance(side, Mapping) else ())
    return tuple(sorted(name for name in names if name.startswith("config.")))
