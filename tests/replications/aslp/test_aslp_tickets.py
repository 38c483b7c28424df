"""Learned tickets are ordinary: other papers' checks and recipes take them, on any network."""

import pytest

from common.config import parse_config
from common.pipeline import compute_phase, finish_run, phase_paths, plan_run
from common.tickets import Ticket
from replications.aslp.methods import METHODS

pytestmark = pytest.mark.usefixtures("one_thread")

SEARCH = {"epochs": 1, "batch_size": 250, "patience": None}
FINDERS = {
    "aslp": {"name": "aslp", "weight_rescale": True, "search": SEARCH},
    "supermask": {"name": "supermask", "search": SEARCH},
    "edge_popup": {"name": "edge_popup", "sparsity": 0.6, "search": SEARCH},
}
MODELS = {
    "resnet32": {"name": "resnet32", "width": 2},
    "vgg11": {"name": "vgg11", "width_mult": 0.03},
}


def run(context, find, model, **fields):
    raw = {
        "paper": "aslp",
        "experiment": "tickets",
        "protocol": "test",
        "name": "ticket",
        "method": find["name"],
        "variant": "none",
        "data": {"name": "digits", "augment": None},
        "model": model,
        "find": find,
        "precision": "float32",
        **fields,
    }
    config = parse_config(raw, METHODS.catalog())
    plan = plan_run(config, 0, METHODS, context.dataset("digits").fingerprint["sha256"])
    for phase in plan.phases:
        compute_phase(phase, context)
    return plan, finish_run(plan, context)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("finder", FINDERS)
def test_a_found_ticket_is_rearranged_and_trained(context, finder, model):
    recipe = {"epochs": 1, "batch_size": 250, "lr": 0.05}
    plan, record = run(
        context,
        FINDERS[finder],
        MODELS[model],
        transform=["layerwise_rearrange"],
        train=recipe,
    )
    found, rearranged = (
        Ticket.load(phase_paths(phase, context).ticket)
        for phase in plan.phases
        if phase.kind in ("find", "transform")
    )
    assert found.layer_kept() == rearranged.layer_kept()
    assert any((found.masks[name] != mask).any() for name, mask in rearranged.masks.items())
    assert record["status"] == "finished"
    metrics = record["metrics"]
    assert metrics["found_test_accuracy"] is not None, "what the search measured stays"
    assert metrics["train_loss"] > 0 and metrics["search_train_loss"] != metrics["train_loss"]
    if finder == "edge_popup":
        assert record["ticket"]["sparsity"] == pytest.approx(0.6, abs=0.01)
    else:
        # Weights that see no input (3x3 windows on maps of one pixel) keep a latent of 0.
        removed, zeros = record["ticket"]["sparsity"], metrics["exact_zeros"]
        assert 0.4 < removed / (1 - zeros) < 0.6


def test_its_file_is_the_ticket_of_another_run(context):
    plan, record = run(context, FINDERS["edge_popup"], MODELS["resnet32"], train=None)
    path = phase_paths(plan.ticket, context).ticket
    taken = {"name": "ticket_file", "path": str(path)}
    _, again = run(context, taken, MODELS["resnet32"], train=None)
    assert again["metrics"]["test_accuracy"] == record["metrics"]["test_accuracy"]
    assert again["ticket"]["layer_kept"] == record["ticket"]["layer_kept"]


@pytest.mark.parametrize("finder", ["aslp", "supermask"])
def test_shortcuts_that_do_not_count_are_dense(context, finder):
    search = {**SEARCH, "epochs": 0}
    find = {"name": finder, "prune_shortcuts": False, "samples": 1, "search": search}
    _, record = run(context, find, MODELS["resnet32"], train=None)
    names = record["ticket"]["layer_order"]
    assert len(names) == 32 and not any("shortcut" in name for name in names)
