"""One run of each method in a setting of the paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from replications.rare_gems.recipes import SEED, Config, EdgePopup, Gem, Setting, recipe

GRADUAL_PERIOD = 5
PER_ROUND = 0.8
"""Density that a round of iterative pruning leaves of the one before."""

CHECKS: dict[str, list[str]] = {
    "standard": [],
    "shuffle_mask": ["shuffle_mask"],
    "reinit_weights": ["reinit"],
    "invert_scores": [],
}
"""The checks of a gem and the transforms that make them; inversion is a search of its own."""


def sparsity_of(density: float) -> float:
    """Return a density in percent as a sparsity: 1.44 is 0.9856."""
    return round(1 - density / 100, 6)


def sparsity_after(rounds: int) -> float:
    """Return what so many rounds of iterative pruning reach: 0.2, 0.36, 0.488, ..."""
    return round(1 - PER_ROUND**rounds, 6)


def slug(text: str) -> str:
    """Return a text as it stands in a run's name: ``search_lr=1e-2`` is ``search-lr-1e-2``."""
    return text.translate(str.maketrans("_= ", "---", "%"))


def label(
    experiment: str,
    protocol: str,
    method: str,
    variant: str,
    density: float | None = None,
) -> Config:
    """Return where a run's result belongs, and the name of the run.

    Args:
        experiment: as in reported.csv.
        protocol: ``paper`` or that of a reduced run.
        method: as in reported.csv.
        variant: as in reported.csv.
        density: of the ticket in percent; None where the run has none of its own.
    """
    parts = [experiment, method]
    parts += [] if density is None else [f"{density:.4g}"]
    parts += [] if variant == "standard" else [variant]
    return {
        "$schema": "../schema.json",
        "paper": "rare_gems",
        "experiment": experiment,
        "protocol": protocol,
        "name": "-".join(slug(part) for part in parts),
        "method": method,
        "variant": variant,
    }


def network(setting: Setting, init: str, **options: Any) -> Config:
    """Return the images and the network with a scheme of first weights."""
    init_options = {"init_options": options} if options else {}
    return {"data": setting.data, "model": setting.model | {"init": init} | init_options}


def uncounted(setting: Setting) -> Config:
    """Return the finders' option that leaves shortcuts alone, where the setting does."""
    return {} if setting.shortcuts else {"prune_shortcuts": False}


def gem(
    setting: Setting,
    row: Gem,
    variant: str = "standard",
    *,
    check: str = "standard",
    experiment: str | None = None,
    protocol: str = "paper",
    seeds: Sequence[int] | None = None,
    search: Config | None = None,
    tune: Config | None = None,
    transform: list[Any] | None = None,
    **options: Any,
) -> Config:
    """Return a search with scores and freezing, a check of its ticket, and the fine-tuning.

    Args:
        setting: network and data.
        row: the hyper-parameters of the search.
        variant: of the run.
        check: a name of ``CHECKS``.
        experiment: null: the setting's curves.
        protocol: see ``label``.
        seeds: null: the setting's.
        search: what the search has different.
        tune: what the fine-tuning has different.
        transform: in place of the check's own.
        options: further options of the finder.
    """
    found = recipe(
        setting.epochs, setting.batch, row.lr, 0.0, optimizer=row.optimizer, schedule="cosine"
    )
    inverted = {"invert": True} if check == "invert_scores" else {}
    return {
        **label(experiment or setting.tradeoff, protocol, "gem_miner", variant, row.density),
        **network(setting, "signed_constant"),
        "find": {
            "name": "gem_miner",
            "sparsity": sparsity_of(row.density),
            "prune_period": row.period,
            "score_init": "unif",
            "quantized": True,
            "threshold": 0.5,
            "regularization": "L2",
            "lambda": row.penalty,
            "freeze_rule": "global_bottom_k",
            "ticket_mask": "rounded" if row.rounded else "frozen",
            **inverted,
            **uncounted(setting),
            **options,
            "search": found | (search or {}),
        },
        "transform": CHECKS[check] if transform is None else transform,
        "train": setting.tune | dict(row.tune) | (tune or {}),
        "seeds": list(setting.seeds if seeds is None else seeds),
    }


