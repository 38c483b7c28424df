"""The command line that every ``run.py`` shares; imports nothing heavy, so help comes at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from common.errors import UserError, nearest

ROOT = Path(__file__).resolve().parents[2]

EPILOG = """\
What is finished is never computed again, and what was interrupted goes on where it was: the same
command continues. Exit status: 0 all runs finished; 1 a run failed (its record says why); 2 the
command or a config is wrong.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raise ``UserError`` in place of printing the usage."""
        if message.startswith("unrecognized arguments:"):
            unknown = message.partition(":")[2].split()[0]
            guess = nearest(unknown.split("=")[0], self._option_string_actions)
            if guess:
                message += f"; did you mean {guess}?"
        raise UserError(f"{message} (see --help)")


def usable_cores() -> int:
    """Return how many cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _job_count(text: str) -> int:
    if text == "auto":
        return usable_cores()
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 'auto' or an integer above 0, found {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer above 0, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"must be seconds, 0 or more, found {text!r}")
    return value


def add_how_to_run(parser: argparse.ArgumentParser) -> None:
    """Add the options that cannot change what is computed, but for the last bits."""
    how = parser.add_argument_group("how to run")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    how.add_argument(
        "--jobs",
        type=_job_count,
        default=1,
        metavar="N",
        help="worker processes; auto: one a core (default: 1)",
    )
    how.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="CPU threads a process (default: cores / jobs). Sums over several threads are "
        "rounded in another order, so the last bits of a result depend on it",
    )
    how.add_argument(
        "--no-graphs", action="store_true", help="CUDA: launch every operation from Python"
    )
    how.add_argument(
        "--checkpoint-seconds",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="shortest time between two checkpoints (default: 60)",
    )
    how.add_argument("--force", action="store_true", help="compute again what is finished")


def add_places(parser: argparse.ArgumentParser, results: Path | None = ROOT / "results") -> None:
    """Add the folders.

    Args:
        parser: to add to.
        results: where records go; None: to the folder ``results`` of the runs' folder, which the
            caller puts there.
    """
    places = parser.add_argument_group("places")
    places.add_argument(
        "--data-root",
        type=Path,
        default=ROOT / "data",
        metavar="DIR",
        help="the data sets (default: folder data of the repository)",
    )
    places.add_argument("--download", action="store_true", help="fetch data sets that are missing")
    places.add_argument(
        "--runs-dir",
        type=Path,
        default=ROOT / "runs",
        metavar="DIR",
        help="checkpoints, logs and tickets (default: folder runs of the repository)",
    )
    whose = "--runs-dir" if results is None else "the repository"
    places.add_argument(
        "--results-dir",
        type=Path,
        default=results,
        metavar="DIR",
        help=f"records (default: folder results of {whose})",
    )


def build_parser(paper: str, presets: Sequence[str]) -> Parser:
    """Return the parser for one replication's ``run.py``."""
    parser = Parser(
        prog=f"replications/{paper}/run.py",
        description=f"Runs experiments of the replication {paper!r}.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "--config", nargs="+", type=Path, metavar="FILE", help="run configs (JSON), one or more"
    )
    what.add_argument(
        "--preset", help=f"all configs of a preset: {', '.join(presets)} (default: quick)"
    )
    what.add_argument(
        "--only",
        nargs="+",
        metavar="WORD",
        default=[],
        help="of these, only configs whose file name contains one of the words",
    )
    what.add_argument("--seeds", nargs="+", type=int, metavar="N", help="in place of the config's")
    what.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override config values, such as train.lr=0.05",
    )
    add_how_to_run(parser)
    look = parser.add_argument_group("look, do not run")
    look.add_argument("--list", action="store_true", help="the runs: what is done, what is left")
    look.add_argument(
        "--dry-run", action="store_true", help="the distinct phases that would be computed"
    )
    look.add_argument("--schema", action="store_true", help="print the JSON schema of a config")
    add_places(parser)
    mirror = parser.add_argument_group("wandb")
    mirror.add_argument(
        "--wandb",
        choices=("disabled", "offline", "online"),
        default="disabled",
        help="mirror the runs to Weights & Biases (default: disabled)",
    )
    mirror.add_argument("--wandb-entity", metavar="NAME", help="user or team (default: your own)")
    mirror.add_argument(
        "--wandb-project",
        metavar="NAME",
        default="lottery-ticket-workbench",
        help="default: %(default)s",
    )
    mirror.add_argument(
        "--wandb-run-name", metavar="NAME", help="in place of the readable name of every phase"
    )
    return parser
