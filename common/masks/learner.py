"""The search for a mask: the latents learn, the weights under them stay as they were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from common.data import Batches
from common.masks.base import LearnedMask, View, viewed
from common.masks.noise import Noise
from common.masks.observe import observe
from common.masks.options import SearchConfig
from common.masks.rule import SearchRule
from common.randomness import derive_seed, generator
from common.training import (
    Precision,
    Row,
    TrainData,
    build_optimizer,
    evaluate,
    learning_rate,
    require_finite,
)
from common.training.learner import BEST_ACCURACY
from common.training.step import EagerStep, Meters, Step, fastest_step, has_dropout


@dataclass(frozen=True)
class RescaleTraining:
    """How the parameters of a rescaling learn, beside the latents.

    Attributes:
        lr: learning rate, without schedule.
        momentum: of SGD.
        two_pass: give them SGD and a forward and backward pass of their own after the latents'
            step, with fresh masks; otherwise they join the latents' optimiser, with their own
            learning rate and momentum, at half the cost.
    """

    lr: float
    momentum: float
    two_pass: bool


@dataclass(frozen=True)
class _Pass:
    """One forward and backward pass of a step, and what learns from it."""

    parameters: Sequence[nn.Parameter]
    step: Step


class MaskLearner:
    """Learns masks; a ``Learner`` of the training loop.

    Args:
        model: on the device, with ``masks`` attached.
        masks: by the names of their weights.
        data: what is learned from, and the validation images. The test images are only looked at
            where the recipe wants their accuracy logged; nothing is chosen by it.
        search: the recipe.
        rescale: how parameters of the rescaling learn; None where they do not.
        rule: what happens to the masks beside gradient steps; None: nothing.
        seed: the source of every random number.
        device: where everything is.
        precision: of the forward pass.
        graphs: replay the passes as CUDA graphs (CUDA only).
    """

    def __init__(
        self,
        model: nn.Module,
        masks: Mapping[str, LearnedMask],
        data: TrainData,
        search: SearchConfig,
        *,
        rescale: RescaleTraining | None = None,
        rule: SearchRule | None = None,
        seed: int,
        device: torch.device,
        precision: Precision = "float32",
        graphs: bool = False,
    ) -> None:
        self.model = model
        self.masks = dict(masks)
        self.rule = SearchRule(self.masks) if rule is None else rule
        self.meters = Meters(device)
        self.noise = Noise(self.masks.values(), seed)
        self._data, self._search, self._seed = data, search, seed
        self._precision: Precision = precision
        self._full = min(search.batch_size, data.train.image_count)
        self._random_forward = has_dropout(model)
        self._graphs = graphs
        latents = [mask.latent for mask in self.masks.values()]
        factors = [value for mask in self.masks.values() for value in mask.rescale.parameters()]
        self._passes = self._make_passes(latents, factors, rescale)
        self._best: dict[str, Tensor] = {}

    def _make_passes(
        self,
        latents: list[nn.Parameter],
        factors: list[nn.Parameter],
        rescale: RescaleTraining | None,
    ) -> list[_Pass]:
        first = build_optimizer(self._search, latents)
        self.optimizers: Sequence[Optimizer] = [first]
        if rescale is None or not factors:
            return [_Pass(latents, self._make_step(first, self.meters))]
        if not rescale.two_pass:
            own = {"lr": rescale.lr, "momentum": rescale.momentum, "weight_decay": 0.0}
            own["nesterov"] = False
            first.add_param_group({"params": factors, **own})
            return [_Pass([*latents, *factors], self._make_step(first, self.meters))]
        second = torch.optim.SGD(factors, lr=rescale.lr, momentum=rescale.momentum)
        self.optimizers = [first, second]
        unread = Meters(self.meters.loss.device)
        return [
            _Pass(latents, self._make_step(first, self.meters)),
            _Pass(factors, self._make_step(second, unread)),
        ]

    def _make_step(self, optimizer: Optimizer, meters: Meters) -> Step:
        eager = EagerStep(
            self.model,
            optimizer,
            self.rule,
            meters,
            self._precision,
            self._search.label_smoothing,
            self._search.smoothing_form,
        )
        return fastest_step(eager, self._full, self._graphs)

    def begin_epoch(self, epoch: int, history: Sequence[Row] = ()) -> float:
        """Set the latents' learning rate."""
        self.rule.begin_epoch(epoch)
        rate = learning_rate(self._search, epoch)
        self.optimizers[0].param_groups[0]["lr"] = rate
        return rate

    def step(self, epoch: int, number: int, images: Tensor, labels: Tensor) -> None:
        """Learn from a batch, every pass under masks of its own."""
        self.rule.before_step(epoch, number)
        for index, one in enumerate(self._passes):
            for other in self._passes:
                for parameter in other.parameters:
                    parameter.requires_grad_(other is one)
            self.noise.draw("train", epoch, number, index)
            self.rule.before_forward()
            if self._random_forward:
                torch.manual_seed(derive_seed(self._seed, "dropout", epoch, number, index))
            one.step(images, labels)

    def end_epoch(self, epoch: int) -> Row:
        """Check that the latents are finite and return what the masks look like."""
        require_finite(lambda: [m.latent for m in self.masks.values()], "latents", epoch)
        # What is noted must not depend on whether the epoch's last step was taken before a kill.
        self.noise.draw("epoch's end", epoch)
        noted = self.rule.end_epoch(epoch)
        return observe(self.masks) | noted

    def close_epoch(self, epoch: int) -> Row:
        """Let the rule change the masks."""
        return self.rule.close_epoch(epoch)

    def evaluate(self, epoch: int) -> Row:
        """Evaluate on the validation images, and on the test images where they are watched."""
        return self._watch(epoch) | self._validate(epoch)

    def _watch(self, epoch: int) -> Row:
        """Measure on the test images for the log."""
        if not self._search.watch_test:
            return {}
        loss, accuracy = self.measure(self._data.test, "watch", epoch, view="rounded")
        row = {"test_loss": loss, "test_accuracy": accuracy}
        if any(mask.is_relaxed for mask in self.masks.values()):
            _, before = self.measure(self._data.test, "watch relaxed", epoch, view="searched")
            row["test_accuracy_before_rounding"] = before
        return row

    def _validate(self, epoch: int) -> Row:
        """Measure on the validation images, and remember the best network if it is wanted."""
        if self._data.validation is None:
            return {}
        view: View = "found" if self._search.validate_as == "final" else "searched"
        augmented_by = None
        if self._search.validation_augment:
            augmented_by = generator(self._seed, "validation augmentation", epoch)
        loss, accuracy = self.measure(
            self._data.validation, "validation", epoch, view=view, augmented_by=augmented_by
        )
        wanted = self._search.select == "best_validation"
        if wanted and (not self._best or accuracy > float(self._best[BEST_ACCURACY])):
            self._best = {name: value.clone() for name, value in self._learned().items()}
            self._best[BEST_ACCURACY] = torch.tensor(accuracy, dtype=torch.float64)
        return {"validation_loss": loss, "validation_accuracy": accuracy}

    def measure(
        self,
        batches: Batches,
        purpose: str,
        *indices: int,
        view: View,
        augmented_by: torch.Generator | None = None,
    ) -> tuple[float, float]:
        """Return mean loss and accuracy (percent) of the network as it is.

        Args:
            batches: what to look at.
            purpose: of the random numbers, with ``indices``.
            view: which network; random masks are sampled afresh for every batch.
            augmented_by: augments the images.
        """

        def before_batch(number: int) -> None:
            self.noise.draw(purpose, *indices, number)
            self.rule.before_forward()

        with torch.no_grad(), viewed(self.masks, view):
            return evaluate(
                self.model,
                batches,
                self._precision,
                batch_size=batches.batch_size,
                augmented_by=augmented_by,
                before_batch=before_batch,
            )

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Tell whether ``patience`` epochs brought no better validation, or the rule is done."""
        if self.rule.is_finished(history):
            return True
        patience, best = self._search.patience, best_epoch(history)
        return patience is not None and best is not None and len(history) - 1 - best >= patience

    @torch.no_grad()
    def select(self) -> None:
        """Go back to the network with the best validation accuracy, if that is what is wanted."""
        if self._search.select == "best_validation":
            for name, value in self._learned().items():
                value.copy_(self._best[name])

    def _learned(self) -> dict[str, Tensor]:
        """Return what a search changes: latents, factors, and the buffers of norm layers."""
        trained = {id(x) for one in self._passes for x in one.parameters}
        state = self.model.state_dict(keep_vars=True)
        return {
            name: value.detach()
            for name, value in state.items()
            if id(value) in trained or not isinstance(value, nn.Parameter)
        }

    def carried(self) -> dict[str, Tensor]:
        """Return the best network so far."""
        return self._best

    def carry_on(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the best network so far back."""
        state = self._learned()
        self._best = {
            name: torch.empty_like(state[name]).copy_(value) if name in state else value
            for name, value in tensors.items()
        }


def best_epoch(history: Sequence[Row]) -> int | None:
    """Return the position of the first row with the best validation accuracy; None if none has."""
    rows = [index for index, row in enumerate(history) if BEST_ACCURACY in row]
    return max(rows, key=lambda index: (history[index][BEST_ACCURACY], -index), default=None)
