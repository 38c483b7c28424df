"""From the values of an original config to raw configs that this project accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.config import Catalog, parse_config
from replications.rare_gems.original.given import Given
from replications.rare_gems.original.runs import build
from replications.rare_gems.original.text import Value


@dataclass(frozen=True)
class Translation:
    """What an original config is here.

    Attributes:
        configs: raw configs; the first is the run, the others are its sanity checks.
        notes: what to know, one line each.
    """

    configs: list[dict[str, Any]]
    notes: list[str]


def translate(
    values: Mapping[str, Value],
    catalog: Catalog,
    *,
    name: str = "original",
    protocol: str = "original",
    experiment: str | None = None,
    seeds: Sequence[int] | None = None,
) -> Translation:
    """Translate the values of an original config.

    Args:
        values: by the original's keys, as ``read_flat`` returns them.
        catalog: the finders and transforms of this replication; every config is parsed with it.
        name: of the run; the sanity checks have it in front.
        protocol: label of all configs.
        experiment: label of all configs; None: the data set and the network.
        seeds: in place of seed times trial_num.

    Raises:
        UserError: an unknown or refused key, a value that is not allowed, or a contradiction.
    """
    given = Given(values)
    labels = {"name": name, "protocol": protocol, "experiment": experiment}
    configs = build(given, {**labels, "seeds": list(seeds) if seeds else None})
    for config in configs:
        parse_config(config, catalog, "as translated")
    return Translation(configs, list(dict.fromkeys(given.notes)))
