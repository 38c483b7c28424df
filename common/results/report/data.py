"""What the report is made from: of every paper its runs, verdicts, tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.results.claims import ClaimResult
from common.results.spec import Paper
from common.results.tables import BuiltTable


@dataclass(frozen=True)
class ShownTable:
    """A table as it was written to ``tables/<paper>/<stem>.csv``."""

    stem: str
    protocol: str
    built: BuiltTable


@dataclass(frozen=True)
class PaperReport:
    """Everything that the pages of one paper show.

    Attributes:
        paper: the paper's description.
        runs: its runs, from :func:`common.results.records.records_frame`.
        numbers: its reported numbers and ours, from
            :func:`common.results.verdicts.number_verdicts`.
        claims: the decided claims by protocol, that of the reported numbers first.
        tables: its tables in the order they are shown.
        plots: the PNG files of its plots in the order they are shown.
    """

    paper: Paper
    runs: pd.DataFrame
    numbers: pd.DataFrame
    claims: Mapping[str, Sequence[ClaimResult]]
    tables: Sequence[ShownTable]
    plots: Sequence[Path]
