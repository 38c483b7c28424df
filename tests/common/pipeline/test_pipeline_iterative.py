"""Iterative magnitude pruning as a chain of phases: what rounds start from, what runs share."""

import itertools

import pytest
import torch
from safetensors.torch import load_file

from common.config import TrainConfig
from common.errors import UserError
from common.pipeline import (
    Methods,
    compute_phase,
    distinct_phases,
    finish_run,
    is_done,
    phase_paths,
    plan_run,
)
from common.pipeline.context import initial_model, prepare_dataset, training_data
from common.tickets import Ticket
from common.tickets.states import load_state
from common.training import TrainHooks, train

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = {"count": 250}
TRAIN = {"epochs": 2, "batch_size": 100, "lr": 0.05}
ROUND = {**TRAIN, "subset": FEW}
WARM = {"name": "imp", "rounds": 2, "train": ROUND, "rewind": {"to": "step", "step": 4}}
FIELDS = {
    "data": {"name": "digits", "augment": None, "subset": FEW},
    "model": {"name": "small_cnn", "width": 2},
    "train": None,
}
STEPS = 3  # of an epoch: 250 images in batches of 100
STATISTICS = "features.bn1.num_batches_tracked"


@pytest.fixture
def plan(run_config, context):
    """Return a function that plans a run on a few digits."""

    def build(find, *overrides, **fields):
        content = context.dataset("digits").fingerprint["sha256"]
        config = run_config(*overrides, **FIELDS | {"find": find} | fields)
        return plan_run(config, 0, Methods(), content)

    return build


@pytest.fixture
def computed(plan, context):
    """Return a function that computes a run and returns its plan and all its files' tensors."""

    def compute(find, *overrides, **fields):
        made = plan(find, *overrides, **fields)
        for phase in made.phases:
            compute_phase(phase, context)
        finals = [
            load_state(phase_paths(phase, context).final)
            for phase in made.phases
            if phase.role == "pretrain"
        ]
        tickets = [
            Ticket.load(phase_paths(phase, context).ticket)
            for phase in made.phases
            if phase.kind == "find"
        ]
        return made, finals, tickets

    return compute


def same(one, other, names=None):
    return all(torch.equal(one[name], other[name]) for name in (names or one))


class StoppedError(Exception):
    """Ends a training after a number of steps."""


def state_after(phase, context, steps):
    """Return the state after so many steps of a training, by a training that is cut short."""
    setting = phase.setting
    dataset = prepare_dataset(setting.data, context, setting.seed)
    model = initial_model(setting, dataset, context)
    if not steps:
        return model.state_dict()
    left = [steps]

    def stop(_):
        left[0] -= 1
        if left[0] == 0:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(
            model,
            training_data(setting.data, dataset, TRAIN["batch_size"], context),
            TrainConfig(**TRAIN),
            masks={},
            seed=setting.seed,
            device=torch.device("cpu"),
            precision="float32",
            hooks=TrainHooks(on_step=stop),
        )
    return {name: value.contiguous() for name, value in model.state_dict().items()}


