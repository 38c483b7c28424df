"""The core's finders by the name a config uses, and the one-call way to use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import nn

from common.config.load import describe
from common.config.schema import CorruptionConfig, FindOptions
from common.data import Batches, Dataset, Split
from common.errors import UserError, unknown_name
from common.finders.base import (
    Finder,
    FindInputs,
    Found,
    ScoringData,
    Stage,
    Workshop,
    one_shot,
    scoring_data,
)
from common.finders.edge_popup import EDGE_POPUP
from common.finders.gmp import GMP
from common.finders.initial import (
    RandomOptions,
    RandomTicketOptions,
    find_grasp,
    find_random,
    find_random_ticket,
    find_snip,
    find_synflow,
)
from common.finders.iterative import IMP
from common.finders.pretrained import HYBRID, MAGNITUDE
from common.finders.score_options import GraspOptions, SnipOptions, SynflowOptions
from common.finders.taylor import TAYLOR
from common.finders.ticket_file import TICKET_FILE
from common.randomness import generator
from common.tickets.ticket import Ticket
from common.training import TrainData, TrainHooks


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
    "taylor": TAYLOR,
    "gmp": GMP,
    "imp": IMP,
    "edge_popup": EDGE_POPUP,
    "ticket_file": TICKET_FILE,
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
        name: a finder that needs no trained weights: ``snip``, ``random_ticket``, ``edge_popup``.
        model: any plain module; its present weights are the ticket's start weights.
        data: training images; finders that look at no data (random, magnitude) need none, and
            those that learn a mask need a ``Dataset``, from which they train on the model's device.
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
    workshop = _workshop(data, seed, device) if isinstance(data, Dataset) else None
    ticket: Ticket | None = None
    for stage in finder.stages(parsed):
        inputs = FindInputs(
            model=model,
            data=source,
            options=parsed,
            generator=lambda purpose, *indices: generator(seed, purpose, *indices),
            ticket=ticket,
            workshop=workshop,
        )
        if stage.training is not None:
            inputs.need_trained()
        found = stage.find(inputs)
        ticket = found.ticket if isinstance(found, Found) else found
    if ticket is None:
        state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
        ticket = Ticket({}, state)
    meta = {"finder": parsed.model_dump(mode="json"), "seed": seed}
    complete = Ticket(ticket.masks, ticket.weights, {**ticket.meta, **meta})
    complete.warn_if_collapsed()
    return complete


def _workshop(dataset: Dataset, seed: int, device: torch.device) -> Workshop:
    """Return a workshop that follows nothing: no augmentation, no checkpoints, no progress."""

    def batches(split: Split, size: int) -> Batches:
        return Batches(split, size, dataset.normalizations["default"], device=device)

    def data(size: int, _: bool) -> TrainData:
        held_out = dataset.validation
        return TrainData(
            train=batches(dataset.train, size),
            test=batches(dataset.test, size),
            validation=None if held_out is None else batches(held_out, size),
        )

    return Workshop(data, lambda *_: nullcontext(TrainHooks()), seed, device)
