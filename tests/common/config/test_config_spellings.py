"""Second spellings of a few fields: the same run, with the same hash, as in the first one."""

import copy
import json

import pytest

from common.config import config_hash, load_config, parse_config
from common.errors import UserError
from replications.rare_gems.methods import METHODS

# The example at the end of section 6 of the specification of Rare Gems, with labels.
EXAMPLE = {
    **{"paper": "rare_gems", "experiment": "example", "protocol": "paper", "name": "example"},
    **{"method": "gem_miner", "variant": "standard", "sparsity": 0.9941},
    "data": {"name": "cifar10", "batch_size": 128},
    "model": {
        "name": "resnet20",
        "bn_affine": False,
        "init": "signed_constant",
        "scale_fan": False,
    },
    "find": {
        **{"name": "gem_miner", "epochs": 150, "prune_period": 5, "optimizer": "sgd", "lr": 0.1},
        **{"momentum": 0.9, "weight_decay": 0.0, "schedule": "cosine", "score_init": "unif"},
        **{"quantized": True, "threshold": 0.5, "regularization": "L2", "lambda": 1e-4},
        **{"freeze_rule": "global_bottom_k", "ticket_mask": "frozen", "rounding": "naive"},
        "noise": 0.0,
    },
    "train": {
        **{"epochs": 150, "optimizer": "sgd", "lr": 0.01, "momentum": 0.9},
        **{"weight_decay": 1e-4, "schedule": "multistep"},
    },
}


@pytest.fixture(scope="module")
def gems():
    return METHODS.catalog()


@pytest.fixture
def example():
    return copy.deepcopy(EXAMPLE)


def test_the_example_of_the_specification_means_what_it_says(example, gems):
    config = parse_config(example, gems)
    assert 100 * (1 - config.find.sparsity) == pytest.approx(0.59)
    assert (config.find.search.epochs, config.find.events) == (150, 29)
    assert config.find.rate == pytest.approx(0.162215, abs=1e-6)
    assert config.find.search.batch_size == config.train.batch_size == 128
    assert config.model.options == {"bn_affine": False, "init": "signed_constant"}
    assert example == EXAMPLE, "the raw config is left as it is"


def test_both_spellings_are_one_run(example, gems):
    first = copy.deepcopy(EXAMPLE)
    first["find"] |= {"sparsity": first.pop("sparsity"), "batch_size": 128}
    first["train"]["batch_size"] = first["data"].pop("batch_size")
    del first["model"]["scale_fan"]
    assert config_hash(parse_config(example, gems)) == config_hash(parse_config(first, gems))


def test_equal_values_in_both_spellings_are_accepted(example, gems):
    example["find"] |= {"sparsity": 0.9941, "batch_size": 128}
    example["train"]["batch_size"] = 128
    assert config_hash(parse_config(example, gems)) == config_hash(parse_config(EXAMPLE, gems))


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("find", "sparsity", 0.99, r"sparsity: 0\.9941, but find\.sparsity is 0\.99;"),
        ("train", "batch_size", 64, r"data\.batch_size: 128, but train\.batch_size is 64;"),
        ("find", "batch_size", 64, r"data\.batch_size: 128, but find\.batch_size is 64;"),
        ("find", "search", {"batch_size": 64}, r"but find\.search\.batch_size is 64;"),
        ("model", "scale_fan", True, r"model\.scale_fan: .*model\.init_options\.fan_scale"),
        ("model", "scale_fan", 0, r"model\.scale_fan: only false"),
    ],
)
def test_contradictions_are_refused(example, gems, section, key, value, message):
    example[section][key] = value
    with pytest.raises(UserError, match=message) as caught:
        parse_config(example, gems, "mine.json")
    assert str(caught.value).startswith("mine.json: ")
    assert "\n" not in str(caught.value)


def test_a_wrong_value_is_refused_at_its_own_place(example, gems):
    with pytest.raises(UserError, match=r"find\.sparsity: .*99\.41"):
        parse_config(example | {"sparsity": 99.41}, gems)
    example["data"]["batch_size"] = 0
    with pytest.raises(UserError, match=r"batch_size: .*greater than 0"):
        parse_config(example, gems)


