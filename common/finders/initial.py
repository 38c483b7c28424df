"""Finders that work at initialisation: random, magnitude, SNIP, GraSP, SynFlow."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from common.config.schema import FindOptions, Fraction
from common.config.section import LATER, refuse
from common.finders.base import FindInputs, need_sparsity
from common.finders.budgets import Profile, layer_budget
from common.finders.sampling import score_batches
from common.finders.score_options import (
    GraspOptions,
    PruneLinear,
    ScoreOptions,
    SnipOptions,
    SynflowOptions,
)
from common.finders.scores import Batch, Scores, score
from common.finders.selection import Count, prune_in_steps
from common.models import prunable_parameters
from common.tickets.counts import keep_top, kept_count, removed_count
from common.tickets.ticket import Ticket


class RandomOptions(FindOptions):
    """Uniformly random masks under a layer budget (``global``: none at all)."""

    name: Literal["random"] = "random"
    sparsity: Fraction
    budget: Literal["global", "uniform", "erk"] = "global"
    prune_linear: PruneLinear = True
    count: Annotated[Literal["exact", "threshold"], LATER] = Field(
        "exact",
        description="threshold: N - floor(sparsity * N) weights stay in place of "
        "floor(density * N), the same number as under this count of the scores",
    )

    @model_validator(mode="after")
    def _agree(self) -> RandomOptions:
        if self.count != "exact" and self.budget != "global":
            raise refuse("count has no effect where budget is not 'global'")
        return self


class RandomTicketOptions(FindOptions):
    """Random tickets of Su et al.: random masks under the smart ratio."""

    name: Literal["random_ticket"] = "random_ticket"
    sparsity: Fraction
    profile: Profile = "smart"
    family: Literal["vgg", "resnet"] = "resnet"
    allocation: Literal["su", "rep"] = "su"
    length: int | None = Field(None, gt=0, description="null: the number of prunable layers")
    classifier_density: Fraction = 0.3
    prune_classifier: bool = True
    profile_vgg_division: bool = True


def find_random(inputs: FindInputs) -> Ticket:
    """Draw a uniformly random mask, over the whole network or layer by layer."""
    options: RandomOptions = inputs.options
    sparsity = need_sparsity(options)
    generator = inputs.generator("mask")
    weights = prunable_parameters(inputs.model, "conv_linear" if options.prune_linear else "conv")
    noise = {name: torch.rand(w.shape, generator=generator) for name, w in weights.items()}
    if options.budget == "global":
        total = sum(w.numel() for w in weights.values())
        keep = kept_count(total, sparsity)
        if options.count == "threshold":  # random numbers that tie are told apart by their place
            keep = total - removed_count(total, sparsity)
        masks = keep_top(noise, keep)
    else:
        dense = [name for name in prunable_parameters(inputs.model) if name not in weights]
        budget = layer_budget(options.budget, inputs.model, sparsity=sparsity, exclude=dense)
        masks = keep_per_layer(noise, budget)
    return Ticket(masks, inputs.initial_state())


def keep_per_layer(scores: Scores, budget: dict[str, int]) -> dict[str, torch.Tensor]:
    """Keep the highest scores of every layer, as many as its budget says."""
    return {name: keep_top({name: value}, budget[name])[name] for name, value in scores.items()}


def smart_budget(options: RandomTicketOptions, model: nn.Module, sparsity: float) -> dict[str, int]:
    """Return the smart ratio's layer budget under a finder's options."""
    budget = layer_budget(
        "smart_ratio",
        model,
        sparsity=sparsity,
        allocation=options.allocation,
        family=options.family,
        profile=options.profile,
        length=options.length,
        classifier_density=options.classifier_density,
        vgg_division=options.profile_vgg_division,
    )
    if not options.prune_classifier:
        last, weight = list(prunable_parameters(model).items())[-1]
        budget[last] = weight.numel()
    return budget


def find_random_ticket(inputs: FindInputs) -> Ticket:
    """Draw a random mask with exactly the smart ratio's number of weights in every layer."""
    options: RandomTicketOptions = inputs.options
    budget = smart_budget(options, inputs.model, need_sparsity(options))
    generator = inputs.generator("mask")
    weights = prunable_parameters(inputs.model)
    noise = {name: torch.rand(w.shape, generator=generator) for name, w in weights.items()}
    return Ticket(keep_per_layer(noise, budget), inputs.initial_state())


