"""What ``test.py`` does: the zeros, the sparsity and the test accuracy of a file (spec 2.10)."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from common.config import RunConfig, apply_overrides, parse_config, read_json
from common.errors import UserError
from common.models import prunable_parameters
from common.pipeline import Context, Methods
from common.pipeline.context import fresh_model, prepare_dataset, training_data
from common.pipeline.phase import Setting
from common.randomness import generator
from common.tickets import Ticket
from common.tickets.states import load_start
from common.tracking import WandbMirror
from common.tracking.paths import PHASE_HASH, RunPaths
from common.tracking.wandb_mirror import PhaseLabels
from common.training import evaluate
from replications.generalizing_tickets.original.configs import (
    DATASETS,
    EXPERIMENT,
    data_section,
    network,
)
from replications.generalizing_tickets.recipes import NAME, Config

OF_TRAINING = ("subset", "corruption", "validation", "validation_choice", "augment")
"""What section ``data`` says about training images only."""


@dataclass(frozen=True)
class Evaluation:
    """What there is to say about a network.

    Attributes:
        zeros: of the parameters called a weight that are exactly zero.
        total: of these parameters.
        removed: weights that the file's masks remove.
        masked: weights that have a mask; 0: the file holds no masks.
        accuracy: on the test images, in percent.
    """

    zeros: int
    total: int
    removed: int
    masked: int
    accuracy: float

    def lines(self, dataset: str) -> list[str]:
        """Return what is printed."""
        lines = [
            f"zeros among all weights: {self.zeros}/{self.total} = {self.zeros / self.total:.6f}"
        ]
        if self.masked:
            lines.append(
                f"removed where there are masks: {self.removed}/{self.masked} = "
                f"{self.removed / self.masked:.6f}"
            )
        return [*lines, f"test accuracy on {dataset}: {self.accuracy:.2f} %"]


def evaluate_file(flags: Namespace, methods: Methods, context: Context) -> int:
    """Evaluate the ticket or checkpoint that ``--model_path`` names, print it and return 0.

    Raises:
        UserError: no such file, network or data set, or they do not belong together.
    """
    path: Path = flags.model_path
    ticket = load_start(path)
    config = _config(flags, _described(path, ticket), methods)
    identity = hashlib.sha256(path.read_bytes()).hexdigest()
    labels = PhaseLabels(f"test {path.name}", EXPERIMENT, "test", (NAME, config.model.name))
    described = config.model_dump(mode="json", include={"data", "model"})
    with WandbMirror(context.wandb, identity[:PHASE_HASH], labels, described) as mirror:
        found = evaluate_ticket(ticket, config, context, flags.batch_size, path)
        mirror.summarise({"test_accuracy": found.accuracy, "zeros": found.zeros / found.total})
    print("\n".join(found.lines(config.data.name)))
    return 0


def evaluate_ticket(
    ticket: Ticket, config: RunConfig, context: Context, batch_size: int, path: Path
) -> Evaluation:
    """Return what there is to say about a ticket, or a checkpoint as a ticket.

    Args:
        ticket: masks and weights.
        config: the network and the data set.
        context: where to compute.
        batch_size: images at a time.
        path: what to call the ticket in an error.

    Raises:
        UserError: the ticket is not one of this network for as many classes.
    """
    setting = Setting(config.data, config.model, config.precision, 0, "")
    dataset = prepare_dataset(config.data, context, setting.seed)
    model = fresh_model(setting, dataset, context, generator(setting.seed, "initialise"))
    try:
        ticket.apply_to(model)
    except UserError as error:
        reason = str(error).removeprefix("ticket: ")
        raise UserError(
            f"--model_path {path}: is no {config.model.name} for the {dataset.num_classes} classes "
            f"of {config.data.name}: {reason}"
        ) from None
    test = training_data(config.data, dataset, batch_size, context).test
    precision = context.precision(config.precision)
    _, accuracy = evaluate(model, test, precision, batch_size=batch_size)
    zeros, total = count_zeros(model)
    masked = sum(mask.numel() for mask in ticket.masks.values())
    removed = masked - sum(ticket.layer_kept().values())
    return Evaluation(zeros, total, removed, masked, accuracy)


def count_zeros(model: nn.Module) -> tuple[int, int]:
    """Return how many of the parameters called a weight are exactly zero, and of how many."""
    weights = prunable_parameters(model, "all_weights").values()
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros, sum(weight.numel() for weight in weights)


def _described(path: Path, ticket: Ticket) -> Mapping[str, Any]:
    """Return the sections that are known of a file: a ticket's own, or those of the run it is in.

    Empty for a checkpoint that lies anywhere else.
    """
    if "model" in ticket.meta:
        return ticket.meta
    run = RunPaths(path.parent)
    if path.name == run.checkpoint.name and run.config.is_file():
        return read_json(run.config)
    return {}


def _config(flags: Namespace, known: Mapping[str, Any], methods: Methods) -> RunConfig:
    """Return a run config whose sections ``data`` and ``model`` are those of the evaluation."""
    raw: Config = {
        **dict.fromkeys(("experiment", "protocol", "name", "method", "variant"), "test"),
        "paper": NAME,
        "data": _data(flags, known),
        "model": _model(flags, known),
        "find": {"name": "dense"},
        "train": None,
    }
    return parse_config(apply_overrides(raw, flags.set), methods.catalog(), "test.py")


def _model(flags: Namespace, known: Mapping[str, Any]) -> Config:
    if "model" not in known:
        if flags.architecture is None:
            raise UserError(
                f"--architecture: is missing, and {flags.model_path} does not say what it is"
            )
        return dict(network(flags.architecture).model)
    model: Config = dict(known["model"])
    if flags.architecture not in (None, model["name"]):
        raise UserError(
            f"--architecture {flags.architecture}: {flags.model_path} is a {model['name']}"
        )
    return model


def _data(flags: Namespace, known: Mapping[str, Any]) -> Config:
    """Return the data set as the file's network saw it, with the images that are asked for."""
    name = DATASETS.get(flags.dataset, flags.dataset)
    if "data" not in known:
        if name is None:
            raise UserError(
                f"--dataset: is missing, and {flags.model_path} does not say what it is for"
            )
        section = data_section(name, flags.architecture)
    else:
        section = dict(known["data"])
        if name not in (None, section["name"]):
            section = {key: value for key, value in section.items() if key != "test_split"}
            section["name"] = name
    return {key: value for key, value in section.items() if key not in OF_TRAINING}
