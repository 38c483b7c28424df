"""The command that repeats a run: for every record of the repository it gives the same run."""

import json
import shlex
from pathlib import Path

import pytest

from common.config import config_hash, load_configs, parse_config
from common.launch.arguments import build_parser
from common.launch.discovery import load_methods, load_paper, paper_names, presets
from common.results.report.commands import CommittedConfigs
from common.setup.check import ROOT

RECORDS = ROOT / "results" / "records"


def with_records():
    found = [name for name in paper_names() if any((RECORDS / name).rglob("*.json"))]
    return [name for name in found if load_paper(name).page is not None]


@pytest.mark.parametrize("name", with_records())
def test_the_command_of_every_committed_record_names_its_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    catalog = load_methods(name).catalog()
    configs = CommittedConfigs(name, load_paper(name).page)
    parser = build_parser(name, presets(name))
    known = {}
    for path in sorted((RECORDS / name).rglob("*.json")):
        record = json.loads(path.read_text())
        repeat = configs.repeat(record)
        assert repeat.config, path
        python, program, *arguments = shlex.split(repeat.command)
        assert python == "python" and Path(program).is_file()
        parsed = parser.parse_args(arguments)
        assert parsed.seeds == [record["seed"]]
        assert [str(file) for file in parsed.config] == [repeat.config]
        key = (repeat.config, *parsed.set)
        if key not in known:
            (run,) = load_configs(parsed.config[0], catalog, parsed.set)
            known[key] = config_hash(run)
        assert known[key] == record["config_hash"], path


@pytest.mark.parametrize("name", with_records())
def test_a_records_own_config_is_a_config_file_of_the_same_run(name):
    """So the page may offer it where no file of the repository holds the run."""
    catalog = load_methods(name).catalog()
    for folder in sorted((RECORDS / name).iterdir()):
        record = json.loads(min(folder.glob("*.json")).read_text())
        run = parse_config(record["config"], catalog)
        assert config_hash(run) == record["config_hash"]


@pytest.fixture
def configs(tmp_path):
    def write(**files):
        folder = tmp_path / "replications" / "sample"
        for name, content in files.items():
            path = folder / "configs" / "quick" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return CommittedConfigs("sample", folder / "README.md")

    return write


def record_of(name, seed=3, **config):
    return {"config": {"name": name, **config}, "config_hash": "0", "seed": seed}


PROGRAM = "python replications/sample/run.py --config replications/sample/configs/quick"


def test_defaults_that_the_file_leaves_out_are_no_difference(configs):
    found = configs(a_run={"name": "a-run", "train": {"lr": 0.1}, "seeds": [0], "$schema": "x"})
    repeat = found.repeat(record_of("a-run", train={"lr": 0.1, "momentum": 0.9}))
    assert repeat.command == f"{PROGRAM}/a_run.json --seeds 3"


def test_a_run_of_a_sweep_is_chosen_by_its_values(configs):
    sweep = {"find.sparsity": [0.5, 0.9], "train.lr": [0.1]}
    found = configs(a_run={"name": "a-run", "find": {"name": "snip"}, "sweep": sweep})
    record = record_of("a-run_0.9_0.1", find={"name": "snip", "sparsity": 0.9}, train={"lr": 0.1})
    expected = f"{PROGRAM}/a_run.json --seeds 3 --set find.sparsity=0.9 train.lr=0.1"
    assert found.repeat(record).command == expected


@pytest.mark.parametrize(
    "content", [{"name": "a-run", "train": {"lr": 0.2}}, {"name": "other"}, "no JSON", "[]"]
)
def test_a_file_that_says_something_else_is_not_offered(configs, content):
    found = configs(a_run=content)
    repeat = found.repeat(record_of("a-run", train={"lr": 0.1}))
    assert repeat.config == ""
    assert repeat.command == "python replications/sample/run.py --config a-run.json --seeds 3"


def test_a_hostile_name_is_one_word_of_the_command(configs):
    repeat = configs().repeat(record_of("$(reboot); a b"))
    assert shlex.split(repeat.command)[3] == "reboot-a-b.json"
    assert len(shlex.split(repeat.command)) == 6
