"""From a file to a network that computes: its config, its test images, its activations."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from common.config import DataConfig, ModelConfig, TrainConfig, read_json
from common.config.load import describe
from common.config.spellings import spelled_out
from common.config.tricks import GhostSkipConfig, SoftActivationConfig
from common.data import Batches
from common.errors import UserError, unknown_name
from common.launch.arguments import usable_cores
from common.launch.cli import choose_device
from common.pipeline import Context, Methods
from common.pipeline.context import fresh_model, prepare_dataset, training_data
from common.pipeline.phase import Setting
from common.randomness import generator
from common.tickets.files import read_tensors
from common.tracking import Workspace
from common.tracking.paths import PhasePaths, RunPaths
from common.tricks import Dressing
from replications.tost.analysis.options import ACTIVATIONS, Named
from replications.tost.analysis.points import Point, activation_points
from replications.tost.analysis.sources import Source

RELU = "relu"
OF_TRAINING = ("subset", "corruption", "validation", "validation_choice")
"""What section ``data`` says about training images only."""

Dress = Callable[[nn.Module], None]
"""Changes the activations of a plain network, in place."""


@dataclass(frozen=True)
class Network:
    """A network with its weights and its test images.

    Attributes:
        source: where it comes from.
        name: of the model.
        dataset: whose test images.
        activation: what stands for ReLU, for people.
        model: on the device, its removed weights at zero.
        points: its activations.
        test: the test images.
    """

    source: Source
    name: str
    dataset: str
    activation: str
    model: nn.Module
    points: list[Point]
    test: Batches


def make_place(flags: Namespace) -> Context:
    """Return where to compute; nothing is written but what ``--out`` names."""
    nowhere = Path()
    return Context(
        Workspace(nowhere, nowhere, flags.data_root.resolve()),
        device=choose_device(flags.device),
        threads=flags.threads or usable_cores(),
        download=flags.download,
        progress=False,
    )


def by_label(given: Sequence[Named], labels: Sequence[str], option: str) -> dict[str, str]:
    """Return the value of an option for every label: its own, or the one without a label.

    Raises:
        UserError: a label that is no network's, or a second value for one.
    """
    found: dict[str, str] = {}
    for one in given:
        if one.label and one.label not in labels:
            raise unknown_name(f"{option} {one.label}={one.value}: network", one.label, labels)
        if one.label in found:
            raise UserError(f"{option}: {found[one.label]!r} and {one.value!r} are for the same")
        found[one.label] = one.value
    return {
        label: found.get(label, found.get("", ""))
        for label in labels
        if label in found or "" in found
    }


def build_network(
    source: Source, context: Context, *, batch_size: int, config: str = "", activation: str = ""
) -> Network:
    """Return the network in a file.

    Args:
        source: the file.
        context: where to compute.
        batch_size: of the test images.
        config: a JSON file with the sections ``data`` and ``model``; empty: what is known of it.
        activation: what stands for ReLU, as in ``swish`` or ``pswish:3``; empty: what the training
            kept to its end.

    Raises:
        UserError: nothing says which network it is, or it is another one.
    """
    known = read_json(Path(config)) if config else source.known
    data, section = _sections(known, source, config)
    setting = Setting(data, section, "float32", 0, "")
    dataset = prepare_dataset(data, context, 0)
    model = fresh_model(setting, dataset, context, generator(0, "initialise"))
    try:
        replace(source.start, meta={}).apply_to(model)
    except UserError as error:
        reason = str(error).removeprefix("ticket: ")
        raise UserError(
            f"{source.path}: is no {section.name} for the {dataset.num_classes} classes of "
            f"{data.name}: {reason}"
        ) from None
    points = activation_points(model)
    if not points:
        raise UserError(f"{source.path}: a {section.name} has no activations to measure")
    name, dress = _dressing(source, known, activation, context.torch_device)
    dress(model)
    test = training_data(data, dataset, batch_size, context).test
    return Network(source, section.name, data.name, name, model, points, test)


def _sections(
    known: Mapping[str, Any], source: Source, config: str
) -> tuple[DataConfig, ModelConfig]:
    """Return what a config says about the images and the network."""
    where = config or str(source.path)
    catalog = Methods().catalog()
    known = spelled_out(dict(known), catalog)
    for key in ("data", "model"):
        if not isinstance(known.get(key), Mapping):
            missing = f"{where}: has no section {key!r}" if config else (
                f"{where}: does not say which network it is; name its config with --config"
            )  # fmt: skip
            raise UserError(missing)
    data = {key: value for key, value in known["data"].items() if key not in OF_TRAINING}
    # Published weights would be fetched only to be replaced.
    model = {key: value for key, value in known["model"].items() if key != "pretrained"}
    try:
        sections = (
            DataConfig.model_validate({**data, "augment": None}),
            ModelConfig.model_validate(model),
        )
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}") from None
    catalog.check_data(sections[0].name, {"normalization": sections[0].normalization})
    catalog.check_model(sections[1].name, sections[1].options)
    return sections


def _dressing(
    source: Source, known: Mapping[str, Any], activation: str, device: torch.device
) -> tuple[str, Dress]:
    """Return what stands for ReLU in a network, for people, and what puts it there.

    Tricks that the training let fade are not there any more; those it kept are.
    """
    recipe = known.get("train") or known.get("recipe") or {}
    recipe = {} if source.is_ticket else recipe
    try:
        soft = _kept(SoftActivationConfig, recipe.get("soft_activation"))
        skip = _kept(GhostSkipConfig, recipe.get("ghost_skip"))
        trained, soft = soft, _asked(activation) if activation else soft
    except ValidationError as error:
        raise UserError(f"{source.path}: {describe(error)}") from None
    name = RELU if soft is None else soft.name
    if soft is not None and name == "pswish":
        name = f"{name}:{soft.beta:g}"
    if recipe and soft != trained:
        own = RELU if trained is None else trained.name
        print(f"note: {source.label} was trained to its end with {own}", file=sys.stderr)
    tricks = TrainConfig(soft_activation=soft, ghost_skip=skip)

    def dress(model: nn.Module) -> None:
        dressing = Dressing(model, tricks, 1, device)
        if dressing.ghosts is not None:
            dressing.load(read_tensors(_ghosts(source))[0])

    return name if skip is None else f"{name}, ghosts", dress


def _kept(section: type[Any], raw: object) -> Any:
    """Return a trick that a training kept to its end, else None."""
    trick = None if raw is None else section.model_validate(raw)
    return trick if trick is not None and trick.decay == "none" else None


def _asked(activation: str) -> SoftActivationConfig | None:
    """Return the activation that an option names, with its slope behind a colon."""
    name, _, slope = activation.partition(":")
    if name not in ACTIVATIONS:
        raise unknown_name("--activation", name, ACTIVATIONS)
    if name == RELU and not slope:
        return None
    raw: dict[str, Any] = {"name": name, "decay": "none"}
    if slope:
        try:
            raw["beta"] = float(slope)
        except ValueError:
            raw["beta"] = -1.0
        if name != "pswish" or not raw["beta"] > 0:
            raise UserError(
                f"--activation {activation}: pswish alone has a slope, a number above 0 as in "
                "pswish:3"
            )
    return SoftActivationConfig.model_validate(raw)


def _ghosts(source: Source) -> Path:
    """Return the file of the ghosts that were kept: beside the state, or in its run's phase."""
    folders = [source.path.parent]
    listed = RunPaths(source.path.parent).phases
    if listed.is_file():
        phases = json.loads(listed.read_text(encoding="utf-8"))["phases"]
        folders.append(source.path.parent / phases[-1]["folder"])
    for folder in folders:
        if PhasePaths(folder).dressed.is_file():
            return PhasePaths(folder).dressed
    raise UserError(
        f"{source.path}: was trained with ghost skips that stay, and their state "
        f"({PhasePaths(folders[0]).dressed.name}) is not beside it"
    )
