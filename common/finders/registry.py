"""The core's finders by the name a config uses, and the one-call way to use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from torch import nn

from common.config.load import describe
from common.config.schema import CorruptionConfig, FindOptions
from common.data import Dataset
from common.errors import UserError, unknown_name
from common.finders.base import Finder, FindInputs, ScoringData, Stage, one_shot, scoring_data
from common.finders.initial import (
    GraspOptions,
    RandomOptions,
    RandomTicketOptions,
    SnipOptions,
    SynflowOptions,
    find_grasp,
    find_random,
    find_random_ticket,
    find_snip,
    find_synflow,
)
from common.finders.pretrained import HYBRID, MAGNITUDE
from common.randomness import generator
from common.tickets.ticket import Ticket


class DenseOptions(FindOptions):
    """Prune nothing: the dense baseline."""

    name: Literal["dense"] = "dense"
    sparsity: Annotated[float, Field(ge=0.0, le=0.0)] | None = None


def _no_stages(_: DenseOptions) -> Sequence[Stage]:
    return ()


FINDERS: dict[str, Finder] = {
    "dense": Finder(DenseOptions, _no_stages),
    "random": one_shot(RandomOptions, find_random),
    "random_ticket": one_shot(RandomTicketOptions, find_random_ticket),
    "magnitude": MAGNITUDE,
    "hybrid": HYBRID,
    "snip": one_shot(SnipOptions, find_snip),
    "grasp": one_shot(GraspOptions, find_grasp),
    "synflow": one_shot(SynflowOptions, find_synflow),
}


def find_ticket(
    name: str,
    model: nn.Module,
    data: Dataset | ScoringData | None = None,
    *,
    sparsity: float | None = None,
    seed: int = 0,
    corruption: CorruptionConfig | Mapping[str, Any] | None = None,
    finders: Mapping[str, Finder] = FINDERS,
    **options: Any,
) -> Ticket:
    """Find a ticket for ``model`` as it stands, in one call.

    Args:
        name: a finder that needs no training, such as ``snip`` or ``random_ticket``.
        model: any plain module; its present weights are the ticket's start weights.
        data: training images; finders that look at no data (random, magnitude) need none.
        sparsity: fraction of the prunable weights to remove.
        seed: the source of every random number of the finder.
        corruption: what a sanity check does to labels and pixels before they are scored, the
            option that a config calls ``find.data``.
        finders: the registry to look in.
        options: the finder's own options, named as in a config.

    Returns:
        The ticket, with the finder's resolved options in ``meta``.

    Raises:
        UserError: an unknown name or option, an impossible value, or missing data.
    """
    if name not in finders:
        raise unknown_name("find.name", name, finders)
    finder = finders[name]
    given = {"name": name, **options}
    given |= {} if sparsity is None else {"sparsity": sparsity}
    given |= {} if corruption is None else {"data": corruption}
    try:
        parsed = finder.options.model_validate(given)
    except ValidationError as error:
        raise UserError(f"find: {describe(error)}") from None
    device = next(model.parameters()).device
    source = scoring_data(data, device) if isinstance(data, Dataset) else data
    ticket: Ticket | None = None
    for stage in finder.stages(parsed):
        inputs = FindInputs(
            model=model,
            data=source,
            options=parsed,
            generator=lambda purpose, *indices: generator(seed, purpose, *indices),
            ticket=ticket,
        )
        if stage.training is not None:
            inputs.need_trained()
        ticket = stage.find(inputs)
    if ticket is None:
        state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
        ticket = Ticket({}, state)
    meta = {"finder": parsed.model_dump(mode="json"), "seed": seed}
    found = Ticket(ticket.masks, ticket.weights, {**ticket.meta, **meta})
    found.warn_if_collapsed()
    return found
