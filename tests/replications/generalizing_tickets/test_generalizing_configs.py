"""The configs on disk: they are those the experiments make, and cover every reported curve."""

import csv
import json
from collections import defaultdict

import jsonschema
import pytest

from common.config import config_hash, load_configs
from common.launch.config_files import config_files
from common.launch.schema import config_schema
from common.training.schedule import learning_rate
from replications.generalizing_tickets.experiments import PRESETS
from replications.generalizing_tickets.methods import METHODS
from replications.generalizing_tickets.paper import PAPER
from replications.generalizing_tickets.recipes import level

CONFIGS = PAPER.reported.parent / "configs"
RANDOM = "random_replication"
HALVES = {"cifar10_a", "cifar10_b"}


@pytest.fixture(scope="module")
def loaded():
    """Return the runs of every file, by preset and name of the file."""
    catalog = METHODS.catalog()
    found = {preset: {} for preset in PRESETS}
    for path in sorted(CONFIGS.glob("*/*.json")):
        found[path.parent.name][path.stem] = load_configs(path, catalog)
    return found


@pytest.fixture(scope="module")
def made():
    return config_files(CONFIGS, PRESETS, METHODS)


def curves(preset):
    """Return the runs of each curve by what identifies it in ``reported.csv``."""
    return {
        (run.experiment, run.method, run.variant, run.data.name, run.model.name): runs
        for runs in preset.values()
        for run in runs
    }


def reported():
    """Return the sparsities of each reported curve, under the names that records use."""
    found = defaultdict(list)
    with PAPER.reported.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = dict(line)
            if row["metric"] != "test_accuracy_pct":
                continue
            for rule in PAPER.reported_as:
                if all(row[column] == value for column, value in rule.where.items()):
                    row.update(rule.becomes)
            columns = ("experiment", "method", "variant", "dataset", "architecture")
            found[tuple(row[column] for column in columns)].append(float(row["sparsity"]))
    return found


def test_the_files_on_disk_are_those_the_experiments_make(made):
    assert set(CONFIGS.glob("**/*.json")) == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_editors_find_no_mistake_in_them(made):
    validator = jsonschema.Draft202012Validator(config_schema(METHODS.catalog()))
    for path, text in made.items():
        if path.name != "schema.json":
            errors = [error.message for error in validator.iter_errors(json.loads(text))]
            assert not errors, path.name


def test_every_run_of_a_preset_has_a_name_and_a_curve_of_its_own(loaded):
    for preset, by_file in loaded.items():
        runs = [run for found in by_file.values() for run in found]
        assert len({run.name for run in runs}) == len(runs), preset
        assert len(
            {
                (run.experiment, run.data.name, run.method, run.variant, config_hash(run))
                for run in runs
            }
        ) == len(runs)
        assert len(curves(by_file)) == len(by_file), preset
        assert {run.paper for run in runs} == {"generalizing_tickets"}


def test_the_replication_has_a_config_for_each_reported_curve_and_level(loaded):
    runs, wanted = curves(loaded["replication"]), reported()
    assert len(wanted) == 36
    assert set(runs) == set(wanted)
    for curve, sparsities in wanted.items():
        found = sorted(run.find.sparsity for run in runs[curve])
        assert len(found) == len(sparsities) == 31
        assert found == pytest.approx(sorted(sparsities), abs=5e-5)
        assert [run.find.number_of_rounds for run in runs[curve]] == list(range(31))


def test_the_replication_moves_start_weights_only_and_prunes_everything(loaded):
    for (experiment, method, variant, data, _), (run, *_) in curves(loaded["replication"]).items():
        find, transfer = run.find, run.transfer
        assert (find.scope, find.count, find.fraction_per_round) == (
            "all_weights",
            "percentile",
            0.2,
        )
        assert run.protocol == "replication" and run.seeds == (1,)
        if method == "random_ticket":
            assert variant == RANDOM and transfer is None
            assert (find.permute, find.rewind.to, find.rewind.restart) == ("global", "none", False)
            continue
        rewind = find.rewind
        assert (rewind.to, rewind.epoch, rewind.scope, rewind.restart) == ("epoch", 0, "all", True)
        if variant.startswith("found_by"):
            assert transfer is None and run.train.optimizer == experiment.rpartition("_")[2]
            assert (find.dense or find.train).optimizer == variant.rpartition("_")[2]
            assert find.train.optimizer == run.train.optimizer
        elif variant == data:
            assert transfer is None
        else:
            assert transfer.source.name == variant and transfer.mask == "target"
            assert (transfer.classifier, transfer.mismatch) == ("copy_if_equal", "carry_over")


def test_experiment_1_is_frozen_and_evaluated_on_the_other_half(loaded):
    for (experiment, _, variant, data, network), (run, *_) in curves(loaded["replication"]).items():
        halves = experiment.startswith("exp1")
        assert run.data.augment.frozen == halves == (data in HALVES)
        plain = not halves or (variant == RANDOM and network == "vgg19")
        assert run.data.test_split == ("test" if plain else "other_half_train")


