"""Where files are, the metrics log, the environment, and the bar."""

import io
import json
import re
import subprocess

import pytest
import torch

from common.launch.arguments import ROOT
from common.tracking import (
    MetricsLog,
    PhasePaths,
    TrainingBar,
    Workspace,
    commit,
    describe_environment,
    read_metrics,
)
from common.tracking import environment as environment_module

HASH = "0123456789abcdef" * 4
ROW = {"train_loss": 0.5, "train_accuracy": 80.0}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "runs", tmp_path / "results", tmp_path / "data")


def test_a_run_s_directory_is_readable_and_unambiguous(workspace, tmp_path):
    paths = workspace.run("aslp", "conv6-wr", HASH, 3)
    assert paths.root == tmp_path / "runs" / "aslp" / "conv6-wr-01234567" / "seed_3"


def test_a_phase_is_found_by_its_identity_alone(workspace, tmp_path):
    paths = workspace.phase("train", HASH)
    assert paths.root == tmp_path / "runs" / "phases" / "train" / "0123456789abcdef"


def test_a_record_is_named_by_hash_and_seed(workspace, tmp_path):
    path = workspace.record("aslp", "table_1", HASH, 12)
    assert path == tmp_path / "results/records/aslp/table_1/0123456789abcdef-s12.json"
    assert workspace.records in path.parents


def test_no_two_files_of_a_phase_or_run_have_the_same_name(workspace):
    phase = workspace.phase("find", HASH)
    names = ("description", "lock", "metrics", "ticket", "final", "result", "done")
    files = [getattr(phase, name) for name in names] + [
        phase.kept("epoch", 0),
        phase.kept("epoch", 10),
        phase.kept("step", 10),
    ]
    assert len(set(files)) == len(files)
    run = workspace.run("aslp", "x", HASH, 0)
    names = ("config", "phases", "environment", "metrics", "ticket", "checkpoint", "done")
    assert len({getattr(run, name) for name in names}) == len(names)


def test_kept_copies_sort_by_epoch(tmp_path):
    paths = PhasePaths(tmp_path)
    names = [paths.kept("epoch", epoch).name for epoch in (2, 10, 100)]
    assert names == sorted(names)


# The metrics log


def test_rows_are_read_back_with_all_their_digits(tmp_path):
    path = tmp_path / "deep" / "metrics.jsonl"
    log = MetricsLog(path)
    rows = [{"epoch": epoch, "loss": 0.1 + 0.2 * epoch} for epoch in range(3)]
    for row in rows:
        log.append(row)
    assert read_metrics(path) == rows
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows


def test_a_resumed_log_holds_what_the_checkpoint_knows_and_nothing_else(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for epoch in range(3):
        log.append({"epoch": epoch})
    with path.open("a") as file:
        file.write('{"epoch": 3, "los')  # a kill in the middle of a line
    resumed = MetricsLog(path, [{"epoch": 0}, {"epoch": 1}])
    resumed.append({"epoch": 2, "again": True})
    assert read_metrics(path) == [{"epoch": 0}, {"epoch": 1}, {"epoch": 2, "again": True}]


def test_a_new_log_starts_empty(tmp_path):
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append({"epoch": 0})
    MetricsLog(path)
    assert read_metrics(path) == []


def test_no_log_no_rows(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


# The environment


def test_the_environment_names_versions_and_hardware(one_thread):
    found = describe_environment(torch.device("cpu"), "float32")
    assert found["torch"] == torch.__version__
    assert found["torchvision"].count(".") >= 2
    assert re.fullmatch(r"3\.\d+\.\d+.*", found["python"])
    assert (found["device"], found["gpu"], found["precision"]) == ("cpu", None, "float32")
    assert found["threads"] == 1 and found["cores"] >= 1
    assert found["cpu"] and found["platform"]
    assert json.loads(json.dumps(found)) == found


def test_the_commit_is_that_of_the_repository(monkeypatch):
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert commit() in (head, f"{head}-dirty")


def test_changed_code_is_dirty_and_no_repository_is_none(monkeypatch, tmp_path):
    answers = {"rev-parse": "a" * 40, "status": " M common/x.py"}
    monkeypatch.setattr(environment_module, "_git", lambda *words: answers[words[0]])
    assert commit() == "a" * 40 + "-dirty"
    answers["status"] = ""
    assert commit() == "a" * 40
    monkeypatch.undo()
    monkeypatch.setattr(environment_module, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() is None


# The bar


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self):
        return True


def test_the_bar_shows_loss_accuracy_rate_and_time_left(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    bar = TrainingBar("tiny train", 2000, enabled=True)
    bar._bar.mininterval = 0.0
    bar.step(500)
    bar.epoch({**ROW, "test_accuracy": 70.0})
    bar.step(1000)
    bar.close()
    text = screen.getvalue()
    assert "tiny train" in text and "75%" in text
    assert "loss 0.500, train 80.0 %, test 70.0 %" in text
    assert "img/s" in text


@pytest.mark.parametrize(("enabled", "screen"), [(False, Terminal()), (True, io.StringIO())])
def test_no_bar_for_workers_or_files(monkeypatch, enabled, screen):
    monkeypatch.setattr("sys.stderr", screen)
    bar = TrainingBar("tiny train", 100, enabled)
    bar.skip(10)
    bar.step(50)
    bar.epoch(ROW)
    bar.close()
    assert screen.getvalue() == ""
