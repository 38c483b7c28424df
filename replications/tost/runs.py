"""One config for a curve: what all of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from replications.tost.recipes import Config

SEEDS = [0, 1, 2]


def run_config(
    experiment: str,
    method: str,
    variant: str,
    *,
    protocol: str = "paper",
    sweep: Config | None = None,
    seeds: Sequence[int] = (),
    **sections: Any,
) -> Config:
    """Return one config for all sparsities of a curve.

    Args:
        experiment: as in ``reported.csv`` where it is there.
        method: what found the mask.
        variant: the recipe that trains it.
        protocol: ``paper``, or that of other runs.
        sweep: what the runs of the config differ in.
        seeds: of the runs; the usual three by default.
        sections: ``data``, ``model``, ``find``, ``train``.
    """
    place = (sections["model"]["name"], sections["data"]["name"])
    name = "-".join((experiment, *place, method, variant)).replace("_", "-")
    config: Config = {
        "$schema": "../schema.json",
        "paper": "tost",
        "experiment": experiment,
        "protocol": protocol,
        "name": name,
        "method": method,
        "variant": variant,
        **sections,
        "seeds": list(seeds or SEEDS),
    }
    return config | ({"sweep": sweep} if sweep else {})
