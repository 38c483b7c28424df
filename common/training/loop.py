"""The one training loop: every dense run, ticket and pre-training goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from common.config.recipe import TrainConfig
from common.config.tricks import LrsiConfig
from common.data import Batches
from common.errors import RunFailedError, UserError
from common.randomness import generator
from common.training.checkpoint import CheckpointStore
from common.training.learner import BEST_ACCURACY, DRESSED, Learner, Row, TrainData, WeightLearner
from common.training.precision import Precision
from common.training.stopping import LAST_LOSS, stops_early
from common.tricks import Dressing, InitScales, learn_scales, read_scales, scale_weights


@dataclass(frozen=True, order=True)
class Moment:
    """A moment of a training at which its state may be kept.

    Attributes:
        unit: ``epoch`` or ``step``, of the optimiser.
        number: after which one; epochs count from 0, steps from 1.
    """

    unit: Literal["epoch", "step"]
    number: int


@dataclass(frozen=True)
class TrainHooks:
    """What a caller wants to be told; none of it can change the numbers.

    Attributes:
        on_epoch: gets the metrics of every finished epoch, once.
        on_step: gets the number of images of every step.
        keep: gets the state at each moment of ``keep_at``.
        keep_at: the moments at which a copy of the state is wanted.
        on_scales: gets the factors of LRsI, once they are learned.
        checkpoints: where to save and resume; None: nowhere.
        checkpoint_seconds: shortest time between two checkpoints.
    """

    on_epoch: Callable[[Row], None] = lambda row: None
    on_step: Callable[[int], None] = lambda images: None
    keep: Callable[[Moment, dict[str, Tensor]], None] = lambda moment, state: None
    keep_at: Sequence[Moment] = ()
    on_scales: Callable[[InitScales], None] = lambda scales: None
    checkpoints: CheckpointStore | None = None
    checkpoint_seconds: float = 60.0


@dataclass
class TrainResult:
    """What a training measured.

    Attributes:
        history: one row of metrics an epoch.
        metrics: last-epoch accuracies, and the best test accuracy and the test accuracy at the
            best validation accuracy, each in a field of its own; percent. With early stopping also
            ``trained_epochs``; where the best network is selected, ``last_test_accuracy``.
        dressed: the state of what is still on the network at the end (kept ghosts); mostly none.
    """

    history: list[Row] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    dressed: dict[str, Tensor] = field(default_factory=dict)


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

    A network with soft activations or ghosts that never fade comes back without them; its
    accuracies are those with them. LRsI comes first, from the weights as they are.

    Raises:
        RunFailedError: the training loss became infinite or not a number.
        UserError: the recipe selects by validation images that are not there.
    """
    hooks = hooks or TrainHooks()
    if recipe.select == "best_validation" and data.validation is None:
        raise UserError(
            "train.select: 'best_validation' needs validation images; set data.validation"
        )
    dressing = Dressing(model, recipe, len(data.train), device)
    first = hooks.checkpoints is None or hooks.checkpoints.load() is None
    if recipe.lrsi is not None and first:
        hooks.on_scales(_rescale(model, data.train, recipe.lrsi, masks, dressing, seed))
    learner = WeightLearner(
        model,
        data,
        recipe,
        masks=masks,
        seed=seed,
        device=device,
        precision=precision,
        graphs=graphs,
        dressing=dressing,
    )
    save_start = recipe.lrsi is not None and first
    history = run_epochs(learner, data.train, recipe, seed=seed, hooks=hooks, save_start=save_start)
    metrics = summarise(history) if history else dict(learner.evaluate(0))
    if history and recipe.select == "best_validation":
        learner.select()
        metrics = selected(history, metrics)
    metrics |= _parameter_counts(model, masks, dressing)
    dressed = {name: value.detach().cpu().clone() for name, value in dressing.state().items()}
    dressing.take_off()
    return TrainResult(history, metrics, dressed)


def _rescale(
    model: nn.Module,
    batches: Batches,
    config: LrsiConfig,
    masks: Mapping[str, Tensor],
    dressing: Dressing,
    seed: int,
) -> InitScales:
    """Learn the factors of LRsI and multiply them in, or those of a file."""
    attached = [] if dressing.ghosts is None else [dressing.ghosts]
    if config.resume is not None:
        scales = read_scales(Path(config.resume), config.sha256)
        scale_weights([model, *attached], scales)
        return InitScales(scales)
    stream = batches.endless(config.batch_size, lambda turn: generator(seed, "lrsi", turn))
    return learn_scales(model, stream, config, masks=masks, attached=attached)


