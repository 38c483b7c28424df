"""The record and the directory of a run."""

import json
import re

import pytest
import torch

from common.config import config_hash
from common.results.records import check_record, run_id
from common.tickets import Ticket
from common.tickets.states import load_state
from common.tickets.ticket import weights_file

FIELDS = {
    "schema_version",
    "paper",
    "experiment",
    "protocol",
    "config",
    "config_hash",
    "seed",
    "status",
    "error",
    "metrics",
    "ticket",
    "timing",
    "environment",
    "dataset_fingerprint",
    "commit",
    "training",
}
REWOUND = {
    "name": "magnitude",
    "sparsity": 0.5,
    "pretrain": {"epochs": 2, "batch_size": 100},
    "rewinding": "learning_rate",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, command_line_in, raw_run):
    """Return the command line after a run of four phases."""
    line = command_line_in(tmp_path_factory.mktemp("record"))
    config = raw_run(find=REWOUND, transform=["layerwise_rearrange"])
    assert line("--config", line.write(config), "--seeds", "3") == 0
    return line


@pytest.fixture(scope="module")
def record(finished):
    (found,) = finished.records().values()
    return found


def test_the_record_has_every_field_of_the_contract(record, run_config):
    assert set(record) == FIELDS
    check_record(record, "this one")
    config = run_config(find=REWOUND, transform=["layerwise_rearrange"])
    assert record["config_hash"] == config_hash(config)
    assert record["config"] == config.model_dump(mode="json", exclude={"seeds"})
    assert (record["paper"], record["experiment"]) == ("sanity_checking", "engine")
    assert (record["protocol"], record["seed"]) == ("test", 3)
    assert (record["status"], record["error"]) == ("finished", None)
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", record["commit"] or "0" * 40)


def test_the_record_s_file_is_named_by_hash_and_seed(finished, record):
    (path,) = (finished.root / "results" / "records").rglob("*.json")
    where = path.relative_to(finished.root / "results" / "records").parts
    assert where == ("sanity_checking", "engine", f"{record['config_hash'][:16]}-s3.json")


def test_the_record_holds_the_curves_of_the_last_training(finished, record):
    assert run_id(record["config_hash"], 3) == f"{record['config_hash'][:16]}-s3"
    rows = [
        json.loads(line)
        for line in (finished.only_run() / "metrics.jsonl").read_text().splitlines()
    ][2:]
    curves = record["training"]
    assert curves["epoch"] == [1, 2] and "seconds" not in curves
    assert set(curves) >= {"train_loss", "train_accuracy", "test_accuracy", "lr"}
    for name in set(curves) - {"epoch"}:
        assert curves[name] == pytest.approx([row[name] for row in rows], abs=1e-6)


def test_metrics_are_those_of_the_last_training(finished, record):
    rows = [
        json.loads(line)
        for line in (finished.only_run() / "metrics.jsonl").read_text().splitlines()
    ]
    assert [(row["epoch"], row["phase"]) for row in rows] == [
        (0, "train"),
        (1, "train"),
        (0, "train"),
        (1, "train"),
    ]
    retraining = rows[2:]
    metrics = record["metrics"]
    assert metrics["test_accuracy"] == retraining[-1]["test_accuracy"]
    assert metrics["best_test_accuracy"] == max(row["test_accuracy"] for row in retraining)
    assert metrics["first_epoch_test_accuracy"] == retraining[0]["test_accuracy"]
    for key in ("train_loss", "test_loss", "validation_accuracy"):
        assert metrics[key] == retraining[-1][key]
    assert metrics["test_accuracy_at_best_validation"] in {
        row["test_accuracy"] for row in retraining
    }


def test_the_ticket_is_reported_layer_by_layer_in_the_network_s_order(finished, record):
    ticket = Ticket.load(finished.only_run() / "ticket.safetensors")
    report = record["ticket"]
    assert report["layer_order"] == ["features.fc1.weight", "classifier.weight"]
    assert report["layer_sizes"] == {"features.fc1.weight": 256 * 16, "classifier.weight": 160}
    assert report["layer_kept"] == ticket.layer_kept()
    assert report["layer_densities"] == ticket.layer_densities()
    assert report["sparsity"] == ticket.sparsity() == 0.5
    assert report["collapsed_layers"] == []


