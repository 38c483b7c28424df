"""The one training loop: every dense run, ticket and pre-training goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from common.config.schema import TrainConfig
from common.data import Batches
from common.errors import RunFailedError
from common.randomness import derive_seed, generator
from common.training.checkpoint import CheckpointStore
from common.training.evaluate import evaluate
from common.training.optimizer import MaskKeeper, build_optimizer
from common.training.precision import Precision
from common.training.schedule import learning_rate
from common.training.step import EagerStep, GraphedStep, Meters, Step, has_dropout

Row = dict[str, Any]


@dataclass(frozen=True)
class TrainData:
    """The batches of a training: what is trained on and what is evaluated after each epoch."""

    train: Batches
    test: Batches
    validation: Batches | None = None


@dataclass(frozen=True)
class TrainHooks:
    """What a caller wants to be told; none of it can change the numbers.

    Attributes:
        on_epoch: gets the metrics of every finished epoch, once.
        on_step: gets the number of images of every step.
        keep: gets the state after each of ``keep_epochs``.
        keep_epochs: epochs counted from 0.
        checkpoints: where to save and resume; None: nowhere.
        checkpoint_seconds: shortest time between two checkpoints.
    """

    on_epoch: Callable[[Row], None] = lambda row: None
    on_step: Callable[[int], None] = lambda images: None
    keep: Callable[[int, dict[str, Tensor]], None] = lambda epoch, state: None
    keep_epochs: Sequence[int] = ()
    checkpoints: CheckpointStore | None = None
    checkpoint_seconds: float = 60.0


@dataclass
class TrainResult:
    """What a training measured.

    Attributes:
        history: one row of metrics an epoch.
        metrics: last-epoch accuracies, and the best test accuracy and the test accuracy at the
            best validation accuracy, each in a field of its own; percent.
    """

    history: list[Row] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)


def train(
    model: nn.Module,
    data: TrainData,
    recipe: TrainConfig,
    *,
    masks: Mapping[str, Tensor],
    seed: int,
    device: torch.device,
    precision: Precision,
    graphs: bool = False,
    hooks: TrainHooks | None = None,
) -> TrainResult:
    """Train ``model`` in place; a training that was killed goes on from its last checkpoint.

    Args:
        model: on the device, its removed weights at zero.
        data: on the device.
        recipe: epochs, optimiser, schedule.
        masks: parameter name -> bool mask of the weights that may live; empty for a dense model.
        seed: the source of the order and the augmentation of every epoch.
        device: where everything is.
        precision: of the forward pass; parameters and optimiser are float32.
        graphs: replay the step as a CUDA graph (CUDA only).
        hooks: see ``TrainHooks``.

    Returns:
        The metrics of every epoch and of the whole training.

    Raises:
        RunFailedError: the training loss became infinite or not a number.
    """
    hooks = hooks or TrainHooks()
    optimizer = build_optimizer(recipe, model.parameters())
    keeper = MaskKeeper(model, masks)
    keeper.apply()
    meters = Meters(device)
    eager = EagerStep(model, optimizer, keeper, meters, precision, recipe.label_smoothing)
    full = min(recipe.batch_size, data.train.image_count)
    step: Step = GraphedStep(eager, full) if graphs and device.type == "cuda" else eager

    result = TrainResult(_resume(model, optimizer, hooks.checkpoints))
    saved = time.monotonic()
    random_forward = has_dropout(model)
    for epoch in range(len(result.history), recipe.epochs):
        started = time.monotonic()
        if random_forward:
            torch.manual_seed(derive_seed(seed, "dropout", epoch))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch)
        row = _train_epoch(step, model, data.train, generator(seed, "order", epoch), meters, hooks)
        if not math.isfinite(row["train_loss"]):
            raise RunFailedError(
                f"the training loss is {row['train_loss']} in epoch {epoch + 1} of {recipe.epochs}"
            )
        keeper.assert_kept()
        row = {"epoch": epoch, "lr": learning_rate(recipe, epoch), **row}
        last = epoch + 1 == recipe.epochs
        if last or (epoch + 1) % recipe.evaluate_every == 0:
            row |= _evaluate_all(model, data, precision)
        row["seconds"] = time.monotonic() - started
        result.history.append(row)
        if epoch in hooks.keep_epochs:
            hooks.keep(epoch, cpu_state(model))
        if hooks.checkpoints is not None and (
            last or time.monotonic() - saved >= hooks.checkpoint_seconds
        ):
            _save(model, optimizer, result.history, hooks.checkpoints)
            saved = time.monotonic()
        hooks.on_epoch(row)
    if not result.history:
        result.metrics = dict(_evaluate_all(model, data, precision))
    else:
        result.metrics = summarise(result.history)
    return result


def _train_epoch(
    step: Step,
    model: nn.Module,
    batches: Batches,
    draw: torch.Generator,
    meters: Meters,
    hooks: TrainHooks,
) -> Row:
    model.train()
    meters.zero()
    images_seen = 0
    for images, labels in batches.epoch(draw):
        step(images, labels)
        images_seen += len(labels)
        hooks.on_step(len(labels))
    loss, accuracy = meters.read(images_seen)
    return {"train_loss": loss, "train_accuracy": accuracy}


def _evaluate_all(model: nn.Module, data: TrainData, precision: Precision) -> Row:
    loss, accuracy = evaluate(model, data.test, precision)
    row: Row = {"test_loss": loss, "test_accuracy": accuracy}
    if data.validation is not None:
        loss, accuracy = evaluate(model, data.validation, precision)
        row |= {"validation_loss": loss, "validation_accuracy": accuracy}
    return row


def summarise(history: Sequence[Row]) -> dict[str, float | None]:
    """Return the metrics of a training from its epochs.

    Only evaluated epochs count. The test accuracies of the last epoch, of the epoch with the best
    validation accuracy (the first such epoch), and of the best test epoch are three different
    numbers and stay so.
    """
    last = {k: v for k, v in history[-1].items() if k not in ("epoch", "lr", "seconds")}
    metrics: dict[str, float | None] = dict(last)
    evaluated = [row for row in history if "test_accuracy" in row]
    metrics["best_test_accuracy"] = max(row["test_accuracy"] for row in evaluated)
    metrics["first_epoch_test_accuracy"] = history[0].get("test_accuracy")
    metrics["test_accuracy_at_best_validation"] = None
    if "validation_accuracy" in history[-1]:
        best = max(evaluated, key=lambda row: row["validation_accuracy"])
        metrics["test_accuracy_at_best_validation"] = best["test_accuracy"]
    return metrics


def cpu_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's state dict on the CPU."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}


def _save(
    model: nn.Module, optimizer: Optimizer, history: list[Row], store: CheckpointStore
) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for index, parameter in enumerate(model.parameters()):
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{key}"] = value
    store.save(tensors, {"history": history})


@torch.no_grad()
def _resume(model: nn.Module, optimizer: Optimizer, store: CheckpointStore | None) -> list[Row]:
    found = store.load() if store is not None else None
    if found is None:
        return []
    state = model.state_dict()
    parameters = list(model.parameters())
    for name, value in found.tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "model":
            state[rest].copy_(value)
        else:
            index, _, key = rest.partition("/")
            parameter = parameters[int(index)]
            # Memory layout decides the order of sums: momentum gets that of its weight.
            like = (
                torch.empty_like(parameter)
                if value.shape == parameter.shape
                else (torch.empty(value.shape, dtype=value.dtype, device=parameter.device))
            )
            optimizer.state[parameter][key] = like.copy_(value)
    return list(found.values["history"])
