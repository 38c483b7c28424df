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

    saver = _Saver(model, optimizer, meters, hooks)
    history, first_step, before = saver.resume()
    result = TrainResult(history)
    for epoch in range(len(history), recipe.epochs):
        saver.started = time.monotonic() - before
        rate = learning_rate(recipe, epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if first_step == 0:
            meters.zero()
        _run_steps(step, model, data.train, seed, epoch, first_step, hooks, saver, history)
        first_step, before = 0, 0.0
        loss, accuracy = meters.read(data.train.image_count)
        if not math.isfinite(loss):
            raise RunFailedError(
                f"the training loss is {loss} in epoch {epoch + 1} of {recipe.epochs}"
            )
        _require_finite(model, epoch)
        keeper.assert_kept()
        row: Row = {"epoch": epoch, "lr": rate, "train_loss": loss, "train_accuracy": accuracy}
        last = epoch + 1 == recipe.epochs
        if last or (epoch + 1) % recipe.evaluate_every == 0:
            row |= _evaluate_all(model, data, precision)
        row["seconds"] = time.monotonic() - saver.started
        history.append(row)
        if epoch in hooks.keep_epochs:
            hooks.keep(epoch, cpu_state(model))
        if last:
            saver.save(history, 0)
        else:
            saver.save_if_due(history, 0)
        hooks.on_epoch(row)
    if not result.history:
        result.metrics = dict(_evaluate_all(model, data, precision))
    else:
        result.metrics = summarise(result.history)
    return result


def _require_finite(model: nn.Module, epoch: int) -> None:
    """Raise ``RunFailedError`` if the epoch's last update left a weight that is no number."""
    sums = torch.stack([parameter.detach().sum() for parameter in model.parameters()])
    if not bool(torch.isfinite(sums).all()):
        raise RunFailedError(f"the weights are not finite after epoch {epoch + 1}")


def _run_steps(
    step: Step,
    model: nn.Module,
    batches: Batches,
    seed: int,
    epoch: int,
    first_step: int,
    hooks: TrainHooks,
    saver: _Saver,
    history: list[Row],
) -> None:
    """Run the steps of one epoch, or what is left of them."""
    model.train()
    random_forward = has_dropout(model)
    order = generator(seed, "order", epoch)
    steps = enumerate(batches.epoch(order, first_step=first_step), start=first_step)
    for number, (images, labels) in steps:
        if random_forward:
            torch.manual_seed(derive_seed(seed, "dropout", epoch, number))
        step(images, labels)
        hooks.on_step(len(labels))
        saver.save_if_due(history, number + 1)


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


class _Saver:
    """Writes checkpoints when they are due, in an epoch as well as behind one, and reads them.

    Args:
        model: what is trained.
        optimizer: its optimiser.
        meters: the sums of the running epoch.
        hooks: where checkpoints are, and how often.

    Attributes:
        started: when the running epoch began, on the monotonic clock.
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, meters: Meters, hooks: TrainHooks
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._meters = meters
        self._store = hooks.checkpoints
        self._pause = hooks.checkpoint_seconds
        self._saved = time.monotonic()
        self.started = self._saved

    def save_if_due(self, history: list[Row], step: int) -> None:
        """Save if the last checkpoint is old enough; only then is the device waited for."""
        if time.monotonic() - self._saved >= self._pause:
            self.save(history, step)

    def save(self, history: list[Row], step: int) -> None:
        """Write a checkpoint of the finished epochs and of ``step`` steps of the next."""
        if self._store is None:
            return
        tensors = {f"model/{name}": value for name, value in self._model.state_dict().items()}
        for index, parameter in enumerate(self._model.parameters()):
            for key, value in self._optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{key}"] = value
        tensors |= {"meters/loss": self._meters.loss, "meters/correct": self._meters.correct}
        values: dict[str, Any] = {"history": history, "step": step}
        if step:
            values["elapsed"] = time.monotonic() - self.started
        self._store.save(tensors, values)
        self._saved = time.monotonic()

    @torch.no_grad()
    def resume(self) -> tuple[list[Row], int, float]:
        """Load the newest checkpoint.

        Returns:
            The finished epochs, the steps done of the next one, and the seconds they took.
        """
        found = self._store.load() if self._store is not None else None
        if found is None:
            return [], 0, 0.0
        state = self._model.state_dict()
        parameters = list(self._model.parameters())
        meters = {"loss": self._meters.loss, "correct": self._meters.correct}
        for name, value in found.tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "model":
                state[rest].copy_(value)
            elif kind == "meters":
                meters[rest].copy_(value)
            else:
                index, _, key = rest.partition("/")
                parameter = parameters[int(index)]
                self._optimizer.state[parameter][key] = _laid_out_like(parameter, value)
        values = found.values
        return list(values["history"]), int(values["step"]), float(values.get("elapsed", 0.0))


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return an optimiser's tensor on the parameter's device and, if it fits, in its layout.

    The memory layout decides the order in which elements are visited, and so the last bits.
    """
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, requires_grad=False).copy_(value)
    return value.to(parameter.device)
