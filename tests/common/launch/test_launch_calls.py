"""What calls do: look without running, run what is missing, fail one run and finish the others."""

import json
import os
import signal

import pytest

from common.launch.arguments import ROOT, build_parser
from common.launch.discovery import presets

CONFIGS = ROOT / "replications" / "sanity_checking" / "configs"
REWOUND = {
    "name": "magnitude",
    "sparsity": 0.5,
    "pretrain": {"epochs": 2, "batch_size": 100, "lr": 0.05},
    "rewinding": "learning_rate",
}


@pytest.fixture
def dense(command_line, raw_run):
    """Return the path of a dense run."""
    return command_line.write(raw_run(name="dense", find={"name": "dense"}))


@pytest.fixture
def pruned(command_line, raw_run):
    """Return the path of a run that prunes what the dense run trains."""
    return command_line.write(raw_run(name="pruned", find=REWOUND))


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# Looking


def test_list_tells_what_is_done_and_what_is_left(command_line, dense, pruned, capsys):
    assert command_line("--config", dense) == 0
    capsys.readouterr()
    assert command_line("--config", dense, pruned, "--seeds", "0", "1", "--list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(words[0], *words[2:]) for words in lines[:-1]] == [
        ("done", "dense", "seed", "0"),
        ("left", "dense", "seed", "1"),
        ("left", "pruned", "seed", "0"),
        ("left", "pruned", "seed", "1"),
    ]
    assert " ".join(lines[-1]) == "4 runs: 1 done, 0 recorded, 0 failed, 3 left"


def test_list_shows_a_failed_run(command_line, dense, capsys):
    assert command_line("--config", dense, "--set", "train.lr=1e12") == 1
    command_line("--config", dense, "--set", "train.lr=1e12", "--list")
    assert "1 failed" in capsys.readouterr().out


def test_a_record_from_elsewhere_is_no_finished_run(command_line, dense, capsys):
    assert command_line("--config", dense) == 0
    (command_line.only_run() / "done").unlink()
    capsys.readouterr()
    command_line("--config", dense, "--list")
    assert "1 recorded" in capsys.readouterr().out


def test_list_of_every_preset_needs_no_data(command_line, capsys):
    for preset in presets("sanity_checking"):
        assert command_line("--preset", preset, "--list") == 0
        out = capsys.readouterr().out.splitlines()
        files = len(list((CONFIGS / preset).glob("*.json")))
        assert len(out) - 1 >= files > 0
        assert out[-1].endswith(f"{len(out) - 1} left")
    assert not command_line.runs.exists()


def test_dry_run_counts_the_distinct_phases(command_line, dense, pruned, capsys):
    assert command_line("--config", dense, pruned, "--dry-run") == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out[:-1]] == ["train", "find", "train"]
    assert out[0].endswith("shared by 2 runs")
    assert out[-1] == "2 runs need 3 distinct phases; 0 are done, 3 would be computed"
    assert not command_line.runs.exists() and command_line.records() == {}
    assert command_line("--config", dense) == 0
    capsys.readouterr()
    command_line("--config", dense, pruned, "--dry-run")
    assert "1 are done, 2 would be computed" in capsys.readouterr().out


