"""The paper's results as data."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import Paper

PAPER = Paper(
    name="generalizing_tickets",
    title="One ticket to win them all: generalizing lottery ticket initializations",
    arxiv="1906.02773",
    reported=Path(__file__).with_name("reported.csv"),
    reported_protocol="replication",
)
