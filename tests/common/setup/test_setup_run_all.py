"""run_all.sh on a small repository of its own: options, statuses, Ctrl-C, where it may stand."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.setup.check import ROOT

# What a paper's run.py does here: it writes down its arguments and ends with a status.
FINISHES = "import sys\nprint('run', *sys.argv[1:])\nsys.exit({status})\n"
# One that goes on until it is told to end, and has a worker process.
GOES_ON = """\
import signal, subprocess, sys, time
from pathlib import Path

def end(*_):
    worker.terminate()
    worker.wait()
    print("interrupted; the same command continues", file=sys.stderr)
    sys.exit(130)

worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
signal.signal(signal.SIGTERM, end)
Path("pids.tmp").write_text(f"{__import__('os').getpid()} {worker.pid}")
Path("pids.tmp").rename("pids")
time.sleep(60)
"""


@pytest.fixture
def repository(tmp_path):
    """Return a repository with spaces in its path that needs no packages at all."""
    root = tmp_path / "a repository"
    shutil.copytree(ROOT / "common/setup", root / "common/setup")
    shutil.copy(ROOT / "run_all.sh", root)
    (root / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    (root / "requirements.lock").write_text("")
    (root / "common/results").mkdir()
    (root / "common/results/__main__.py").write_text("print('results made')\n")
    python = tmp_path / "an environment/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return root


def add_paper(root, name, code):
    folder = root / "replications" / name
    folder.mkdir(parents=True)
    (folder / "run.py").write_text(code)


def start(root, *arguments, cwd=None, path=None, **options):
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environment |= {
        "VIRTUAL_ENV": str(root.parent / "an environment"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.Popen(
        [str(root / "run_all.sh"), *arguments],
        cwd=cwd or root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def call(root, *arguments, cwd=None):
    process = start(root, *arguments, cwd=cwd)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_every_paper_runs_although_one_fails_and_the_worst_status_counts(repository):
    add_paper(repository, "first", FINISHES.format(status=1))
    add_paper(repository, "second", FINISHES.format(status=0))
    status, out, err = call(repository)
    assert status == 1
    assert out.count("run --preset quick --jobs auto") == 2
    assert "results made" in out
    assert out.endswith("how it was replicated\n")
    assert "results/README.md" in out
    assert err == "Not all went well (first): the lines above and the records say why.\n"


def test_all_finished_is_status_0_and_silent_on_standard_error(repository):
    add_paper(repository, "first", FINISHES.format(status=0))
    status, _, err = call(repository)
    assert (status, err) == (0, "")


def test_a_failure_to_make_the_results_counts(repository):
    add_paper(repository, "first", FINISHES.format(status=0))
    (repository / "common/results/__main__.py").write_text("raise SystemExit(2)")
    assert call(repository)[0] == 2


def test_options_reach_run_py_and_folders_mean_those_of_the_caller(repository, tmp_path):
    add_paper(repository, "first", FINISHES.format(status=0))
    add_paper(repository, "second", FINISHES.format(status=0))
    arguments = ("--paper", "second", "--preset=paper", "--data-root", "my data", "--jobs", "3")
    status, out, _ = call(repository, *arguments, cwd=tmp_path)
    assert status == 0
    lines = [line for line in out.splitlines() if line.startswith("run ")]
    assert lines == [f"run --preset paper --download --data-root {tmp_path}/my data --jobs 3"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--presets"], "unknown option '--presets' (see --help)"),
        (["quick"], "unknown option 'quick' (see --help)"),
        (["--preset", "fast"], "--preset must be quick or paper, found 'fast'"),
        (["--preset"], "--preset needs a value (see --help)"),
        (["--paper", "firs"], "--paper: unknown name 'firs' (known: first second)"),
        (["--paper="], "--paper: unknown name '' (known: first second)"),
        (["--jobs", "0"], "--jobs must be auto or an integer above 0, found '0'"),
        (["--jobs", "two"], "--jobs must be auto or an integer above 0, found 'two'"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(repository, arguments, message):
    add_paper(repository, "first", FINISHES.format(status=0))
    add_paper(repository, "second", FINISHES.format(status=0))
    assert call(repository, *arguments) == (2, "", f"error: {message}\n")


def test_help_names_every_option_and_runs_nothing(repository):
    status, out, _ = call(repository, "--help")
    assert status == 0
    for option in ("--preset", "--paper", "--data-root", "--jobs", "--help"):
        assert option in out
    assert not (repository / "build").exists()


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def all_end(pids):
    """Whether all processes end soon: a signalled one closes its files before it is gone."""
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_for_pids(root, process):
    pids = root / "pids"
    deadline = time.monotonic() + 30
    while not pids.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    running = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in running)
    return running


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    "number, whole_group, status",
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143)],
    ids=["ctrl-c", "terminated"],
)
def test_an_interruption_ends_all_processes_and_says_how_to_continue(
    repository, number, whole_group, status
):
    add_paper(repository, "first", GOES_ON)
    add_paper(repository, "second", FINISHES.format(status=0))
    # A terminal's Ctrl-C goes to all processes of its foreground group.
    process = start(repository, start_new_session=True)
    running = wait_for_pids(repository, process)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert err.strip() == "interrupted; the same command continues"
    assert "second" not in out
    assert all_end(running)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.skipif(shutil.which("pgrep") is None, reason="processes are found with pgrep")
def test_an_interrupted_set_up_leaves_no_process_of_a_process_behind(repository):
    add_paper(repository, "first", FINISHES.format(status=0))
    (repository / "pyproject.toml").write_text("[project]\ndependencies = ['numpy<1']\n")
    # A Python whose "-m venv" goes on for ever in a process of its own.
    python = repository.parent / "path/python3"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\nif [ "$1" != -m ]; then exec "{sys.executable}" "$@"; fi\n'
        f"sleep 60 &\necho $$ $! > pids.tmp; mv pids.tmp pids; wait\n"
    )
    python.chmod(0o755)
    process = start(repository, path=python.parent, start_new_session=True)
    running = wait_for_pids(repository, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.startswith("Setting up .venv from requirements.lock")
    assert err.splitlines()[-1] == "interrupted; the same command continues"
    assert all_end(running)


def test_an_unfit_active_environment_is_named_and_left_alone(repository):
    add_paper(repository, "first", FINISHES.format(status=0))
    (repository / "pyproject.toml").write_text("[project]\ndependencies = ['numpy<1']\n")
    # The .venv that is there instead was made from these very files.
    venv = repository / ".venv/bin/python"
    venv.parent.mkdir(parents=True)
    venv.symlink_to(repository.parent / "an environment/bin/python")
    origin = subprocess.run(
        ["bash", "-c", ". common/setup/environment.sh; origin"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    (repository / ".venv/.made-from").write_text(origin.stdout)
    status, _, err = call(repository)
    assert status == 0
    assert err.startswith(
        f"Not using the active environment {repository.parent}/an environment: numpy "
    )
    assert err.endswith(", <1 is needed\n")
