"""From the options of a script to raw run configs, one for every run; needs no file and no torch.

All carry the experiment ``scripts`` and a protocol of their own, so that they stand in no table.
"""

from __future__ import annotations

import re
from argparse import Namespace
from dataclasses import dataclass, field
from typing import Any

from common.errors import UserError
from replications.generalizing_tickets.recipes import (
    ALEXNET,
    FASHION,
    NAME,
    RESNET50,
    VGG19,
    Config,
    Network,
    images,
    pruning,
    recipe,
)
from replications.generalizing_tickets.runs import SPELLED

EXPERIMENT = "scripts"
DATASETS = {theirs: ours for ours, theirs in SPELLED.items()}
LARGE = ("cifar10", "cifar10_a", "cifar10_b", "cifar100", "svhn", FASHION, "mnist")
"""The data sets whose training images become crops of 32x32; others keep their size."""

NETWORKS = {network.name: network for network in (VGG19, RESNET50, ALEXNET)}
FORK_SGD = {
    "train": "sgd_fork",
    "iterative_pruning": "sgd_fork",
    "oneshot": "sgd_fork",
    "iterative_snip": "sgd_fork_iterative_snip",
    "snip_train": "sgd",
}
"""Script -> the name in ``OPTIMIZERS`` of its SGD in the fork."""


@dataclass(frozen=True)
class Translated:
    """What a command line asks for.

    Attributes:
        configs: raw run configs, one a run, in the order of the rounds.
        notes: one line for everything that has no effect.
    """

    configs: list[Config]
    notes: list[str] = field(default_factory=list)


def network(name: str) -> Network:
    """Return a network and how it is trained; one that the original lacks is trained as VGG19."""
    plain: Config = {"name": name}
    other = Network(name, plain, VGG19.epochs, VGG19.milestones, plain)
    return NETWORKS.get(name, other)


def data_section(name: str, architecture: str | None, *, padded_test: bool = False) -> Config:
    """Return section ``data`` of a data set, by the original's name or the workbench's.

    AlexNet's linear layers take no images of 28x28, so its test images are padded to 32x32, too.
    """
    ours = DATASETS.get(name, name)
    section = images(ours, padded_test=padded_test or architecture == ALEXNET.name)
    if ours not in LARGE:
        augment = {key: value for key, value in section["augment"].items() if key != "crop_size"}
        section["augment"] = augment
    return section


def train_section(script: str, flags: Namespace) -> Config:
    """Return section ``train``, which is also the recipe of the search's trainings."""
    about = network(flags.architecture)
    optimizer = flags.optimizer
    if (optimizer, flags.recipe) == ("sgd", "fork"):
        optimizer = FORK_SGD[script]
    section = recipe(about, optimizer) | {"batch_size": flags.batch_size}
    if flags.epochs is not None:
        moved = {round(drop * flags.epochs / about.epochs) for drop in about.milestones}
        section |= {"epochs": flags.epochs, "milestones": sorted(moved - {0})}
    if flags.milestone is not None:
        section["milestones"] = [epoch - 1 for epoch in flags.milestone]
    return section


def translate(script: str, flags: Namespace) -> Translated:
    """Return the runs that a script's options ask for.

    Args:
        script: a key of ``flags.SCRIPTS``, but not ``test``.
        flags: its parsed options.

    Raises:
        UserError: options that contradict each other.
    """
    return _TRANSLATIONS[script](flags)


def _config(
    script: str, flags: Namespace, method: str, variant: str, data: Config, **sections: Any
) -> Config:
    """Return one run, named by script, network and data set."""
    protocol = ["scripts", flags.recipe]
    if getattr(flags, "protocol", "replication") == "paper":
        protocol = ["scripts", "paper", *(["fork"] if flags.recipe == "fork" else [])]
    name = f"{script}-{flags.architecture}-{data['name']}-{variant}"
    return {
        "paper": NAME,
        "experiment": EXPERIMENT,
        "protocol": "_".join(protocol),
        "name": re.sub(r"[^A-Za-z0-9.+-]+", "-", name),
        "method": method,
        "variant": variant,
        "data": data,
        "model": network(flags.architecture).model,
        **sections,
        "seeds": [flags.seed],
    }


def _in_rounds(config: Config, rounds: range) -> list[Config]:
    """Return a run for every number of rounds; the names count from 0."""
    return [
        config
        | {
            "name": f"{config['name']}_{number}",
            "find": config["find"] | {"rounds": count},
        }
        for number, count in enumerate(rounds)
    ]


def _train(flags: Namespace) -> Translated:
    train = train_section("train", flags)
    if flags.esp is not None:
        train["early_stopping"] = {"patience": flags.esp}
    find: Config = {"name": "dense"}
    if flags.load_model is not None:
        find = {"name": "ticket_file", "path": flags.load_model}
    variant = "dense" if flags.load_model is None else "loaded"
    data = data_section(flags.dataset, flags.architecture)
    return Translated([_config("train", flags, "dense", variant, data, find=find, train=train)])


def _snip_train(flags: Namespace) -> Translated:
    find: Config = {
        "name": "snip",
        "sparsity": _fraction(flags.snip),
        "sampling": "minibatch",
        "batch_size": flags.batch_size,
        **_scoring(flags),
    }
    train = train_section("snip_train", flags)
    data, variant = data_section(flags.dataset, flags.architecture), f"snip_{flags.snip:g}"
    return Translated([_config("snip_train", flags, "snip", variant, data, find=find, train=train)])


