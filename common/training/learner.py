"""What the training loop drives: a network and the rule by which a step changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from common.config.recipe import TrainConfig
from common.data import Batches
from common.errors import RunFailedError
from common.randomness import derive_seed
from common.training.evaluate import evaluate
from common.training.optimizer import MaskKeeper, build_optimizer, norm_parameters
from common.training.precision import Precision
from common.training.schedule import learning_rate
from common.training.step import EagerStep, Meters, fastest_step, has_dropout
from common.training.stopping import LAST_LOSS, early_stopped_rate, last_losses, stops_early
from common.tricks import Dressing

Row = dict[str, Any]
BEST_ACCURACY = "validation_accuracy"
DRESSED = "dressed"
"""Marks an epoch whose accuracies are those of a network with tricks that fade: none to select."""


@dataclass(frozen=True)
class TrainData:
    """The batches of a training: what is trained on and what is evaluated after each epoch."""

    train: Batches
    test: Batches
    validation: Batches | None = None


class Learner(Protocol):
    """A network that learns: weights under a fixed mask, or a mask over fixed weights.

    Attributes:
        model: the network; a checkpoint holds its state.
        optimizers: a checkpoint holds their state.
        meters: the sums of the running epoch.
    """

    model: nn.Module
    optimizers: Sequence[Optimizer]
    meters: Meters

    def begin_epoch(self, epoch: int, history: Sequence[Row] = ()) -> float:
        """Make ready for an epoch (counted from 0) and return its learning rate.

        Only early stopping looks at the history: the rows of the epochs before.
        """

    def step(self, epoch: int, number: int, images: Tensor, labels: Tensor) -> None:
        """Learn from a batch; random numbers follow from the epoch and the step's number."""

    def end_epoch(self, epoch: int) -> Row:
        """Check the network and return what there is to log; ``RunFailedError`` if it broke."""

    def evaluate(self, epoch: int) -> Row:
        """Return the accuracies and losses of the network as it is after an epoch."""

    def close_epoch(self, epoch: int) -> Row:
        """Change what the method changes between epochs, after the evaluation; return what to log.

        It is called once an epoch; what it does belongs to the state that a checkpoint holds.
        """

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Tell whether to stop before all epochs are done."""

    def carried(self) -> dict[str, Tensor]:
        """Return the tensors beside the model and the optimisers that a checkpoint must hold."""

    def carry_on(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what ``carried`` returned when the checkpoint was written."""


