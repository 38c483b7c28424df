"""Every reported number has a config behind it, and the configs say what the paper's code does."""

import csv
import json
from collections import Counter

import pytest
import torch

from common.config import config_hash, load_config, read_json
from common.data import DATASETS
from common.errors import UserError
from common.launch.discovery import REPLICATIONS
from common.models import build_model
from replications.aslp.experiments import SEARCH
from replications.aslp.methods import METHODS

CONFIGS = REPLICATIONS / "aslp" / "configs"

GRID = ("cifar10-noda", "cifar10-da", "cifar100")


@pytest.mark.parametrize(
    ("section", "key"), [("find", "weight_rescal"), ("search", "patiense"), ("gumbel", "tua")]
)
def test_a_misspelt_key_is_refused(tmp_path, section, key):
    text = read_json(CONFIGS / "paper" / "cifar10_noda_conv2_aslp_none.json")
    places = {"find": text["find"], "search": text["find"]["search"]}
    places["gumbel"] = text["find"].setdefault("gumbel", {})
    places[section][key] = 1
    (tmp_path / "x.json").write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(UserError, match=f"unknown key '{key}'; did you"):
        load_config(tmp_path / "x.json", METHODS.catalog())


# Pinned: a change of these means that finished runs would be computed again, or, worse, that runs
# which differ would be taken for the same. Change them only together with the schema's meaning.
HASHES = {
    "paper/cifar10_noda_conv2_aslp_none": "931029eba35e1223",
    "paper/cifar10_noda_conv4_aslp_wr": "665b62ca88d6899a",
    "paper/cifar10_noda_conv6_supermask_wr_sc": "522052eb0c0e0599",
    "paper/cifar10_da_conv4_aslp_none": "c34e7b0d1acb2906",
    "paper/cifar10_da_conv6_aslp_wr_sc": "677b1a249584f3f3",
    "paper/cifar10_da_conv2_edge_popup_sc": "411fa2e8c40bb75b",
    "paper/cifar10_da_conv6_edge_popup_wr_sc": "9873aa3c0d06882e",
    "paper/cifar100_conv4_aslp_wr_sc": "5b018c35c6d3635a",
    "ablations/edge_popup_ramanujan_conv2_none": "824905823a7ed9d0",
    "ablations/supermask_glorot_conv2_supermask_wr": "8becb81096e52a74",
    "ablations/parametrization_conv2_aslp_naive": "b099a3cc1355a532",
    "cifar10_short/cpu_short_conv2_aslp_wr": "ac87c45b1128930c",
}


@pytest.mark.parametrize("name", HASHES)
def test_hashes_of_the_published_runs_do_not_move(name):
    config = load_config(CONFIGS / f"{name}.json", METHODS.catalog())
    assert config_hash(config)[:16] == HASHES[name]


def test_every_run_of_an_experiment_is_another_run(presets):
    for runs in presets.values():
        assert len({(run.experiment, config_hash(run)) for run in runs.values()}) == len(runs)


# What is run


def place(run):
    return run.experiment, run.data.name, run.model.name, run.method, run.variant


