"""Gradual magnitude pruning: one training, in which ever more of the smallest weights go."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from common.config.recipe import TrainConfig
from common.config.schema import Fraction
from common.config.section import changed, refuse
from common.errors import UserError
from common.finders.base import Finder, FindInputs, Found, Workshop, one_shot
from common.finders.learned import search_curves
from common.finders.score_options import LayerOptions
from common.finders.scores import score
from common.finders.selection import Masks, select_masks
from common.models import prunable_parameters
from common.tickets.ticket import Ticket
from common.training import MaskKeeper, Row, TrainData, WeightLearner, cpu_state, run_epochs

MASK = "mask/"
UNFIT = ("early_stopping", "select", "soft_activation", "ghost_skip", "lrsi")


class GmpOptions(LayerOptions):
    """Gradual magnitude pruning (Zhu and Gupta, arXiv:1710.01878).

    The dense network is trained with ``train``. After ``start`` steps, and then ``every`` so many
    until ``end``, the weights that are smallest by then are removed, up to a sparsity that rises
    with the cube of the time left. The mask at the end is the ticket's.
    """

    name: Literal["gmp"] = "gmp"
    sparsity: Fraction
    initial_sparsity: Fraction = Field(0.0, description="at the first pruning")
    start: int | Fraction = Field(0, ge=0, description="steps (int) or fraction of them (float)")
    end: int | Fraction = Field(0.5, ge=0, description="last pruning at the latest, as start")
    every: int | Literal["epoch"] = Field(100, description="steps between two prunings")
    train: TrainConfig = Field(TrainConfig(), description="the recipe; its images are the run's")
    rewinding: Literal["init", "trained"] = Field(
        "init", description="trained: the ticket goes on from the weights of this training"
    )

    @model_validator(mode="after")
    def _agree(self) -> GmpOptions:
        if self.initial_sparsity > self.sparsity:
            raise refuse(
                f"initial_sparsity must be at most sparsity ({self.sparsity}), "
                f"found {self.initial_sparsity}"
            )
        if self.every != "epoch" and self.every < 1:
            raise refuse(f"every must be a number of steps above 0 or 'epoch', found {self.every}")
        for name in changed(self.train, *UNFIT):
            raise refuse(f"train.{name} has no place in this training of a plain network")
        return self


def cubic_sparsity(progress: float, first: float, last: float) -> float:
    """Return the sparsity after a part of the way from the first pruning to the last one.

    Args:
        progress: from 0, the first pruning, to 1.
        first: sparsity there.
        last: sparsity at the end.
    """
    return last + (first - last) * (1.0 - progress) ** 3


def pruning_steps(options: GmpOptions, steps_per_epoch: int) -> dict[int, float]:
    """Return after how many steps of the optimiser weights are removed, and up to which sparsity.

    Raises:
        UserError: there is no time for two prunings between start and end.
    """
    whole = options.train.epochs * steps_per_epoch
    start, end = (
        place if isinstance(place, int) else int(place * whole)
        for place in (options.start, options.end)
    )
    if end > whole:
        raise UserError(f"find.end: {end} is more than the {whole} steps of find.train")
    every = steps_per_epoch if options.every == "epoch" else options.every
    intervals = (end - start) // every
    if intervals < 1:
        raise UserError(
            f"find.every: {every} steps do not fit between find.start (step {start}) and find.end "
            f"(step {end}) of the {whole} steps of find.train; prune more often, as every 'epoch', "
            "or train longer"
        )
    return {
        start + number * every: cubic_sparsity(
            number / intervals, options.initial_sparsity, options.sparsity
        )
        for number in range(intervals + 1)
    }


class GmpLearner(WeightLearner):
    """Trains all weights, and removes the smallest of them after some of the steps.

    Args:
        model: the dense network, on the device.
        data: what it learns from and what is evaluated.
        options: the finder's.
        workshop: seed, device, precision.
    """

    def __init__(
        self, model: nn.Module, data: TrainData, options: GmpOptions, workshop: Workshop
    ) -> None:
        self._steps_per_epoch = len(data.train)
        self._prunings = pruning_steps(options, self._steps_per_epoch)
        super().__init__(
            model,
            data,
            options.train,
            masks={},
            seed=workshop.seed,
            device=workshop.device,
            precision=workshop.precision,
            graphs=workshop.graphs,
        )
        self._layers, self._scope = options.layers, options.scope
        weights = prunable_parameters(model, self._layers)
        self.masks: Masks = {
            name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()
        }
        self._kept = MaskKeeper(model, self.masks)
        self._prune_after(0)

    def _prune_after(self, steps: int) -> None:
        """Remove weights if so many steps are the moment for it."""
        if steps not in self._prunings:
            return
        scores = score("magnitude", self.model, layers=self._layers)
        # A removed weight is below one that training left at zero.
        ranked = {
            name: value.cpu().masked_fill(~self.masks[name], -1.0) for name, value in scores.items()
        }
        self._set(select_masks(ranked, self._prunings[steps], scope=self._scope))

    def _set(self, masks: Masks) -> None:
        self.masks = masks
        self._kept = MaskKeeper(self.model, masks)
        self._kept.apply(self.optimizers[0])

    def step(self, epoch: int, number: int, images: Tensor, labels: Tensor) -> None:
        """Take a step; keep removed weights at zero, and remove more where it is time."""
        super().step(epoch, number, images, labels)
        self._kept.apply(self.optimizers[0])
        self._prune_after(epoch * self._steps_per_epoch + number + 1)

    def end_epoch(self, epoch: int) -> Row:
        """Check the weights, and log how many are gone."""
        row = super().end_epoch(epoch)
        self._kept.assert_kept()
        kept = sum(int(mask.sum()) for mask in self.masks.values())
        total = sum(mask.numel() for mask in self.masks.values())
        return row | {"sparsity": 1.0 - kept / total}

    def carried(self) -> dict[str, Tensor]:
        """Return the masks of now, too."""
        return super().carried() | {MASK + name: mask for name, mask in self.masks.items()}

    def carry_on(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the masks back, too."""
        super().carry_on(tensors)
        self._set({name: tensors[MASK + name] for name in self.masks})


def find_gmp(inputs: FindInputs) -> Found:
    """Train and prune in one go; the record has the accuracy of the network that this leaves."""
    options: GmpOptions = inputs.options
    workshop, recipe = inputs.need_workshop(), options.train
    data = workshop.data(recipe.batch_size, False)
    model = copy.deepcopy(inputs.model)
    learner = GmpLearner(model, data, options, workshop)
    with workshop.follow(data, recipe) as hooks:
        history = run_epochs(learner, data.train, recipe, seed=workshop.seed, hooks=hooks)
    start = inputs.initial_state() if options.rewinding == "init" else cpu_state(model)
    metrics = {
        "pruned_test_accuracy": history[-1]["test_accuracy"],
        "search_train_loss": history[-1]["train_loss"],
        "search_epochs": len(history),
    }
    return Found(Ticket(learner.masks, start), metrics, search_curves(history))


GMP: Finder = one_shot(GmpOptions, find_gmp)
