"""Puts the checked values of an original config together as runs of this project."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import UserError
from replications.rare_gems.original.arguments import ARGUMENTS
from replications.rare_gems.original.baselines import dense, imp, random_ticket
from replications.rare_gems.original.given import Given
from replications.rare_gems.original.plans import Plan
from replications.rare_gems.original.searches import edge_popup, gem_miner, hypercube
from replications.rare_gems.original.sections import Section, data_section, model_section

ALGORITHMS: dict[str, Callable[[Given], Plan]] = {
    "hc_iter": gem_miner,
    "hc": hypercube,
    "ep": edge_popup,
    "global_ep": edge_popup,
    "global_ep_iter": edge_popup,
    "imp": imp,
    "wt": dense,
    "training": dense,
}

CHECKS: dict[str, Section] = {
    "shuffle_mask": {"name": "shuffle_mask"},
    "reinit_weights": {"name": "reinit"},
    "shuffle_weights": {"name": "layerwise_weights_shuffling", "scope": "all"},
}


def _transforms(given: Given, plan: Plan) -> dict[str, Section]:
    """Return the transforms that the sanity flags ask for, by the name of the variant."""
    shuffle, reinit = given["shuffle"], given["reinit"]
    mask, weight = given["chg_mask"], given["chg_weight"]
    if not (shuffle or reinit or mask or weight):
        return {}
    if plan.method == "dense":
        raise UserError("shuffle, reinit, chg_mask, chg_weight: need a ticket; this run is dense")
    if not (shuffle or reinit):
        raise UserError("chg_mask, chg_weight: have no effect without shuffle or reinit")
    if not (mask or weight):
        raise UserError("shuffle, reinit: have no effect without chg_mask or chg_weight")
    if reinit and mask:
        raise UserError("reinit: with chg_mask it draws a new mask; use random_subnet for that")
    if not (given["random_subnet"] and given["smart_ratio"] == -1):
        given.notes.append(
            "shuffle, reinit: the original reads them for random_subnet with smart_ratio -1 only; "
            "here they change this ticket"
        )
    names = ["shuffle_mask"] * (shuffle and mask)
    names += ["shuffle_weights"] * (shuffle and weight) + ["reinit_weights"] * (reinit and weight)
    return {name: CHECKS[name] for name in names}


def build(given: Given, labels: Section) -> list[Section]:
    """Return the raw configs: that of the run, then those of the checks the original adds.

    Args:
        given: the checked values; notes about the translation are added to it.
        labels: ``experiment`` (or None), ``protocol``, ``name`` and ``seeds`` (or None).

    Raises:
        UserError: values that contradict each other or mean nothing here.
    """
    data, model = data_section(given), model_section(given)
    algo = given["algo"]
    if given["random_subnet"]:
        plan = random_ticket(given)
    else:
        plan = (dense if given["weight_training"] else ALGORITHMS[algo])(given)
    transforms = _transforms(given, plan)
    variant = "_and_".join(transforms) or plan.variant
    mixed = given["mixed_precision"] or plan.amp
    seeds = labels["seeds"] or [given["seed"] * given["trial_num"]]
    config: Section = {
        "paper": "rare_gems",
        "experiment": labels["experiment"] or f"{data['name']}_{model['name']}",
        "protocol": labels["protocol"],
        "name": labels["name"],
        "method": plan.method,
        "variant": variant,
        "data": data,
        "model": model,
        "find": plan.find,
        "transform": list(transforms.values()),
        "train": plan.train,
        "precision": "auto" if mixed else "float32",
        "seeds": seeds,
    }
    skip = given["skip_sanity_checks"]
    checks = () if skip or transforms or not plan.checks else CHECKS_ADDED
    more = [
        config
        | {"name": f"{labels['name']}-{name.replace('_', '-')}", "variant": name}
        | {"transform": [CHECKS[name]], "train": plan.train | {"epochs": given["epochs"]}}
        for name in checks
    ]
    _tell(given, plan)
    return [config, *more]


CHECKS_ADDED = ("reinit_weights", "shuffle_mask")
"""The sanity checks that the original runs behind a search, in its order."""


def _tell(given: Given, plan: Plan) -> None:
    """Note which values have no effect, and which defaults of the original were filled in."""
    for key in given.unused():
        note = ARGUMENTS[key].note
        given.notes.append(
            f"{key}: has no effect for {plan.method}; left out" + (f" ({note})" if note else "")
        )
    defaults = given.defaults()
    if defaults:
        given.notes.append(f"defaults of the original: {defaults}")
