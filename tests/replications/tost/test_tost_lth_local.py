"""The README's first lottery-ticket code: percentiles of tensors, the first rate, new weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.config import parse_config
from common.finders import FindInputs, Trained
from common.models import build_model
from common.pipeline import Methods, compute_phase, finish_run, phase_paths, plan_run
from common.randomness import generator
from common.tickets import Ticket
from common.tickets.states import load_state
from replications.tost.lth_local import LTH_LOCAL, LthLocalOptions, prune_to_local_percentile


def options(**given):
    return LthLocalOptions.model_validate({"name": "lth_local", **given})


def everything(weight):
    return torch.ones_like(weight, dtype=torch.bool)


# --- one tensor


def test_a_hundred_weights_by_hand():
    """The spec: the tenth percentile of 1..100 is 10.9, so 1..10 go and 90 stay."""
    weight = torch.arange(1.0, 101.0) * torch.tensor([1.0, -1.0]).repeat(50)
    kept = prune_to_local_percentile(weight, everything(weight), 0.1)
    assert kept.tolist() == [False] * 10 + [True] * 90
    again = prune_to_local_percentile(weight, kept, 0.1)  # of 11..100: 19.9
    assert again.tolist() == [False] * 19 + [True] * 81


def test_what_equals_the_percentile_stays():
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    kept = prune_to_local_percentile(weight, everything(weight), 0.5)
    assert kept.tolist() == [False, False, True, True, True], "3 is the median"
    same = torch.full((6,), -0.5)
    assert prune_to_local_percentile(same, everything(same), 0.9).all()


def test_zeros_count_as_removed():
    weight = torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0])
    mask = torch.tensor([False, True, True, True, True])
    kept = prune_to_local_percentile(weight, mask, 0.1)
    assert kept.tolist() == [False, False, False, True, True]
    nothing = torch.zeros(3)
    assert not prune_to_local_percentile(nothing, everything(nothing), 0.1).any()


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=60),
    st.integers(0, 2**31),
    st.floats(0.01, 0.99),
)
def test_it_is_numpy_s_percentile_of_what_is_alive(values, seed, fraction):
    weight = torch.tensor(values, dtype=torch.float32)
    mask = torch.rand(len(values), generator=torch.Generator().manual_seed(seed)) < 0.7
    kept = prune_to_local_percentile(weight, mask, fraction)
    alive = np.abs((weight * mask).numpy()[(weight * mask).numpy() != 0]).astype(float)
    if not len(alive):
        assert not kept.any()
        return
    threshold = np.percentile(alive, 100 * fraction)
    assert kept.tolist() == (((weight * mask).abs().numpy() >= threshold) & mask.numpy()).tolist()
    assert kept.any(), "the largest weight is never below the percentile"


# --- one round


@pytest.fixture
def model():
    return build_model("resnet8", num_classes=4, width=4, generator=generator(0, "weights"))


def state(seed):
    network = build_model("resnet8", num_classes=4, width=4, generator=generator(seed, "weights"))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
        network(torch.randn(6, 3, 8, 8, generator=draw))
    return {name: value.clone() for name, value in network.state_dict().items()}


def two_rounds(model, **given):
    chosen, ticket = options(rounds=2, **given), None
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    finals = []
    for stage in LTH_LOCAL.stages(chosen):
        final = state(5 + len(finals))
        if ticket is not None:
            for name, mask in ticket.masks.items():
                final[name] = final[name] * mask
        finals.append((final, ticket))
        model.load_state_dict(initial)  # every stage is handed the initial network
        draw = lambda purpose, *indices: generator(0, purpose, *indices)  # noqa: E731
        inputs = FindInputs(model, None, chosen, draw, Trained(final), ticket)
        ticket = stage.find(inputs)
        finals[-1] = (final, ticket)
    return initial, finals


def test_every_weight_is_pruned_in_its_own_tensor_scales_and_classifier_too(model):
    _, finals = two_rounds(model, fraction_per_round=0.25)
    names = [name for name, _ in model.named_parameters() if "weight" in name]
    assert any("bn" in name for name in names) and "classifier.weight" in names
    for final, ticket in finals:
        assert list(ticket.masks) == names
        for name, mask in ticket.masks.items():
            assert final[name][mask].abs().min() >= final[name][~mask].abs().max()
    for name, mask in finals[0][1].masks.items():
        removed = int(np.ceil(0.25 * (mask.numel() - 1)))  # below a place between two weights
        assert int((~mask).sum()) == removed
        assert not bool((finals[1][1].masks[name] & ~mask).any())


def test_weights_and_biases_go_back_and_statistics_go_on(model):
    initial, finals = two_rounds(model)
    parameters = {name for name, _ in model.named_parameters()}
    for final, ticket in finals:
        for name, value in ticket.weights.items():
            assert torch.equal(value, (initial if name in parameters else final)[name]), name
    assert not torch.equal(finals[0][0]["bn1.running_mean"], finals[1][0]["bn1.running_mean"])


def test_fresh_weights_are_drawn_in_every_round_the_same_ones_for_a_seed(model):
    initial, finals = two_rounds(model, reinit=True)
    _, again = two_rounds(model, reinit=True)
    one, two = (ticket.weights for _, ticket in finals)
    for name, _ in model.named_parameters():
        if "bn" in name and "bias" in name:
            continue  # these are zero from the first to the last
        assert not torch.equal(one[name], two[name]), name
        assert not torch.equal(one[name], initial[name]), name
        assert torch.equal(one[name], again[0][1].weights[name])
    weight = one["layer3.0.conv2.weight"]
    fan = weight[0].numel() + weight[:, 0].numel()
    assert float(weight.std()) == pytest.approx((2 / fan) ** 0.5, rel=0.1), "Xavier-normal"
    assert float((one["bn1.weight"] - 1).abs().max()) < 0.1
    assert float(one["classifier.bias"].abs().max()) > 0.3, "biases are N(0, 1)"
    assert torch.equal(one["bn1.running_mean"], finals[0][0]["bn1.running_mean"])


# --- the chain


def test_the_dense_round_has_a_rate_of_its_own():
    stages = LTH_LOCAL.stages(options(rounds=34))
    recipes = [stage.training.recipe for stage in stages]
    assert [recipe.lr for recipe in recipes] == [1e-3] + [1.2e-3] * 33
    first = recipes[0]
    assert (first.optimizer, first.epochs, first.batch_size) == ("adam", 100, 60)
    assert (first.weight_decay, first.schedule) == (1e-4, "constant")
    same = LTH_LOCAL.stages(options(rounds=2, first_lr=None))
    assert [stage.training.recipe.lr for stage in same] == [1.2e-3] * 2


def test_a_recipe_that_says_one_thing_keeps_the_rest_of_that_code_s():
    given = options(rounds=1, train={"epochs": 2}).train
    assert (given.epochs, given.optimizer, given.batch_size) == (2, "adam", 60)


def test_five_iterations_are_four_rounds_and_keep_two_thirds():
    assert options(sparsity=0.3439).number_of_rounds == 4
    with pytest.raises(ValidationError, match="none that whole rounds reach"):
        options(sparsity=0.3)
    with pytest.raises(ValidationError, match="greater than 0"):
        options(rounds=1, first_lr=0.0)


def test_a_run_trains_dense_then_prunes_every_tensor(raw_run, context, one_thread):
    context.checkpoint_seconds = 60.0
    methods = Methods().extended(finders={"lth_local": LTH_LOCAL})
    recipe = {"epochs": 4, "batch_size": 25, "lr": 0.01}
    find = {"name": "lth_local", "rounds": 2, "rate": 0.2, "first_lr": 0.005, "train": recipe}
    final = {**recipe, "optimizer": "adam", "schedule": "constant"}
    model = {"name": "fc", "hidden": [32], "image_size": 16, "init": "xavier_noisy"}
    config = parse_config(raw_run(find=find, train=final, model=model), methods.catalog())
    assert config.find.fraction_per_round == 0.2
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(config, 0, methods, content)
    for phase in plan.phases:
        compute_phase(phase, context)
    assert [phase.kind for phase in plan.phases] == ["train", "find", "train", "find", "train"]
    trainings = [phase.work.recipe.lr for phase in plan.phases if phase.kind == "train"]
    assert trainings == [0.005, 0.01, 0.01]
    paths = [phase_paths(phase, context) for phase in plan.phases]
    tickets = [Ticket.load(place.ticket) for place in (paths[1], paths[3])]
    for name, mask in tickets[1].masks.items():
        alive = int(tickets[0].masks[name].sum())
        assert int(mask.sum()) == alive - int(np.ceil(0.2 * (alive - 1) - 1e-9)), name
    record = finish_run(plan, context)
    assert record["metrics"]["search_epochs"] == 8
    assert record["metrics"]["test_accuracy"] > 40, "chance is 10 %"


def test_the_bug_of_frozen_negative_weights_is_part_of_every_round_s_recipe():
    chosen = options(rounds=3, freeze_negative_bug=True)
    recipes = [stage.training.recipe for stage in LTH_LOCAL.stages(chosen)]
    assert [recipe.freeze_negative for recipe in recipes] == [True] * 3
    assert [recipe.lr for recipe in recipes] == [1e-3, 1.2e-3, 1.2e-3]
    plain = options(rounds=3)
    assert not any(s.training.recipe.freeze_negative for s in LTH_LOCAL.stages(plain))
    assert "freeze_negative_bug" not in plain.model_dump()
    assert chosen.model_dump()["freeze_negative_bug"] is True
    assert LTH_LOCAL.stages(plain)[0].bears_on == LTH_LOCAL.stages(chosen)[0].bears_on


def test_with_the_bug_the_dense_training_leaves_negative_weights_alone(
    raw_run, context, one_thread
):
    methods = Methods().extended(finders={"lth_local": LTH_LOCAL})
    recipe = {"epochs": 2, "batch_size": 50, "optimizer": "sgd", "lr": 0.05, "weight_decay": 0.0}
    find = {"name": "lth_local", "rounds": 1, "freeze_negative_bug": True, "train": recipe}
    config = parse_config(raw_run(find=find, train=None), methods.catalog())
    plan = plan_run(config, 0, methods, context.dataset("digits").fingerprint["sha256"])
    for phase in plan.phases:
        compute_phase(phase, context)
    final = load_state(phase_paths(plan.phases[0], context).final)
    start = Ticket.load(phase_paths(plan.ticket, context).ticket).weights
    for name, value in start.items():
        if "weight" in name:
            assert torch.equal(final[name][value < 0], value[value < 0])
            assert (final[name] != value)[value > 1e-6].any()


def test_longer_chains_go_on_from_shorter_ones():
    short, long = (LTH_LOCAL.stages(options(rounds=rounds)) for rounds in (2, 5))
    assert [stage.bears_on for stage in short] == [stage.bears_on for stage in long[:2]]
    assert "rounds" not in long[0].bears_on