def test_only_picks_configs_by_their_file_names(command_line, capsys):
    command_line("--only", "dense", "snip_98", "--list")
    names = {line.split()[2] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert names and all("dense" in name or "snip-98" in name for name in names)


def test_help_says_of_every_option_what_it_is():
    silent = [action.dest for action in build_parser("any", ["quick"])._actions if not action.help]
    assert silent == []


def test_schema_prints_the_schema_of_a_config(command_line, capsys):
    assert command_line("--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"find", "train", "model", "data"} <= set(schema["properties"])


# Running


def test_a_second_call_touches_nothing(command_line, dense, pruned, capsys):
    assert command_line("--config", dense, pruned) == 0
    first = capsys.readouterr().out
    assert "2 runs need 3 distinct phases" in first
    assert "[1/2] dense seed 0: test accuracy" in first and "[2/2] pruned seed 0" in first
    before = stamps(command_line.root)
    assert command_line("--config", dense, pruned) == 0
    assert capsys.readouterr().out == "2 of 2 runs were finished before\n"
    assert stamps(command_line.root) == before


def test_a_later_run_computes_only_what_is_new(command_line, dense, pruned, capsys):
    assert command_line("--config", dense) == 0
    shared = command_line.phases("train")
    before = stamps(shared[0])
    assert command_line("--config", pruned) == 0
    assert stamps(shared[0]) == before, "the dense training is the pre-training"
    assert len(command_line.phases("train")) == 2


def test_force_computes_again_to_the_same_numbers(command_line, dense):
    assert command_line("--config", dense) == 0
    first = command_line.records()["dense-s0"]
    (folder,) = command_line.phases("train")
    before = stamps(folder)
    assert command_line("--config", dense, "--force") == 0
    assert all(before[path] < stamp for path, stamp in stamps(folder).items())
    assert command_line.records()["dense-s0"]["metrics"] == first["metrics"]


def test_a_lost_phase_is_computed_again(command_line, dense):
    assert command_line("--config", dense) == 0
    (folder,) = command_line.phases("train")
    (folder / "done").unlink()
    assert command_line("--config", dense) == 0
    assert (folder / "done").exists()


def test_a_lost_record_is_written_again_without_training(command_line, dense, monkeypatch):
    assert command_line("--config", dense) == 0
    first = command_line.records()["dense-s0"]
    for path in (command_line.root / "results").rglob("*.json"):
        path.unlink()
    monkeypatch.setattr("common.pipeline.compute.train", None)  # calling it would raise
    assert command_line("--config", dense) == 0
    assert command_line.records()["dense-s0"] == first


def test_seeds_and_set_replace_the_config_s_values(command_line, dense):
    arguments = ("--seeds", "3", "4", "--set", "train.epochs=1", "train.lr=0.01")
    assert command_line("--config", dense, *arguments) == 0
    records = command_line.records()
    assert set(records) == {"dense-s3", "dense-s4"}
    for record in records.values():
        assert (record["config"]["train"]["epochs"], record["config"]["train"]["lr"]) == (1, 0.01)
    assert records["dense-s3"]["metrics"] != records["dense-s4"]["metrics"]


def test_a_failing_run_does_not_stop_the_others(command_line, dense, pruned, raw_run, capsys):
    """The run in the middle diverges in its pre-training, so all that needs it is lost."""
    mad = command_line.write(raw_run("find.pretrain.lr=1e12", name="mad", find=REWOUND))
    assert command_line("--config", dense, mad, pruned) == 1
    out, errors = capsys.readouterr()
    records = command_line.records()
    assert {name: record["status"] for name, record in records.items()} == {
        "dense-s0": "finished",
        "mad-s0": "failed",
        "pruned-s0": "finished",
    }
    assert "training loss is" in records["mad-s0"]["error"]
    assert "mad seed 0: FAILED: the training loss is" in out
    assert "Traceback" not in errors, "a diverged run is no defect of the program"


def test_a_failed_run_is_tried_again_and_can_succeed(command_line, dense, monkeypatch, capsys):
    from common.pipeline import compute

    train = compute.train

    def broken(*arguments, **options):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(compute, "train", broken)
    assert command_line("--config", dense) == 1
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err, "with its traceback"
    assert command_line.records()["dense-s0"]["error"] == "ZeroDivisionError: a defect"
    monkeypatch.setattr(compute, "train", train)
    assert command_line("--config", dense) == 0
    assert command_line.records()["dense-s0"]["status"] == "finished"


def test_an_impossible_request_to_the_data_fails_that_run_only(command_line, dense, raw_run):
    find = {"name": "snip", "sparsity": 0.5, "sampling": "minibatch", "batch_size": 5000}
    path = command_line.write(raw_run(name="greedy", find=find))
    assert command_line("--config", path, dense) == 1
    records = command_line.records()
    assert "5000 is more than the 1000 training images" in records["greedy-s0"]["error"]
    assert records["dense-s0"]["status"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_call_ends_with_130_and_the_next_goes_on(
    command_line, pruned, monkeypatch, capsys, number
):
    from common.tracking import MetricsLog

    append, rows = MetricsLog.append, []

    def interrupted(log, row):
        append(log, row)
        rows.append(row["epoch"])
        if len(rows) == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(MetricsLog, "append", interrupted)
    arguments = ("--config", pruned, "--checkpoint-seconds", "0")
    assert command_line(*arguments) == 130
    assert capsys.readouterr().err == "\ninterrupted; the same command continues\n"
    assert command_line.records() == {}
    assert command_line(*arguments) == 0
    assert rows == [0, 1, 0, 1], "no finished epoch ran again"
    assert command_line.records()["pruned-s0"]["status"] == "finished"


def test_an_override_takes_a_run_out_of_its_protocol(command_line, dense):
    """Else a shortened run of the paper's preset would stand beside the reported numbers."""
    assert command_line("--config", dense, "--set", "train.lr=0.01") == 0
    (record,) = command_line.records().values()
    assert record["protocol"].endswith("_modified")


def test_an_override_may_name_its_protocol(command_line, dense):
    assert command_line("--config", dense, "--set", "train.lr=0.01", "protocol=mine") == 0
    (record,) = command_line.records().values()
    assert record["protocol"] == "mine"


def test_an_override_of_a_label_changes_no_protocol(command_line, dense, raw_run):
    assert command_line("--config", dense, "--set", "variant=renamed") == 0
    (record,) = command_line.records().values()
    assert record["protocol"] == raw_run()["protocol"]
