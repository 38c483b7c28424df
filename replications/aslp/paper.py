"""The paper's results as data."""

from pathlib import Path

from common.results.spec import Paper

PAPER = Paper(
    name="aslp",
    title="Extracting Effective Subnetworks with Gumbel-Softmax",
    arxiv="2202.12986",
    reported=Path(__file__).resolve().parent / "reported.csv",
)
