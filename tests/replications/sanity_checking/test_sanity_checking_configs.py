"""Every run of the tables has a config file, and it says what the original codes did."""

import json
from collections import Counter

import jsonschema
import pytest

from common.config import config_hash, load_config, read_json
from common.data import DATASETS
from common.errors import UserError
from common.launch.discovery import REPLICATIONS
from replications.sanity_checking.experiments import percent
from replications.sanity_checking.methods import METHODS

CONFIGS = REPLICATIONS / "sanity_checking" / "configs"


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(read_json(CONFIGS / "schema.json"))


def test_a_misspelt_key_in_a_file_is_marked_by_editor_and_program(validator, tmp_path):
    source = CONFIGS / "paper" / "cifar10_vgg19_grasp_98_original.json"
    for section, key in (("find", "sampels_per_class"), ("train", "batchsize"), ("data", "nmae")):
        text = json.loads(source.read_text(encoding="utf-8"))
        text[section][key] = 1
        assert not validator.is_valid(text)
        (tmp_path / "x.json").write_text(json.dumps(text), encoding="utf-8")
        with pytest.raises(UserError, match=rf"x\.json: {section}: unknown key '{key}'; did you"):
            load_config(tmp_path / "x.json", METHODS.catalog())


# Pinned: a change of these means that finished runs would be computed again, or, worse, that runs
# which differ would be taken for the same. Change them only together with the schema's meaning.
HASHES = {
    "paper/cifar10_vgg19_dense": "03dba856e041d302",
    "paper/cifar10_resnet32_dense": "5481d03996a7270a",
    "paper/cifar10_vgg19_grasp_98_original": "ba56e32b775645e8",
    "paper/cifar100_resnet32_grasp_90_corrupted_data": "3192603c502a9f1d",
    "paper/cifar10_resnet32_snip_98_layerwise_rearrange": "dd164959d0db2e1e",
    "paper/cifar10_vgg19_snip_98_corrupted_data": "b702e708e57097d4",
    "paper/cifar100_vgg19_random_95": "f445421df6e063e9",
    "paper/cifar10_resnet32_hybrid_98": "1dece0d97cd18476",
    "paper/cifar10_resnet32_learning_rate_rewinding_90": "89434efc9da5f6f3",
    "paper/cifar10_vgg19_weight_rewinding_95": "7640db5d147a2868",
    "paper/cifar100_resnet32_layerwise_weights_shuffling_98": "c2917cbf80e0bcc8",
    "paper_su/cifar10_vgg19_lt_98_original": "583c6d3bd8c15f48",
    "paper_su/tiny_imagenet_resnet32_random_smart_90": "2a7c9f1c46a06fa3",
    "paper_su/cifar10_vgg19_random_cubic_98": "3f90be816a9db8a9",
}


@pytest.mark.parametrize("name", HASHES)
def test_hashes_of_the_published_runs_do_not_move(name):
    assert (
        config_hash(load_config(CONFIGS / f"{name}.json", METHODS.catalog()))[:16] == HASHES[name]
    )


def test_every_run_of_a_preset_is_another_run(presets):
    for runs in presets.values():
        assert len({config_hash(config) for config in runs.values()}) == len(runs)


def counts(runs):
    return Counter((run.data.name, run.method, run.variant) for run in runs.values())


CHECKS = ("original", "corrupted_data", "layerwise_rearrange")
PROFILES = ("linear", "cubic", "ascend", "uniform")


def test_the_replication_has_the_runs_of_its_tables(paper):
    expected = {}
    for variant in CHECKS:
        # E1: two networks, six sparsities, and 0.99 without reported numbers; E2; E3
        expected["cifar10", "grasp", variant] = 14
        expected["cifar100", "grasp", variant] = 6
        expected["cifar10", "snip", variant] = 12
    expected["cifar100", "snip", "original"] = 6  # E4
    for dataset in ("cifar10", "cifar100"):
        expected[dataset, "random_tickets", "original"] = 6  # E5
        expected[dataset, "learning_rate_rewinding", "original"] = 6  # E6
        expected[dataset, "hybrid_tickets", "original"] = 6
        expected[dataset, "weight_rewinding", "original"] = 6  # E7
        expected[dataset, "learning_rate_rewinding", "half_dataset"] = 6
        expected[dataset, "learning_rate_rewinding", "layerwise_weights_shuffling"] = 6
        expected[dataset, "dense", "original"] = 2  # E8
    assert counts(paper) == expected
    assert sum(expected.values()) == 178


