"""The original's scripts on the bundled digits: from a dense training to an evaluated ticket."""

import json
import re
from argparse import Namespace

import pytest
import torch

from common.tickets import Ticket
from common.tickets.states import load_start, load_state
from replications.generalizing_tickets.original.flags import build_parser
from replications.generalizing_tickets.original.launch import _context, main

NETWORK = ("--architecture", "small_cnn")
NARROW = ("--set", "model.width=4")
TARGET = ("--source_dataset", "digits_a", "--target_dataset", "digits_b")
DENSE = ("--dataset", "digits_a")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the runs, the gathered checkpoints and two functions that call a script."""
    root = tmp_path_factory.mktemp("scripts")

    def evaluate(*arguments):
        where = ("--device", "cpu", "--threads", "1", "--data-root", str(root / "data"))
        return main("test", [*map(str, arguments), *where])

    def train(script, *arguments, **folders):
        where = {"model-saving-path": "models", "runs-dir": "runs", "data-root": "data"} | folders
        places = [word for key, name in where.items() for word in (f"--{key}", str(root / name))]
        quick = ("--epochs", "2", "--batch-size", "100", "--device", "cpu", "--threads", "1")
        return main(script, [*NETWORK, *quick, *places, *NARROW, *map(str, arguments)])

    return Namespace(root=root, models=root / "models", train=train, evaluate=evaluate)


@pytest.fixture(scope="module")
def dense(place):
    """The checkpoint of late resetting."""
    assert place.train("train", *DENSE) == 0
    return place.models / "small_cnn_digits_a_1.safetensors"


@pytest.fixture(scope="module")
def pruned(place, dense):
    """The checkpoint of the second round of pruning, from the dense network's start weights."""
    given = (*TARGET, "--init_path", dense, "--rounds", "2")
    assert place.train("iterative_pruning", *given) == 0
    return place.models / "2_2.safetensors"


@pytest.fixture(scope="module")
def run_folder(place, pruned):
    """The folder of that round's run."""
    (folder,) = (place.root / "runs" / "generalizing_tickets").glob(
        "iterative-pruning-*_2-*/seed_1"
    )
    return folder


def printed(capsys):
    """Return the fraction of zeros, the sparsity and the accuracy that test.py printed."""
    out = capsys.readouterr().out
    zeros = re.search(r"all weights: (\d+)/(\d+) = ([\d.]+)", out)
    masked = re.search(r"masks: (\d+)/(\d+) = ([\d.]+)", out)
    accuracy = re.search(r"accuracy on (\S+): ([\d.]+) %", out)
    return zeros, masked, accuracy


# Training


def test_the_state_of_late_resetting_is_kept(place, dense):
    assert dense.exists()
    last = load_state(place.models / "small_cnn_digits_a_2.safetensors")
    first = load_state(dense)
    assert first.keys() == last.keys()
    assert not torch.equal(first["classifier.weight"], last["classifier.weight"])
    assert int(first["features.bn1.num_batches_tracked"]) * 2 == int(
        last["features.bn1.num_batches_tracked"]
    )


def test_a_finished_training_is_found_again(place, dense, capsys):
    assert place.train("train", *DENSE) == 0
    assert "1 of 1 runs were finished before" in capsys.readouterr().out


def test_a_state_that_is_missing_is_made_again_with_the_same_bits(place, dense):
    before = dense.read_bytes()
    (kept,) = (place.root / "runs" / "phases" / "train").glob("*/epoch_0000.safetensors")
    kept.unlink()
    assert place.train("train", *DENSE) == 0
    assert dense.read_bytes() == kept.read_bytes() == before


def test_records_stay_away_from_the_committed_results(place, pruned):
    records = list((place.root / "runs" / "results" / "records").rglob("*.json"))
    assert len(records) >= 4
    for record in (json.loads(path.read_text()) for path in records):
        assert record["experiment"] == "scripts"
        assert record["protocol"] == "scripts_replication_modified"  # the width is not the default


def test_a_loaded_network_is_the_start(place, dense):
    given = (*DENSE, "--load_model", dense, "--esp", "3", "--set", "train.lr=1e-9")
    assert place.train("train", *given, **{"model-saving-path": "loaded"}) == 0
    after = load_state(place.root / "loaded" / "small_cnn_digits_a_1.safetensors")
    before = load_state(dense)
    assert torch.allclose(after["classifier.weight"], before["classifier.weight"], atol=1e-6)


# Pruning


def test_every_round_starts_from_the_weights_of_the_file(dense, run_folder):
    start, ticket = load_state(dense), Ticket.load(run_folder / "ticket.safetensors")
    assert all(torch.equal(ticket.weights[name], value) for name, value in start.items())
    # All weights, norm scales too, by the percentile rule.
    total = sum(mask.numel() for mask in ticket.masks.values())
    assert total == sum(value.numel() for name, value in start.items() if "weight" in name)
    removed = total - sum(ticket.layer_kept().values())
    assert removed == int((total - 1) * 0.36) + 1


def test_a_checkpoint_a_round(place, pruned):
    assert [(place.models / f"{k}_2.safetensors").exists() for k in range(4)] == [
        *[True] * 3,
        False,
    ]
    masks = [load_start(place.models / f"{k}_2.safetensors").masks for k in (1, 2)]
    assert all(bool((masks[0][name] | ~mask).all()) for name, mask in masks[1].items())


