"""What a gem is compared with: dense training, iterative magnitude pruning, random tickets."""

from __future__ import annotations

import math

from common.data import DATASETS
from common.errors import UserError
from replications.rare_gems.original.given import Given
from replications.rare_gems.original.plans import (
    Plan,
    complement,
    fine_tuning,
    prune_rate,
    shortcut_option,
)
from replications.rare_gems.original.sections import Section, data_section, recipe

# Densities and kept weights of ResNet-20 that the original's code and logs hold (spec 2.11), by the
# code's number of the variant: those of the paper's v5, v4 and v6.
GEM_ENDS = {"first_density": 0.3449074, "last_density": 0.259375}
KEPT = {
    3: [147, 217, 194, 163, 152, 143, 106, 186, 315, 293, 220, 205, 152, 244, 356, 280, 315, 113,
        136, 163],
    5: [237, 267, 250, 201, 179, 182, 143, 239, 300, 308, 221, 186, 158, 217, 208, 124, 128, 116,
        44, 108],
    6: [237, 270, 261, 191, 178, 203, 130, 217, 277, 312, 202, 194, 149, 222, 214, 136, 217, 123,
        141, 98],
}  # fmt: skip
PAPERS_NUMBER = {1: 1, 2: 2, 3: 5, 4: 3, 5: 4, 6: 6}


def dense(given: Given) -> Plan:
    """Translate ``weight_training``."""
    if given["algo"] == "imp":
        raise UserError("weight_training: true contradicts algo 'imp'")
    if given["algo"] == "wt":
        given.notes.append("algo: the original's code has no 'wt'; it is weight_training: true")
    if not given["skip_fine_tune"] and "skip_fine_tune" in given:
        given.notes.append("skip_fine_tune: a dense network is trained once here")
    return Plan("dense", {"name": "dense"}, recipe(given, given["epochs"], fine_tune=False))


def imp(given: Given) -> Plan:
    """Translate ``imp``: warm, cold, or with the learning rate rewound only."""
    period, rounds = given["iter_period"], given["imp_rounds"]
    if rounds <= 0:
        rounds = given["epochs"] // period
    if rounds < 2:
        raise UserError(
            f"imp_rounds: {rounds} training{'s' if rounds != 1 else ''} of iter_period {period} "
            "epochs prune nothing; give imp_rounds (or epochs, those of all rounds) for 2 or more, "
            "or weight_training: true"
        )
    training = recipe(given, period, fine_tune=False)
    method, rewind = _rewind(given, period)
    fraction = prune_rate(given, "the fraction REMOVED in every round")
    find: Section = {"name": "imp", "rounds": rounds - 1, "fraction_per_round": fraction}
    find |= {"count": "original", "rewind": rewind, "train": training, **shortcut_option(given)}
    variant = "standard"
    if given["invert_sanity_check"]:
        find["invert"], variant = True, "invert_scores"
        given.notes.append("invert_sanity_check: the original reads it for algo 'hc_iter' only")
    percent = 100 * (1 - fraction) ** (rounds - 1)
    given.notes.append(
        f"imp: {rounds} trainings of {period} epochs, the last one that of the ticket, so "
        f"{rounds - 1} prunings, of {fraction:g} each: {percent:.4g} % of the weights stay. A run "
        "here is one density; one of fewer rounds shares them (run.py --set find.rounds=N)"
    )
    return Plan(method, find, dict(training), variant, amp=True)


def _rewind(given: Given, period: int) -> tuple[str, Section]:
    """Return the method and the section ``rewind``."""
    if given["imp_no_rewind"]:
        return "lrr", {"to": "none"}
    step = given["imp_rewind_iter"]
    if step == 0:
        return "imp_cold", {"to": "init"}
    data = data_section(given)
    images = DATASETS[data["name"]].train_count - data["validation"]
    steps = period * math.ceil(images / given["batch_size"])
    if step > steps:
        raise UserError(
            f"imp_rewind_iter: {step} is behind the first training, which has {steps} steps"
        )
    return "imp_warm", {"to": "step", "step": step}


def random_ticket(given: Given) -> Plan:
    """Translate ``random_subnet``: the smart ratio, its variants, or a mask of coin flips."""
    if given["weight_training"]:
        raise UserError("random_subnet: true contradicts weight_training: true")
    _ = given["algo"]  # decides nothing here, and every original config has one
    version, ratio = given["sr_version"], given["smart_ratio"]
    if version not in PAPERS_NUMBER:
        raise UserError(f"sr_version: must be one of 1 to 6, found {version}")
    find: Section = {"name": "smart_ratio"}
    if ratio == -1 and version == 1:
        kept = prune_rate(given, "the probability to KEEP a weight")
        find |= {"bernoulli": True, "sparsity": complement(kept)}
        given.notes.append(f"smart_ratio: -1, so every weight is kept with prune_rate {kept:g}")
        return Plan("random", find | shortcut_option(given), fine_tuning(given))
    if version > 1:
        number = PAPERS_NUMBER[version]
        given.notes.append(f"sr_version: {version} of the code is the paper's v{number}")
    if version in KEPT:
        if given["arch"] != "resnet20":
            raise UserError(f"sr_version: {version} holds counts of resnet20's layers only")
        find["layer_counts"] = KEPT[version]
    else:
        if ratio == -1:
            ratio = 0.9856
            given.notes.append("smart_ratio: not given; 0.9856, as for the paper's variants")
        find |= {
            "sparsity": float(ratio),
            "family": "vgg" if given["arch"] == "vgg16" else "resnet",
        }
        find |= GEM_ENDS if version == 2 else {}
        find |= {"first_density": 1.0, "last_density": 1.0} if version == 4 else {}
    variant = "standard" if version == 1 else f"sr_v{PAPERS_NUMBER[version]}"
    return Plan("smart_ratio", find | shortcut_option(given), fine_tuning(given), variant)
