"""The kind of plot that shows a metric for every pair of a row and a column, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.errors import UserError, unknown_name
from common.results.plot_parts import (
    Beside,
    Selector,
    check_columns,
    check_file_name,
    reported_name,
)

REFERENCES = ("diagonal", "best")


@dataclass(frozen=True)
class Matrix:
    """A metric for every pair of a row and a column, such as source and target of a ticket.

    Every cell holds the mean and the standard deviation over seeds; one without a run is hatched.
    Numbers of two columns are not comparable (other data sets, other accuracies), so colours show
    differences within a column: to its reference.

    With ``minus`` cells show changes instead: the mean and the standard deviation, over seeds, of
    the difference to runs of the same seed that differ in just the columns named there. Colours
    then show the numbers themselves, red where the metric falls and blue where it rises.

    Attributes:
        sparsity: the target sparsity shown, or several with a panel each (a column each where
            ``columns`` holds it); densities agree within the paper's tolerance.
        own_sparsity: show methods that find their own sparsity, too: the same numbers at every
            target. Otherwise they have no place.
        rows: the frame column whose values are the rows, or several that together name a row.
        columns: the same for the columns.
        panels: frame columns that make the panels, besides the sparsity.
        reference: what a cell is compared with by its colour: ``diagonal``: the first row of which
            one value is the column's own (a ticket from the target itself), and the highest mean
            in a column without such a row; ``best``: the highest mean of every column.
        reported_rows: the column of ``reported.csv`` that holds what ``rows`` holds, where that is
            one column that reported numbers lack, such as ``config.transfer.source``.
        beside: the reported numbers with panels of their own.
        minus: selects the runs that others are compared with, such as ``{"variant": "original"}``;
            they have no cells of their own. None: cells show the metric.

    The other attributes are those of :class:`common.results.spec.Table`. A column that would
    otherwise be averaged over (data set, architecture, method, variant) makes further panels.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    sparsity: float | tuple[float, ...]
    rows: str | tuple[str, ...] = "variant"
    columns: str | tuple[str, ...] = "dataset"
    panels: tuple[str, ...] = ("architecture",)
    metric: str = "test_accuracy"
    reference: str = "diagonal"
    reported_metric: str | None = None
    reported_rows: str | None = None
    where: Selector = field(default_factory=dict)
    beside: Beside | None = None
    minus: Selector | None = None
    own_sparsity: bool = False

    def __post_init__(self) -> None:
        what = f"plot {self.name!r}"
        check_file_name("plot", self.name)
        check_columns(self.name, "rows", self.row_columns)
        check_columns(self.name, "columns", self.column_columns)
        if not self.targets:
            raise UserError(f"{what}: sparsity must be a number or a tuple of at least one")
        if self.reference not in REFERENCES:
            raise unknown_name(f"{what}: reference", self.reference, REFERENCES)
        if self.reported_rows is not None and len(self.row_columns) > 1:
            raise UserError(f"{what}: reported_rows needs rows of one column")
        if self.minus is not None and (self.beside is not None or not self.minus):
            raise UserError(f"{what}: minus needs a column and no reported numbers beside")
        twice = {*self.row_columns} & {*self.column_columns}
        if twice:
            raise UserError(f"{what}: {min(twice)!r} is in rows and columns")

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Return the columns that together name a row."""
        return (self.rows,) if isinstance(self.rows, str) else self.rows

    @property
    def column_columns(self) -> tuple[str, ...]:
        """Return the columns that together name a column."""
        return (self.columns,) if isinstance(self.columns, str) else self.columns

    @property
    def targets(self) -> tuple[float, ...]:
        """Return the target sparsities shown."""
        return self.sparsity if isinstance(self.sparsity, tuple) else (self.sparsity,)

    @property
    def reported_name(self) -> str:
        """Return the metric's name in ``reported.csv``."""
        return reported_name(self.metric, self.reported_metric)
