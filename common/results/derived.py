"""Numbers of a run that follow from its record without standing among its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LAYER_METRICS = ("first_layer_density", "last_layer_density")
"""Fractions kept in the layer next to the input and in the one next to the output."""


def derived_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """Return what a record says of its ticket's cost and of its outermost layers.

    ``search_seconds`` is the run time until the ticket was found. ``total_epochs`` are those until
    then and those of the ticket's training; records without that time count the epochs of a mask
    search alone and have no such sum. A metric of the record with one of these names goes first.
    """
    metrics, timing = record["metrics"] or {}, record["timing"] or {}
    if not metrics:
        return {}
    found: dict[str, float] = {}
    if timing.get("search_seconds") is not None:
        found["search_seconds"] = float(timing["search_seconds"])
        trained = (record["config"].get("train") or {}).get("epochs")
        if trained is not None and metrics.get("search_epochs") is not None:
            found["total_epochs"] = float(metrics["search_epochs"]) + float(trained)
    ticket = record["ticket"] or {}
    densities = ticket.get("layer_densities") or {}
    order = [name for name in ticket.get("layer_order") or densities if name in densities]
    if order:
        first, last = densities[order[0]], densities[order[-1]]
        found |= dict(zip(LAYER_METRICS, (float(first), float(last)), strict=True))
    return found
