"""The options of the analysis scripts; nothing heavy is imported, so help comes at once."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.launch.arguments import ROOT, Parser

OUT = ROOT / "results" / "analysis" / "tost"

ACTIVATIONS = (
    *("relu", "swish", "pswish", "mish", "gelu", "elu", "softplus", "lisht"),
    *("bent_identity", "smooth_relu", "smooth_gradient_relu"),
)
"""What a network's ReLUs may be: ReLU itself, or a name of ``common.tricks``."""

FILES = "a ticket, a checkpoint (safetensors, .pt, .pth), or the folder of a run or phase"


@dataclass(frozen=True)
class Named:
    """A value with the label that stands before it, as in ``swish=run/final.safetensors``.

    Attributes:
        label: empty where none was given.
        value: what follows the label.
    """

    label: str
    value: str


def named(text: str) -> Named:
    """Read ``LABEL=VALUE``, or a value alone; a label holds no slash."""
    label, equals, value = text.partition("=")
    if not equals or os.sep in label or "/" in label or Path(text).exists():
        return Named("", text)
    if not label or not value:
        raise argparse.ArgumentTypeError(f"must be LABEL=VALUE or a value, found {text!r}")
    return Named(label, value)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value >= 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"must be a number, 0 or more, found {text!r}")
    return value


def _rate(text: str) -> float:
    value = _number(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"must be a fraction from 0 to 1, found {text!r}")
    return value


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer above 0, found {text!r}")
    return int(text)


def _stem(text: str) -> str:
    if not text or Path(text).name != text:
        raise argparse.ArgumentTypeError(f"must be a file name without folders, found {text!r}")
    return text


def _add_files(parser: Parser, words: str) -> None:
    parser.add_argument(
        "--network",
        nargs="+",
        action="extend",
        type=named,
        required=True,
        metavar="[LABEL=]FILE",
        help=f"{words}: {FILES}",
    )


def _add_zero(parser: Parser, default: float) -> None:
    parser.add_argument(
        "--zero",
        type=_number,
        default=default,
        metavar="W",
        help="a weight of a checkpoint counts as removed where it is 0 or |w| is below W; of a "
        f"ticket the masks count (default: {default:g})",
    )


def _activation_sparsity(parser: Parser) -> None:
    _add_files(parser, "the networks to compare, with labels of their own")
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        type=named,
        metavar="[LABEL=]JSON",
        help="config with the sections data and model of a network, or of all networks (default: "
        "what the ticket, or config.json or phase.json beside the checkpoint, says)",
    )
    parser.add_argument(
        "--activation",
        nargs="+",
        action="extend",
        default=[],
        type=named,
        metavar="[LABEL=]NAME",
        help=f"what stands for ReLU in a network, or in all: {', '.join(ACTIVATIONS)} (default: "
        "what the run's training kept to its end, else relu)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--layers",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="all (default); outputs: the stem and the outputs of blocks, which is what the "
        "original can measure; or names such as layer2.1 (a block's output) and layer2.1.relu1",
    )
    which.add_argument(
        "--layer",
        nargs="+",
        type=int,
        metavar="INDEX",
        help="in place of names, the original's index of a module of its ResNet-18 or ResNet-34, "
        "such as 16, which it takes by default",
    )
    parser.add_argument(
        "--threshold",
        type=_number,
        default=0.01,
        metavar="A",
        help="an activation a counts where |a| <= A (default: 0.01)",
    )
    how = parser.add_argument_group("how and where")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    how.add_argument("--threads", type=_positive, metavar="N", help="CPU threads")
    how.add_argument(
        "--batch-size", type=_positive, default=500, metavar="N", help="images at a time"
    )
    how.add_argument("--data-root", type=Path, default=ROOT / "data", metavar="DIR")
    how.add_argument("--download", action="store_true", help="fetch a data set that is missing")


def _hamming_distance(parser: Parser) -> None:
    for name, words in (
        ("--masks", "two or more, of which each is compared with each"),
        ("--first", "the levels of one search, in order"),
        ("--second", "the levels of the other search, as many"),
    ):
        parser.add_argument(
            name, nargs="+", type=named, metavar="[LABEL=]FILE", help=f"{words}: {FILES}"
        )
    parser.add_argument(
        "--names",
        nargs=2,
        default=("first", "second"),
        metavar=("FIRST", "SECOND"),
        help="what to call the two searches, such as relu and swish",
    )
    parser.add_argument(
        "--scope",
        choices=("conv", "all"),
        default="conv",
        help="conv (default): convolutions, but no classifier that is one; all: also linear "
        "layers, and whatever else has a mask",
    )
    _add_zero(parser, 0.0)


def _zero_kernels(parser: Parser) -> None:
    _add_files(parser, "one network, or levels; those with one label make one line")
    parser.add_argument(
        "--threshold",
        type=_rate,
        default=0.9,
        metavar="RATE",
        help="a filter counts where more than this fraction of its weights is removed (default: "
        "0.9; the original's prune_analysis has 0.95)",
    )
    _add_zero(parser, 1e-5)


def _kernel_maps(parser: Parser) -> None:
    _add_files(parser, "the levels, a panel each")
    parser.add_argument(
        "--threshold",
        type=_rate,
        default=0.9,
        metavar="RATE",
        help="a filter is dead where at least this fraction of its weights is removed, as the "
        "original's maps have it (default: 0.9)",
    )
    parser.add_argument(
        "--bins", type=_positive, default=20, metavar="N", help="of the histograms (default: 20)"
    )
    _add_zero(parser, 1e-5)


@dataclass(frozen=True)
class Command:
    """One script: what it is for, and the function that adds its options."""

    does: str
    add: Callable[[Parser], None]


COMMANDS: dict[str, Command] = {
    "activation_sparsity": Command(
        "Measures for every activation of a network how many values are near zero on the test "
        "images.",
        _activation_sparsity,
    ),
    "hamming_distance": Command("Counts the positions in which masks differ.", _hamming_distance),
    "zero_kernels": Command(
        "Counts the filters of which pruning has left next to nothing.", _zero_kernels
    ),
    "kernel_maps": Command(
        "Draws which filters are dead, and how much of all filters is removed.", _kernel_maps
    ),
}
"""Script, without ``.py`` -> what it is."""


def build_parser(command: str) -> Parser:
    """Return the parser of a script, a key of ``COMMANDS``."""
    about = COMMANDS[command]
    parser = Parser(
        prog=f"scripts/{command}.py",
        description=f"{about.does} Writes one plot (PNG, SVG) and one table (CSV).",
        epilog="Exit status: 0 written; 2 the command is wrong, with one line.",
        allow_abbrev=False,
    )
    about.add(parser)
    files = parser.add_argument_group("what is written")
    files.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help="folder of the plot and the table (default: results/analysis/tost of the repository)",
    )
    files.add_argument(
        "--name",
        type=_stem,
        default=command,
        metavar="STEM",
        help="their file name without its ending (default: %(default)s)",
    )
    files.add_argument("--title", metavar="TEXT", help="in place of the plot's own title")
    return parser
