"""What this replication shows: its tables, plots and claims."""

from pathlib import Path

from common.results import Paper

PAPER = Paper(
    name="rare_gems",
    title="Rare Gems: Finding Lottery Tickets at Initialization",
    arxiv="2202.12002",
    reported=Path(__file__).with_name("reported.csv"),
)
