"""What the options of the original's scripts become in a run config."""

import subprocess
import sys

import pytest

from common.config import parse_config
from common.errors import UserError
from common.launch.arguments import ROOT
from replications.generalizing_tickets.methods import METHODS
from replications.generalizing_tickets.original.configs import translate
from replications.generalizing_tickets.original.flags import SCRIPTS, build_parser

FOLDER = ROOT / "replications" / "generalizing_tickets" / "scripts"
NETWORK = ("--architecture", "vgg19")
HERE = (*NETWORK, "--dataset", "cifar10")
THERE = (*NETWORK, "--source_dataset", "cifar10", "--target_dataset", "cifar10")
ACROSS = (*NETWORK, "--source_dataset", "cifar100", "--target_dataset", "cifar10")
NEEDED = {
    "train": HERE,
    "snip_train": HERE,
    "oneshot": HERE,
    "iterative_pruning": THERE,
    "iterative_snip": THERE,
}


def flags(script, *arguments):
    return build_parser(script).parse_args([*NEEDED.get(script, ()), *arguments])


def configs(script, *arguments):
    return translate(script, flags(script, *arguments)).configs


def values(config, *paths):
    found = []
    for path in paths:
        place = config
        for key in path.split("."):
            place = place[key]
        found.append(place)
    return found


# Defaults

RECIPE = {
    "epochs": 160,
    "batch_size": 512,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "step",
    "milestones": [79, 119],
}


@pytest.mark.parametrize("script", NEEDED)
def test_defaults_are_the_recipe_of_the_replication(script):
    for config in configs(script):
        assert config["train"] == RECIPE
        assert config["find"].get("train", RECIPE) == RECIPE
        assert config["seeds"] == [1]
        assert config["data"]["name"] == "cifar10"
        assert config["experiment"] == "scripts"
        assert config["protocol"] == "scripts_replication"


def test_defaults_of_the_other_options():
    given = flags("snip_train")
    assert (given.gpu, given.wandb, given.entity) == (0, "disabled", "name")
    assert (given.project, given.run_name) == ("Varungohli Lottery Ticket", "test run")
    assert values(configs("snip_train")[0], "find.sparsity", "find.score_weights") == [0.5, "model"]
    assert values(configs("oneshot")[0], "find.sparsity", "find.permute") == [0.5, "none"]
    assert flags("train").rewind_epoch == 1
    assert "early_stopping" not in configs("train")[0]["train"]


def test_iterative_scripts_make_a_run_a_round():
    pruned = [config["find"]["rounds"] for config in configs("iterative_pruning")]
    assert pruned == list(range(31))
    scored = [config["find"]["rounds"] for config in configs("iterative_snip")]
    assert scored == list(range(1, 32))  # round 0 prunes already


@pytest.mark.parametrize("script", NEEDED)
@pytest.mark.parametrize("recipe", ["replication", "fork"])
def test_every_config_is_valid(script, recipe):
    for config in configs(script, "--recipe", recipe):
        parse_config(config, METHODS.catalog(), config["name"])


# Options

