"""The searches for a mask: Gem-Miner, the hypercube search, edge-popup in all its scopes."""

from __future__ import annotations

from common.errors import UserError
from replications.rare_gems.freezing import event_count, fraction_per_event
from replications.rare_gems.original.given import Given
from replications.rare_gems.original.plans import (
    Plan,
    complement,
    fine_tuning,
    prune_rate,
    search_recipe,
    shortcut_option,
    target_sparsity,
)
from replications.rare_gems.original.sections import Section


def _hypercube_options(given: Given) -> Section:
    """Return what the hypercube search and Gem-Miner have in common."""
    section: Section = {
        "score_init": given["score_init"],
        "quantized": given["hc_quantized"],
        "threshold": float(given["quantize_threshold"]),
        "regularization": given["regularization"],
    }
    if section["regularization"] is not None:
        section["lambda"] = float(given["lmbda"])
    if section["regularization"] == "var_red_1":
        section |= {key: float(given[key]) for key in ("alpha", "alpha_prime")}
    section["rounding"] = given["round"]
    if section["rounding"] == "naive_prob":
        raise UserError(
            "round: 'naive_prob' rounds one layer at random, which no argument of the original "
            "names; write 'naive' and set find.rounding and find.rounding_layer here"
        )
    if section["rounding"] == "prob":
        section["samples"] = given["num_test"]
    noisy, ratio = given["noise"], given["noise_ratio"]
    if ratio and not noisy:
        raise UserError("noise_ratio: has no effect where noise is false")
    section["noise"] = float(ratio)
    section["project_every"] = given["project_freq"]
    if given["differentiate_clamp"]:
        section["clamp_in_forward"] = True
    return section | shortcut_option(given)


def gem_miner(given: Given) -> Plan:
    """Translate ``hc_iter``."""
    epochs, period = given["epochs"], given["iter_period"]
    sparsity = target_sparsity(given)
    find: Section = {"name": "gem_miner", "sparsity": sparsity, "search": search_recipe(given)}
    find |= {"prune_period": period, "freeze_rule": given["prune_type"]}
    if given["override_prune_rate"]:
        rate = prune_rate(given, "the fraction REMOVED at every event")
        find["fraction_per_event"] = rate
        events = event_count(epochs, period)
        if "target_sparsity" not in given:
            find["sparsity"] = 1 - (1 - rate) ** events
        given.notes.append(
            f"prune_rate: {rate:g} of the active weights are frozen at each of {events} events, so "
            f"{100 * (1 - rate) ** events:.4g} % stay, whatever target_sparsity says"
        )
    find["ticket_mask"] = "frozen" if given["unflag_before_finetune"] else "rounded"
    if given["bottom_k_on_forward"]:
        find["mask_rule"] = "quantile"
    if given["rewind_score"]:
        if given["rewind_to_epoch"] < 0:
            raise UserError(
                "rewind_score: true needs rewind_to_epoch; without it the original keeps no scores"
            )
        find["rewind_scores_to"] = given["rewind_to_epoch"]
    elif given["rewind_to_epoch"] >= 0:
        raise UserError("rewind_to_epoch: has no effect where rewind_score is false")
    for key, ours in (
        ("drop_bottom_half_weights", "warm_start"),
        ("invert_sanity_check", "invert"),
        ("checkpoint_at_prune", "save_every_level"),
    ):
        if given[key]:
            find[ours] = True
    return Plan(
        "gem_miner",
        find | _hypercube_options(given),
        fine_tuning(given),
        "invert_scores" if find.get("invert") else "standard",
        checks=True,
    )


def hypercube(given: Given) -> Plan:
    """Translate ``hc``."""
    if given["unflag_before_finetune"]:
        raise UserError(
            "unflag_before_finetune: true is refused for algo 'hc': nothing is frozen there, so "
            "all weights would come back"
        )
    find = {"name": "hypercube", "search": search_recipe(given), **_hypercube_options(given)}
    return Plan("hypercube", find, fine_tuning(given), checks=True)


def edge_popup(given: Given) -> Plan:
    """Translate ``ep``, ``global_ep`` and ``global_ep_iter``."""
    algo, epochs = given["algo"], given["epochs"]
    gradual = algo == "global_ep_iter"
    find: Section = {"name": "edge_popup", "sparsity": _edge_popup_sparsity(given)}
    if algo == "ep":
        find |= {"scope": "layer", "rule": "floor"}
    else:
        find |= {"scope": "global", "gradual": gradual}
    if gradual:
        find["prune_period"] = given["iter_period"]
    penalty, weight = given["regularization"], 0.0
    if penalty not in (None, "L2"):
        raise UserError(f"regularization: {penalty!r} is refused for algo {algo!r}: null or L2")
    if penalty is not None and (weight := float(given["lmbda"])):
        find |= {"regularization": "L2", "lambda": weight}
    if given["invert_sanity_check"]:
        find["invert"] = True
        given.notes.append("invert_sanity_check: the original reads it for algo 'hc_iter' only")
    find |= {"search": search_recipe(given), **shortcut_option(given)}
    if gradual and given["iter_period"] >= epochs:
        raise UserError(f"iter_period: must be below epochs ({epochs}) for algo {algo!r}")
    variant = {"ep": "standard", "global_ep": "global", "global_ep_iter": "global_gradual"}[algo]
    variant = f"{variant}_l2" if weight and algo != "ep" else variant
    variant = "invert_scores" if find.get("invert") else variant
    return Plan("edge_popup", find, fine_tuning(given), variant, checks=True)


def _edge_popup_sparsity(given: Given) -> float:
    """Return the sparsity of an edge-popup config; prune_rate means three things (spec 8, 13)."""
    algo = given["algo"]
    if given["override_prune_rate"]:
        return _edge_popup_rate(given, algo)
    if algo == "ep" and "target_sparsity" not in given:
        raise UserError(
            "algo: 'ep' needs override_prune_rate: true and prune_rate, the fraction KEPT in every "
            "layer, or target_sparsity"
        )
    sparsity = target_sparsity(given)
    events = event_count(given["epochs"], given["iter_period"])
    if events > (algo == "global_ep") and algo != "global_ep_iter" and sparsity < 1:
        given.notes.append(
            f"target_sparsity: counts here; the original, which derives prune_rate as for "
            f"Gem-Miner, would {'keep' if algo == 'ep' else 'remove'} "
            f"{100 * fraction_per_event(1 - sparsity, events):.3g} % of the weights"
        )
    return sparsity


def _edge_popup_rate(given: Given, algo: str) -> float:
    """Return the sparsity that a ``prune_rate`` set by hand leads to."""
    if algo == "ep":
        kept = prune_rate(given, "the fraction KEPT in every layer")
        given.notes.append(f"prune_rate: {kept:g} is the fraction KEPT for algo 'ep'")
        return complement(kept)
    sparsity = prune_rate(given, "the fraction REMOVED")
    if algo == "global_ep_iter":
        sparsity = 1 - (1 - sparsity) ** event_count(given["epochs"], given["iter_period"])
    given.notes.append(
        f"prune_rate: is the fraction REMOVED for algo {algo!r}; the sparsity is {sparsity:g}"
    )
    return sparsity