def test_timing_environment_and_data(record):
    phases = record["timing"]["phases"]
    assert list(phases) == ["0_train", "1_find", "2_transform", "3_train"]
    assert record["timing"]["total_seconds"] == pytest.approx(sum(phases.values()))
    assert min(phases.values()) > 0
    environment = record["environment"]
    assert environment["torch"] == torch.__version__
    assert (environment["device"], environment["gpu"]) == ("cpu", None)
    assert (environment["precision"], environment["threads"]) == ("float32", 1)
    data = record["dataset_fingerprint"]
    assert data["name"] == "digits" and data["complete"] is True
    assert [data[f"{part}_images"] for part in ("train", "validation", "test")] == [1000, 197, 600]
    assert re.fullmatch(r"[0-9a-f]{64}", data["sha256"])


def test_the_run_s_directory_holds_everything_a_reader_needs(finished, record):
    run = finished.only_run()
    assert run.name == "seed_3"
    assert run.parent.name == f"tiny-{record['config_hash'][:8]}"
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    weights = weights_file(run / "ticket.safetensors")
    assert names == {
        weights.name,
        "config.json",
        "phases.json",
        "environment.json",
        "metrics.jsonl",
        "ticket.safetensors",
        "checkpoint.safetensors",
        "done",
    }
    assert json.loads((run / "environment.json").read_text()) == record["environment"]
    config = json.loads((run / "config.json").read_text())
    assert {key: config[key] for key in record["config"]} == record["config"]


def test_the_run_points_to_its_phases(finished):
    run = finished.only_run()
    phases = json.loads((run / "phases.json").read_text())["phases"]
    assert [phase["kind"] for phase in phases] == ["train", "find", "transform", "train"]
    for phase in phases:
        folder = (run / phase["folder"]).resolve()
        assert (folder / "done").exists()
        assert phase["identity"].startswith(folder.name)
    last = (run / phases[-1]["folder"]).resolve()
    state = load_state(run / "checkpoint.safetensors")
    assert state.keys() == load_state(last / "final.safetensors").keys()


def test_the_saved_state_has_the_accuracy_of_the_record(finished, record, digits):
    from common.data import Batches
    from common.models import build_model
    from common.training import evaluate

    model = build_model("fc", num_classes=10, in_channels=1, hidden=[16], image_size=16)
    model.load_state_dict(load_state(finished.only_run() / "checkpoint.safetensors"))
    batches = Batches(digits.test, 100, digits.normalization())
    assert evaluate(model, batches)[1] == record["metrics"]["test_accuracy"]


def test_a_dense_run_reports_no_layers(command_line, raw_run):
    assert command_line("--config", command_line.write(raw_run(find={"name": "dense"}))) == 0
    ticket = command_line.records()["tiny-s0"]["ticket"]
    assert ticket["sparsity"] == 0.0 and ticket["layer_densities"] == {}
    assert not (command_line.only_run() / "ticket.safetensors").exists()


def test_a_run_without_training_reports_the_ticket_s_own_accuracy(command_line, raw_run):
    assert command_line("--config", command_line.write(raw_run(train=None))) == 0
    record = command_line.records()["tiny-s0"]
    assert 0 < record["metrics"]["test_accuracy"] < 50
    ticket = Ticket.load(command_line.only_run() / "ticket.safetensors")
    state = load_state(command_line.only_run() / "checkpoint.safetensors")
    for name, mask in ticket.masks.items():
        assert torch.equal(state[name], ticket.weights[name] * mask)


def test_a_failed_run_s_record_says_why(command_line, raw_run):
    config = raw_run("train.lr=1e12")
    assert command_line("--config", command_line.write(config)) == 1
    record = command_line.records()["tiny-s0"]
    assert set(record) == FIELDS - {"training"}
    check_record(record, "this one")
    assert record["status"] == "failed"
    assert re.search("training loss is (nan|inf) in epoch 1 of 2", record["error"])
    assert record["metrics"] == {}
    assert record["ticket"]["sparsity"] == 0.5, "what was found stays on record"
    assert not (command_line.only_run() / "done").exists()
