"""Whatever is wrong with a call: status 2 and one clear line on standard error."""

import pytest

from common.launch.arguments import ROOT

QUICK = ROOT / "replications" / "sanity_checking" / "configs" / "quick"


@pytest.fixture
def refused(command_line, capsys):
    """Return a function that makes a call, checks that it is refused and returns the line."""

    def call(*arguments):
        assert command_line(*arguments) == 2
        out, errors = capsys.readouterr()
        assert errors.startswith("error: ") and errors.count("\n") == 1
        assert out == ""
        assert not command_line.runs.exists(), "nothing was begun"
        return errors.removeprefix("error: ").rstrip("\n")

    return call


@pytest.fixture
def config(command_line, raw_run):
    return command_line.write(raw_run())


def test_an_unknown_flag_and_the_nearest_one(refused):
    assert refused("--seed", "1") == (
        "unrecognized arguments: --seed 1; did you mean --seeds? (see --help)"
    )


def test_flags_are_not_abbreviated(refused):
    assert "unrecognized arguments: --dry" in refused("--dry")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs: must be 'auto' or an integer above 0, found '0'"),
        (["--jobs", "many"], "--jobs: must be 'auto' or an integer above 0, found 'many'"),
        (["--threads", "-1"], "--threads: must be an integer above 0, found '-1'"),
        (["--checkpoint-seconds", "soon"], "must be seconds, 0 or more, found 'soon'"),
        (["--checkpoint-seconds", "nan"], "must be seconds, 0 or more, found 'nan'"),
        (["--seeds", "one"], "--seeds: invalid int value: 'one'"),
        (["--wandb", "on"], "--wandb: invalid choice: 'on'"),
        (["--config"], "--config: expected at least one argument"),
    ],
)
def test_a_bad_value_of_a_flag(refused, arguments, message):
    assert message in refused(*arguments)


def test_an_unknown_preset_and_the_nearest_one(refused):
    line = refused("--preset", "quik")
    assert line.startswith("--preset: unknown name 'quik'; did you mean 'quick'? (known: ")
    assert "paper" in line


def test_config_and_preset_exclude_each_other(refused, config):
    line = refused("--config", config, "--preset", "quick")
    assert line == "--config and --preset exclude each other"


def test_only_that_fits_nothing(refused):
    assert "--only nonsense: no config's file name contains that" in refused("--only", "nonsense")


def test_a_missing_config_and_the_nearest_one(refused):
    missing = QUICK / "digits_resnet8_dens.json"
    assert refused("--config", missing) == (
        f"--config {missing}: no such file; did you mean {QUICK / 'digits_resnet8_dense.json'}?"
    )


def test_a_missing_config_that_looks_like_none(refused, tmp_path):
    missing = tmp_path / "zzz.json"
    assert refused("--config", missing) == f"--config {missing}: no such file"


def test_bad_json_and_its_place(refused, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"paper": "sanity_checking",\n "seeds": [0,]}')
    line = refused("--config", path)
    assert line.startswith(f"config {path}: not valid JSON at line 2, column ")


def test_json_that_is_no_object(refused, tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[]")
    assert refused("--config", path) == f"config {path}: must be a JSON object, found list"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr=-1", "train.lr: input should be greater than 0, found -1"),
        ("train.lr=fast", "train.lr: input should be a valid number"),
        ("train.epoch=3", "train: unknown key 'epoch'; did you mean 'epochs'?"),
        ("find.sparsity=1.5", "find.sparsity: input should be less than or equal to 1, found 1.5"),
        ("find.name=randon", "unknown name 'randon'; did you mean 'random'?"),
        ("model.name=resnet9", "unknown name 'resnet9'; did you mean 'resnet"),
        ("model.hiden=[3]", "fc has no such option; did you mean 'hidden'?"),
        ("data.name=digit", "unknown name 'digit'; did you mean 'digits'?"),
        ('transform=["shuffle"]', "unknown name 'shuffle'"),
        ("train.lr", "--set 'train.lr': expected the form section.key=value"),
        ("train.lr.x=1", "--set 'train.lr.x=1': train.lr is 0.05 and has no keys"),
        ("seeds=[1,1]", "seeds must be one or more different integers, found [1, 1]"),
        ("paper=aslp", "belongs to paper 'aslp', this is 'sanity_checking'"),
    ],
)
def test_a_bad_value_through_set(refused, config, setting, message):
    assert message in refused("--config", config, "--set", setting)


def test_a_seed_given_twice(refused, config):
    line = refused("--config", config, "--seeds", "1", "2", "1")
    assert line == "--seeds: [1, 2, 1] holds a seed twice"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", "mps"])
def test_a_bad_device(refused, config, device):
    line = refused("--config", config, "--device", device)
    assert line == f"--device: must be auto, cpu, cuda or cuda:N, found {device!r}"


def test_a_gpu_that_is_not_there(refused, config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    line = refused("--config", config, "--device", "cuda")
    assert line == "--device cuda: this machine has no usable CUDA device"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    line = refused("--config", config, "--device", "cuda:1")
    assert line == "--device cuda:1: there are 1 CUDA devices here"


def test_a_missing_data_set_says_what_to_put_where(refused, config, tmp_path):
    line = refused("--config", config, "--set", "data.name=cifar10", "model.image_size=32")
    assert "cifar10" in line
    assert str(tmp_path / "data") in line
    assert "--download" in line


def test_every_mistake_of_a_config_is_counted(refused, config):
    line = refused("--config", config, "--set", "train.lr=-1", "train.epochs=-1", "train.gamma=0")
    assert line.endswith("(and 2 more mistakes)")


def test_nothing_of_a_call_runs_if_one_config_is_wrong(refused, command_line, config, raw_run):
    bad = command_line.write(raw_run("train.lr=-1"), "bad.json")
    assert "bad.json" in refused("--config", config, bad)