def _parameter_counts(
    model: nn.Module, masks: Mapping[str, Tensor], dressing: Dressing
) -> dict[str, float | None]:
    """Return the sizes of networks with ghosts: of what was added, and of what is left at the end.

    Ghosts are dense, so a sparsity says too little about a network that keeps them.
    """
    if not dressing.ghost_parameters:
        return {}
    removed = sum(int((~mask).sum()) for mask in masks.values())
    plain = sum(parameter.numel() for parameter in model.parameters()) - removed
    kept = sum(parameter.numel() for parameter in dressing.parameters())
    return {"ghost_parameters": dressing.ghost_parameters, "final_parameters": plain + kept}


def run_epochs(
    learner: Learner,
    batches: Batches,
    recipe: TrainConfig,
    *,
    seed: int,
    hooks: TrainHooks,
    save_start: bool = False,
) -> list[Row]:
    """Let ``learner`` learn until its recipe's epochs are over or it says that it is finished.

    One that was killed goes on from its last checkpoint, in an epoch as well as behind one.

    Args:
        learner: what learns.
        batches: what it learns from.
        recipe: says how many epochs, and which of them are evaluated.
        seed: the source of the order and the augmentation of every epoch.
        hooks: see ``TrainHooks``.
        save_start: write a checkpoint before the first step, because the start was costly.

    Returns:
        The rows of metrics of all epochs, those before an interruption included.

    Raises:
        RunFailedError: the training loss became infinite or not a number.
        UserError: early stopping ended it before a moment at which a copy is wanted.
    """
    saver = _Saver(learner, hooks)
    history, first_step, before = saver.resume()
    if save_start:
        saver.save(history, 0)
    while len(history) < recipe.epochs and not learner.is_finished(history):
        epoch = len(history)
        saver.started = time.monotonic() - before
        rate = learner.begin_epoch(epoch, history)
        if first_step == 0:
            learner.meters.zero()
        _run_steps(learner, batches, seed, epoch, first_step, hooks, saver, history)
        first_step, before = 0, 0.0
        loss, accuracy = learner.meters.read(batches.image_count)
        if not math.isfinite(loss):
            raise RunFailedError(
                f"the training loss is {loss} in epoch {epoch + 1} of {recipe.epochs}"
            )
        row: Row = {"epoch": epoch, "lr": rate, "train_loss": loss, "train_accuracy": accuracy}
        row |= learner.end_epoch(epoch)
        last = epoch + 1 == recipe.epochs or stops_early(recipe, [*history, row])
        if last or (epoch + 1) % recipe.evaluate_every == 0:
            row |= learner.evaluate(epoch)
        row |= learner.close_epoch(epoch)
        row["seconds"] = time.monotonic() - saver.started
        history.append(row)
        _keep_copy(Moment("epoch", epoch), learner, hooks)
        if last:
            saver.save(history, 0)
        else:
            saver.save_if_due(history, 0)
        hooks.on_epoch(row)
    if stops_early(recipe, history):
        _require_copies(hooks, len(history), len(batches))
    return history


