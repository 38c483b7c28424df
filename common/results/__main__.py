"""``python -m common.results``: make all tables, plots, claims and the index again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError


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
    options = parser.parse_args(arguments)
    try:
        if not options.root.is_dir():
            raise UserError(f"--root: no folder {options.root}")
        # Drawing and statistics take seconds to import; asking for help should not.
        from common.launch.discovery import load_papers  # noqa: PLC0415
        from common.results.generate import generate  # noqa: PLC0415

        files = generate(load_papers(), options.root, options.paper)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(files)} files written below {options.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
