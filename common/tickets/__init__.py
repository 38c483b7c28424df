"""A ticket: a mask per prunable tensor and the weights to start from, as one portable file."""

from common.tickets.counts import (
    keep_above,
    keep_top,
    keep_top_with_ties,
    kept_count,
    removed_count,
)
from common.tickets.ticket import Ticket
from common.tickets.transfer import transfer_ticket
from common.tickets.transforms import TRANSFORMS, transform_ticket

__all__ = [
    "TRANSFORMS",
    "Ticket",
    "keep_above",
    "keep_top",
    "keep_top_with_ties",
    "kept_count",
    "removed_count",
    "transfer_ticket",
    "transform_ticket",
]