def epoch_draws(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of the order and the augmentation of an epoch."""
    return generator(seed, "order", epoch)


def _require_copies(hooks: TrainHooks, epochs: int, steps: int) -> None:
    """Raise a UserError if a training that stopped early never came to a moment of interest."""
    for moment in hooks.keep_at:
        position = moment.number if moment.unit == "step" else (moment.number + 1) * steps
        if position > epochs * steps:
            raise UserError(
                f"train.early_stopping: ended the training after {epochs} epochs, so that there is "
                f"no {moment.unit} {moment.number} to rewind to"
            )


def _run_steps(
    learner: Learner,
    batches: Batches,
    seed: int,
    epoch: int,
    first_step: int,
    hooks: TrainHooks,
    saver: _Saver,
    history: list[Row],
) -> None:
    """Run the steps of one epoch, or what is left of them."""
    learner.model.train()
    draws = epoch_draws(seed, epoch)
    steps = enumerate(batches.epoch(draws, first_step=first_step), start=first_step)
    for number, (images, labels) in steps:
        learner.step(epoch, number, images, labels)
        hooks.on_step(len(labels))
        _keep_copy(Moment("step", epoch * len(batches) + number + 1), learner, hooks)
        saver.save_if_due(history, number + 1)


def _keep_copy(moment: Moment, learner: Learner, hooks: TrainHooks) -> None:
    """Hand over a copy of the state if it is asked for at this moment."""
    if moment in hooks.keep_at:
        hooks.keep(moment, cpu_state(learner.model))


def summarise(history: Sequence[Row]) -> dict[str, float | None]:
    """Return the metrics of a training from its epochs.

    Only evaluated epochs count, and none in which tricks still fade. The test accuracies of the
    last epoch, of the epoch with the best validation accuracy (the first such epoch), and of the
    best test epoch are three different numbers and stay so. With early stopping the number of
    epochs is a metric, too.
    """
    unwanted = ("epoch", "lr", "seconds", LAST_LOSS, DRESSED)
    metrics: dict[str, float | None] = {k: v for k, v in history[-1].items() if k not in unwanted}
    if LAST_LOSS in history[-1]:
        metrics["trained_epochs"] = len(history)
    evaluated = [row for row in history if "test_accuracy" in row and DRESSED not in row]
    metrics["best_test_accuracy"] = max(row["test_accuracy"] for row in evaluated)
    metrics["first_epoch_test_accuracy"] = history[0].get("test_accuracy")
    metrics["test_accuracy_at_best_validation"] = None
    if "validation_accuracy" in history[-1]:
        best = max(evaluated, key=lambda row: row["validation_accuracy"])
        metrics["test_accuracy_at_best_validation"] = best["test_accuracy"]
    return metrics


def selected(
    history: Sequence[Row], metrics: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Return the metrics of the epoch with the best validation accuracy, and those of the last."""
    evaluated = [row for row in history if BEST_ACCURACY in row and DRESSED not in row]
    best = max(evaluated, key=lambda row: float(row[BEST_ACCURACY]))
    found = {key: best[key] for key in metrics if key in best}
    chosen = {"last_test_accuracy": metrics["test_accuracy"], "selected_epoch": best["epoch"] + 1}
    return {**metrics, **found, **chosen}


def cpu_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's state dict on the CPU."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}


class _Saver:
    """Writes checkpoints when they are due, in an epoch as well as behind one, and reads them.

    Args:
        learner: what learns.
        hooks: where checkpoints are, and how often.

    Attributes:
        started: when the running epoch began, on the monotonic clock.
    """

    def __init__(self, learner: Learner, hooks: TrainHooks) -> None:
        self._learner = learner
        self._store = hooks.checkpoints
        self._pause = hooks.checkpoint_seconds
        self._saved = time.monotonic()
        self.started = self._saved
        self._owner = {
            parameter: optimizer
            for optimizer in learner.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }

    def save_if_due(self, history: list[Row], step: int) -> None:
        """Save if the last checkpoint is old enough; only then is the device waited for."""
        if time.monotonic() - self._saved >= self._pause:
            self.save(history, step)

    def save(self, history: list[Row], step: int) -> None:
        """Write a checkpoint of the finished epochs and of ``step`` steps of the next."""
        if self._store is None:
            return
        model, meters = self._learner.model, self._learner.meters
        tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
        for index, parameter in enumerate(model.parameters()):
            if parameter not in self._owner:
                continue
            for key, value in self._owner[parameter].state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{key}"] = value
        tensors |= {f"meters/{name}": value for name, value in meters.tensors().items()}
        carried = self._learner.carried()
        tensors |= {f"carried/{name}": value for name, value in carried.items()}
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
        state = self._learner.model.state_dict()
        parameters = list(self._learner.model.parameters())
        meters = self._learner.meters.tensors()
        carried = {}
        for name, value in found.tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "model":
                state[rest].copy_(value)
            elif kind == "meters":
                meters[rest].copy_(value)
            elif kind == "carried":
                carried[rest] = value
            else:
                index, _, key = rest.partition("/")
                parameter = parameters[int(index)]
                kept = _laid_out_like(parameter, value)
                self._owner[parameter].state[parameter][key] = kept
        self._learner.carry_on(carried)
        values = found.values
        return list(values["history"]), int(values["step"]), float(values.get("elapsed", 0.0))


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return an optimiser's tensor on the parameter's device and, if it fits, in its layout.

    The memory layout decides the order in which elements are visited, and so the last bits.
    """
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, requires_grad=False).copy_(value)
    return value.to(parameter.device)