def _fraction(percent: float) -> float:
    return round(percent / 100, 10)


def _scoring(flags: Namespace) -> Config:
    """Return what is scored; the fork keeps ties where it draws weights for the purpose."""
    ties = "exact" if flags.score_init == "model" else "kept"
    return {"score_weights": flags.score_init, "ties": ties}


def _oneshot(flags: Namespace) -> Translated:
    if flags.prune == 0:
        raise UserError("--prune: must be above 0, found 0; train.py trains without pruning")
    train = train_section("oneshot", flags)
    find: Config = {
        "name": "oneshot_magnitude",
        "sparsity": _fraction(flags.prune),
        "train": train,
        "permute": "global" if flags.random else "none",
    }
    variant = f"prune_{flags.prune:g}" + ("_random" if flags.random else "")
    data = data_section(flags.dataset, flags.architecture)
    config = _config("oneshot", flags, "oneshot_magnitude", variant, data, find=find, train=train)
    return Translated([config])


def _source(flags: Namespace) -> str:
    """Return the workbench's name of the source: where none is given the target's."""
    name = flags.source_dataset or flags.target_dataset
    return DATASETS.get(name, name)


def _iterative_pruning(flags: Namespace) -> Translated:
    if flags.random:
        return _random_rounds(flags)
    train, paper = train_section("iterative_pruning", flags), flags.protocol == "paper"
    data = data_section(flags.target_dataset, flags.architecture, padded_test=paper)
    source = _source(flags)
    sections: Config = {"find": _rounds(flags, train), "train": train}
    rules: Config = {"mask": "target", "classifier": "copy_if_equal", "mismatch": "carry_over"}
    if flags.init_path is not None:
        if paper and source != data["name"]:
            raise UserError(
                f"--init_path: --protocol paper finds masks on {flags.source_dataset}, which a "
                "file with start weights does not hold; leave it out and its run is made here"
            )
        sections["transfer"] = {"init": flags.init_path, **rules}
    elif source != data["name"]:
        if paper:
            rules = {"mask": "source", "classifier": "fresh_each_level"}
        there = data_section(source, flags.architecture, padded_test=paper)
        sections["transfer"] = {"source": there, **rules}
    config = _config("iterative_pruning", flags, "imp", source, data, **sections)
    return Translated(_in_rounds(config, range(flags.rounds + 1)))


def _rounds(flags: Namespace, train: Config) -> Config:
    """Return section ``find`` of the protocol, without the number of rounds."""
    find = pruning(train, "conv" if flags.protocol == "paper" else "all_weights")
    return find | {"rewind": find["rewind"] | {"epoch": flags.rewind_epoch - 1}}


def _random_rounds(flags: Namespace) -> Translated:
    """Return random tickets: the replication's, or the paper's, whose weights are drawn anew."""
    train, paper = train_section("iterative_pruning", flags), flags.protocol == "paper"
    data = data_section(flags.target_dataset, flags.architecture, padded_test=paper)
    notes = []
    if flags.init_path is not None:
        notes.append("--init_path has no effect: a random ticket starts from no loaded state")
    if _source(flags) != data["name"]:
        notes.append("--source_dataset has no effect: a random ticket is the target's")
    if paper:
        sections: Config = {"find": _rounds(flags, train), "transform": ["random_global"]}
    else:
        find = pruning(train, "all_weights", permute="global", rewind={"to": "none"})
        sections = {"find": find, "model": network(flags.architecture).constructor}
    variant = "random_global" if paper else "random"
    config = _config("iterative_pruning", flags, "random_ticket", variant, data, train=train)
    return Translated(_in_rounds(config | sections, range(flags.rounds + 1)), notes)


def _iterative_snip(flags: Namespace) -> Translated:
    train = train_section("iterative_snip", flags)
    data = data_section(flags.target_dataset, flags.architecture)
    nested = not (flags.reinit or flags.stack_gates) if flags.nested is None else flags.nested
    if nested and (flags.reinit or flags.stack_gates):
        given = "--reinit" if flags.reinit else "--stack-gates"
        raise UserError(f"{given} and --nested exclude each other")
    if flags.reinit and flags.stack_gates:
        raise UserError("--reinit and --stack-gates exclude each other: what a gate shuts stays 0")
    find: Config = {
        "name": "iterative_snip",
        "train": train,
        "nested": nested,
        "stack_gates": flags.stack_gates,
        "reinit": flags.reinit,
        **_scoring(flags),
    }
    notes = []
    if flags.init_path is not None:
        notes.append("--init_path has no effect: like the original this starts from fresh weights")
    if _source(flags) != data["name"]:
        notes.append("--source_dataset has no effect: nothing of iterative SNIP is transferred")
    variant = "nested" if nested else "free"
    if flags.reinit or flags.stack_gates:
        variant = "reinit" if flags.reinit else "stacked_gates"
    config = _config(
        "iterative_snip", flags, "iterative_snip", variant, data, find=find, train=train
    )
    return Translated(_in_rounds(config, range(1, flags.rounds + 2)), notes)


_TRANSLATIONS = {
    "train": _train,
    "snip_train": _snip_train,
    "iterative_pruning": _iterative_pruning,
    "iterative_snip": _iterative_snip,
    "oneshot": _oneshot,
}
