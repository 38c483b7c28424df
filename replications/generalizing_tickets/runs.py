"""One config for a curve: what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from replications.generalizing_tickets.recipes import FASHION, NAME, RATE, Config, level

SPELLED = {FASHION: "fashionmnist", "cifar10_a": "cifar10a", "cifar10_b": "cifar10b"}
"""How ``reported.csv`` spells data sets in its experiments and sources."""


def curve(
    experiment: str,
    protocol: str,
    method: str,
    variant: str,
    *,
    levels: Iterable[int],
    seeds: Sequence[int],
    rate: float = RATE,
    **sections: Any,
) -> Config:
    """Return one config for all levels of a curve.

    Args:
        experiment: as in ``reported.csv`` where it is there.
        protocol: ``replication``, ``paper`` or that of a reduced run.
        method: likewise.
        variant: which ticket: its source (or the optimizer that found it), or how it is random.
        levels: numbers of rounds.
        seeds: of the runs.
        rate: fraction of the weights that a level removes.
        sections: ``data`` (whose name is part of the run's), ``model``, ``find``, ``train``, and
            ``transfer`` or ``transform``.
    """
    name = "-".join((experiment, sections["data"]["name"], method, variant)).replace("_", "-")
    return {
        "$schema": "../schema.json",
        "paper": NAME,
        "experiment": experiment,
        "protocol": protocol,
        "name": name,
        "method": method,
        "variant": variant,
        **sections,
        "seeds": list(seeds),
        "sweep": {"find.sparsity": [level(number, rate) for number in levels]},
    }


RANDOM = {"random_global": ["random_global"], "random_layerwise": ["random_layerwise"]}
"""The random tickets of the paper: the transforms that make them from a ticket."""
