"""What the descriptions of several kinds of plots share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import UserError

Selector = Mapping[str, object]
"""Frame column -> the value it must have, or a tuple of the values it may have."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_file_name(what: str, name: str) -> None:
    """Raise UserError unless ``name`` can be part of a file name on every system."""
    if not _FILE_NAME.fullmatch(name):
        raise UserError(f"{what}: {name!r} may hold only letters, digits, '_', '-' and '.'")


def check_columns(plot: str, field_name: str, columns: object) -> None:
    """Raise UserError unless there is a tuple of at least one column (or metric)."""
    if not columns or isinstance(columns, str):
        what = "metric" if "metric" in field_name else "frame column"
        raise UserError(f"plot {plot!r}: {field_name} must be a tuple of at least one {what}")


def reported_name(metric: str, reported: str | None) -> str:
    """Return a metric's name in ``reported.csv``: as told, else ours with ``_pct`` for percent."""
    return reported or (f"{metric}_pct" if metric.endswith("accuracy") else metric)


@dataclass(frozen=True)
class Beside:
    """The reported numbers that stand beside a plot, in tinted panels of their own.

    Only runs of their protocol share axes with reported numbers. A panel of their own shows a
    reader the reported figure next to runs of any protocol, data set or network. It stands left
    of that panel of ours which has its data set and architecture, else of the first one that
    agrees in all other panel columns; those without a partner follow. Colours and markers are
    those of our curves of the same names.

    In the reported protocol the numbers of our data sets (if complete) and architectures are drawn
    on our axes, too, as open markers. A plot that no run of ours has a place in, in any protocol,
    holds the reported panels alone; its files are called ``<name>_reported``.

    Attributes:
        experiments: experiments of ``reported.csv``, as the paper's ``reported_as`` names them.
        where: only reported numbers that match; the plot's own ``where`` is for runs alone.
        becomes: columns to set in them, such as ``{"variant": "standard"}``, so that they bear the
            names of our curves.
    """

    experiments: tuple[str, ...]
    where: Selector = field(default_factory=dict)
    becomes: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.experiments or isinstance(self.experiments, str):
            raise UserError("beside: experiments must be a tuple of at least one experiment")