@pytest.mark.parametrize("find", [None, 3, "gem_miner", {}, {"name": 3}, {"name": "gem_mner"}])
def test_a_broken_finder_is_refused_as_such(example, gems, find):
    with pytest.raises(UserError, match=r"^config: find"):
        parse_config(example | {"find": find}, gems)


@pytest.mark.parametrize(
    ("find", "sizes"),
    [
        ({"name": "imp", "rounds": 3}, {"train": 32}),
        ({"name": "IMP", "rounds": 3}, {"train": 32}),
        ({"name": "imp", "rounds": 3, "train": {"epochs": 4}}, {"train": 32}),
        ({"name": "hypercube"}, {"search": 32}),
        ({"name": "edge-popup", "sparsity": 0.5, "epochs": 4}, {"search": 32}),
        ({"name": "gem_miner", "sparsity": 0.5, "pretrain": {}}, {"search": 32, "pretrain": 32}),
        ({"name": "smart_ratio", "sparsity": 0.5, "learn": {}}, {"learn": 32}),
    ],
)
def test_the_batch_size_of_the_data_is_that_of_every_training(example, gems, find, sizes):
    del example["sparsity"]
    example |= {"find": find, "data": {"name": "digits", "batch_size": 32}}
    config = parse_config(example, gems)
    assert config.train.batch_size == 32
    assert {name: getattr(config.find, name).batch_size for name in sizes} == sizes


def test_a_finder_that_trains_nothing_keeps_its_own_batch_size(example, gems):
    example |= {"find": {"name": "snip"}, "data": {"name": "digits", "batch_size": 32}}
    config = parse_config(example, gems)
    assert (config.find.batch_size, config.train.batch_size) == (64, 32)
    example["train"] = None
    assert parse_config(example, gems).train is None


def test_load_is_another_name_for_a_ticket_file(example, gems, tmp_path):
    del example["sparsity"]
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(b"ticket")
    example["find"] = {"name": "load", "path": str(path)}
    loaded = parse_config(example, gems)
    assert loaded.find.name == "ticket_file"
    example["find"]["name"] = "ticket_file"
    assert config_hash(parse_config(example, gems)) == config_hash(loaded)


class TestSettings:
    """A setting wins over the file, whichever spelling either of them uses."""

    @pytest.fixture
    def load(self, tmp_path, gems, example):
        def load(*settings, spelled=True):
            if not spelled:
                example["find"]["sparsity"] = example.pop("sparsity")
                example["find"]["batch_size"] = example["data"]["batch_size"]
                example["train"]["batch_size"] = example["data"].pop("batch_size")
            path = tmp_path / "mine.json"
            path.write_text(json.dumps(example), encoding="utf-8")
            return load_config(path, gems, settings)

        return load

    @pytest.mark.parametrize("spelled", [True, False])
    @pytest.mark.parametrize("setting", ["sparsity=0.9", "find.sparsity=0.9"])
    def test_a_sparsity(self, load, spelled, setting):
        assert load(setting, spelled=spelled).find.sparsity == 0.9

    @pytest.mark.parametrize("spelled", [True, False])
    def test_a_batch_size(self, load, spelled):
        config = load("data.batch_size=64", spelled=spelled)
        assert (config.train.batch_size, config.find.search.batch_size) == (64, 64)

    def test_the_batch_size_of_one_phase(self, load):
        config = load("train.batch_size=64")
        assert (config.train.batch_size, config.find.search.batch_size) == (64, 128)

    def test_contradicting_settings_are_refused(self, load):
        with pytest.raises(UserError, match=r"sparsity: 0\.9, but find\.sparsity is 0\.8"):
            load("sparsity=0.9", "find.sparsity=0.8")

    def test_a_contradiction_inside_the_file_names_the_file(self, load, example):
        example["find"]["sparsity"] = 0.5
        with pytest.raises(UserError, match=r"mine\.json: sparsity: 0\.9941"):
            load("train.lr=0.1")
