"""The paper's sanity checks on a ticket (spec 2.13): shuffle the mask, draw the weights again."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field

from common.config.schema import TransformOptions
from common.errors import unknown_name
from common.models import SCHEMES, initialise
from common.tickets import Ticket
from common.tickets.transforms import Build, LayerwiseRearrange, Transform, layerwise_rearrange


class ShuffleMask(LayerwiseRearrange):
    """Permute the mask at random inside every layer; the weights stay in place."""

    name: Literal["shuffle_mask"] = "shuffle_mask"  # type: ignore[assignment]


class Reinit(TransformOptions):
    """Keep the mask and draw the masked weights again, by default Kaiming normal."""

    name: Literal["reinit"] = "reinit"
    init: str = Field(
        "kaiming_normal", description="a scheme of common.models, or same_as_init: the model's own"
    )


def reinit(ticket: Ticket, options: Reinit, generator: torch.Generator, build: Build) -> Ticket:
    """Draw fresh values for the weights under a mask; everything else of the ticket stays.

    The statistics that a search left in the norm layers stay, too, as in the original, whose code
    draws Kaiming-normal weights although those of the search are signed constants (spec 8).

    Raises:
        UserError: an unknown scheme.
    """
    model = build(generator)
    if options.init != "same_as_init":
        if options.init not in SCHEMES:
            raise unknown_name("transform.init", options.init, [*SCHEMES, "same_as_init"])
        initialise(model, options.init, generator)
    fresh = model.state_dict()
    weights = {
        name: fresh[name].detach().cpu().clone() if name in ticket.masks else value
        for name, value in ticket.weights.items()
    }
    return replace(ticket, weights=weights)


CHECKS = {
    "shuffle_mask": Transform(ShuffleMask, layerwise_rearrange),
    "reinit": Transform(Reinit, reinit),
}
