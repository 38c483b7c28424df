"""What the identity of a phase depends on, and which runs share phases."""

import pytest

from common.config import config_hash
from common.pipeline import Methods, distinct_phases, plan_run
from common.training import Moment

DATASET = "0" * 64
PRETRAIN = {"epochs": 3, "batch_size": 100}
MAGNITUDE = {
    "name": "magnitude",
    "sparsity": 0.5,
    "pretrain": PRETRAIN,
    "rewinding": "weights",
    "rewind_epoch": 1,
}
REWINDING = {**MAGNITUDE, "rewinding": "learning_rate", "rewind_epoch": None}
DENSE = {"name": "dense"}
KINDS = ["train", "find", "transform", "train"]


@pytest.fixture(scope="module")
def plan(run_config):
    """Return a function that plans a pruned and rearranged run, with overrides."""

    def build(*overrides, seed=0, dataset=DATASET, **fields):
        fields = {"find": MAGNITUDE, "transform": ["layerwise_weights_shuffling"]} | fields
        return plan_run(run_config(*overrides, **fields), seed, Methods(), dataset)

    return build


def identities(plan):
    return [phase.identity for phase in plan.phases]


def test_a_run_is_a_chain_of_phases(plan):
    run = plan()
    assert [phase.kind for phase in run.phases] == KINDS
    pretrain, find, transform, train = run.phases
    assert (pretrain.inputs, find.inputs) == ((), (pretrain,))
    assert (transform.inputs, train.inputs) == ((find,), (transform,))
    assert (run.ticket, run.train) == (transform, train)
    assert pretrain.keep_at == (Moment("epoch", 1),)
    assert len(set(identities(run))) == 4
    assert all(len(identity) == 64 for identity in identities(run))


# An override and the first phase of the chain that it changes; what comes after changes with it.
MEANING = [
    ({"seed": 1}, 0),
    ({"dataset": "1" * 64}, 0),
    ("precision=bfloat16", 0),
    ("model.hidden=[17]", 0),
    ("model.init=xavier_normal", 0),
    ("data.augment={}", 0),
    ("data.validation=50", 0),
    ("find.pretrain.epochs=4", 0),
    ("find.pretrain.lr=0.2", 0),
    ('find.pretrain.subset={"fraction":0.5}', 0),
    ('find.pretrain.corruption={"random_labels":true}', 0),
    ("find.sparsity=0.6", 1),
    ("find.rewind_epoch=0", 1),
    ("find.rewinding=init", 1),
    ('transform=[{"name":"layerwise_weights_shuffling","scope":"all"}]', 2),
    ('transform=["layerwise_rearrange"]', 2),
    ("train.lr=0.2", 3),
    ("train.epochs=3", 3),
    ("train.momentum=0.8", 3),
    ("train.weight_decay=0.1", 3),
    ("train.label_smoothing=0.1", 3),
    ("train.start_epoch=1", 3),
    ("train.batch_size=50", 3),
]


@pytest.mark.parametrize(("change", "first"), MEANING, ids=str)
def test_what_bears_on_a_result_changes_its_identity_and_those_behind(plan, change, first):
    changed = plan(**change) if isinstance(change, dict) else plan(change)
    same = [a == b for a, b in zip(identities(plan()), identities(changed), strict=True)]
    assert same == [True] * first + [False] * (4 - first)


@pytest.mark.parametrize(
    "change",
    [
        "name=other",
        "experiment=other",
        "protocol=other",
        "method=other",
        "variant=other",
        "seeds=[0,1,2]",
    ],
)
def test_labels_change_neither_identities_nor_the_config_hash(plan, change):
    assert identities(plan(change)) == identities(plan())
    assert config_hash(plan(change).config) == config_hash(plan().config)


def test_a_default_written_out_is_the_same_phase(plan):
    assert identities(plan("train.momentum=0.9", "train.milestones=null")) == identities(plan())


def test_the_copies_that_are_kept_do_not_change_the_identity(plan):
    weights, rate = plan(), plan(find=REWINDING)
    assert weights.phases[0].keep_at != rate.phases[0].keep_at
    assert weights.phases[0].identity == rate.phases[0].identity
    assert weights.phases[1].identity != rate.phases[1].identity


def test_a_dense_run_shares_its_training_with_the_pretraining_of_the_same_recipe(plan):
    dense = plan(find=DENSE, transform=[], train=PRETRAIN)
    assert [phase.kind for phase in dense.phases] == ["train"]
    assert dense.ticket is None
    assert dense.phases[0].identity == plan().phases[0].identity
    half = plan('find.pretrain.subset={"fraction":0.5}')
    assert half.phases[0].identity != dense.phases[0].identity


def test_distinct_phases_are_computed_once_and_after_their_inputs(plan):
    runs = [
        plan(find=DENSE, transform=[], train=PRETRAIN),
        plan(find=REWINDING, transform=[]),
        plan(),
        plan("find.rewind_epoch=0"),
        plan("find.sparsity=0.9"),
        plan("train.lr=0.3"),
    ]
    phases = distinct_phases(runs)
    # One pre-training for all; then 2 + 3 + 3 + 3 + 1 phases of the runs' own.
    assert len(phases) == 1 + 2 + 3 + 3 + 3 + 1
    order = list(phases)
    for identity, phase in phases.items():
        assert phase.identity == identity
        assert all(order.index(x.identity) < order.index(identity) for x in phase.inputs)
    assert phases[order[0]].keep_at == (Moment("epoch", 0), Moment("epoch", 1)), (
        "the copies that any of the runs needs"
    )


def test_seeds_share_nothing(plan):
    assert len(distinct_phases([plan(), plan(seed=1)])) == 8


def test_a_run_that_trains_nothing_evaluates_its_ticket(plan):
    run = plan(train=None)
    assert [phase.kind for phase in run.phases] == KINDS
    assert run.train.work.recipe.epochs == 0


def test_paths_of_other_settings_stay_outside(plan, context):
    """Devices, threads and checkpoints are no part of a phase's description."""
    text = str(plan().phases[0].description())
    for word in ("device", "threads", "checkpoint", str(context.workspace.runs)):
        assert word not in text