def test_every_reported_accuracy_has_its_run_and_the_matrix_is_complete(paper):
    with (CONFIGS.parent / "reported.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["experiment"] in GRID]
    keys = ("experiment", "dataset", "architecture", "method", "variant")
    reported = {tuple(row[key] for key in keys) for row in rows}
    assert len(rows) == len(reported) == 38
    ours = {place(run) for run in paper.values()}
    assert reported <= ours
    assert Counter((key[0], key[3]) for key in ours) == {
        ("cifar10-noda", "aslp"): 12,
        ("cifar10-noda", "supermask"): 12,
        ("cifar10-da", "aslp"): 12,
        ("cifar10-da", "edge_popup"): 6,
        ("cifar100", "aslp"): 3,
        ("cifar100", "edge_popup"): 3,
    }
    assert {run.protocol for run in paper.values()} == {"paper"}


def test_the_recipe_of_all_runs_of_the_paper(paper):
    for run in paper.values():
        search = run.find.search
        assert (search.optimizer, search.lr, search.momentum) == ("sgd", 50.0, 0.9)
        assert (search.weight_decay, search.nesterov, search.schedule) == (0.0, False, "constant")
        assert (search.epochs, search.batch_size, search.patience) == (1000, 256, 100)
        assert (search.select, search.validate_as) == ("best_validation", "searched")
        assert (search.label_smoothing, search.evaluate_every) == (0.0, 1)
        assert isinstance(run.data.validation, float)
        assert (run.data.validation, run.data.validation_choice) == (0.1, "random")
        assert run.train is None
        assert run.transform == ()
        assert run.find.exclude == ()


def test_the_recipe_is_written_out_in_every_config_that_learns():
    for path in sorted(CONFIGS.glob("*/*.json")):
        find = read_json(path)["find"]
        if find["name"] != "random":
            assert set(find["search"]) >= {*SEARCH, "validation_augment"}, path.name


def test_the_values_of_the_quickstart_are_the_defaults_of_the_program(paper):
    run = paper["cifar10-da-conv4-aslp-none"]
    find = run.find
    assert find.search == type(find.search)(validation_augment=True)
    assert (find.latent_init, find.prune_threshold, find.samples) == (0.0, 0.0, 10)
    assert (find.gumbel.tau, find.gumbel.hard, find.gumbel.parametrization) == (1.0, True, "aslp")
    assert (find.rescale.lr, find.rescale.two_pass, find.rescale.kind) == (1e-3, True, "auto")
    assert (find.weight_rescale, find.prune_and_test, find.sparsity) == (False, True, None)
    assert run.model.options == {"init": "kaiming_normal"}
    assert run.data.name == "cifar10"
    augment = run.data.augment
    assert (augment.crop_padding, augment.horizontal_flip) == (4, True)


def test_without_augmentation_there_is_no_normalisation(paper, ablations):
    for run in (*paper.values(), *ablations.values()):
        constants = DATASETS[run.data.name].normalizations[run.data.normalization]
        if run.data.augment is None:
            assert (set(constants.mean), set(constants.std)) == ({0.0}, {1.0})
        if run.find.name != "random":
            # The validation images are seen as the training images are, where there are any.
            seen = run.data.augment is not None and run.data.validation > 0
            assert run.find.search.validation_augment == seen
    augmented = {run.experiment: run.data for run in paper.values() if run.data.augment}
    assert set(augmented) == {"cifar10-da", "cifar100"}
    legacy = DATASETS["cifar10"].normalizations[augmented["cifar10-da"].normalization]
    assert legacy.mean == (0.4914, 0.4822, 0.4465)
    assert legacy.std == (0.2023, 0.1994, 0.2010)


def test_options_of_every_run_of_the_paper(paper):
    for run in paper.values():
        rescaled, constant = "WR" in run.variant, "SC" in run.variant
        init, options = run.model.options["init"], run.model.options.get("init_options", {})
        assert init == ("signed_constant_empirical" if constant else "kaiming_normal")
        expected = {"scope": "all"} if constant else {}
        if run.method == "edge_popup":
            assert run.find.sparsity == 0.5
            expected |= {"fan_scale": 0.5} if rescaled else {}
        else:
            assert run.find.weight_rescale == rescaled
            assert run.find.sparsity is None
            kept = run.find.make_rescale()
            smart = rescaled and run.method == "aslp"
            assert (run.find.training() is not None) == smart
            assert any(True for _ in kept.parameters()) == smart
        assert options == expected


def test_rescaled_weights_of_edge_popup_are_larger_by_the_root_of_two(paper):
    def weights(name):
        run = paper[name]
        made = build_model(run.model.name, num_classes=10, **run.model.options)
        return made.get_parameter("features.conv2.weight")

    plain = weights("cifar10-da-conv2-edge-popup-sc")
    scaled = weights("cifar10-da-conv2-edge-popup-wr-sc")
    assert plain.abs().unique().numel() == scaled.abs().unique().numel() == 1
    torch.testing.assert_close(scaled, plain * 2**0.5)


# Ablations


def test_edge_popup_s_own_recipe(ablations):
    runs = [run for run in ablations.values() if run.experiment == "edge-popup-ramanujan"]
    assert len(runs) == 9
    for run in runs:
        search = run.find.search
        assert (search.epochs, search.batch_size, search.lr) == (100, 128, 0.1)
        assert (search.schedule, search.momentum, search.weight_decay) == ("cosine", 0.9, 1e-4)
        assert (search.select, search.patience, run.data.validation) == ("last", None, 0)
        assert (run.data.normalization, run.model.options["bias"]) == ("pixel", False)
        assert run.find.rule == "floor"
        constant = "SC" in run.variant
        assert run.model.options["init"] == ("signed_constant" if constant else "kaiming_normal")


@pytest.mark.parametrize(
    ("ablation", "twin", "changed"),
    [
        (
            "supermask-glorot-conv4-supermask-wr",
            "cifar10-noda-conv4-supermask-wr",
            {"model.init": ("xavier_normal", "kaiming_normal")},
        ),
        (
            "signed-constant-scope-conv6-aslp-sc-conv",
            "cifar10-noda-conv6-aslp-sc",
            {"model.init_options.scope": ("conv", "all")},
        ),
        (
            "one-pass-conv2-aslp-wr-sc-one-pass",
            "cifar10-noda-conv2-aslp-wr-sc",
            {"find.rescale.two_pass": (False, True)},
        ),
        (
            "parametrization-conv2-aslp-logsigmoid",
            "cifar10-noda-conv2-aslp-none",
            {"find.gumbel.parametrization": ("logsigmoid", "aslp")},
        ),
        (
            "edge-popup-rates-conv2-edge-popup-90-sc",
            "cifar10-da-conv2-edge-popup-sc",
            {"find.sparsity": (0.9, 0.5)},
        ),
        (
            "edge-popup-lr-conv2-edge-popup-sc",
            "cifar10-da-conv2-edge-popup-sc",
            {"find.search.lr": (0.1, 50.0)},
        ),
    ],
)
def test_an_ablation_changes_what_it_is_about_and_nothing_else(
    paper, ablations, ablation, twin, changed
):
    left, right = flat(ablations[ablation]), flat(paper[twin])
    assert left.keys() == right.keys()
    assert {key: (left[key], right[key]) for key in left if left[key] != right[key]} == changed


def flat(run):
    labels = ("experiment", "name", "variant")
    found = {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{path}.{key}" if path else key, item)
        else:
            found[path] = value

    walk("", run.model_dump(mode="json", exclude=set(labels)))
    return found


# Reduced runs


def test_the_quick_runs_need_no_download_and_have_three_seeds(presets):
    for run in presets["quick"].values():
        assert run.data.name == "digits"
        assert run.protocol == "quick"
        assert len(run.seeds) >= 3
        if run.find.name == "aslp":
            assert run.find.gumbel.parametrization == "aslp"  # the naive one breaks off


def test_the_short_cifar_runs_are_the_paper_s_but_for_their_length(presets, paper):
    runs = presets["cifar10_short"]
    assert {run.protocol for run in runs.values()} == {"cpu_10_epochs"}
    for name in ("aslp-none", "aslp-wr", "supermask-none"):
        left = flat(runs[f"cpu-short-conv2-{name}"])
        right = flat(paper[f"cifar10-noda-conv2-{name}"])
        assert {key for key in left if left[key] != right[key]} == {
            "protocol",
            "seeds",
            "find.search.epochs",
            "find.search.patience",
        }
