"""Sanity checks that change a ticket: each is one function and one entry in ``TRANSFORMS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from common.config.schema import TransformOptions
from common.config.section import LATER
from common.errors import unknown_name
from common.models import initialise
from common.tickets.ticket import Ticket

Build = Callable[[torch.Generator], nn.Module]


class LayerwiseRearrange(TransformOptions):
    """Permute the mask at random inside every layer; weights stay in place."""

    name: Literal["layerwise_rearrange"] = "layerwise_rearrange"


class ShuffleWeights(TransformOptions):
    """Permute the start weights at random inside every layer; the mask stays."""

    name: Literal["layerwise_weights_shuffling"] = "layerwise_weights_shuffling"
    scope: Literal["kept", "all"] = "kept"


class Reinitialise(TransformOptions):
    """Keep the mask and draw fresh start weights; ``init`` null: by the model's own scheme."""

    name: Literal["reinitialise"] = "reinitialise"
    init: str | None = None


class _RandomTicket(TransformOptions):
    """What random tickets share: fresh weights, an untrained network unless told otherwise."""

    rewind_epoch: Annotated[int, LATER] = Field(
        0, ge=0, description="epochs for which the fresh network is trained densely first"
    )

    @property
    def dense_epochs(self) -> int:
        return self.rewind_epoch


class RandomGlobal(_RandomTicket):
    """Permute the mask at random over the whole network and draw fresh start weights."""

    name: Literal["random_global"] = "random_global"


class RandomLayerwise(_RandomTicket):
    """Permute the mask at random inside every layer and draw fresh start weights."""

    name: Literal["random_layerwise"] = "random_layerwise"


def _permuted(values: Tensor, generator: torch.Generator) -> Tensor:
    return values[torch.randperm(values.numel(), generator=generator)]


def layerwise_rearrange(
    ticket: Ticket, options: LayerwiseRearrange, generator: torch.Generator, build: Build
) -> Ticket:
    """Permute every layer's mask uniformly, which keeps only the layer densities.

    This is the layerwise rearrange of Su et al. (arXiv:2009.11094) and the mask shuffle of Frankle
    et al. The start weights do not move, so other weights survive.
    """
    masks = {
        name: _permuted(mask.flatten(), generator).view(mask.shape)
        for name, mask in ticket.masks.items()
    }
    return replace(ticket, masks=masks)


def shuffle_weights(
    ticket: Ticket, options: ShuffleWeights, generator: torch.Generator, build: Build
) -> Ticket:
    """Permute the start weights inside every masked layer and keep the mask.

    Scope ``kept`` permutes the kept weights among the kept positions, as in the code of Su et al.
    Scope ``all`` permutes the whole layer before the mask is applied, so that the survivors are a
    random sample of the layer's weights, as in the reproducibility-challenge replication.
    """
    weights = dict(ticket.weights)
    for name, mask in ticket.masks.items():
        flat = weights[name].flatten().clone()
        if options.scope == "kept":
            kept = mask.flatten()
            flat[kept] = _permuted(flat[kept], generator)
        else:
            flat = _permuted(flat, generator)
        weights[name] = flat.view(mask.shape)
    return replace(ticket, weights=weights)


def reinitialise(
    ticket: Ticket, options: Reinitialise, generator: torch.Generator, build: Build
) -> Ticket:
    """Keep the mask and draw fresh weights for the whole model.

    Without ``init`` the weights come from the scheme the model was built with, else from the
    scheme named there.
    """
    model = build(generator)
    if options.init is not None:
        initialise(model, options.init, generator)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return replace(ticket, weights=weights)


def permute_globally(masks: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Return masks whose bits are one uniform permutation of all bits of the given ones.

    The number of kept weights stays; the layer densities become equal in expectation.
    """
    if not masks:
        return {}
    flat = _permuted(torch.cat([mask.flatten() for mask in masks.values()]), generator)
    parts = flat.split([mask.numel() for mask in masks.values()])
    return {
        name: part.view(mask.shape).clone()
        for (name, mask), part in zip(masks.items(), parts, strict=True)
    }


def random_global(
    ticket: Ticket, options: RandomGlobal, generator: torch.Generator, build: Build
) -> Ticket:
    """Permute all mask bits jointly and draw the weights anew: the random ticket of Morcos et al.

    See arXiv:1906.02773; the start is an untrained network.
    """
    shuffled = replace(ticket, masks=permute_globally(ticket.masks, generator))
    return reinitialise(shuffled, Reinitialise(), generator, build)


def random_layerwise(
    ticket: Ticket, options: RandomLayerwise, generator: torch.Generator, build: Build
) -> Ticket:
    """Permute the mask inside every layer, which keeps its density, and draw the weights anew."""
    shuffled = layerwise_rearrange(ticket, LayerwiseRearrange(), generator, build)
    return reinitialise(shuffled, Reinitialise(), generator, build)


Apply = Callable[[Ticket, Any, torch.Generator, Build], Ticket]


@dataclass(frozen=True)
class Transform:
    """A transform: the class of its options and the function that applies it."""

    options: type[TransformOptions]
    apply: Apply


TRANSFORMS: dict[str, Transform] = {
    "layerwise_rearrange": Transform(LayerwiseRearrange, layerwise_rearrange),
    "layerwise_weights_shuffling": Transform(ShuffleWeights, shuffle_weights),
    "reinitialise": Transform(Reinitialise, reinitialise),
    "random_global": Transform(RandomGlobal, random_global),
    "random_layerwise": Transform(RandomLayerwise, random_layerwise),
}


def transform_ticket(
    ticket: Ticket,
    options: TransformOptions,
    generator: torch.Generator,
    build: Build,
    transforms: Mapping[str, Transform] | None = None,
) -> Ticket:
    """Return the transformed ticket; its ``meta`` lists the transforms it has gone through.

    Args:
        ticket: the ticket to change; it is left as it is.
        options: which transform, and how.
        generator: the source of every random number.
        build: draws a fresh model of the ticket's architecture from a generator.
        transforms: the registry to look in; the core's own by default.

    Raises:
        UserError: no transform has that name.
    """
    known = TRANSFORMS if transforms is None else transforms
    if options.name not in known:
        raise unknown_name("transform.name", options.name, known)
    changed = known[options.name].apply(ticket, options, generator, build)
    history = [*ticket.meta.get("transforms", []), options.model_dump(mode="json")]
    return replace(changed, meta={**ticket.meta, "transforms": history})
