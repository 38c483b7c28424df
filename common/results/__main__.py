"""``python -m common.results``: make all tables, plots, claims and the index again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from common.errors import UserError, unknown_name

_MOST_JOBS = 4  # each takes about 200 MB and seconds to start


def _positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with one line on standard error for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m common.results",
        description="Make tables, plots, claims and the index again from the records alone.",
    )
    parser.add_argument(
        "--root", type=Path, default=Path("results"), help="results folder (default: results)"
    )
    parser.add_argument("--paper", metavar="NAME", help="make the files of this paper only")
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="processes that work (default: usable cores, 4 at most); the files are the same",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="also write tidy tables (CSV, Parquet) and ReScience metadata to this folder",
    )
    options = parser.parse_args(arguments)
    try:
        if not options.root.is_dir():
            raise UserError(f"--root: no folder {options.root}")
        # Drawing and statistics take seconds to import; asking for help should not.
        from common.launch.arguments import usable_cores  # noqa: PLC0415
        from common.launch.discovery import load_papers  # noqa: PLC0415
        from common.results.workers import worker_pool  # noqa: PLC0415

        papers = load_papers()
        if options.paper is not None and options.paper not in papers:
            raise unknown_name("--paper", options.paper, papers)
        with worker_pool(options.jobs or min(usable_cores(), _MOST_JOBS)) as workers:
            from common.results.generate import generate  # noqa: PLC0415 - while workers start

            files = generate(papers, options.root, options.paper, workers, options.export)
    except (UserError, OSError, BrokenExecutor) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(files)} files written below {options.root}")
    if options.export is not None:
        print(f"tables for your own analysis: {options.export}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