def gem_with_checks(setting: Setting, row: Gem, **others: Any) -> Iterator[Config]:
    """Yield a search and all checks of its ticket."""
    for check in CHECKS:
        yield gem(setting, row, check, check=check, **others)


def dense(setting: Setting, *, experiment: str | None = None) -> Config:
    """Return the training of the whole network."""
    return {
        **label(experiment or setting.tradeoff, "paper", "dense", "standard"),
        **network(setting, "kaiming_normal"),
        "find": {"name": "dense"},
        "train": setting.dense,
        "seeds": [SEED],
    }


def iterative(
    setting: Setting,
    method: str,
    rounds: int,
    variant: str = "standard",
    *,
    experiment: str | None = None,
    epochs_per_round: int | None = None,
) -> Config:
    """Return iterative magnitude pruning of so many rounds, and the training of its ticket.

    The chains of all runs of a setting share their rounds, and the training of a ticket is the
    first one of the next round where no round is shortened.

    Args:
        setting: network and data.
        method: ``imp_warm``, ``imp_cold`` or ``lrr``.
        rounds: how often a fifth of the weights is removed.
        variant: of the run.
        experiment: null: the setting's curves.
        epochs_per_round: null: those of the training of the ticket.
    """
    rewind: dict[str, Config] = {
        "imp_warm": {"to": "step", "step": setting.warm},
        "imp_cold": {"to": "init"},
        "lrr": {"to": "none"},
    }
    short = {} if epochs_per_round is None else {"epochs_per_round": epochs_per_round}
    density = 100 * PER_ROUND**rounds
    return {
        **label(experiment or setting.tradeoff, "paper", method, variant, density),
        **network(setting, "kaiming_normal"),
        "find": {
            "name": "imp",
            "sparsity": sparsity_after(rounds),
            "fraction_per_round": 0.2,
            "rewind": rewind[method],
            "count": "original",
            **uncounted(setting),
            **short,
            "train": setting.rounds,
        },
        "train": setting.rounds,
        "seeds": [SEED],
    }


def edge_popup(
    setting: Setting,
    density: float,
    variant: str = "standard",
    *,
    experiment: str | None = None,
    protocol: str = "paper",
    model: Config | None = None,
    **options: Any,
) -> Config:
    """Return edge-popup, by layers unless the options say otherwise, and its fine-tuning."""
    own: EdgePopup = setting.edge_popup
    batch = own.batch or setting.batch
    rule = {} if options.get("scope") == "global" else {"rule": "floor"}
    return {
        **label(experiment or setting.tradeoff, protocol, "edge_popup", variant, density),
        **network(setting, "signed_constant", **(model or {})),
        "find": {
            "name": "edge_popup",
            "sparsity": sparsity_of(density),
            **rule,
            **uncounted(setting),
            **options,
            "search": recipe(
                setting.epochs, batch, 0.1, own.decay, schedule="cosine", select="last"
            ),
        },
        "train": setting.tune | {"batch_size": batch} | dict(own.tune),
        "seeds": [SEED],
    }


def smart_ratio(
    setting: Setting,
    density: float | None,
    variant: str = "standard",
    *,
    experiment: str | None = None,
    protocol: str = "paper",
    init: str = "kaiming_normal",
    model: Config | None = None,
    **options: Any,
) -> Config:
    """Return a random ticket with the smart ratio's densities, or those that the options give."""
    counts = {} if density is None else {"sparsity": sparsity_of(density)}
    family = {} if density is None else {"family": setting.family, "classifier_density": 0.3}
    return {
        **label(experiment or setting.tradeoff, protocol, "smart_ratio", variant, density),
        **network(setting, init, **(model or {})),
        "find": {"name": "smart_ratio", **counts, **family, **uncounted(setting), **options},
        "train": setting.smart_train,
        "seeds": [SEED],
    }


def score(
    setting: Setting, method: str, density: float, check: str, *, experiment: str, **options: Any
) -> Config:
    """Return a one-shot score at initialisation with the smart ratio's training (spec 2.12)."""
    return {
        **label(experiment, "paper", method, check, density),
        **network(setting, "kaiming_normal"),
        "find": {"name": method, "sparsity": sparsity_of(density), **options},
        "transform": CHECKS[check],
        "train": setting.smart_train,
        "seeds": [SEED],
    }
