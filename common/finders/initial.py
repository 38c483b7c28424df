"""Finders that work at initialisation: random, magnitude, SNIP, GraSP, SynFlow."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from common.config.schema import CorruptionConfig, FindOptions, Fraction
from common.config.section import LATER
from common.finders.base import FindInputs, need_sparsity
from common.finders.budgets import Profile, layer_budget
from common.finders.scores import Batch, Scores, score
from common.models import prunable_parameters
from common.tickets.counts import keep_top, keep_top_with_ties, kept_count, removed_count
from common.tickets.ticket import Ticket

Inverted = Annotated[
    bool, LATER, Field(description="sanity check: keep the weights with the lowest scores")
]


class RandomOptions(FindOptions):
    """Uniformly random masks under a layer budget (``global``: none at all)."""

    name: Literal["random"] = "random"
    sparsity: Fraction
    budget: Literal["global", "uniform", "erk"] = "global"


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


class ScoreOptions(FindOptions):
    """What the data-driven scores share: which images they see."""

    sparsity: Fraction
    samples_per_class: int = Field(10, gt=0)
    score_batches: int = Field(1, gt=0, description="batches whose gradients are summed")
    data: CorruptionConfig = CorruptionConfig()
    bn_mode: Literal["train", "eval"] = "train"
    invert: Inverted = False


class SnipOptions(ScoreOptions):
    """SNIP: keep the weights with the highest connection sensitivity."""

    name: Literal["snip"] = "snip"
    sampling: Literal["balanced", "minibatch"] = "balanced"
    batch_size: int = Field(64, gt=0, description="images of one minibatch")
    score_weights: Literal["model", "xavier_redraw"] = "model"
    ties: Annotated[Literal["exact", "kept"], LATER] = Field(
        "exact", description="kept: all weights whose score equals the lowest one kept stay, too"
    )


class GraspOptions(ScoreOptions):
    """GraSP: keep the weights whose removal would most reduce the gradient flow."""

    name: Literal["grasp"] = "grasp"
    temperature: float = Field(200.0, gt=0.0)
    reinit_linear: bool = True
    count: Literal["exact", "original"] = Field(
        "exact", description="original: one weight more than asked, as in the authors' code"
    )


class SynflowOptions(FindOptions):
    """SynFlow: iterative, data-free conservation of synaptic flow."""

    name: Literal["synflow"] = "synflow"
    sparsity: Fraction
    rounds: int = Field(100, gt=0)
    bn_mode: Literal["train", "eval"] = "eval"
    invert: Inverted = False


def find_random(inputs: FindInputs) -> Ticket:
    """Draw a uniformly random mask, over the whole network or layer by layer."""
    options: RandomOptions = inputs.options
    sparsity = need_sparsity(options)
    generator = inputs.generator("mask")
    weights = prunable_parameters(inputs.model)
    noise = {name: torch.rand(w.shape, generator=generator) for name, w in weights.items()}
    if options.budget == "global":
        total = sum(w.numel() for w in weights.values())
        masks = keep_top(noise, kept_count(total, sparsity))
    else:
        masks = keep_per_layer(noise, layer_budget(options.budget, inputs.model, sparsity=sparsity))
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
    """Prune once by SNIP's score over the whole network.

    ``score_weights="xavier_redraw"`` scores a copy whose conv and linear weights are redrawn
    Xavier-normal, as the PyTorch code behind the replication does; the ticket starts from the
    model's own initial weights all the same.
    """
    options: SnipOptions = inputs.options
    data = inputs.need_data().corrupted(options.data, inputs.generator("corrupt"))
    draw = inputs.generator("score_data")
    batches: list[Batch] = [
        data.balanced(options.samples_per_class, draw)
        if options.sampling == "balanced"
        else data.minibatch(options.batch_size, draw)
        for _ in range(options.score_batches)
    ]
    model = inputs.model
    if options.score_weights == "xavier_redraw":
        model = copy.deepcopy(model)
        redraw_xavier(prunable_parameters(model), inputs.generator("redraw"))
    scores = score("snip", model, batches, bn_mode=options.bn_mode)
    if options.ties == "exact":
        return _global_ticket(inputs, scores)
    wanted = _wanted(options, scores)
    keep = kept_count(sum(value.numel() for value in wanted.values()), need_sparsity(options))
    return Ticket(keep_top_with_ties(wanted, keep), inputs.initial_state())


@torch.no_grad()
def redraw_xavier(weights: Mapping[str, torch.Tensor], generator: torch.Generator) -> None:
    """Redraw weights in place from the Xavier normal law with gain 1, on the CPU."""
    for weight in weights.values():
        fresh = nn.init.xavier_normal_(torch.empty(weight.shape), generator=generator)
        weight.copy_(fresh)


def _wanted(options: ScoreOptions | SynflowOptions, scores: Scores) -> Scores:
    """Return the scores by which weights are kept, upside down where the check asks for it."""
    return {name: -value for name, value in scores.items()} if options.invert else scores


def _global_ticket(inputs: FindInputs, scores: Scores, extra: int = 0) -> Ticket:
    scores = _wanted(inputs.options, scores)
    total = sum(value.numel() for value in scores.values())
    keep = kept_count(total, need_sparsity(inputs.options)) + extra
    return Ticket(keep_top(scores, min(keep, total)), inputs.initial_state())


def find_grasp(inputs: FindInputs) -> Ticket:
    """Prune once by GraSP's score over the whole network.

    Every class-sorted balanced batch is cut into two halves, so that the first holds the first
    half of the classes, and each half passes through batch normalisation on its own, as in the
    authors' code. With ``count="original"`` N - floor(N p) + 1 weights survive, again as there.
    """
    options: GraspOptions = inputs.options
    data = inputs.need_data().corrupted(options.data, inputs.generator("corrupt"))
    draw = inputs.generator("score_data")
    halves: list[Batch] = []
    for _ in range(options.score_batches):
        images, labels = data.balanced(options.samples_per_class, draw)
        half = len(labels) // 2
        halves += [(images[:half], labels[:half]), (images[half:], labels[half:])]
    model = copy.deepcopy(inputs.model)
    if options.reinit_linear:
        heads = {
            name: module.weight
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
        }
        redraw_xavier(heads, inputs.generator("redraw"))
    scores = score("grasp", model, halves, temperature=options.temperature, bn_mode=options.bn_mode)
    if options.count == "exact":
        return _global_ticket(inputs, scores)
    total = sum(value.numel() for value in scores.values())
    removed = removed_count(total, need_sparsity(options))
    keep = total - removed + (1 if removed else 0)
    return Ticket(keep_top(_wanted(options, scores), keep), inputs.initial_state())


def find_synflow(inputs: FindInputs) -> Ticket:
    """Prune by synaptic flow in many rounds with exponentially falling density.

    After round j of n the density is ``(1 - sparsity)^(j / n)``; scores are recomputed on the
    masked network, and a weight once removed stays removed.
    """
    options: SynflowOptions = inputs.options
    sparsity = need_sparsity(options)
    images, _ = inputs.need_data().minibatch(1, inputs.generator("score_data"))
    shape = tuple(images.shape[1:])  # as the network sees them: channels repeated, cropped
    model = copy.deepcopy(inputs.model).double()
    weights = prunable_parameters(model)
    masks = {name: torch.ones(w.shape, dtype=torch.bool) for name, w in weights.items()}
    total = sum(w.numel() for w in weights.values())
    last = kept_count(total, sparsity)
    for done in range(1, options.rounds + 1):
        with torch.no_grad():
            for name, weight in weights.items():
                weight.mul_(masks[name].to(weight.device))
        scores = _wanted(
            options, score("synflow", model, input_shape=shape, bn_mode=options.bn_mode)
        )
        keep = (
            last
            if done == options.rounds
            else round(total * (1.0 - sparsity) ** (done / options.rounds))
        )
        ranked = {
            name: torch.where(masks[name], value.cpu(), torch.full_like(value.cpu(), -torch.inf))
            for name, value in scores.items()
        }
        masks = keep_top(ranked, max(keep, last))
    return Ticket(masks, inputs.initial_state())
