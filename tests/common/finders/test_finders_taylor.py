"""Taylor pruning: which weights are scored, and where the ticket starts."""

import pytest
import torch
from pydantic import ValidationError

from common.errors import UserError
from common.finders import FINDERS, FindInputs, Trained, find_ticket, score, scoring_data
from common.finders.selection import select_masks
from common.models import build_model
from common.pipeline import Methods, compute_phase, finish_run, plan_run
from common.randomness import generator
from common.training import Moment

PRETRAIN = {"epochs": 3}
WHOLE = {"sampling": "loader", "score_batches": None, "batch_size": 48}


@pytest.fixture
def states(dataset):
    """Return a network and states that stand for its beginning, an epoch and its training's end."""
    networks = [
        build_model("resnet8", num_classes=4, generator=generator(seed, "weights"), width=4)
        for seed in range(3)
    ]
    return [{k: v.clone() for k, v in net.state_dict().items()} for net in networks]


def find(states, dataset, **options):
    initial, early, final = states
    given = {"sparsity": 0.8, **WHOLE, **options}
    parsed = FINDERS["taylor"].options.model_validate(given)
    (stage,) = FINDERS["taylor"].stages(parsed)
    model = build_model("resnet8", num_classes=4, width=4)
    model.load_state_dict(initial)
    inputs = FindInputs(
        model,
        scoring_data(dataset),
        parsed,
        lambda purpose, *indices: generator(0, purpose, *indices),
        Trained(final, {Moment("epoch", 1): early}),
    )
    return stage.training, stage.find(inputs)


def equal(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({}, 0),
        ({"rewinding": "weights", "rewind_epoch": 1}, 1),
        ({"rewinding": "learning_rate"}, 2),
    ],
    ids=["init", "weights", "learning_rate"],
)
def test_trained_weights_are_scored_and_the_ticket_starts_where_it_should(
    states, dataset, options, start
):
    need, ticket = find(states, dataset, pretrain=PRETRAIN, **options)
    assert need.recipe.epochs == 3 and len(need.keep_at) == (start == 1)
    assert equal(ticket.weights, states[start])
    model = build_model("resnet8", num_classes=4, width=4)
    model.load_state_dict(states[2])
    images = scoring_data(dataset).batches(dataset.train)
    order = torch.randperm(96, generator=generator(0, "score_data"))
    scores = score("taylor", model, [images.at(order[:48]), images.at(order[48:])])
    assert equal(ticket.masks, select_masks(scores, 0.8))


def test_initial_weights_are_scored_without_a_training(states, dataset):
    need, ticket = find(states, dataset, source="init")
    assert need is None and equal(ticket.weights, states[0])
    _, trained = find(states, dataset, pretrain=PRETRAIN)
    assert not equal(ticket.masks, trained.masks)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "pretrain is missing; source 'trained' needs the recipe"),
        ({"source": "init", "pretrain": PRETRAIN}, "pretrain has no effect where source is 'init'"),
        ({"source": "init", "rewinding": "learning_rate"}, "rewinding has no effect"),
        ({"source": "init", "rewind_epoch": 1}, "rewind_epoch has no effect"),
        ({"pretrain": PRETRAIN, "rewinding": "weights"}, "rewind_epoch is missing"),
        ({"pretrain": PRETRAIN, "rewinding": "weights", "rewind_epoch": 3}, "must be below"),
    ],
)
def test_what_cannot_be_is_refused(given, reason):
    with pytest.raises(ValidationError, match=reason):
        FINDERS["taylor"].options.model_validate({"sparsity": 0.5, **given})


def test_trained_weights_need_a_run(resnet, dataset):
    with pytest.raises(UserError, match="'taylor': needs a training first"):
        find_ticket("taylor", resnet, dataset, sparsity=0.5, pretrain=PRETRAIN)


@pytest.mark.usefixtures("one_thread")
def test_a_run_on_the_digits_meets_the_sparsity_and_learns(run_config, context):
    recipe = {"epochs": 4, "batch_size": 50, "lr": 0.1}
    find = {"name": "taylor", "sparsity": 0.8, "pretrain": recipe, "count": "threshold", **WHOLE}
    config = run_config(find=find, train=recipe)
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(config, 0, Methods(), content)
    for phase in plan.phases:
        compute_phase(phase, context)
    record = finish_run(plan, context)
    assert [phase.kind for phase in plan.phases] == ["train", "find", "train"]
    assert record["ticket"]["sparsity"] == pytest.approx(0.8, abs=3e-4)
    assert record["metrics"]["search_epochs"] == 4
    assert record["metrics"]["test_accuracy"] > 60, "chance is 10 %"
