"""``python -m replications.rare_gems.original``: what it writes, where, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.config import load_config
from replications.rare_gems.methods import METHODS
from replications.rare_gems.original.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
algo: hc_iter     # Gem-Miner
arch: resnet20
dataset: CIFAR10
bn_type: NonAffineBatchNorm
epochs: 150
target_sparsity: 1.44
hc_quantized: True
gpu: 0
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "resnet20 sparsity_1_44.yml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_the_run_goes_to_standard_output_and_notes_do_not(config, capsys):
    assert main([str(config)]) == 0
    out, err = capsys.readouterr()
    run = json.loads(out)
    assert run["find"]["sparsity"] == 0.9856
    assert (run["name"], run["protocol"]) == ("resnet20-sparsity_1_44", "original")
    assert "note: gpu: left out; choose the device with run.py --device" in err
    assert "a folder as --out gets reinit_weights, shuffle_mask, too" in err


def test_a_file_gets_the_run(config, tmp_path, capsys):
    out = tmp_path / "configs" / "mine.json"
    labels = ["--protocol", "paper", "--experiment", "cifar10_resnet20_tradeoff"]
    assert main([str(config), "--out", str(out), *labels, "--seeds", "1", "2"]) == 0
    run = load_config(out, METHODS.catalog())
    assert (run.protocol, run.experiment) == ("paper", "cifar10_resnet20_tradeoff")
    assert run.seeds == (1, 2)
    assert capsys.readouterr().out == ""
    assert [path.name for path in out.parent.iterdir()] == ["mine.json"]


def test_a_folder_gets_the_sanity_checks_too(config, tmp_path):
    folder = tmp_path / "configs"
    assert main([str(config), "--out", str(folder)]) == 0
    runs = [load_config(path, METHODS.catalog()) for path in sorted(folder.iterdir())]
    assert sorted(run.variant for run in runs) == ["reinit_weights", "shuffle_mask", "standard"]
    assert all(folder / f"{run.name}.json" in folder.iterdir() for run in runs)


def test_settings_win_over_the_file(config, capsys):
    settings = ["target_sparsity=5", "--skip-sanity-checks=True", "trial_num=2"]
    assert main([str(config), "--set", *settings[::2], f"--set={settings[1]}"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["find"]["sparsity"] == 0.95
    assert json.loads(out)["seeds"] == [84]
    assert "a folder as --out" not in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "which config? (see --help)"),
        (["absent.yml"], "absent.yml: no such file"),
        (["{config}", "--ot", "x"], "did you mean --out?"),
        (["{config}", "--set", "weight_decay=0.1"], "weight_decay: 0.1 is refused"),
        (["{config}", "--set", "lr"], "expected the form key=value"),
        (["{config}", "--seeds", "1", "1"], "seeds must be one or more different integers"),
        (["{config}", "--protocol", "a b"], "protocol: "),
        (["{config}", "--out", "{config}/x.json"], "cannot be written"),
        (["{folder}"], "cannot be read"),
    ],
)
def test_what_is_wrong_ends_with_one_line_and_status_2(config, capsys, arguments, reason):
    names = {"config": config, "folder": config.parent}
    assert main([argument.format(**names) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert reason in err


def test_nothing_is_written_where_something_is_refused(config, tmp_path):
    folder = tmp_path / "configs"
    assert main([str(config), "--out", str(folder), "--set", "iter_period=150"]) == 2
    assert not folder.exists()


def test_the_map_is_printed(capsys):
    assert main(["--map"]) == 0
    out = capsys.readouterr().out
    assert "| `target_sparsity` | `find.sparsity` |" in out


def test_it_runs_as_a_module(config):
    done = subprocess.run(
        [sys.executable, "-m", "replications.rare_gems.original", str(config), "--set", "lr=x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {config}: lr: must be a number above 0, found 'x'\n"