def test_the_paper_s_own_code_has_its_runs_too(paper_su):
    found = counts(paper_su)
    for variant in CHECKS:
        for method in ("grasp", "snip", "lt"):  # lt: E10
            assert found["cifar10", method, variant] == 12
    for profile in PROFILES:  # E9
        assert found["cifar10", "random_tickets", profile] == 6
    for dataset in ("cifar10", "cifar100", "tiny_imagenet"):  # the last: E11
        assert found[dataset, "random_tickets", "original"] == 6


def test_every_cell_of_the_sparsity_curves_is_there(paper):
    for method in ("grasp", "snip"):
        for model in ("vgg19", "resnet32"):
            for sparsity in ("40", "60", "80", "90", "95", "98"):
                for variant in CHECKS:
                    config = paper[f"cifar10-{model}-{method}-{sparsity}-{variant}"]
                    assert config.find.sparsity == float(sparsity) / 100
                    assert (config.method, config.variant) == (method, variant)
    assert [percent(value) for value in (0.4, 0.98, 0.995)] == ["40", "98", "99.5"]


# What the flags of the replication's programs mean (its section on options)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("model", ["vgg19", "resnet32"])
def test_grasp_runs(paper, dataset, model):
    config = paper[f"{dataset}-{model}-grasp-95-original"]
    few = (dataset, model) == ("cifar100", "resnet32")
    assert (config.find.samples_per_class, config.find.score_batches) == (
        (5, 2) if few else (10, 1)
    )
    assert (config.find.temperature, config.find.reinit_linear) == (200.0, True)
    assert config.find.count == "original"
    assert config.train.batch_size == 128
    assert config.train.weight_decay == (5e-4 if model == "vgg19" else 1e-4)
    assert config.data.normalization == "legacy"
    corrupted = paper[f"{dataset}-{model}-grasp-95-corrupted_data"]
    assert corrupted.find.data.random_labels is True
    assert corrupted.find.data.random_pixels == "rows_cols"
    assert not config.find.data.random_labels


@pytest.mark.parametrize("model", ["vgg19", "resnet32"])
def test_snip_runs(paper, model):
    config = paper[f"cifar10-{model}-snip-95-original"]
    assert (config.find.sampling, config.find.batch_size) == ("minibatch", 64)
    assert config.find.score_weights == "xavier_redraw"
    assert (config.train.batch_size, config.train.weight_decay) == (64, 1e-4)
    assert config.data.normalization == "pixel"
    assert config.model.options == ({"bn_affine": False} if model == "vgg19" else {})
    corrupted = paper[f"cifar10-{model}-snip-95-corrupted_data"]
    assert corrupted.find.data.random_pixels == "channel_rows"


@pytest.mark.parametrize("model", ["vgg19", "resnet32"])
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_random_ticket_runs(paper, dataset, model):
    config = paper[f"{dataset}-{model}-random-98"]
    assert config.find.allocation == "rep"
    assert (config.find.family, config.find.length) == (
        ("vgg", 19) if model == "vgg19" else ("resnet", 33)
    )
    assert (config.find.profile, config.find.classifier_density) == ("smart", 0.3)
    assert (config.train.batch_size, config.train.weight_decay) == (128, 5e-4)
    assert config.model.options == {}