@pytest.mark.parametrize(
    ("script", "given", "sparsity"),
    [
        ("snip_train", ("--dataset", "digits_b", "--snip", "90"), 0.9),
        ("oneshot", ("--dataset", "digits_b", "--prune", "75", "--random", "true"), 0.75),
        ("iterative_snip", (*TARGET, "--reinit", "--rounds", "0"), 0.2),
        ("iterative_pruning", (*TARGET, "--random", "true", "--rounds", "1"), 0.2),
        ("iterative_pruning", (*TARGET, "--protocol", "paper", "--rounds", "1"), 0.2),
    ],
)
def test_the_other_scripts_prune_what_they_are_told(place, script, given, sparsity):
    name = "-".join([script, *given[-3:]]).replace("/", "")
    folder = {"model-saving-path": f"other/{name}", "runs-dir": f"other_runs/{name}"}
    assert place.train(script, *given, **folder) == 0
    last = sorted((place.root / folder["model-saving-path"]).iterdir())[-1]
    assert load_start(last).sparsity() == pytest.approx(sparsity, abs=2e-3)


# Evaluation


def test_the_printed_fraction_is_that_of_the_mask_and_the_accuracy_that_of_the_record(
    place, pruned, run_folder, capsys
):
    capsys.readouterr()
    given = (*NETWORK, "--dataset", "digits_b", "--model_path", pruned, *NARROW)
    assert place.evaluate(*given) == 0
    zeros, masked, accuracy = printed(capsys)
    ticket = Ticket.load(run_folder / "ticket.safetensors")
    removed = sum(int((~mask).sum()) for mask in ticket.masks.values())
    assert int(masked[1]) == removed
    assert float(masked[3]) == pytest.approx(ticket.sparsity(), abs=1e-6)
    assert int(zeros[1]) == removed  # the scope is all weights, so both fractions are one
    assert int(zeros[2]) == int(masked[2])
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert accuracy[1] == "digits_b"
    assert float(accuracy[2]) == pytest.approx(rows[-1]["test_accuracy"], abs=0.005)


def test_a_file_that_says_what_it_is_needs_no_other_option(place, run_folder, capsys):
    for name in ("ticket.safetensors", "checkpoint.safetensors"):
        capsys.readouterr()
        assert place.evaluate("--model_path", run_folder / name, "--batch_size", "64") == 0
        zeros, _, accuracy = printed(capsys)
        assert float(zeros[3]) == pytest.approx(0.36, abs=1e-3)
        assert accuracy[1] == "digits_b"
    assert place.evaluate("--model_path", run_folder / "ticket.safetensors", *DENSE) == 0
    assert printed(capsys)[2][1] == "digits_a"


def test_a_state_dict_of_pytorch_is_evaluated(place, pruned, capsys):
    state = {f"module.{name}": value for name, value in load_state(pruned).items()}
    torch.save({"state_dict": state}, place.root / "foreign.pt")
    capsys.readouterr()
    given = (*NETWORK, "--dataset", "digits_b", *NARROW, "--model-path", place.root / "foreign.pt")
    assert place.evaluate(*given) == 0
    zeros, masked, _ = printed(capsys)
    assert float(zeros[3]) == pytest.approx(0.36, abs=1e-3)
    assert masked is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            ("--architecture", "resnet50", "--dataset", "digits_b"),
            "is no resnet50 for the 10 classes",
        ),
        (("--architecture", "lenet5", "--dataset", "digits_b"), "lenet5 is for images of side 32"),
        ((*NETWORK, "--dataset", "digits_b"), "features.bn1.bias has shape"),
        (("--dataset", "digits_b"), "--architecture: is missing"),
        (NETWORK, "--dataset: is missing"),
        ((*NETWORK, "--dataset", "digit_b"), "did you mean 'digits_b'"),
    ],
)
def test_what_does_not_fit_is_one_line(place, pruned, capsys, given, named):
    capsys.readouterr()
    assert place.evaluate("--model_path", pruned, *given) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_ticket_of_another_network_is_refused(place, run_folder, capsys):
    capsys.readouterr()
    given = ("--architecture", "vgg19", "--model_path", run_folder / "ticket.safetensors")
    assert place.evaluate(*given) == 2
    assert "is a small_cnn" in capsys.readouterr().err


# Refusals that need the files


@pytest.mark.parametrize(
    ("script", "given", "named"),
    [
        ("train", (*DENSE, "--rewind-epoch", "3"), "--rewind-epoch: must be at most the 2 epochs"),
        ("train", (*DENSE, "--load_model", "none.pt"), "no such file: none.pt"),
        ("train", ("--dataset", "digit_a"), "did you mean 'digits_a'"),
        ("train", (*DENSE, "--set", "train.rate=1"), "unknown key 'rate'"),
        ("iterative_pruning", (*TARGET, "--init_path", "none"), "no such file: none"),
    ],
)
def test_a_command_that_is_wrong_ends_with_2_and_one_line(place, capsys, script, given, named):
    capsys.readouterr()
    assert place.train(script, *given, **{"runs-dir": "nothing"}) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not (place.root / "nothing").exists()


def test_the_original_placeholders_are_no_names_for_wandb(place):
    context = _context(build_parser("train").parse_args([*NETWORK, *DENSE, "--wandb", "offline"]))
    wandb = context.wandb
    assert (wandb.mode, wandb.entity, wandb.run_name) == ("offline", None, None)
    assert wandb.project == "Varungohli Lottery Ticket"
    assert context.workspace.results == context.workspace.runs / "results"
