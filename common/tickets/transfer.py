"""A ticket that leaves home: what becomes of its classifier where it is trained on other data."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from common.config.schema import TransferConfig
from common.tickets.ticket import Ticket

CLASSIFIER = "classifier"
RULE = "classifier"
"""Key of ``Ticket.meta`` after a transfer between unequal classes: ``carried``, iterative pruning
prunes the classifier and does not rewind it; ``fresh``, it leaves it dense."""


def is_classifier(name: str) -> bool:
    """Tell whether an entry of a state dict belongs to the last layer."""
    return name.split(".", maxsplit=1)[0] == CLASSIFIER


def transfer_ticket(
    ticket: Ticket, target: Mapping[str, Tensor], options: TransferConfig
) -> Ticket:
    """Return the ticket as the target's network takes it over.

    With as many classes there as here everything is copied, unless the classifier is to be fresh.
    Else the classifier is the target's own, freshly drawn: dense and out of the count, but where
    the rule of the replication applies (``mask: "target"``, ``mismatch: "carry_over"``). There it
    is pruned with everything else, and later rounds do not rewind it (spec of Generalizing
    Tickets, 2.4). Networks that differ in more than the classifier are found out where the ticket
    is applied.

    Args:
        ticket: as it was found on the source.
        target: state dict of the target's network with its initial weights.
        options: the rules.
    """
    equal = all(
        name in target and target[name].shape == value.shape
        for name, value in ticket.weights.items()
        if is_classifier(name)
    )
    if equal and options.classifier == "copy_if_equal":
        return ticket
    body = {name: value for name, value in ticket.weights.items() if not is_classifier(name)}
    own = {n: value.detach().cpu().clone() for n, value in target.items() if is_classifier(n)}
    weights = body | own
    rule = (options.mask, options.classifier, options.mismatch)
    carried = rule == ("target", "copy_if_equal", "carry_over")
    return Ticket(
        {name: mask for name, mask in ticket.masks.items() if not is_classifier(name)},
        weights,
        ticket.meta | {RULE: "carried" if carried else "fresh"},
    )