def test_random_runs_start_from_what_the_constructor_draws(loaded):
    for (_, method, _, _, network), (run, *_) in curves(loaded["replication"]).items():
        if network == "vgg19":
            init = "vgg_fan_out" if method == "random_ticket" else "xavier_conv"
            assert run.model.options["init"] == init and run.model.options["conv_bias"]
        else:
            assert run.model.options == {"stem": "imagenet", "init": "kaiming_normal_fan_out"}


def test_the_paper_s_way_has_six_seeds_and_carries_masks(loaded):
    transfers = 0
    for runs in loaded["paper"].values():
        for run in runs:
            assert len(run.seeds) == 6 and run.protocol == "paper"
            if run.find.name != "imp":
                continue
            assert run.find.scope == "conv" and run.find.rewind.restart
            assert run.find.permute == "none"
            if run.method == "random_ticket":
                assert len(run.transform) == 1 and run.transform[0].name == run.variant
            if run.transfer is not None:
                transfers += 1
                assert (run.transfer.mask, run.transfer.classifier) == (
                    "source",
                    "fresh_each_level",
                )
                assert run.transfer.source.name == run.variant != run.data.name
    assert transfers > 100


def test_small_grey_images_are_padded_at_test_by_the_paper_s_protocol_only(loaded):
    for preset in ("paper", "replication"):
        for runs in loaded[preset].values():
            sections = [runs[0].data, *([runs[0].transfer.source] if runs[0].transfer else [])]
            for data in sections:
                grey = data.name == "fashion_mnist" and preset == "paper"
                assert data.test_padding == (2 if grey else 0)
                assert data.normalization == "half" and data.channels == 3
                assert (data.augment.crop_padding, data.augment.crop_size) == (4, 32)
                assert data.augment.horizontal_flip


RATES = {
    ("vgg19", "sgd"): (160, {1: 0.1, 79: 0.1, 80: 0.01, 119: 0.01, 120: 0.001, 160: 0.001}),
    ("vgg19", "adam"): (160, {79: 3e-4, 80: 3e-5, 119: 3e-5, 120: 3e-6, 160: 3e-6}),
    ("resnet50", "sgd"): (
        90,
        {49: 0.1, 50: 0.01, 64: 0.01, 65: 0.001, 79: 0.001, 80: 0.0001, 90: 0.0001},
    ),
}


@pytest.mark.parametrize("preset", ["replication", "paper"])
def test_recipes_have_the_learning_rates_of_the_papers(loaded, preset):
    """Epochs count from 1 here (spec 9.3)."""
    seen = set()
    for run, *_ in loaded[preset].values():
        recipes = [run.train, getattr(run.find, "train", None), getattr(run.find, "dense", None)]
        for recipe in filter(None, recipes):
            key = (run.model.name, recipe.optimizer)
            seen.add(key)
            epochs, rates = RATES[key]
            assert (recipe.epochs, recipe.batch_size) == (epochs, 512)
            assert (recipe.weight_decay, recipe.momentum, recipe.nesterov) == (1e-4, 0.9, False)
            for epoch, rate in rates.items():
                assert learning_rate(recipe, epoch - 1) == pytest.approx(rate)
    assert seen == set(RATES)


def test_the_fork_s_alexnet_and_its_slower_recipes(loaded):
    runs = {path: runs[0] for path, runs in loaded["fork"].items()}
    slow = [run for run in runs.values() if run.method in ("imp", "oneshot_magnitude")]
    assert {(run.train.lr, run.train.weight_decay) for run in slow} == {(0.01, 4e-3)}
    often = [run for run in runs.values() if run.method == "iterative_snip"]
    assert {(run.train.lr, run.train.weight_decay) for run in often} == {(0.01, 5e-4)}
    assert {run.find.nested for run in often} == {False}
    (alexnet,) = (r for r in runs.values() if r.model.name == "alexnet" and r.method == "imp")
    rates = {449: 1e-2, 450: 1e-3, 470: 1e-4, 480: 1e-5, 490: 1e-6}
    for epoch, rate in rates.items():
        assert learning_rate(alexnet.train, epoch - 1) == pytest.approx(rate)
    assert alexnet.train.epochs == 500


def test_the_six_digits_of_a_level_name_its_round(loaded):
    assert [level(k) for k in (0, 1, 2, 3, 30)] == [0, 0.2, 0.36, 0.488, 0.998762]
    for runs in loaded["quick"].values():
        sparsities = [run.find.sparsity for run in runs]
        assert sparsities == sorted(sparsities) and len(set(sparsities)) == len(sparsities)
        assert all(run.seeds == (0, 1, 2) and run.data.name.startswith("digits") for run in runs)
