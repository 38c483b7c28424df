"""Which computations runs share, and the learning rates of retraining."""

import pytest

from common.config import TrainConfig
from common.pipeline import plan_run
from common.pipeline.phase import distinct_phases
from common.training import Moment
from common.training.schedule import learning_rate, milestones
from replications.sanity_checking.methods import METHODS

CELLS = [(d, m) for d in ("cifar10", "cifar100") for m in ("vgg19", "resnet32")]
SPARSITIES = ("90", "95", "98")
FULL_DATA = (
    "learning-rate-rewinding",
    "hybrid",
    "weight-rewinding",
    "layerwise-weights-shuffling",
)


def plan(config, seed=0):
    return plan_run(config, seed, METHODS, f"content of {config.data.name}")


def dense_trainings(plans):
    """Return the trainings that start from the initial weights, by identity."""
    phases = distinct_phases(plans)
    return {
        key: phase for key, phase in phases.items() if phase.kind == "train" and not phase.inputs
    }


def partial_runs(paper, dataset, model, checks):
    return [paper[f"{dataset}-{model}-{check}-{p}"] for check in checks for p in SPARSITIES]


@pytest.mark.parametrize(("dataset", "model"), CELLS)
def test_one_dense_pretraining_serves_twelve_tickets_and_the_baseline(paper, dataset, model):
    tickets = [plan(config) for config in partial_runs(paper, dataset, model, FULL_DATA)]
    baseline = plan(paper[f"{dataset}-{model}-dense"])
    shared = dense_trainings([*tickets, baseline])
    assert len(shared) == 1
    assert baseline.train.identity in shared
    assert baseline.ticket is None


@pytest.mark.parametrize(("dataset", "model"), CELLS)
def test_the_shared_pretraining_keeps_the_copy_that_weight_rewinding_needs(paper, dataset, model):
    plans = [plan(config) for config in partial_runs(paper, dataset, model, FULL_DATA)]
    for order in (plans, plans[::-1]):
        (phase,) = dense_trainings(order).values()
        assert phase.keep_at == (Moment("epoch", 40),)


@pytest.mark.parametrize(("dataset", "model"), CELLS)
def test_half_of_the_data_is_a_pretraining_of_its_own(paper, dataset, model):
    half = [plan(config) for config in partial_runs(paper, dataset, model, ("half-dataset",))]
    full = [plan(config) for config in partial_runs(paper, dataset, model, FULL_DATA)]
    assert len(dense_trainings(half)) == 1
    assert not set(dense_trainings(half)) & set(dense_trainings(full))
    (phase,) = dense_trainings(half).values()
    assert phase.setting.data.subset.fraction == 0.5
    # Only the pre-training sees half of the data.
    assert all(run.train.setting.data.subset is None for run in half)


def test_the_whole_preset_trains_eight_dense_networks_a_seed(paper):
    plans = [plan(config, seed) for config in paper.values() for seed in (0, 1)]
    assert len(dense_trainings(plans)) == 2 * 8


def test_another_seed_data_set_or_architecture_shares_nothing(paper):
    name = "cifar10-resnet32-hybrid-98"
    one, two = plan(paper[name], 0), plan(paper[name], 1)
    other_data = plan_run(paper[name], 0, METHODS, "other content")
    other_model = plan(paper["cifar10-vgg19-hybrid-98"])
    identities = [{phase.identity for phase in p.phases} for p in (one, two, other_data)]
    identities.append({phase.identity for phase in other_model.phases})
    assert len(set.union(*identities)) == sum(map(len, identities))


def test_a_ticket_that_is_only_transformed_is_found_once(paper):
    def find_phases(name):
        return {phase.identity for phase in plan(paper[name]).phases if phase.kind == "find"}

    grasp = "cifar10-resnet32-grasp-95"
    assert find_phases(f"{grasp}-original") == find_phases(f"{grasp}-layerwise_rearrange")
    assert find_phases(f"{grasp}-original") != find_phases(f"{grasp}-corrupted_data")
    rewinding = "cifar10-resnet32-learning-rate-rewinding-95"
    shuffled = "cifar10-resnet32-layerwise-weights-shuffling-95"
    assert find_phases(rewinding) == find_phases(shuffled)
    assert plan(paper[rewinding]).train.identity != plan(paper[shuffled]).train.identity


def test_the_order_of_a_run_s_phases(paper):
    def kinds(name):
        return [phase.kind for phase in plan(paper[name]).phases]

    assert kinds("cifar10-vgg19-dense") == ["train"]
    assert kinds("cifar10-vgg19-snip-98-original") == ["find", "train"]
    assert kinds("cifar10-vgg19-snip-98-layerwise_rearrange") == ["find", "transform", "train"]
    assert kinds("cifar10-vgg19-hybrid-98") == ["train", "find", "train"]
    shuffled = plan(paper["cifar10-vgg19-layerwise-weights-shuffling-98"])
    assert [phase.kind for phase in shuffled.phases] == ["train", "find", "transform", "train"]
    pretrain, find, transform, train = shuffled.phases
    assert (pretrain.inputs, find.inputs) == ((), (pretrain,))
    assert (transform.inputs, train.inputs) == ((find,), (transform,))
    assert (shuffled.ticket, shuffled.train) == (transform, train)


def test_lt_trains_the_dense_network_once_for_six_sparsities(paper_su):
    def plans(variant):
        return [
            plan(paper_su[f"cifar10-resnet32-lt-{p}-{variant}"])
            for p in ("40", "60", "80", "90", "95", "98")
        ]

    clean = dense_trainings(plans("original"))
    assert len(clean) == 1
    assert clean.keys() == dense_trainings(plans("layerwise_rearrange")).keys()
    corrupted = dense_trainings(plans("corrupted_data"))
    assert len(corrupted) == 1
    assert not corrupted.keys() & clean.keys()
    (phase,) = corrupted.values()
    assert phase.setting.data.corruption.random_pixels == "values"
    # The ticket of a corrupted pre-training is trained on clean data.
    assert all(run.train.setting.data.corruption is None for run in plans("corrupted_data"))


def test_the_learning_rate_of_a_dense_run(paper):
    recipe = paper["cifar10-vgg19-dense"].train
    rates = [learning_rate(recipe, epoch) for epoch in range(160)]
    assert rates == pytest.approx([0.1] * 80 + [0.01] * 40 + [0.001] * 40)


def test_the_learning_rate_of_retraining_is_rewound_by_forty_epochs(paper):
    for check in (*FULL_DATA, "half-dataset"):
        recipe = paper[f"cifar10-resnet32-{check}-95"].train
        rates = [learning_rate(recipe, epoch) for epoch in range(recipe.epochs)]
        assert rates == pytest.approx([0.1] * 40 + [0.01] * 40 + [0.001] * 80)


def test_a_retraining_that_starts_behind_a_milestone_has_the_rate_of_that_epoch():
    recipe = TrainConfig(epochs=160, start_epoch=100, schedule_epochs=160)
    assert learning_rate(recipe, 0) == pytest.approx(0.01)
    assert learning_rate(recipe, 20) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("epochs", "expected"), [(160, (80, 120)), (300, (150, 225)), (5, (2, 3)), (30, (15, 22))]
)
def test_milestones_are_half_and_three_quarters_rounded_down(epochs, expected):
    assert milestones(TrainConfig(epochs=epochs)) == expected
