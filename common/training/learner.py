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
from common.training.optimizer import MaskKeeper, build_optimizer
from common.training.precision import Precision
from common.training.schedule import learning_rate
from common.training.step import EagerStep, Meters, fastest_step, has_dropout
from common.training.stopping import LAST_LOSS, early_stopped_rate, last_losses, stops_early

Row = dict[str, Any]


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
    ) -> None:
        self.model = model
        self.meters = Meters(device, keep_last=recipe.early_stopping is not None)
        optimizer = build_optimizer(recipe, model.parameters())
        self.optimizers: Sequence[Optimizer] = [optimizer]
        self._data, self._recipe = data, recipe
        self._seed, self._precision = seed, precision
        self._keeper = MaskKeeper(model, masks)
        self._keeper.apply()
        self._random_forward = has_dropout(model)
        eager = EagerStep(
            model, optimizer, self._keeper, self.meters, precision, recipe.label_smoothing
        )
        full = min(recipe.batch_size, data.train.image_count)
        self._step = fastest_step(eager, full, graphs)

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
        if self._random_forward:
            torch.manual_seed(derive_seed(self._seed, "dropout", epoch, number))
        self._step(images, labels)

    def end_epoch(self, epoch: int) -> Row:
        """Check that the weights are finite and the removed ones zero."""
        require_finite(self.model.parameters, "weights", epoch)
        self._keeper.assert_kept()
        last = self.meters.last
        return {} if last is None else {LAST_LOSS: float(last)}

    def evaluate(self, epoch: int) -> Row:
        """Evaluate on the test images, and on the validation images if there are any."""
        loss, accuracy = evaluate(self.model, self._data.test, self._precision)
        row: Row = {"test_loss": loss, "test_accuracy": accuracy}
        if self._data.validation is not None:
            loss, accuracy = evaluate(self.model, self._data.validation, self._precision)
            row |= {"validation_loss": loss, "validation_accuracy": accuracy}
        return row

    def close_epoch(self, epoch: int) -> Row:
        """Leave the network alone."""
        return {}

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Tell whether early stopping ends the training."""
        return stops_early(self._recipe, history)

    def carried(self) -> dict[str, Tensor]:
        """Return nothing: model and optimiser are all there is."""
        return {}

    def carry_on(self, tensors: Mapping[str, Tensor]) -> None:
        """Take nothing back."""


def require_finite(parameters: Callable[[], Any], what: str, epoch: int) -> None:
    """Raise ``RunFailedError`` if the epoch's last update left a parameter that is no number."""
    sums = torch.stack([parameter.detach().sum() for parameter in parameters()])
    if not bool(torch.isfinite(sums).all()):
        raise RunFailedError(f"the {what} are not finite after epoch {epoch + 1}")
