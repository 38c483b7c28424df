"""The options of the scripts, under the original's names (spec 6).

Each can be written with underscores, as the original's parsers have it, or with dashes, as its
README has it. Nothing heavy is imported, so help comes at once.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.launch.arguments import ROOT, Parser, add_how_to_run, add_places
from replications.generalizing_tickets.original.readers import (
    is_random,
    later_epoch,
    percent,
    positive,
    wandb_mode,
    whole,
)

NO_ENTITY, NO_RUN_NAME = "name", "test run"
"""The original's placeholders; here they stand for the account's default and a name per phase."""


@dataclass(frozen=True)
class Script:
    """One of the scripts.

    Attributes:
        does: what it is for.
        original: what the original does in another way.
        flags: names in ``FLAGS`` of the options of its own.
        required: those that have to be given.
    """

    does: str
    original: str
    flags: tuple[str, ...]
    required: tuple[str, ...]


FLAGS: dict[str, dict[str, Any]] = {
    "architecture": {
        "metavar": "NAME",
        "help": "vgg19, resnet50 or alexnet as the original has them, or any network of the "
        "workbench; the original knows those three",
    },
    "dataset": {
        "metavar": "NAME",
        "help": "cifar10, cifar100, svhn, fashionmnist, cifar10a, cifar10b, or any data set of the "
        "workbench; the original refuses the halves of CIFAR-10 or stops on them",
    },
    "source_dataset": {
        "metavar": "NAME",
        "help": "where the start weights come from (default: the target); the original only "
        "compares its number of classes with the target's. No effect in iterative_snip.py",
    },
    "target_dataset": {"metavar": "NAME", "help": "what is trained and pruned on; see --dataset"},
    "init_path": {
        "metavar": "FILE",
        "help": "checkpoint or ticket with the start weights, such as train.py's after epoch 1 "
        "(default: the source's run, made here); required by the original. No effect in "
        "iterative_snip.py, there and here",
    },
    "batch_size": {
        "type": positive,
        "default": 512,
        "metavar": "N",
        "help": "images of a batch, of SNIP's, too (default: 512)",
    },
    "optimizer": {
        "choices": ("sgd", "adam"),
        "default": "sgd",
        "help": "default: sgd, with lr 0.1; adam with lr 0.0003",
    },
    "seed": {
        "type": whole,
        "default": 1,
        "metavar": "N",
        "help": "default: 1; it decides everything random here, and no weight in the original",
    },
    "model_saving_path": {
        "type": Path,
        "metavar": "DIR",
        "help": "the checkpoints appear there, too (default: in the run's folder alone; the "
        "original's: the working directory)",
    },
    "model_path": {"type": Path, "metavar": "FILE", "help": "ticket or checkpoint, also a .pt"},
    "snip": {
        "type": percent,
        "default": 50.0,
        "metavar": "PERCENT",
        "help": "weights to remove (default: 50)",
    },
    "prune": {
        "type": percent,
        "default": 50.0,
        "metavar": "PERCENT",
        "help": "weights to remove (default: 50)",
    },
    "random": {
        "nargs": "?",
        "type": is_random,
        "const": True,
        "default": False,
        "metavar": "TEXT",
        "help": 'anything but "false": random masks (default: false). As in the original, masks '
        "are permuted over the whole network and trained weights are trained on; with --protocol "
        "paper weights are drawn anew",
    },
    "reinit": {
        "action": "store_true",
        "help": "draw conv and linear layers anew in every round; implies --no-nested",
    },
    "esp": {
        "type": positive,
        "metavar": "EPOCHS",
        "help": "early stopping's patience (default: no early stopping). The original always has "
        "it, with 10, and ends the training soon after the second drop of the rate",
    },
    "load_model": {"metavar": "FILE", "help": "start from this checkpoint or ticket"},
    "milestone": {
        "nargs": "+",
        "type": later_epoch,
        "metavar": "EPOCH",
        "help": "epochs, from 1, at whose start the rate falls by 10 (default: the network's own). "
        "The original reads this option and never uses it",
    },
    "gpu": {
        "type": whole,
        "default": 0,
        "metavar": "N",
        "help": "which GPU, where there is one (default: 0); --device says more",
    },
    # what the original has no option for
    "recipe": {
        "choices": ("replication", "fork"),
        "default": "replication",
        "help": "whose numbers where they differ: the fork's SGD has lr 0.01 and weight decay "
        "0.004, in iterative_snip.py 0.0005, in snip_train.py no other (default: replication)",
    },
    "epochs": {
        "type": positive,
        "metavar": "N",
        "help": "of a training, drops of the rate in proportion (default: 160 vgg19, 90 resnet50, "
        "500 alexnet, 160 others); fixed in the original",
    },
    "rewind_epoch": {
        "type": positive,
        "default": 1,
        "metavar": "N",
        "help": "late resetting: the state after so many epochs is the start of every round "
        "(default: 1; the original's README takes 2)",
    },
    "rounds": {
        "type": whole,
        "default": 30,
        "metavar": "N",
        "help": "the last round's number, from 0; a run each (default: 30; fixed in the original)",
    },
    "protocol": {
        "choices": ("replication", "paper"),
        "default": "replication",
        "help": "replication: norm scales and classifier are pruned, masks are found on the "
        "target; paper: convolutions, masks of the source (default: replication)",
    },
    "score_init": {
        "choices": ("model", "xavier_redraw"),
        "default": "model",
        "help": "what SNIP scores (default: model, the weights that are trained); the original: "
        "xavier_redraw, weights drawn for the purpose, and ties are kept",
    },
    "nested": {
        "action": argparse.BooleanOptionalAction,
        "help": "score only what is still there (default, but not with --reinit); the original "
        "lets removed weights compete again",
    },
    "stack_gates": {
        "action": argparse.BooleanOptionalAction,
        "default": False,
        "help": "with --no-nested: train only what all masks so far keep, as the original does",
    },
}
"""Option -> how it is parsed."""

SHORT = {"milestone": ["-ms"]}
_RECIPE = ("batch_size", "optimizer", "seed", "milestone", "epochs", "recipe")
_TRAINING = (*_RECIPE, "model_saving_path", "gpu")
_TRANSFER = ("architecture", "source_dataset", "target_dataset", "init_path")
_HERE = ("architecture", "dataset")

SCRIPTS: dict[str, Script] = {
    "train": Script(
        "Trains a dense network and keeps its state after the epoch of late resetting.",
        "the fork keeps no state of the first epochs, so nothing could be reset to it",
        (*_HERE, *_TRAINING, "esp", "load_model", "rewind_epoch"),
        _HERE,
    ),
    "snip_train": Script(
        "Prunes a network before training by SNIP, then trains it.",
        "scores weights that are drawn for the purpose and not trained (--score-init)",
        (*_HERE, "snip", *_TRAINING, "score_init"),
        _HERE,
    ),
    "iterative_pruning": Script(
        "Prunes by magnitude in rounds; start weights may come from another data set.",
        "the fork's script stops in round 1; the replication's is what happens here by default",
        (*_TRANSFER, "random", *_TRAINING, "rounds", "rewind_epoch", "protocol"),
        ("architecture", "target_dataset"),
    ),
    "iterative_snip": Script(
        "Scores by SNIP, prunes and trains, in rounds; round 0 already prunes.",
        "stops at its start; as meant it is --no-nested --stack-gates --score-init xavier_redraw",
        (*_TRANSFER, "reinit", *_TRAINING, "rounds", "score_init", "nested", "stack_gates"),
        ("architecture", "target_dataset"),
    ),
    "oneshot": Script(
        "Trains densely, prunes once by magnitude, and trains the trained weights on.",
        "loads the dense network from a file; here it is trained first, or found finished",
        (*_HERE, "prune", "random", *_TRAINING),
        _HERE,
    ),
    "test": Script(
        "Prints the zeros among a file's weights, its sparsity and its test accuracy.",
        "reads its own .pt files alone and knows no sparsity over what a method prunes",
        (*_HERE, "model_path", "batch_size", "gpu"),
        ("model_path",),
    ),
}
"""Script, without ``.py`` -> what it is."""


def build_parser(script: str) -> Parser:
    """Return the parser of a script.

    Args:
        script: a key of ``SCRIPTS``.
    """
    about = SCRIPTS[script]
    parser = Parser(
        prog=f"scripts/{script}.py",
        description=about.does,
        epilog=f"The original: {about.original}. Exit status: 0 finished; 1 a run failed; 2 the "
        "command is wrong, with one line.",
        allow_abbrev=False,
    )
    own = parser.add_argument_group("options of the script")
    for name in about.flags:
        options = dict(FLAGS[name])
        if name in about.required:
            options["required"] = True
        own.add_argument(*_spellings(name), dest=name, **options)
    own.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override config values, such as model.width=6 or train.lr=0.05; the trainings of a "
        "search have find.train",
    )
    if script == "test":
        _add_evaluation(parser)
    else:
        add_how_to_run(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be computed, and stop"
        )
        add_places(parser, results=None)
    _add_wandb(parser)
    return parser


def _spellings(name: str) -> list[str]:
    both = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    return [*both, *SHORT.get(name, [])]


def _add_evaluation(parser: Parser) -> None:
    group = parser.add_argument_group("how and where")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    group.add_argument("--threads", type=positive, metavar="N", help="CPU threads")
    group.add_argument("--data-root", type=Path, default=ROOT / "data", metavar="DIR")
    group.add_argument("--download", action="store_true", help="fetch a data set that is missing")


def _add_wandb(parser: Parser) -> None:
    group = parser.add_argument_group("wandb")
    group.add_argument(
        "--wandb",
        nargs="?",
        type=wandb_mode,
        const="online",
        default="disabled",
        metavar="MODE",
        help="disabled, offline or online; True or nothing: online (default: disabled; the "
        "original cannot do without)",
    )
    group.add_argument(
        "--entity", default=NO_ENTITY, help=f"default: {NO_ENTITY!r}, the account's own"
    )
    group.add_argument(
        "--project", default="Varungohli Lottery Ticket", help="default: %(default)r"
    )
    group.add_argument(
        *("--run_name", "--run-name"),
        default=NO_RUN_NAME,
        help=f"default: {NO_RUN_NAME!r}, a readable name for each training",
    )
