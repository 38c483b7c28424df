"""Several worker processes: the same bits as one, and one that is killed takes one run with it."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
import torch
from safetensors.torch import load_file

from common.launch.workers import WorkerPool, attempt
from common.pipeline import Methods, is_done, plan_run

pytestmark = pytest.mark.slow

PATIENCE = 240.0
LONG = {"epochs": 8, "batch_size": 20, "lr": 0.05}


def kill_one_worker(line, killed):
    """Kill a worker as soon as an epoch is logged: both have their phase, neither is through."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        logs = [folder / "metrics.jsonl" for folder in line.phases("train")]
        if any(log.exists() and log.stat().st_size for log in logs):
            process = multiprocessing.active_children()[0]
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process)
            return
        time.sleep(0.005)


@pytest.fixture(scope="module")
def lines(tmp_path_factory, command_line_in, raw_run):
    """Return the command line after two seeds in this process; the command line after the same in
    two workers of which one was killed; and the exit status of that.
    """
    alone = command_line_in(tmp_path_factory.mktemp("alone"))
    together = command_line_in(tmp_path_factory.mktemp("together"))
    config = raw_run(find={"name": "dense"}, train=LONG)
    options = ("--seeds", "0", "1", "--checkpoint-seconds", "0.2")
    assert alone("--config", alone.write(config), *options) == 0
    killed = []
    killer = threading.Thread(target=kill_one_worker, args=(together, killed))
    killer.start()
    status = together("--config", together.write(config), *options, "--jobs", "2")
    killer.join()
    assert len(killed) == 1
    return alone, together, status


def final(line):
    """Return the final states by seed, of the runs that are finished."""
    runs = line.runs.glob("sanity_checking/*/seed_*/checkpoint.safetensors")
    return {path.parent.name: load_file(path) for path in runs}


def same(a, b):
    return sorted(a) == sorted(b) and all(torch.equal(a[key], b[key]) for key in a)


def test_a_killed_worker_fails_its_run_and_no_other(lines):
    _, together, status = lines
    assert status == 1
    records = together.records()
    assert sorted(record["status"] for record in records.values()) == ["failed", "finished"]
    (error,) = [record["error"] for record in records.values() if record["error"]]
    assert error == "the worker process ended with exit code -9"


def test_workers_compute_the_bits_of_a_single_process(lines):
    alone, together, _ = lines
    expected, found = final(alone), final(together)
    assert len(expected) == 2 and len(found) == 1
    for seed, state in found.items():
        assert same(state, expected[seed])
    assert not same(expected["seed_0"], expected["seed_1"])


def test_the_next_call_finishes_what_the_killed_worker_began(lines):
    alone, together, _ = lines
    config = together.root / "tiny.json"
    assert together("--config", config, "--seeds", "0", "1") == 0
    expected, found = final(alone), final(together)
    assert sorted(found) == sorted(expected)
    assert all(same(found[seed], expected[seed]) for seed in expected)
    for name, record in together.records().items():
        assert record["metrics"] == alone.records()[name]["metrics"]


@pytest.fixture
def phase(run_config, context):
    """Return a training of two epochs."""
    content = context.dataset("digits").fingerprint["sha256"]
    return plan_run(run_config(find={"name": "dense"}), 0, Methods(), content).train


def test_a_worker_that_dies_before_it_has_read_its_phase(context, phase):
    with WorkerPool(context, 1) as pool:
        process = multiprocessing.active_children()[0]
        os.kill(process.pid, signal.SIGSTOP)  # it never gets to read
        pool.submit(phase)
        assert pool.busy and not pool.idle
        os.kill(process.pid, signal.SIGKILL)
        (outcome,) = pool.wait()
        assert outcome.error == "the worker process ended with exit code -9"
        assert pool.idle and not pool.busy
        # What follows goes to its successor, also if that one dies while it has nothing to do.
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        multiprocessing.active_children()[0].join()
        pool.submit(phase)
        (outcome,) = pool.wait()
        assert outcome.error is None
    assert is_done(phase, context)
    assert multiprocessing.active_children() == []


def test_an_error_ends_the_workers_at_once(context, phase):
    with pytest.raises(KeyboardInterrupt), WorkerPool(context, 2) as pool:
        pool.submit(phase)
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []
    assert not is_done(phase, context)


def test_an_attempt_tells_defects_by_their_type(capsys):
    def defect():
        raise ValueError("first line\nsecond line")

    assert attempt(lambda: None) is None
    assert attempt(defect) == "ValueError: first line"
    assert "Traceback" in capsys.readouterr().err
