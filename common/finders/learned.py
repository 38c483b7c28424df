"""Finders that learn a mask by training: the search itself, and what it measures at the end."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from common.errors import UserError
from common.finders.base import FindInputs, Found
from common.masks import (
    EDGES,
    LearnedMask,
    LearnedMaskOptions,
    MakeMask,
    MaskLearner,
    RescaleTraining,
    SearchConfig,
    SearchRule,
    View,
    attach,
    best_epoch,
    observe,
    unmasked_state,
)
from common.models import shortcut_weights
from common.tickets.ticket import Ticket
from common.training import Row, TrainData, run_epochs

CURVE_POINTS, HISTOGRAM_POINTS = 100, 20
CURVES = (
    "train_loss",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "test_accuracy_before_rounding",
    "sparsity",
    "frozen_sparsity",
    "rounded_sparsity",
    "regularizer",
    "exact_zeros",
)


@dataclass(frozen=True)
class MaskSearch:
    """What distinguishes one way to learn a mask from another.

    Attributes:
        search: the recipe.
        make: makes the mask of a weight.
        exclude: weights that get none.
        rescale: how parameters of the rescaling learn; None where there are none.
        rule: makes the rule from the masks and from a function that saves the present ticket under
            a name; None: only gradient steps change the masks.
        samples: sampled topologies whose test accuracies are averaged; 0 where nothing is random.
        sampled_view: the network that is random.
        result: whether the method's own number is that of the found network or of the samples.
    """

    search: SearchConfig
    make: MakeMask
    exclude: Sequence[str] = ()
    rescale: RescaleTraining | None = None
    rule: Callable[[Mapping[str, LearnedMask], Callable[[str], None]], SearchRule] | None = None
    samples: int = 0
    sampled_view: View = "searched"
    result: Literal["final", "sampled"] = "final"


def left_dense(options: LearnedMaskOptions, model: nn.Module) -> tuple[str, ...]:
    """Return the names of the weights that get no mask."""
    if options.prune_shortcuts:
        return options.exclude
    return (*options.exclude, *shortcut_weights(model))


def search_masks(inputs: FindInputs, plan: MaskSearch) -> Found:
    """Learn masks over the frozen initial weights and return the network they select.

    The ticket's start weights are the initial ones; where a method scales the weights it keeps,
    the factor of every layer is multiplied into them (and noted in ``meta["factors"]``), so that
    the ticket alone computes what was found. Statistics of norm layers are those of the search.

    Raises:
        UserError: the search selects by validation accuracy, but no images are held out.
        RunFailedError: the loss or a latent became infinite or not a number.
    """
    workshop, search = inputs.need_workshop(), plan.search
    data = workshop.data(search.batch_size, search.validation_augment)
    if search.select == "best_validation" and data.validation is None:
        raise UserError(
            "find.search.select: 'best_validation' needs validation images; set data.validation, "
            "or select 'last' and patience null"
        )
    model = copy.deepcopy(inputs.model)
    masks = attach(model, plan.make, plan.exclude)

    def save(name: str) -> None:
        learner.noise.draw("ticket")
        workshop.save_ticket(name, _ticket(model, masks))

    learner = MaskLearner(
        model,
        masks,
        data,
        search,
        rescale=plan.rescale,
        rule=None if plan.rule is None else plan.rule(masks, save),
        seed=workshop.seed,
        device=workshop.device,
        precision=workshop.precision,
        graphs=workshop.graphs,
    )
    before = observe(masks)
    with workshop.follow(data, search) as hooks:
        history = run_epochs(learner, data.train, search, seed=workshop.seed, hooks=hooks)
    # A search that was interrupted behind its last epoch has not begun any in this process.
    learner.rule.begin_epoch(len(history))
    if history:
        learner.select()
    metrics = _measure(learner, plan, data, history) | learner.rule.metrics()
    learner.noise.draw("ticket")
    return Found(_ticket(model, masks), metrics, _curves(before, history))


def _measure(
    learner: MaskLearner, plan: MaskSearch, data: TrainData, history: Sequence[Row]
) -> dict[str, float | None]:
    _, final = learner.measure(data.test, "test", view="found")
    sampled = [
        learner.measure(data.test, "test", number, view=plan.sampled_view)[1]
        for number in range(plan.samples)
    ]
    seen = observe(learner.masks)
    metrics: dict[str, float | None] = {
        "found_test_accuracy": final,
        "pruned_test_accuracy": final,
        "exact_zeros": seen["exact_zeros"],
        "search_epochs": len(history),
    }
    if sampled:
        metrics["sampled_test_accuracy"] = statistics.fmean(sampled)
        metrics["sampled_test_accuracy_std"] = (
            statistics.stdev(sampled) if len(sampled) > 1 else None
        )
    if plan.result == "sampled":
        metrics["found_test_accuracy"] = metrics["sampled_test_accuracy"]
    if history and "test_accuracy" in history[-1]:
        metrics["searched_test_accuracy"] = history[-1]["test_accuracy"]
    if history:
        metrics["search_train_loss"] = history[-1]["train_loss"]
        metrics["search_seconds_per_epoch"] = statistics.fmean(row["seconds"] for row in history)
    best = best_epoch(history)
    if best is not None:
        metrics["search_best_epoch"] = best + 1
        metrics["search_validation_accuracy"] = history[best]["validation_accuracy"]
    return metrics


@torch.no_grad()
def _ticket(model: nn.Module, masks: Mapping[str, LearnedMask]) -> Ticket:
    """Return the found network as an ordinary ticket; the model is left as it is."""
    kept = {name: mask.selected() for name, mask in masks.items() if mask.counted}
    factors = {
        name: mask.rescale.factor(kept[name]) for name, mask in masks.items() if mask.counted
    }
    weights = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in unmasked_state(model, masks).items()
    }
    for name, factor in factors.items():
        weights[name].mul_(factor)
    return Ticket(
        {name: value.cpu().contiguous() for name, value in kept.items()},
        weights,
        {"factors": factors},
    )


def search_curves(history: Sequence[Row]) -> dict[str, Any] | None:
    """Return the curves of a search, thinned out, as records hold them."""
    if not history:
        return None
    chosen = thin(len(history), CURVE_POINTS)
    curves: dict[str, Any] = {"epoch": [index + 1 for index in chosen]}
    for key in CURVES:
        values = [history[index].get(key) for index in chosen]
        if any(value is not None for value in values):
            curves[key] = [None if value is None else round(value, 6) for value in values]
    return {"curves": curves}


def _curves(before: Row, history: Sequence[Row]) -> dict[str, Any] | None:
    """Return the curves, and the histograms of latents where there are any."""
    found = search_curves(history)
    if found is not None and "selection_probability" in before:
        rows = [(0, before)] + [
            (index + 1, history[index]) for index in thin(len(history), HISTOGRAM_POINTS - 1)
        ]
        found["selection_probability"] = {
            "edges": list(EDGES),
            "epoch": [epoch for epoch, _ in rows],
            "fractions": [row["selection_probability"] for _, row in rows],
        }
    return found


def thin(length: int, most: int) -> list[int]:
    """Return at most ``most`` positions of a sequence, evenly spread, first and last included."""
    if length <= most:
        return list(range(length))
    return sorted({round(index * (length - 1) / (most - 1)) for index in range(most)})
