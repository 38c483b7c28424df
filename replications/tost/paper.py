"""What this replication shows: its tables, plots and claims, and how reported numbers are named."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import Paper

PAPER = Paper(
    name="tost",
    title="Training your sparse neural network better with any mask",
    arxiv="2206.12755",
    reported=Path(__file__).with_name("reported.csv"),
)