MAPPED = [
    ("train", "--batch_size 64", "train.batch_size", 64),
    ("train", "--batch-size 64", "train.batch_size", 64),
    ("snip_train", "--batch-size 64", "find.batch_size", 64),
    ("iterative_pruning", "--batch_size 64", "find.train.batch_size", 64),
    ("train", "--optimizer adam", "train.lr", 3e-4),
    ("iterative_pruning", "--optimizer adam", "find.train.optimizer", "adam"),
    ("train", "--seed 7", "seeds", [7]),
    ("train", "--esp 10", "train.early_stopping", {"patience": 10}),
    ("train", "--load_model a.pt", "find", {"name": "ticket_file", "path": "a.pt"}),
    ("train", "--milestone 100 150 200 250", "train.milestones", [99, 149, 199, 249]),
    ("snip_train", "-ms 30", "train.milestones", [29]),
    ("train", "--epochs 16", "train.epochs", 16),
    ("train", "--epochs 16", "train.milestones", [8, 12]),
    ("train", "--recipe fork", "train.weight_decay", 4e-3),
    ("train", "--recipe fork", "train.lr", 0.01),
    ("train", "--recipe fork", "protocol", "scripts_fork"),
    ("train", "--recipe fork --optimizer adam", "train.weight_decay", 1e-4),
    ("oneshot", "--recipe fork", "find.train.weight_decay", 4e-3),
    ("iterative_pruning", "--recipe fork", "train.weight_decay", 4e-3),
    ("iterative_snip", "--recipe fork", "train.weight_decay", 5e-4),
    ("snip_train", "--recipe fork", "train.lr", 0.1),
    ("snip_train", "--snip 99.5", "find.sparsity", 0.995),
    ("snip_train", "--score-init xavier_redraw", "find.score_weights", "xavier_redraw"),
    ("snip_train", "--score-init xavier_redraw", "find.ties", "kept"),
    ("oneshot", "--prune 90", "find.sparsity", 0.9),
    ("oneshot", "--random true", "find.permute", "global"),
    ("oneshot", "--random false", "find.permute", "none"),
    ("iterative_pruning", "--rewind-epoch 2", "find.rewind.epoch", 1),
    ("iterative_pruning", "", "find.scope", "all_weights"),
    ("iterative_pruning", "--protocol paper", "find.scope", "conv"),
    ("iterative_pruning", "--protocol paper", "protocol", "scripts_paper"),
    ("iterative_pruning", "--random yes", "find.rewind", {"to": "none"}),
    ("iterative_pruning", "--random yes", "find.permute", "global"),
    ("iterative_pruning", "--random yes", "model.init", "vgg_fan_out"),
    ("iterative_pruning", "--random False", "model.init", "xavier_conv"),
    ("iterative_pruning", "--random yes --protocol paper", "transform", ["random_global"]),
    ("iterative_snip", "", "find.nested", True),
    ("iterative_snip", "--no-nested", "find.nested", False),
    ("iterative_snip", "--reinit", "find.nested", False),
    ("iterative_snip", "--reinit", "find.reinit", True),
    ("iterative_snip", "--no-nested --stack-gates", "find.stack_gates", True),
    ("iterative_snip", "--stack-gates", "variant", "stacked_gates"),
]


@pytest.mark.parametrize(("script", "given", "path", "expected"), MAPPED)
def test_an_option_goes_where_it_belongs(script, given, path, expected):
    for config in configs(script, *given.split()):
        assert values(config, path) == [expected]


@pytest.mark.parametrize(
    ("name", "ours", "crop"),
    [
        ("cifar100", "cifar100", 32),
        ("fashionmnist", "fashion_mnist", 32),
        ("cifar10a", "cifar10_a", 32),
        ("cifar10b", "cifar10_b", 32),
        ("svhn", "svhn", 32),
        ("digits_a", "digits_a", None),  # 16x16
    ],
)
def test_data_sets_go_by_the_original_names_or_ours(name, ours, crop):
    (config,) = configs("train", "--dataset", name)
    assert config["data"]["name"] == ours
    assert config["data"]["augment"].get("crop_size") == crop
    parse_config(config, METHODS.catalog())


@pytest.mark.parametrize(("network", "padding"), [("vgg19", 0), ("alexnet", 2)])
def test_small_test_images_are_padded_where_the_network_takes_no_others(network, padding):
    given = ("--architecture", network)
    pairs = (("train", "--dataset"), ("iterative_pruning", "--target_dataset"))
    for script, name in pairs:
        for config in configs(script, *given, name, "fashionmnist"):
            assert config["data"].get("test_padding", 0) == padding
    for config in configs("iterative_pruning", *given, "--source_dataset", "fashionmnist"):
        assert config["transfer"]["source"].get("test_padding", 0) == padding
    (large,) = configs("train", *given, "--dataset", "svhn")
    assert "test_padding" not in large["data"]


@pytest.mark.parametrize(
    ("name", "model", "epochs", "milestones"),
    [
        ("vgg19", {"conv_bias": True, "init": "xavier_conv"}, 160, [79, 119]),
        ("resnet50", {"stem": "imagenet", "init": "kaiming_normal_fan_out"}, 90, [49, 64, 79]),
        ("alexnet", {"init": "xavier_conv"}, 500, [449, 469, 479, 489]),
        ("small_cnn", {}, 160, [79, 119]),
    ],
)
def test_architectures(name, model, epochs, milestones):
    (config,) = configs("train", "--architecture", name)
    assert config["model"] == {"name": name} | model
    assert values(config, "train.epochs", "train.milestones") == [epochs, milestones]