def find_snip(inputs: FindInputs) -> Ticket:
    """Prune by SNIP's score.

    ``score_weights="xavier_redraw"`` scores a copy whose conv and linear weights are redrawn
    Xavier-normal, as the PyTorch code behind the replication does; the ticket starts from the
    model's own initial weights all the same.
    """
    options: SnipOptions = inputs.options
    batches = scoring_batches(inputs, options)
    model = inputs.model
    if options.score_weights == "xavier_redraw":
        model = copy.deepcopy(model)
        redraw_xavier(prunable_parameters(model), inputs.generator("redraw"))
    count: Count = "ties_kept" if options.ties == "kept" else options.count
    score_of = partial(score, "snip", batches=batches, bn_mode=options.bn_mode)
    masks = scored_masks(options, model, score_of, options.iterations, count)
    return Ticket(masks, inputs.initial_state())


@torch.no_grad()
def redraw_xavier(weights: Mapping[str, torch.Tensor], generator: torch.Generator) -> None:
    """Redraw weights in place from the Xavier normal law with gain 1, on the CPU."""
    for weight in weights.values():
        fresh = nn.init.xavier_normal_(torch.empty(weight.shape), generator=generator)
        weight.copy_(fresh)


def scoring_batches(inputs: FindInputs, options: ScoreOptions) -> Sequence[Batch]:
    """Return the batches that a score sees, corrupted where a sanity check asks for it."""
    data = inputs.need_data().corrupted(options.data, inputs.generator("corrupt"))
    return score_batches(
        data,
        options.sampling,
        inputs.generator("score_data"),
        count=options.score_batches,
        samples_per_class=options.samples_per_class,
        batch_size=options.batch_size,
    )


def scored_masks(
    options: ScoreOptions | SynflowOptions,
    model: nn.Module,
    score_of: Callable[..., Scores],
    steps: int,
    count: Count,
) -> dict[str, torch.Tensor]:
    """Return the masks that a score finds on ``model``, under a finder's options."""

    def wanted(masked: nn.Module) -> Scores:
        scores = score_of(masked, layers=options.layers)
        return {name: -value for name, value in scores.items()} if options.invert else scores

    sparsity = need_sparsity(options)
    return prune_in_steps(model, wanted, sparsity, steps, count=count, scope=options.scope)


def find_grasp(inputs: FindInputs) -> Ticket:
    """Prune by GraSP's score.

    Every class-sorted balanced batch is cut into two halves, so that the first holds the first
    half of the classes, and each half passes through batch normalisation on its own, as in the
    authors' code. With ``count="original"`` N - floor(N p) + 1 weights survive, again as there.
    """
    options: GraspOptions = inputs.options
    batches = scoring_batches(inputs, options)
    if options.sampling == "balanced":
        batches = [half for batch in batches for half in _halves(batch)]
    model = copy.deepcopy(inputs.model)
    if options.reinit_linear:
        heads = {
            name: module.weight
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
        }
        redraw_xavier(heads, inputs.generator("redraw"))
    score_of = partial(
        score, "grasp", batches=batches, temperature=options.temperature, bn_mode=options.bn_mode
    )
    masks = scored_masks(options, model, score_of, options.iterations, options.count)
    return Ticket(masks, inputs.initial_state())


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    images, labels = batch
    half = len(labels) // 2
    return (images[:half], labels[:half]), (images[half:], labels[half:])


def find_synflow(inputs: FindInputs) -> Ticket:
    """Prune by synaptic flow in many rounds with exponentially falling density.

    After round j of n the density is ``(1 - sparsity)^(j / n)``; scores are recomputed on the
    masked network, and a weight once removed stays removed.
    """
    options: SynflowOptions = inputs.options
    images, _ = inputs.need_data().minibatch(1, inputs.generator("score_data"))
    shape = tuple(images.shape[1:])  # as the network sees them: channels repeated, cropped
    model = copy.deepcopy(inputs.model).double()
    score_of = partial(score, "synflow", input_shape=shape, bn_mode=options.bn_mode)
    masks = scored_masks(options, model, score_of, options.rounds, options.count)
    return Ticket(masks, inputs.initial_state())
