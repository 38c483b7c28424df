"""From a script's command line to a plot and a table."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UserError
from common.launch.cli import guarded
from replications.tost.analysis.options import build_parser

if TYPE_CHECKING:
    from replications.tost.analysis.drawing import Outcome


def main(command: str, arguments: Sequence[str] | None = None) -> int:
    """Run a script's command line and return the exit status.

    Args:
        command: a key of ``options.COMMANDS``.
        arguments: what follows the program's name; None: the process's own.
    """
    return guarded(lambda: _run(command, build_parser(command).parse_args(arguments)))


def _run(command: str, flags: Namespace) -> int:
    # One that asks for help, or for what does not exist, does not wait for torch.
    module = importlib.import_module(f"replications.tost.analysis.{command}")
    outcome: Outcome = module.analyse(flags)
    try:
        written = outcome.write(flags.out, flags.name)
    except OSError as error:
        raise UserError(f"--out {flags.out}: cannot be written ({error.strerror})") from None
    print("\n".join([*outcome.lines, *(f"wrote {path}" for path in written)]))
    return 0
