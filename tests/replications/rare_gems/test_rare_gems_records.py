"""What whole runs record: accuracy before fine-tuning, the cost of a ticket, the curves."""

import pytest
import torch
from safetensors.torch import load_file

from common.config import config_hash, parse_config
from common.pipeline import phase_paths
from common.results.records import check_record
from common.tickets import Ticket
from common.tracking import read_metrics
from replications.rare_gems.methods import METHODS

pytestmark = pytest.mark.usefixtures("one_thread")
SEARCH = {"epochs": 4, "batch_size": 50, "lr": 0.05}
GEM = {"name": "gem_miner", "sparsity": 0.3, "prune_period": 1, **SEARCH}
TRAIN = {"epochs": 2, "batch_size": 50, "lr": 0.05}
ROUND = {**TRAIN, "subset": {"count": 250}}
CURVES = {
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "sparsity",
    "frozen_sparsity",
    "rounded_sparsity",
    "regularizer",
    "exact_zeros",
}


@pytest.fixture(scope="module")
def gem(run_shared, shared):
    """A run of Gem-Miner with fine-tuning, and the rows of its search."""
    plan, record = run_shared({**GEM, "save_every_level": True}, "small_cnn", train=TRAIN)
    return plan, record, read_metrics(phase_paths(plan.ticket, shared).metrics)


def test_gem_miner_s_record(gem):
    _, record, rows = gem
    check_record(record, "this one")
    metrics = record["metrics"]
    assert metrics["prefinetune_test_accuracy"] == rows[-1]["test_accuracy"]
    assert metrics["searched_test_accuracy"] == rows[-1]["test_accuracy"]
    assert metrics["start_test_accuracy"] == metrics["found_test_accuracy"], "the ticket's own"
    assert metrics["start_test_accuracy"] != metrics["prefinetune_test_accuracy"]
    assert metrics["search_epochs"] == 4
    assert metrics["frozen_density"] == pytest.approx(1 - record["ticket"]["sparsity"])
    assert 0 < metrics["rounded_density"] < metrics["frozen_density"]
    assert metrics["regularizer"] == rows[-1]["regularizer"] > 0
    timing = record["timing"]
    assert list(timing["phases"]) == ["0_find", "1_train"]
    assert timing["search_seconds"] == timing["phases"]["0_find"] > 0
    assert timing["total_seconds"] == pytest.approx(sum(timing["phases"].values()))


def test_gem_miner_s_curves(gem):
    _, record, rows = gem
    curves = record["search"]["curves"]
    assert set(curves) == CURVES and curves["epoch"] == [1, 2, 3, 4]
    for key in CURVES - {"epoch"}:
        assert curves[key] == pytest.approx([row[key] for row in rows], abs=1e-6), key
    # The events are behind the epochs 1, 2 and 3 from 0: a row holds what was before its event.
    assert curves["frozen_sparsity"][:2] == [0.0, 0.0]
    densities = [1 - value for value in curves["frozen_sparsity"][1:]]
    path = [0.7 ** (j / 3) for j in range(3)]
    assert densities == pytest.approx(path, abs=3e-3)
    assert curves["sparsity"] == curves["frozen_sparsity"], "the ticket is the frozen mask"
    assert all(r >= f for f, r in zip(curves["frozen_sparsity"], curves["rounded_sparsity"]))


def test_the_record_s_config_is_the_run_again(gem):
    _, record, _ = gem
    again = parse_config(record["config"], METHODS.catalog())
    assert config_hash(again) == record["config_hash"]
    assert again.model_dump(mode="json", exclude={"seeds"}) == record["config"]


def test_a_rounded_ticket_s_curve_is_that_of_the_rounded_mask(run):
    _, record = run({**GEM, "ticket_mask": "rounded"})
    curves, metrics = record["search"]["curves"], record["metrics"]
    assert curves["sparsity"] == curves["rounded_sparsity"] != curves["frozen_sparsity"]
    assert metrics["test_accuracy"] == metrics["prefinetune_test_accuracy"]
    assert metrics["start_test_accuracy"] == metrics["searched_test_accuracy"], "nothing restored"


def test_every_level_is_an_ordinary_ticket(gem, run, shared):
    """One search gives the tickets of all densities on its path, for runs of their own."""
    plan, record, _ = gem
    folder = phase_paths(plan.ticket, shared).root / "levels"
    files = sorted(folder.glob("event_*"))
    assert [path.name for path in files] == [f"event_00{i}.safetensors" for i in (1, 2, 3)]
    levels = [Ticket.load(path) for path in files]
    for number, level in enumerate(levels, start=1):
        assert 1 - level.sparsity() == pytest.approx(0.7 ** (number / 3), abs=3e-3)
    assert levels[-1].layer_kept() == record["ticket"]["layer_kept"]
    taken = {"name": "ticket_file", "path": str(files[-1])}
    _, again = run(taken, "small_cnn", train=None)
    assert again["ticket"]["layer_kept"] == record["ticket"]["layer_kept"]
    taken["path"] = str(files[0])
    _, first = run(taken, "small_cnn", train=TRAIN)
    assert first["ticket"]["sparsity"] == levels[0].sparsity()
    metrics = first["metrics"]
    assert metrics["prefinetune_test_accuracy"] == metrics["start_test_accuracy"]
    assert metrics["search_epochs"] == 0, "a ticket from a file costs this run nothing"


