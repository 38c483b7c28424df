"""Real processes, killed at bad moments and started again, end with the bits of one that was not.

One run (pre-training, pruning, transform, retraining) is started five times in one workspace:

1. SIGKILL in an epoch of the pre-training,
2. SIGKILL in the middle of a checkpoint's save (the new file is written, but not yet in place),
3. SIGKILL between pruning and retraining (the ticket is there, its phase is not marked done),
4. Ctrl-C in an epoch of the retraining,
5. to the end.

It is compared with the same run computed in one go. The comparison itself is tested too: a valid
checkpoint in which one momentum differs must lead to other bits.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from common.launch.arguments import ROOT
from common.tickets import Ticket
from common.tickets.states import load_state
from common.tracking import read_metrics
from common.training import CheckpointStore

pytestmark = pytest.mark.slow

RUN = ROOT / "replications" / "sanity_checking" / "run.py"
PATIENCE = 240.0
EPOCHS = 4
RECIPE = {"epochs": EPOCHS, "batch_size": 100, "lr": 0.05}
CONFIG = {
    "name": "killed",
    "data": {"name": "digits", "augment": {"crop_padding": 2, "horizontal_flip": False}},
    "model": {"name": "small_cnn", "width": 4},
    "find": {
        "name": "magnitude",
        "sparsity": 0.5,
        "pretrain": RECIPE,
        "rewinding": "weights",
        "rewind_epoch": 0,
    },
    "transform": ["layerwise_weights_shuffling"],
    "train": {**RECIPE, "start_epoch": 1, "schedule_epochs": EPOCHS},
}

# Runs a program that kills itself as it is about to put a file into place: the n-th file whose
# path ends with one of two arguments and holds the other.
KILLS_ITSELF = """
import os, pathlib, runpy, signal, sys
folder, name, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
replace = pathlib.Path.replace
def deadly(self, target):
    global left
    if folder in str(target) and pathlib.Path(target).name == name:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = deadly