@pytest.mark.parametrize("model", ["vgg19", "resnet32"])
def test_partially_trained_runs(paper, model):
    def run(check):
        return paper[f"cifar10-{model}-{check}-98"]

    plain = run("learning-rate-rewinding")
    assert (plain.find.name, plain.find.rewinding) == ("magnitude", "learning_rate")
    assert (plain.find.pretrain.epochs, plain.find.pretrain.batch_size) == (160, 64)
    assert (plain.train.start_epoch, plain.train.schedule_epochs) == (40, 160)
    assert plain.find.pretrain.subset is None
    weights = run("weight-rewinding")
    assert (weights.find.rewinding, weights.find.rewind_epoch) == ("weights", 40)
    hybrid = run("hybrid")
    assert (hybrid.find.name, hybrid.find.rewinding) == ("hybrid", "learning_rate")
    assert hybrid.find.length == (19 if model == "vgg19" else 33)
    half = run("half-dataset").find.pretrain.subset
    assert (half.fraction, half.choose) == (0.5, "random")
    assert run("half-dataset").data.subset is None  # retraining sees all images
    shuffled = run("layerwise-weights-shuffling")
    assert [entry.model_dump() for entry in shuffled.transform] == [
        {"name": "layerwise_weights_shuffling", "scope": "kept"}
    ]
    assert shuffled.find == plain.find


def test_rearranging_and_corrupting_are_two_checks(paper, paper_su):
    for config in (*paper.values(), *paper_su.values()):
        names = [entry.name for entry in config.transform]
        assert ("layerwise_rearrange" in names) == (config.variant == "layerwise_rearrange")
        assert config.data.corruption is None  # a ticket is always trained on clean data
        assert config.data.subset is None


def test_all_runs_of_the_field_s_protocol(paper, paper_su):
    for config in (*paper.values(), *paper_su.values()):
        recipe = config.train
        assert recipe.epochs == (300 if config.data.name == "tiny_imagenet" else 160)
        assert (recipe.optimizer, recipe.lr, recipe.momentum) == ("sgd", 0.1, 0.9)
        assert (recipe.nesterov, recipe.label_smoothing, recipe.warmup_epochs) == (False, 0.0, 0)
        assert config.model.name in ("vgg19", "resnet32_w32")
        assert config.data.validation == 0
        augment = config.data.augment
        assert (augment.crop_padding, augment.horizontal_flip) == (4, True)


def test_runs_of_the_paper_s_own_code(paper_su):
    for config in paper_su.values():
        assert (config.train.batch_size, config.train.weight_decay) == (64, 1e-4)
        options = {"conv_bias": True, "init": "su_vgg"} if config.model.name == "vgg19" else {}
        assert config.model.options == options
        if config.find.name == "random_ticket":
            assert (config.find.allocation, config.find.length) == ("su", None)
        if config.find.name in ("snip", "grasp"):
            assert (config.find.samples_per_class, config.find.score_batches) == (10, 1)
            corrupted = config.variant == "corrupted_data"
            assert config.find.data.random_pixels == ("values" if corrupted else None)
        if config.find.name == "snip":
            assert (config.find.sampling, config.find.score_weights) == ("balanced", "model")
        if config.find.name == "lt":
            corrupted = config.variant == "corrupted_data"
            assert (config.find.pretrain.corruption is not None) == corrupted
    random = [config for config in paper_su.values() if config.find.name == "random_ticket"]
    assert {config.find.profile for config in random} == {"smart", *PROFILES}
    assert all(config.variant in ("original", config.find.profile) for config in random)


def test_the_constants_behind_the_normalisations():
    cifar10, cifar100 = (DATASETS[name].normalizations for name in ("cifar10", "cifar100"))
    assert cifar10["legacy"].std == (0.2023, 0.1994, 0.2010)
    assert cifar10["pixel"].std == (0.2470, 0.2435, 0.2616)
    assert cifar10["legacy"].mean == cifar10["pixel"].mean == (0.4914, 0.4822, 0.4465)
    assert cifar100["legacy"].mean == (0.5071, 0.4867, 0.4408)
    assert cifar100["legacy"].std == (0.2675, 0.2565, 0.2761)
    assert cifar100["pixel"].mean == (0.5071, 0.4866, 0.4409)
    assert cifar100["pixel"].std == (0.2673, 0.2564, 0.2762)


def test_the_quick_runs_need_no_download_and_have_three_seeds(presets):
    for config in presets["quick"].values():
        assert config.data.name == "digits"
        assert config.protocol == "quick"
        assert len(config.seeds) >= 3
    for preset in ("paper", "paper_su"):
        assert {config.protocol for config in presets[preset].values()} == {"paper"}
    assert not any(config.protocol == "paper" for config in presets["cpu_short"].values())
