"""One config for a curve: what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from replications.generalizing_tickets.recipes import FASHION, NAME, RATE, Config, level

SPELLED = {FASHION: "fashionmnist", "cifar10_a": "cifar10a", "cifar10_b": "cifar10b"}
"""How ``reported.csv`` spells data sets in its experiments and variants."""


def spelled(name: str) -> str:
    """Return a data set's name as ``reported.csv`` spells it."""
    return SPELLED.get(name, name)


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
        variant: likewise.
        levels: numbers of rounds.
        seeds: of the runs.
        rate: fraction of the weights that a level removes.
        sections: ``data``, ``model``, ``find``, ``train``, and ``transfer`` or ``transform``.
    """
    words = [experiment, method, *variant.replace("=", "-").split(";")]
    name = "-".join(words).replace("_", "-")
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
