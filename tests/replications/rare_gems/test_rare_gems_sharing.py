"""Which computations the runs of the paper share."""

from collections import Counter

import pytest

from common.config import config_hash
from common.pipeline import plan_run
from common.pipeline.phase import distinct_phases
from common.training import Moment
from replications.rare_gems.methods import METHODS

CHECKS = ("", "-shuffle-mask", "-reinit-weights", "-invert-scores")


def plan(config, seed=42):
    return plan_run(config, seed, METHODS, f"content of {config.data.name}")


def kinds(plans):
    return Counter(phase.kind for phase in distinct_phases(plans).values())


def of(runs, **wanted):
    """Return the runs whose fields are as wanted."""
    return [run for run in runs.values() if all(getattr(run, k) == v for k, v in wanted.items())]


@pytest.mark.parametrize(("name", "rounds"), [("cifar10_resnet20", 24), ("cifar100_resnet32", 28)])
def test_an_iterative_chain_trains_once_a_density_and_the_dense_network(paper, name, rounds):
    chain = [plan(run) for run in of(paper, experiment=f"{name}_tradeoff", method="imp_warm")]
    assert len(chain) == rounds
    assert kinds(chain) == {"train": rounds + 1, "find": rounds}
    first = next(phase for phase in distinct_phases(chain).values() if not phase.inputs)
    assert first.keep_at == (Moment("step", 1000),)


def test_dense_imp_and_rewinding_of_the_rate_share_the_first_training(paper):
    runs = [
        run
        for method in ("dense", "imp_warm", "lrr")
        for run in of(paper, experiment="cifar10_resnet20_tradeoff", method=method)
    ]
    assert kinds([plan(run) for run in runs]) == {"train": 1 + 24 + 19, "find": 24 + 19}


def test_short_rounds_share_their_chain_but_not_the_training_of_the_ticket(paper):
    runs = of(paper, experiment="resnet20_imp_variants", variant="short", method="imp_cold")
    assert kinds([plan(run) for run in runs]) == {"train": 28 + 7, "find": 28}


def test_the_checks_of_a_gem_share_its_search(paper):
    checks = [paper[f"cifar10-vgg16-tradeoff-gem-miner-1.4{check}"] for check in CHECKS]
    assert kinds([plan(run) for run in checks]) == {"find": 2, "transform": 2, "train": 4}
    figure_9 = paper["vgg16-pre-vs-post-gem-miner-1.4-search-lr-1e-2"]
    assert plan(figure_9).train.identity == plan(checks[0]).train.identity


def test_runs_of_other_tables_are_those_of_the_curves(paper):
    for name, twin in (
        ("prospr-comparison-gem-miner-3.72-reinit-weights", "gem-miner-3.72-reinit-weights"),
        ("ep-ablation-gem-miner-0.59", "gem-miner-0.59"),
        ("ep-ablation-edge-popup-0.59-layerwise", "edge-popup-0.59"),
        ("long-gem-miner-imp-warm-1.441", "imp-warm-1.441"),
        ("resnet20-imp-variants-imp-warm-1.153-long", "imp-warm-1.153"),
        ("smart-ratio-variants-smart-ratio-1.44-sr-v1", "smart-ratio-1.44"),
    ):
        same = paper[f"cifar10-resnet20-tradeoff-{twin}"]
        assert config_hash(paper[name]) == config_hash(same), name
