"""Random tickets with the smart ratio's layer densities, and the paper's variants (spec 2.11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from common.config.schema import FindOptions, Fraction
from common.config.section import changed, refuse
from common.errors import UserError
from common.finders import FindInputs, Found, MaskSearch, layer_budget, one_shot, search_masks
from common.masks import LearnedMask, SearchRule
from common.models import prunable_parameters, shortcut_weights
from common.tickets import Ticket, keep_top
from common.training import Row
from replications.rare_gems.options import GemSearch

Count = Annotated[int, Field(ge=0)]


class LearnSearch(GemSearch):
    """How one keep-probability per layer is learned: by default as for the paper's v5 and v6."""

    epochs: int = Field(10, ge=1)
    lr: float = Field(1e-6, gt=0.0)
    schedule_epochs: int | None = Field(150, gt=0, description="length of the cosine")


class SmartRatioOptions(FindOptions):
    """Smart ratio (Su et al.) as Rare Gems runs it: exactly int(p_l n_l) random weights a layer."""

    name: Literal["smart_ratio"] = "smart_ratio"
    sparsity: Fraction | None = None
    family: Literal["resnet", "vgg"] = "resnet"
    classifier_density: Fraction = 0.3
    first_density: Fraction | None = Field(
        None, description="of the first layer, after the smart ratio is shared out (v2, v3)"
    )
    last_density: Fraction | None = Field(
        None, description="of the classifier, after the smart ratio is shared out (v2, v3)"
    )
    layer_counts: tuple[Count, ...] | None = Field(
        None, strict=False, description="kept weights of every layer, in place of the smart ratio"
    )
    bernoulli: bool = Field(
        False, description="no smart ratio: keep every weight with probability 1 - sparsity"
    )
    learn: LearnSearch | None = Field(
        None, description="learn one keep-probability per layer, from those of the above (v5, v6)"
    )
    prune_shortcuts: bool = Field(
        True, description="false: convolutions on shortcuts stay dense and are not counted"
    )

    @model_validator(mode="after")
    def _agree(self) -> SmartRatioOptions:
        unused = changed(self, "family", "classifier_density", "first_density", "last_density")
        other = "bernoulli" if self.bernoulli else "layer_counts"
        if unused and (self.bernoulli or self.layer_counts is not None):
            raise refuse(f"{unused[0]} has no effect where {other} is given")
        if self.layer_counts is not None and (self.bernoulli or self.sparsity is not None):
            raise refuse("layer_counts says how many weights stay; give no sparsity or bernoulli")
        if self.layer_counts is None and self.sparsity is None:
            raise refuse("give either sparsity or layer_counts")
        if self.bernoulli and self.learn is not None:
            raise refuse("learn starts from the layers' densities, which bernoulli has not")
        return self


class LayerProbabilityMask(LearnedMask):
    """Keeps every weight of its layer with one learned probability (spec 2.11, v5 and v6).

    The gradient reaches the probability straight through: dL/dp = sum_i g_i w_i.

    Args:
        weight: the weight under the mask.
        probability: the first one, in [0, 1].
    """

    is_random = True

    def __init__(self, weight: Tensor, probability: float) -> None:
        super().__init__(weight, torch.tensor(probability))

    def mask(self) -> Tensor:
        """Return a fresh Bernoulli mask, straight-through."""
        hard = (self.drawn() < self.latent.detach()).to(self.latent.dtype)
        return hard + (self.latent - self.latent.detach()).expand(self.shape)

    def selected(self) -> Tensor:
        """Return a uniformly random mask of exactly int(p n) weights."""
        order = self.drawn().flatten().argsort()
        kept = torch.zeros(self.size, dtype=torch.bool, device=order.device)
        kept[order[: self.count()]] = True
        return kept.view(self.shape)

    def count(self) -> int:
        """Return int(p n), where p = k / n in the latent's precision is k weights and not k - 1."""
        exact = float(self.latent.detach()) * self.size
        return min(self.size, int(exact * (1 + torch.finfo(self.latent.dtype).eps) + 1e-6))

    def probability(self) -> Tensor:
        """Return p for every weight."""
        return self.latent.detach().expand(self.shape)


class _Projection(SearchRule):
    """Keeps the probabilities in [0, 1]."""

    @torch.no_grad()
    def before_step(self, epoch: int, number: int) -> None:
        for mask in self.masks.values():
            mask.latent.clamp_(0.0, 1.0)

    @torch.no_grad()
    def end_epoch(self, epoch: int) -> Row:
        for mask in self.masks.values():
            mask.latent.clamp_(0.0, 1.0)
        return {}


def layer_counts(
    options: SmartRatioOptions, weights: Mapping[str, Tensor], model: nn.Module
) -> dict[str, int]:
    """Return how many weights every prunable layer keeps.

    Raises:
        UserError: ``layer_counts`` fits the network in neither number nor size.
    """
    sizes = {name: weight.numel() for name, weight in weights.items()}
    if options.layer_counts is not None:
        if len(options.layer_counts) != len(sizes):
            raise UserError(
                f"find.layer_counts: {len(options.layer_counts)} numbers given, the network has "
                f"{len(sizes)} prunable layers"
            )
        counts = dict(zip(sizes, options.layer_counts, strict=True))
        for name, count in counts.items():
            if count > sizes[name]:
                raise UserError(f"find.layer_counts: {name} has {sizes[name]} weights, not {count}")
        return counts
    assert options.sparsity is not None
    counts = layer_budget(
        "smart_ratio",
        model,
        sparsity=options.sparsity,
        allocation="rare_gems",
        family=options.family,
        classifier_density=options.classifier_density,
        exclude=tuple(name for name in prunable_parameters(model) if name not in weights),
    )
    first, last = next(iter(sizes)), list(sizes)[-1]
    for name, density in ((first, options.first_density), (last, options.last_density)):
        if density is not None:
            counts[name] = round(density * sizes[name])
    return counts


def find_smart_ratio(inputs: FindInputs) -> Ticket | Found:
    """Draw a random ticket with the smart ratio's number of weights in every layer."""
    options: SmartRatioOptions = inputs.options
    exclude = () if options.prune_shortcuts else tuple(shortcut_weights(inputs.model))
    weights = prunable_parameters(inputs.model, exclude=exclude)
    draw = inputs.generator("mask")
    if options.bernoulli:
        assert options.sparsity is not None
        keep = 1 - options.sparsity
        masks = {name: torch.rand(w.shape, generator=draw) < keep for name, w in weights.items()}
        return Ticket(masks, inputs.initial_state())
    counts = layer_counts(options, weights, inputs.model)
    if options.learn is not None:
        return _learn(inputs, options.learn, counts, exclude)
    masks = {
        name: keep_top({name: torch.rand(w.shape, generator=draw)}, counts[name])[name]
        for name, w in weights.items()
    }
    return Ticket(masks, inputs.initial_state())


def _learn(
    inputs: FindInputs, search: GemSearch, counts: dict[str, int], exclude: tuple[str, ...]
) -> Found:
    def make(name: str, weight: Tensor) -> LearnedMask:
        return LayerProbabilityMask(weight, counts[name] / weight.numel())

    plan = MaskSearch(search, make, exclude, rule=lambda masks, _: _Projection(masks))
    return search_masks(inputs, plan)


SMART_RATIO = one_shot(SmartRatioOptions, find_smart_ratio)
