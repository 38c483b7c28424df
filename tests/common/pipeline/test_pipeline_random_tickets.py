"""Random tickets in a run: whose weights they start from, and that they may be trained first."""

import pytest
import torch

from common.errors import UserError
from common.pipeline import Methods, compute_phase, phase_paths, plan_run
from common.tickets import Ticket
from common.tickets.states import load_state

pytestmark = pytest.mark.usefixtures("one_thread")

TRAIN = {"epochs": 2, "batch_size": 100, "lr": 0.05}
FIELDS = {
    "data": {"name": "digits", "augment": None, "subset": {"count": 200}},
    "model": {"name": "small_cnn", "width": 2},
    "find": {"name": "random", "sparsity": 0.5},
    "train": TRAIN,
}


@pytest.fixture
def computed(run_config, context):
    """Return a function that computes a run with a transform, up to the ticket it trains."""

    def compute(transform):
        content = context.dataset("digits").fingerprint["sha256"]
        plan = plan_run(run_config(**FIELDS, transform=[transform]), 0, Methods(), content)
        for phase in plan.phases[:-1]:
            compute_phase(phase, context)
        return plan, Ticket.load(phase_paths(plan.ticket, context).ticket)

    return compute


def test_a_random_ticket_starts_from_weights_that_nothing_has_trained(computed, context):
    plan, ticket = computed("random_global")
    found = Ticket.load(phase_paths(plan.phases[0], context).ticket)
    statistics = ticket.weights["features.bn1.running_mean"]
    assert torch.equal(statistics, torch.zeros_like(statistics))
    assert not torch.equal(ticket.weights["classifier.weight"], found.weights["classifier.weight"])
    assert sum(ticket.layer_kept().values()) == sum(found.layer_kept().values())


def test_its_weights_may_be_trained_densely_first(computed, context):
    plan, ticket = computed({"name": "random_layerwise", "rewind_epoch": 1})
    kinds = [(phase.kind, phase.role) for phase in plan.phases]
    assert ("train", "pretrain") in kinds
    fresh = next(phase for phase in plan.phases if phase.role == "pretrain")
    trained = load_state(phase_paths(fresh, context).final)
    assert fresh.work.recipe.epochs == 1 and fresh.work.recipe.schedule_epochs == 2
    assert all(torch.equal(trained[name], value) for name, value in ticket.weights.items())
    assert int(trained["features.bn1.num_batches_tracked"]) == 2  # 200 images in batches of 100
    _, untrained = computed("random_layerwise")
    assert not torch.equal(
        untrained.weights["classifier.weight"], ticket.weights["classifier.weight"]
    )


def test_they_cannot_be_trained_for_longer_than_the_run(computed):
    with pytest.raises(UserError, match=r"transform.0.rewind_epoch: 3 is more than the 2 epochs"):
        computed({"name": "random_global", "rewind_epoch": 3})