class WeightLearner:
    """Trains the weights of a network; those that a mask removes stay at zero.

    Args:
        model: on the device, its removed weights at zero.
        data: what is evaluated.
        recipe: epochs, optimiser, schedule.
        masks: parameter name -> bool mask of the weights that may live.
        seed: the source of every random number.
        device: where everything is.
        precision: of the forward pass.
        graphs: replay the step as a CUDA graph (CUDA only).
        dressing: what the recipe adds to the network for a time; None: made here.
    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainData,
        recipe: TrainConfig,
        *,
        masks: Mapping[str, Tensor],
        seed: int,
        device: torch.device,
        precision: Precision,
        graphs: bool,
        dressing: Dressing | None = None,
    ) -> None:
        self.model = model
        self.meters = Meters(device, keep_last=recipe.early_stopping is not None)
        self.dressing = dressing or Dressing(model, recipe, len(data.train), device)
        self._optimizer = _optimizer(model, recipe, self.dressing)
        self.optimizers: Sequence[Optimizer] = [self._optimizer]
        self._best: dict[str, Tensor] = {}
        self._data, self._recipe = data, recipe
        self._seed, self._precision = seed, precision
        self._keeper = MaskKeeper(model, masks, freeze_negative=recipe.freeze_negative)
        self._keeper.apply()
        self._random_forward = has_dropout(model)
        eager = EagerStep(
            model,
            self._optimizer,
            self._keeper,
            self.meters,
            precision,
            recipe.label_smoothing,
            recipe.smoothing_form,
            [] if self.dressing.ghosts is None else [self.dressing.ghosts],
        )
        full = min(recipe.batch_size, data.train.image_count)
        self._step = fastest_step(eager, full, graphs)
        self._fade(0, 0)

    def begin_epoch(self, epoch: int, history: Sequence[Row] = ()) -> float:
        """Set the epoch's learning rate."""
        rate: float | None = learning_rate(self._recipe, epoch)
        if self._recipe.early_stopping is not None:
            rate = early_stopped_rate(self._recipe, last_losses(history))
        assert rate is not None, "the training is over"
        for group in self.optimizers[0].param_groups:
            group["lr"] = rate
        return rate

    def step(self, epoch: int, number: int, images: Tensor, labels: Tensor) -> None:
        """Take one step of the optimiser."""
        self._fade(epoch, number)
        if self._random_forward:
            torch.manual_seed(derive_seed(self._seed, "dropout", epoch, number))
        self._step(images, labels)

    def end_epoch(self, epoch: int) -> Row:
        """Check that the weights are finite and the removed ones zero."""
        self._fade(epoch + 1, 0)
        require_finite(self.model.parameters, "weights", epoch)
        self._keeper.assert_kept()
        last = self.meters.last
        return {} if last is None else {LAST_LOSS: float(last)}

    def _fade(self, epoch: int, number: int) -> None:
        """Bring the recipe's tricks to where they are before a step."""
        ghosts = self.dressing.parameters()
        if self.dressing.move_to(epoch, number):
            self._forget(ghosts)
            self._step.network_changed()

    def _forget(self, ghosts: Sequence[nn.Parameter]) -> None:
        """Drop from the optimiser those of some ghosts' parameters that are there no more."""
        left = {id(parameter) for parameter in self.dressing.parameters()}
        gone = [parameter for parameter in ghosts if id(parameter) not in left]
        known = {id(parameter) for parameter in gone}
        for parameter in gone:
            self._optimizer.state.pop(parameter, None)
        for group in self._optimizer.param_groups if gone else ():
            group["params"] = [p for p in group["params"] if id(p) not in known]

    def evaluate(self, epoch: int) -> Row:
        """Evaluate on the test images, and on the validation images if there are any."""
        loss, accuracy = evaluate(self.model, self._data.test, self._precision)
        row: Row = {"test_loss": loss, "test_accuracy": accuracy}
        if self._data.validation is not None:
            loss, accuracy = evaluate(self.model, self._data.validation, self._precision)
            row |= {"validation_loss": loss, "validation_accuracy": accuracy}
        if self.dressing.is_fading:
            row[DRESSED] = True
        elif self._recipe.select == "best_validation":
            self._remember(row)
        return row

    def _remember(self, row: Row) -> None:
        """Keep a copy of the network if no earlier one did better on the validation images."""
        accuracy = float(row["validation_accuracy"])
        if not self._best or accuracy > float(self._best[BEST_ACCURACY]):
            self._best = {f"best/{k}": v.clone() for k, v in self._network().items()}
            self._best[BEST_ACCURACY] = torch.tensor(accuracy, dtype=torch.float64)

    @torch.no_grad()
    def select(self) -> None:
        """Go back to the network with the best validation accuracy, if that is what is wanted."""
        for name, value in self._network().items():
            if f"best/{name}" in self._best:
                value.copy_(self._best[f"best/{name}"])

    def _network(self) -> dict[str, Tensor]:
        """Return all tensors of the network as it computes, ghosts included."""
        state = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        return state | {f"ghosts/{name}": value for name, value in self.dressing.state().items()}

    def close_epoch(self, epoch: int) -> Row:
        """Leave the network alone."""
        return {}

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Tell whether early stopping ends the training."""
        return stops_early(self._recipe, history)

    def carried(self) -> dict[str, Tensor]:
        """Return the ghosts, what the optimiser remembers of them, and the best network so far."""
        tensors = {f"ghosts/{name}": value for name, value in self.dressing.state().items()}
        for index, parameter in enumerate(self.dressing.parameters()):
            for key, value in self._optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"momentum/{index}/{key}"] = value
        return tensors | self._best

    def carry_on(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what ``carried`` returned."""
        ghosts = self.dressing.parameters()
        self.dressing.load(_under("ghosts/", tensors))
        self._forget(ghosts)
        parameters = self.dressing.parameters()
        for name, value in _under("momentum/", tensors).items():
            index, _, key = name.partition("/")
            parameter = parameters[int(index)]
            self._optimizer.state[parameter][key] = value.to(parameter.device)
        state = self._network()
        self._best = {
            name: torch.empty_like(state[name[5:]]).copy_(value) if name[5:] in state else value
            for name, value in tensors.items()
            if name.startswith("best/") or name == BEST_ACCURACY
        }


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer(model: nn.Module, recipe: TrainConfig, dressing: Dressing) -> Optimizer:
    parameters = [*model.parameters(), *dressing.parameters()]
    if recipe.decay_norm:
        return build_optimizer(recipe, parameters)
    norms = norm_parameters(model)
    if dressing.ghosts is not None:
        norms += norm_parameters(dressing.ghosts)
    known = {id(parameter) for parameter in norms}
    return build_optimizer(recipe, [p for p in parameters if id(p) not in known], norms)


def require_finite(parameters: Callable[[], Any], what: str, epoch: int) -> None:
    """Raise ``RunFailedError`` if the epoch's last update left a parameter that is no number."""
    sums = torch.stack([parameter.detach().sum() for parameter in parameters()])
    if not bool(torch.isfinite(sums).all()):
        raise RunFailedError(f"the {what} are not finite after epoch {epoch + 1}")