sys.argv = sys.argv[4:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(line, *wrapper):
    command = [sys.executable, *wrapper, RUN, *line.arguments("--config", line.root / "run.json")]
    return subprocess.Popen(
        [*map(str, command), "--checkpoint-seconds", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    out, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, out + errors


def wait_for_epochs(process, line, skip: set[Path], epochs: int) -> Path:
    """Wait until a training other than ``skip`` has logged some epochs; return its folder."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the process ended before it was killed"
        for folder in set(line.phases("train")) - skip:
            log = folder / "metrics.jsonl"
            if log.exists() and log.read_bytes().count(b"\n") >= epochs:
                return folder
        time.sleep(0.005)
    raise AssertionError("the training has not come that far")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, command_line_in, raw_run):
    """Return the command line after a run in one go, in this process."""
    line = command_line_in(tmp_path_factory.mktemp("whole"))
    assert line("--config", line.write(raw_run(**CONFIG), "run.json")) == 0
    return line


@pytest.fixture(scope="module")
def killed(tmp_path_factory, command_line_in, raw_run):
    """Return the command line after the run was killed four times, and what was left each time."""
    line = command_line_in(tmp_path_factory.mktemp("killed"))
    line.write(raw_run(**CONFIG), "run.json")
    seen = {}

    process = start(line)
    pretrain = wait_for_epochs(process, line, set(), 1)
    process.kill()
    seen["in an epoch"] = end(process)[0]
    seen["epochs known"] = len(CheckpointStore(pretrain).load().values["history"])
    seen["done then"] = (pretrain / "done").exists()
    seen["checkpoint then"] = CheckpointStore(pretrain).load()
    seen["folder"] = pretrain.relative_to(line.root)

    process = start(line, "-c", KILLS_ITSELF, "phases/train", "checkpoint.bin", "4")
    seen["in a save"] = end(process)[0]
    seen["files in a save"] = {path.name for path in pretrain.glob("checkpoint*")}

    process = start(line, "-c", KILLS_ITSELF, "phases/find", "done", "1")
    seen["before retraining"] = end(process)[0]
    (find,) = line.phases("find")
    seen["ticket then"] = (find / "ticket.safetensors").exists(), (find / "done").exists()
    seen["pre-training then"] = (pretrain / "done").exists()

    process = start(line)
    wait_for_epochs(process, line, {pretrain}, 1)
    process.send_signal(signal.SIGINT)
    seen["interrupted"] = end(process)

    seen["at last"] = end(start(line))
    return line, seen


def run_tensors(line):
    run = line.only_run()
    ticket = Ticket.load(run / "ticket.safetensors")
    return load_state(run / "checkpoint.safetensors"), ticket.weights, ticket.masks


def same(a, b):
    return sorted(a) == sorted(b) and all(torch.equal(a[key], b[key]) for key in a)


def test_the_processes_died_when_they_should(killed):
    _, seen = killed
    assert [seen[key] for key in ("in an epoch", "in a save", "before retraining")] == [-9] * 3
    assert 1 <= seen["epochs known"] < EPOCHS and not seen["done then"]
    new = {name for name in seen["files in a save"] if name.endswith(".tmp")}
    assert seen["files in a save"] - new == {"checkpoint.previous.bin"}
    assert len(new) == 1, "the new checkpoint was written and not yet in place"
    assert seen["ticket then"] == (True, False) and seen["pre-training then"]


def test_ctrl_c_ends_with_130_and_one_line(killed):
    status, text = killed[1]["interrupted"]
    assert status == 130
    assert "interrupted; the same command continues" in text
    assert "Traceback" not in text


def test_the_last_call_finishes_the_run(killed):
    line, seen = killed
    status, text = seen["at last"]
    assert status == 0, text
    assert (line.only_run() / "done").exists()
    assert not list(line.runs.rglob("*.tmp")) and not list(line.runs.rglob("checkpoint*.bin"))


def test_the_bits_are_those_of_a_run_in_one_go(killed, whole):
    line, _ = killed
    for mine, theirs in zip(run_tensors(line), run_tensors(whole), strict=True):
        assert same(mine, theirs)
    mine, theirs = line.records()["killed-s0"], whole.records()["killed-s0"]
    for key in ("metrics", "ticket", "config_hash", "status", "dataset_fingerprint"):
        assert mine[key] == theirs[key]


def test_every_epoch_is_logged_once_with_the_same_numbers(killed, whole):
    rows = [
        [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in read_metrics(line.only_run() / "metrics.jsonl")
        ]
        for line in (killed[0], whole)
    ]
    assert [row["epoch"] for row in rows[0]] == [*range(EPOCHS), *range(EPOCHS)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("change", [0.0, 1e-3])
def test_the_comparison_tells_a_changed_momentum(
    killed, whole, tmp_path, command_line_in, raw_run, change
):
    """Go on from the first kill's checkpoint, with a momentum changed by nothing or a little."""
    seen = killed[1]
    line = command_line_in(tmp_path)
    path = line.write(raw_run(**CONFIG), "run.json")
    found = seen["checkpoint then"]
    momentum = "optimizer/0/momentum_buffer"
    tensors = {**found.tensors, momentum: found.tensors[momentum] + change}
    folder = tmp_path / seen["folder"]
    folder.mkdir(parents=True)
    CheckpointStore(folder).save(tensors, found.values)
    # The copy of the epoch that is rewound to was kept before the kill.
    kept = Path(seen["folder"], "epoch_0000.safetensors")
    (tmp_path / kept).write_bytes((whole.root / kept).read_bytes())
    assert line("--config", path) == 0
    final, whole_final = run_tensors(line)[0], run_tensors(whole)[0]
    assert same(final, whole_final) is (change == 0.0)
    metrics = [each.records()["killed-s0"]["metrics"] for each in (line, whole)]
    assert (metrics[0] == metrics[1]) is (change == 0.0)