@pytest.mark.parametrize("check", ["shuffle_mask", "reinit"])
def test_behind_a_check_the_accuracy_before_fine_tuning_is_that_of_the_changed_ticket(
    run_shared, check
):
    _, record = run_shared(GEM, transform=[check], train=TRAIN)
    metrics, timing = record["metrics"], record["timing"]
    assert metrics["prefinetune_test_accuracy"] == metrics["start_test_accuracy"]
    assert metrics["searched_test_accuracy"] != metrics["start_test_accuracy"]
    assert metrics["search_epochs"] == 4
    assert list(timing["phases"]) == ["0_find", "1_transform", "2_train"]
    assert timing["search_seconds"] == timing["phases"]["0_find"], "not that of the check"


@pytest.mark.parametrize(
    ("find", "epochs"),
    [
        ({"name": "imp", "rounds": 3, "train": ROUND}, 6),
        ({"name": "imp", "rounds": 2, "epochs_per_round": 1, "train": ROUND}, 2),
        ({"name": "imp", "sparsity": 0.36, "train": ROUND, "rewind": {"to": "none"}}, 4),
        ({"name": "smart_ratio", "sparsity": 0.5}, 0),
        ({"name": "snip", "sparsity": 0.5}, 0),
        ({"name": "magnitude", "sparsity": 0.5, "pretrain": ROUND, "rewinding": "init"}, 2),
    ],
    ids=["imp", "short imp", "lrr", "smart ratio", "snip", "magnitude"],
)
def test_other_tickets_start_as_they_are_and_cost_what_they_trained(run_shared, find, epochs):
    _, record = run_shared(find, train=TRAIN)
    metrics = record["metrics"]
    assert metrics["prefinetune_test_accuracy"] == metrics["start_test_accuracy"]
    assert metrics["search_epochs"] == epochs
    phases = record["timing"]["phases"]
    before = [seconds for name, seconds in phases.items() if not name.endswith("_train")]
    trainings = [seconds for name, seconds in phases.items() if name.endswith("_train")][:-1]
    assert record["timing"]["search_seconds"] == pytest.approx(sum(before + trainings))


def test_gem_miner_may_search_among_trained_weights_and_pays_for_them(run, context):
    plan, record = run({**GEM, "pretrain": ROUND, "warm_start": True}, train=None)
    metrics = record["metrics"]
    assert metrics["search_epochs"] == 4 + 2
    assert metrics["test_accuracy"] == metrics["start_test_accuracy"]
    trained = load_file(phase_paths(plan.phases[0], context).final)
    ticket = Ticket.load(phase_paths(plan.ticket, context).ticket)
    assert all(torch.equal(ticket.weights[name], trained[name]) for name in ticket.masks)
    larger = torch.cat([trained[name].abs().flatten() for name in ticket.masks])
    kept = torch.cat([mask.flatten() for mask in ticket.masks.values()])
    assert larger[kept].mean() > larger[~kept].mean(), "the smaller half started with score 0"


def test_an_edge_popup_search_watches_the_test_accuracy_only_if_it_is_asked_to(run):
    find = {"name": "edge_popup", "sparsity": 0.5, "scope": "global", **SEARCH, "select": "last"}
    _, blind = run(find, train=None)
    assert "searched_test_accuracy" not in blind["metrics"]
    assert "test_accuracy" not in blind["search"]["curves"]
    _, seeing = run({**find, "watch_test": True}, train=None)
    for metrics in (blind["metrics"], seeing["metrics"]):
        assert metrics["prefinetune_test_accuracy"] == blind["metrics"]["start_test_accuracy"]
    assert seeing["search"]["curves"]["test_accuracy"][-1] == pytest.approx(
        seeing["metrics"]["test_accuracy"], abs=1e-6
    )


def test_a_dense_run_has_no_ticket_and_cost_nothing(run):
    _, record = run({"name": "dense"}, train=TRAIN)
    missing = {"start_test_accuracy", "prefinetune_test_accuracy", "search_epochs"}
    assert not missing & set(record["metrics"])
    assert "search_seconds" not in record["timing"] and "search" not in record


def test_an_emptied_ticket_is_a_result_at_chance(run):
    """One step takes every score to 0: nothing is kept, and the network answers one class."""
    find = {**GEM, "lr": 1.0, "momentum": 0.0, "lambda": 100.0, "schedule": "constant"}
    _, record = run(find, "small_cnn", train=TRAIN)
    check_record(record, "this one")
    assert record["status"] == "finished"
    assert record["ticket"]["sparsity"] == 1.0
    assert len(record["ticket"]["collapsed_layers"]) == 7
    metrics = record["metrics"]
    assert metrics["search_epochs"] == 1
    assert metrics["rounded_density"] == metrics["frozen_density"] == 0.0
    assert metrics["test_accuracy"] == metrics["start_test_accuracy"] < 15.0