def test_start_weights_travel_and_masks_are_the_targets():
    for config in configs("iterative_pruning", *ACROSS):
        transfer = config["transfer"]
        assert transfer["source"]["name"] == "cifar100"
        assert (transfer["mask"], transfer["mismatch"]) == ("target", "carry_over")
    for config in configs("iterative_pruning", *ACROSS, "--init_path", "start.pt"):
        transfer = config["transfer"]
        assert transfer["init"] == "start.pt"
        assert transfer["mask"] == "target"
        assert "source" not in transfer
    for config in configs("iterative_pruning", *ACROSS, "--protocol", "paper"):
        transfer = config["transfer"]
        assert (transfer["mask"], transfer["classifier"]) == ("source", "fresh_each_level")


def test_nothing_is_transferred_within_a_data_set():
    assert all("transfer" not in config for config in configs("iterative_pruning"))
    within = configs("iterative_pruning", "--init-path", "start.pt")
    assert {config["transfer"]["init"] for config in within} == {"start.pt"}


def test_what_has_no_effect_is_noted():
    given = (*ACROSS, "--init_path", "start.pt")
    for script, more in (("iterative_snip", ()), ("iterative_pruning", ("--random", "yes"))):
        translated = translate(script, flags(script, *given, *more))
        assert [note.split()[0] for note in translated.notes] == ["--init_path", "--source_dataset"]
        assert all("transfer" not in config for config in translated.configs)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ((), "disabled"),
        (("--wandb",), "online"),
        (("--wandb", "True"), "online"),
        (("--wandb=False",), "disabled"),
        (("--wandb", "offline"), "offline"),
    ],
)
def test_wandb_in_the_spelling_of_the_readme(given, mode):
    assert flags("train", *given).wandb == mode


def test_names_for_wandb():
    given = flags("train", "--entity", "us", "--project", "ours", "--run-name", "first")
    assert (given.entity, given.project, given.run_name) == ("us", "ours", "first")


# Refusals

REFUSED = [
    ("train", "--optimizer adamw", "--optimizer"),
    ("train", "--batch_size 0", "--batch_size"),
    ("train", "--milestone 1", "--milestone"),
    ("train", "--seed -1", "--seed"),
    ("train", "--wandb maybe", "--wandb"),
    ("train", "--esp 0", "--esp"),
    ("train", "--snip 50", "--snip"),
    ("train", "--bach_size 5", "did you mean --batch_size"),
    ("snip_train", "--snip 100", "--snip"),
    ("oneshot", "--prune 0", "--prune"),
    ("iterative_snip", "--reinit --nested", "--nested"),
    ("iterative_snip", "--nested --stack-gates", "--nested"),
    ("iterative_snip", "--reinit --stack-gates", "--stack-gates"),
    ("iterative_pruning", "--source_dataset svhn --protocol paper --init_path a", "--init_path"),
]


@pytest.mark.parametrize(("script", "given", "named"), REFUSED)
def test_what_is_wrong_is_refused_and_named(script, given, named):
    with pytest.raises(UserError, match=named) as refused:
        configs(script, *given.split())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_the_original_did(script, capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser(script).parse_args(["--help"])
    assert ended.value.code == 0
    assert "The original:" in capsys.readouterr().out


def test_required_options_are_asked_for():
    for script, about in SCRIPTS.items():
        with pytest.raises(UserError, match="required") as refused:
            build_parser(script).parse_args([])
        assert all(name in str(refused.value) for name in about.required)


def test_every_script_is_a_file_that_runs_from_any_folder(tmp_path):
    assert {path.stem for path in FOLDER.glob("[a-z]*.py")} == set(SCRIPTS)
    for script in ("train", "test"):
        ended = subprocess.run(
            [sys.executable, FOLDER / f"{script}.py", "--nonsense"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        assert ended.stderr.startswith("error: ")
        assert ended.stderr.count("\n") == 1
