"""Facts about fresh processes: quick help, and what two of them do with one phase."""

import json
import subprocess
import sys
import time

import pytest

from common.launch.arguments import ROOT
from common.pipeline import Context, Methods, compute_phase, plan_run

RUN = ROOT / "replications" / "sanity_checking" / "run.py"


def test_help_answers_in_under_a_second():
    best = float("inf")
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, RUN, "--help"], capture_output=True, text=True, check=True
        )
        best = min(best, time.monotonic() - started)
        for option in ("--config", "--preset", "--seeds", "--set", "--jobs", "--wandb", "--force"):
            assert option in done.stdout
    assert best < 1.0


def test_a_mistake_on_the_command_line_is_told_without_loading_torch():
    code = (
        "import sys; from common.launch import main; "
        "status = main('sanity_checking', ['--sed', '1']); "
        "print(status, 'torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "False", "False"]
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_the_program_s_exit_status_is_that_of_main(tmp_path):
    done = subprocess.run(
        [sys.executable, RUN, "--qqqq"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: unrecognized arguments: --qqqq (see --help)\n"


# Plans the run of a config, says so, waits for a line and computes; tells what it did.
CHILD = """
import json, sys
from pathlib import Path
from common.config import load_config
from common.pipeline import Context, Methods, compute_phase, plan_run
from common.tracking import Workspace
root = Path(sys.argv[1])
context = Context(Workspace(root / "runs", root / "results", root / "data"), threads=1)
methods = Methods()
content = context.dataset("digits").fingerprint["sha256"]
plan = plan_run(load_config(root / "tiny.json", methods.catalog()), 0, methods, content)
print("ready", flush=True)
sys.stdin.readline()
computed = [compute_phase(phase, context) for phase in plan.phases]
print(json.dumps([computed, "wandb" in sys.modules, "matplotlib" in sys.modules]))
"""


@pytest.mark.slow
def test_of_two_processes_one_computes_each_phase(command_line, raw_run, run_config):
    fields = {"find": {"name": "random", "sparsity": 0.5}, "train": {"epochs": 20}}
    command_line.write(raw_run(**fields))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, command_line.root],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    from common.tracking import Workspace

    root = command_line.root
    context = Context(Workspace(root / "runs", root / "results", root / "data"), threads=1)
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(run_config(**fields), 0, Methods(), content)
    child.stdin.write("go\n")
    child.stdin.flush()
    mine = [compute_phase(phase, context) for phase in plan.phases]
    out, _ = child.communicate(timeout=240)
    theirs, wandb, matplotlib = json.loads(out)
    assert [a + b for a, b in zip(mine, theirs, strict=True)] == [1, 1]
    assert not wandb, "disabled, wandb is not even imported"
    assert not matplotlib, "computing draws nothing"
    (log,) = command_line.runs.glob("phases/train/*/metrics.jsonl")
    assert [json.loads(row)["epoch"] for row in log.read_text().splitlines()] == [*range(20)]