def test_a_warm_ticket_starts_from_the_weights_after_so_many_steps(computed, context):
    made, finals, tickets = computed(WARM)
    start = state_after(made.phases[0], context, 4)
    assert int(start[STATISTICS]) == 4
    names = list(tickets[0].masks)
    for ticket, final in zip(tickets, finals, strict=True):
        assert same(ticket.weights, start, names), "the weights of step 4 of the dense training"
        rest = [name for name in ticket.weights if name not in names]
        assert same(ticket.weights, final, rest), "all else goes on from where it was"
        assert not same(final, start, names)
    assert [int(ticket.weights[STATISTICS]) for ticket in tickets] == [6, 12]
    kept = [sum(ticket.layer_kept().values()) for ticket in tickets]
    sizes = sum(mask.numel() for mask in tickets[0].masks.values())
    assert kept == [sizes - -(-sizes // 5), kept[0] - -(-kept[0] // 5)]
    for name, mask in tickets[0].masks.items():
        assert not bool((tickets[1].masks[name] & ~mask).any()), "rounds are nested"
        assert not finals[1][name][~mask].any(), "removed weights stay at zero in their training"


def test_with_everything_rewound_the_statistics_are_those_of_the_step(computed, context):
    made, _, tickets = computed(WARM | {"rewind": {"to": "step", "step": 4, "scope": "all"}})
    start = state_after(made.phases[0], context, 4)
    assert all(same(ticket.weights, start) for ticket in tickets)


def test_a_cold_ticket_starts_from_the_initial_weights(computed, context):
    made, finals, tickets = computed(WARM | {"rewind": {"to": "init"}})
    start = state_after(made.phases[0], context, 0)
    for ticket, final in zip(tickets, finals, strict=True):
        assert same(ticket.weights, start, list(ticket.masks))
        assert same(ticket.weights, final, [n for n in start if n not in ticket.masks])


def test_learning_rate_rewinding_keeps_the_trained_weights(computed):
    _, finals, tickets = computed(WARM | {"rewind": {"to": "none"}})
    for ticket, final in zip(tickets, finals, strict=True):
        assert same(ticket.weights, final)
    assert int(finals[1][STATISTICS]) == 4 * STEPS, "the second training went on from the first"


def test_an_epoch_and_its_last_step_are_one_moment(computed):
    _, _, by_step = computed(WARM | {"rewind": {"to": "step", "step": STEPS}})
    _, _, by_epoch = computed(WARM | {"rewind": {"to": "epoch", "epoch": 0}})
    for one, other in zip(by_step, by_epoch, strict=True):
        assert same(one.weights, other.weights) and same(one.masks, other.masks)


# --- what runs share


def identities(made):
    return [phase.identity for phase in made.phases]


def test_longer_chains_contain_shorter_ones(plan):
    chains = [plan(WARM | {"rounds": rounds}, train=TRAIN) for rounds in (1, 2, 3)]
    for short, long in itertools.pairwise(chains):
        assert [phase.kind for phase in short.phases] == ["train", "find"] * (
            len(short.phases) // 2
        ) + ["train"]
        assert identities(short) == identities(long)[: len(short.phases)], (
            "with the same recipe its last training is the next round's"
        )
    assert len(distinct_phases(chains)) == len(chains[-1].phases)


def test_rounds_and_the_sparsity_that_they_reach_are_one_chain(plan):
    by_sparsity = {k: v for k, v in WARM.items() if k != "rounds"} | {"sparsity": 0.36}
    assert identities(plan(by_sparsity)) == identities(plan(WARM))
    short = plan(WARM | {"epochs_per_round": 2, "train": {**ROUND, "epochs": 9}})
    assert identities(short) == identities(plan(WARM)), "only the recipe that is used counts"


def test_a_dense_run_and_every_way_to_rewind_share_the_first_training(plan):
    dense = plan({"name": "dense"}, train=TRAIN)
    rewinds = [
        {"to": "init"},
        {"to": "none"},
        {"to": "step", "step": 1},
        {"to": "epoch", "epoch": 0},
    ]
    runs = [plan(WARM | {"rewind": rewind}) for rewind in rewinds]
    assert {identities(run)[0] for run in runs} == {identities(dense)[0]}
    assert len({identities(run)[1] for run in runs}) == len(rewinds)
    kept = distinct_phases([dense, *runs])[identities(dense)[0]].keep_at
    assert [(moment.unit, moment.number) for moment in kept] == [("epoch", 0), ("step", 1)]


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ("find.fraction_per_round=0.3", 1),
        ("find.count=original", 1),
        ("find.invert=true", 1),
        ("find.rewind.scope=all", 1),
        ("find.rewind.step=5", 1),
        ("find.prune_shortcuts=false", 1),
        ("find.train.lr=0.06", 0),
        ("find.epochs_per_round=3", 0),
    ],
)
def test_what_bears_on_a_round_changes_it_and_those_behind(plan, change, first):
    one, other = plan(WARM), plan(WARM, change)
    equal = [a == b for a, b in zip(identities(one), identities(other), strict=True)]
    assert equal == [True] * first + [False] * (len(equal) - first)


def test_a_chain_goes_on_from_the_rounds_that_are_there(plan, computed, context):
    computed(WARM | {"rounds": 1})
    longer = plan(WARM)
    assert [is_done(phase, context) for phase in longer.phases] == [True, True, False, False, False]


def test_a_copy_that_nobody_needed_before_is_made_without_moving_a_number(computed, context):
    made, finals, _ = computed(WARM | {"rounds": 1, "rewind": {"to": "init"}})
    folder = phase_paths(made.phases[0], context)
    assert not folder.kept("step", 4).exists()
    _, again, tickets = computed(WARM | {"rounds": 1})
    assert same(again[0], finals[0])
    kept = load_file(folder.kept("step", 4))
    assert same(kept, state_after(made.phases[0], context, 4))
    assert same(tickets[0].weights, kept, list(tickets[0].masks))


# --- the ends of a training


@pytest.mark.parametrize(
    ("rewind", "moment"),
    [({"to": "step", "step": 7}, "step 7"), ({"to": "epoch", "epoch": 2}, "epoch 2")],
)
def test_a_moment_behind_the_training_is_refused_in_one_line(plan, context, rewind, moment):
    made = plan(WARM | {"rewind": rewind})
    text = rf"find\.rewind: {moment} is not in a training of 2 epochs of 3 steps"
    with pytest.raises(UserError, match=text) as caught:
        compute_phase(made.phases[0], context)
    assert "\n" not in str(caught.value)
    last = plan(WARM | {"rewind": {"to": "step", "step": 6}, "rounds": 1})
    assert compute_phase(last.phases[0], context), "the last step is one"


def test_the_search_of_a_chain_is_as_long_as_its_trainings(computed, context):
    made, _, _ = computed(WARM | {"rounds": 3}, train=TRAIN)
    record = finish_run(made, context)
    assert record["metrics"]["search_epochs"] == 3 * 2
    assert list(record["timing"]["phases"]) == [
        *("0_train", "1_find", "2_train", "3_find", "4_train", "5_find", "6_train"),
    ]
    assert record["ticket"]["sparsity"] == pytest.approx(1 - 0.8**3, abs=5e-3)
    assert (
        record["metrics"]["start_test_accuracy"] == record["metrics"]["prefinetune_test_accuracy"]
    )
