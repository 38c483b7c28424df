"""Original configs, translated: what they mean here, and what is refused."""

import itertools

import pytest

from common.config import parse_config
from common.errors import UserError
from replications.rare_gems.methods import METHODS
from replications.rare_gems.original import ARGUMENTS, read_flat, translate

# The settings of the sample config in the original's README.
SAMPLE = """
algo: 'hc_iter'
iter_period: 5
arch: resnet20
dataset: CIFAR10
name: resnet20_quantized_iter_hc
optimizer: sgd
lr: 0.1 #0.01
lr_policy: cosine_lr #constant_lr #multistep_lr
fine_tune_lr: 0.01
fine_tune_lr_policy: multistep_lr
epochs: 150
wd: 0.0
momentum: 0.9
batch_size: 128
conv_type: SubnetConv
bn_type: NonAffineBatchNorm
freeze_weights: True
prune_type: BottomK
target_sparsity: 0.59
unflag_before_finetune: True
init: signed_constant
score_init: unif #skew #half
scale_fan: False #True
round: naive
noise: True
noise_ratio: 0
hc_quantized: True
quantize_threshold: 0.5
regularization: L2
lmbda: 0.0001 # 1e-4
workers: 4
gpu: 0
checkpoint_at_prune: False
skip_sanity_checks: False
"""
NETWORK = {"arch": "resnet20", "dataset": "CIFAR10", "bn_type": "NonAffineBatchNorm"}
EDGE_POPUP = NETWORK | {"algo": "ep", "epochs": 150, "target_sparsity": 0.59}
IMP = NETWORK | {"algo": "imp", "iter_period": 160, "imp_rounds": 20, "prune_rate": 0.2}
RANDOM = NETWORK | {"random_subnet": True, "algo": "hc_iter", "epochs": 160}


@pytest.fixture(scope="module")
def catalog():
    return METHODS.catalog()


@pytest.fixture
def run(catalog):
    """Translate values, parse what comes out, and return the first run and all notes as a text."""

    def run(values=None, **more):
        found = translate({**(read_flat(SAMPLE) if values is None else values), **more}, catalog)
        return parse_config(found.configs[0], catalog), "\n".join(found.notes)

    return run


@pytest.fixture
def refused(catalog):
    """Return the one line with which values are refused."""

    def refused(values=None, **more):
        given = {**(read_flat(SAMPLE) if values is None else values), **more}
        with pytest.raises(UserError) as caught:
            translate(given, catalog)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


class TestGemMiner:
    def test_the_sample_of_the_readme(self, run):
        config, notes = run()
        find, search = config.find, config.find.search
        assert (config.method, config.variant, config.seeds) == ("gem_miner", "standard", (42,))
        assert (find.sparsity, find.prune_period, find.events) == (0.9941, 5, 29)
        assert find.rate == pytest.approx(0.162215, abs=1e-6)
        assert (find.freeze_rule, find.ticket_mask) == ("global_bottom_k", "frozen")
        assert (find.quantized, find.threshold, find.noise) == (True, 0.5, 0.0)
        assert (find.regularization, find.penalty, find.score_init) == ("L2", 1e-4, "unif")
        assert (search.epochs, search.batch_size, search.lr) == (150, 128, 0.1)
        assert (search.schedule, search.weight_decay, search.momentum) == ("cosine", 0.0, 0.9)
        train = config.train
        assert (train.epochs, train.batch_size, train.lr) == (150, 128, 0.01)
        assert (train.schedule, train.weight_decay) == ("multistep", 1e-4)
        assert config.model.name == "resnet20"
        assert config.model.options == {
            **{"shortcut": "A", "bn_affine": False, "classifier": "conv"},
            **{"classifier_bias": False, "init": "signed_constant"},
        }
        assert (config.data.normalization, config.data.validation) == ("rounded", 5000)
        assert "0.59 % of the weights stay, so the sparsity is 0.9941" in notes
        for key in ("gpu", "workers", "name", "conv_type"):
            assert f"{key}: left out" in notes
        assert "no effect" not in notes

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"target_sparsity": 1.44}, {"sparsity": 0.9856}),
            ({"target_sparsity": 50}, {"sparsity": 0.5}),
            ({"unflag_before_finetune": False}, {"ticket_mask": "rounded"}),
            ({"prune_type": "LocalBottomK"}, {"freeze_rule": "layer_bottom_k"}),
            ({"prune_type": "FixThresholding"}, {"freeze_rule": "threshold"}),
            ({"iter_period": 8}, {"prune_period": 8, "events": 18}),
            ({"invert_sanity_check": True}, {"invert": True}),
            ({"checkpoint_at_prune": True}, {"save_every_level": True}),
            ({"bottom_k_on_forward": True}, {"mask_rule": "quantile"}),
            ({"rewind_score": True, "rewind_to_epoch": 3}, {"rewind_scores_to": 3}),
            ({"drop_bottom_half_weights": True}, {"warm_start": True}),
            ({"project_freq": 4, "differentiate_clamp": True}, {"clamp_in_forward": True}),
            ({"regularization": "L1", "lmbda": 1e-5}, {"regularization": "L1", "penalty": 1e-5}),
            ({"regularization": None}, {"regularization": None}),
            ({"regularization": "var_red_1", "alpha": 2.0}, {"alpha": 2.0, "alpha_prime": 1.0}),
            ({"round": "prob", "num_test": 7}, {"rounding": "prob", "samples": 7}),
            ({"noise_ratio": 0.1}, {"noise": 0.1}),
            ({"quantize_threshold": 0.75, "score_init": "bern"}, {"threshold": 0.75}),
            ({"override_prune_rate": True, "prune_rate": 0.2}, {"fraction_per_event": 0.2}),
        ],
    )
    def test_an_option_of_the_search(self, run, values, expected):
        config, _ = run(**values)
        assert {name: getattr(config.find, name) for name in expected} == expected

    def test_a_rate_set_by_hand_decides_the_sparsity_where_no_target_does(self, catalog):
        values = read_flat(SAMPLE) | {"override_prune_rate": True, "prune_rate": 0.2}
        del values["target_sparsity"]
        find = translate(values, catalog).configs[0]["find"]
        assert find["sparsity"] == pytest.approx(1 - 0.8**29)

    def test_a_rate_without_override_has_no_effect(self, run):
        config, notes = run(prune_rate=0.2)
        assert config.find.fraction_per_event is None
        assert "prune_rate: has no effect for gem_miner" in notes

    def test_the_recipes(self, run):
        config, _ = run(
            **{"optimizer": "adam", "lr": 1e-3, "fine_tune_optimizer": "adam", "nesterov": True},
            **{"fine_tune_wd": 4e-5, "label_smoothing": 0.1, "lr_policy": None, "batch_size": 64},
        )
        search, train = config.find.search, config.train
        assert (search.optimizer, search.lr, search.schedule) == ("adam", 1e-3, "constant")
        assert (train.optimizer, train.weight_decay, train.batch_size) == ("adam", 4e-5, 64)
        assert search.label_smoothing == train.label_smoothing == 0.1
        assert not search.nesterov
        assert run(nesterov=True)[0].train.nesterov

    def test_gamma_and_milestones_work_here(self, run):
        config, notes = run(gamma=0.2, milestones=[60, 100])
        assert (config.train.gamma, config.train.milestones) == (0.2, (60, 100))
        assert (config.find.search.gamma, config.find.search.milestones) == (0.1, None)
        assert "milestones: the original parses and ignores them; here they work" in notes
        assert "gamma: has no effect" in run(gamma=0.2, fine_tune_lr_policy="cosine_lr")[1]

    def test_the_seed_is_that_of_the_trial(self, run, catalog):
        assert run(trial_num=3)[0].seeds == (126,)
        assert run(seed=7, trial_num=2)[0].seeds == (14,)
        own = translate(read_flat(SAMPLE), catalog, seeds=[1, 2]).configs
        assert all(config["seeds"] == [1, 2] for config in own)

    def test_data_and_precision(self, run):
        assert run(use_full_data=True)[0].data.validation == 0
        assert [run(mixed_precision=n)[0].precision for n in (0, 1)] == ["float32", "auto"]

    def test_the_fans_are_scaled_by_the_rate_at_construction(self, run):
        assert run(scale_fan=True)[0].model.options["init_options"] == {"fan_scale": 0.5}
        config, _ = run(scale_fan=True, prune_rate=0.05)
        assert config.model.options["init_options"] == {"fan_scale": 0.95}

    def test_skipped_fine_tuning_trains_nothing(self, run):
        assert run(skip_fine_tune=True)[0].train.epochs == 0

    def test_hypercube(self, run):
        config, notes = run(algo="hc", unflag_before_finetune=False, hc_quantized=False)
        assert (config.method, config.find.name) == ("hypercube", "hypercube")
        assert (config.find.quantized, config.find.sparsity) == (False, None)
        assert "target_sparsity: has no effect for hypercube" in notes


class TestSanityChecks:
    def test_they_are_two_more_configs(self, catalog):
        found = translate(read_flat(SAMPLE), catalog, name="gem", protocol="paper").configs
        parsed = [parse_config(config, catalog) for config in found]
        assert [config.name for config in parsed] == [
            *("gem", "gem-reinit-weights", "gem-shuffle-mask"),
        ]
        assert [config.variant for config in parsed] == [
            *("standard", "reinit_weights", "shuffle_mask"),
        ]
        names = [[entry.name for entry in config.transform] for config in parsed]
        assert names == [[], ["reinit"], ["shuffle_mask"]]
        assert len({config.find.model_dump_json() for config in parsed}) == 1
        assert {config.protocol for config in parsed} == {"paper"}

    def test_they_train_also_where_the_ticket_does_not(self, catalog):
        found = translate(read_flat(SAMPLE) | {"skip_fine_tune": True}, catalog).configs
        assert [config["train"]["epochs"] for config in found] == [0, 150, 150]

    @pytest.mark.parametrize(
        "values",
        [
            read_flat(SAMPLE) | {"skip_sanity_checks": True},
            IMP,
            RANDOM | {"smart_ratio": 0.98},
            NETWORK | {"weight_training": True},
        ],
    )
    def test_the_original_runs_none_here(self, catalog, values):
        assert len(translate(values, catalog).configs) == 1

    @pytest.mark.parametrize(
        ("flags", "names", "variant"),
        [
            (("shuffle", "chg_mask"), ["shuffle_mask"], "shuffle_mask"),
            (("reinit", "chg_weight"), ["reinit"], "reinit_weights"),
            (("shuffle", "chg_weight"), ["layerwise_weights_shuffling"], "shuffle_weights"),
        ],
    )
    @pytest.mark.parametrize("base", [None, RANDOM | {"smart_ratio": 0.98}, RANDOM, IMP])
    def test_flags_are_transforms(self, run, catalog, base, flags, names, variant):
        config, notes = run(base, **dict.fromkeys(flags, True))
        assert [entry.name for entry in config.transform] == names
        assert config.variant == variant
        assert ("here they change this ticket" in notes) == (base is not RANDOM)

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (("shuffle",), "no effect without chg_mask or chg_weight"),
            (("chg_mask",), "no effect without shuffle or reinit"),
            (("reinit", "chg_mask"), "reinit: with chg_mask it draws a new mask"),
        ],
    )
    def test_flags_that_belong_together(self, refused, flags, reason):
        assert reason in refused(**dict.fromkeys(flags, True))

    def test_a_dense_network_has_no_ticket(self, refused):
        values = NETWORK | {"weight_training": True, "shuffle": True, "chg_mask": True}
        assert "need a ticket" in refused(values)


class TestEdgePopup:
    @pytest.mark.parametrize(
        ("algo", "scope", "gradual", "variant"),
        [
            ("ep", "layer", False, "standard"),
            ("global_ep", "global", False, "global"),
            ("global_ep_iter", "global", True, "global_gradual"),
        ],
    )
    def test_scopes(self, run, algo, scope, gradual, variant):
        config, notes = run(EDGE_POPUP, algo=algo)
        find = config.find
        assert (find.name, find.scope, find.gradual) == ("edge_popup", scope, gradual)
        assert (find.sparsity, find.prune_period) == (0.9941, 5 if gradual else None)
        assert (find.search.select, find.search.patience) == ("last", None)
        assert find.search.weight_decay == 5e-4, "the original's default, on the scores"
        assert (config.method, config.variant) == ("edge_popup", variant)
        assert "wd 0.0005" in notes

    def test_the_penalty(self, run):
        config, _ = run(EDGE_POPUP, algo="global_ep_iter", regularization="L2", lmbda=1e-4)
        assert (config.find.regularization, config.find.penalty) == ("L2", 1e-4)
        assert config.variant == "global_gradual_l2"
        assert run(EDGE_POPUP, regularization="L2", lmbda=0)[0].find.regularization is None

    @pytest.mark.parametrize(
        ("algo", "rate", "sparsity"),
        [
            ("ep", 0.05, 0.95),
            ("ep", 0.0059, 0.9941),
            ("global_ep", 0.9941, 0.9941),
            ("global_ep_iter", 0.162215, 0.9941),
        ],
    )
    def test_what_the_rate_means_hangs_on_the_algorithm(self, run, algo, rate, sparsity):
        config, _ = run(EDGE_POPUP, algo=algo, override_prune_rate=True, prune_rate=rate)
        assert config.find.sparsity == pytest.approx(sparsity, abs=1e-6)

    def test_a_target_counts_and_the_note_tells_what_the_original_would_do(self, run):
        assert "would keep 16.2 % of the weights" in run(EDGE_POPUP)[1]
        assert "would remove 16.2 % of the weights" in run(EDGE_POPUP, algo="global_ep")[1]
        hacky = run(EDGE_POPUP, algo="global_ep", iter_period=75)
        assert "would" not in hacky[1] and hacky[0].find.sparsity == 0.9941

    def test_refused(self, refused):
        assert "'ep' needs override_prune_rate: true" in refused(NETWORK | {"algo": "ep"})
        assert "null or L2" in refused(EDGE_POPUP, regularization="L1")
        values = EDGE_POPUP | {"algo": "global_ep_iter", "epochs": 5}
        assert "iter_period: must be below epochs (5)" in refused(values)
        assert "fraction KEPT" in refused(EDGE_POPUP, override_prune_rate=True, prune_rate=1)


class TestBaselines:
    @pytest.mark.parametrize("how", [{"weight_training": True, "algo": "hc"}, {"algo": "wt"}])
    def test_dense(self, run, how):
        values = NETWORK | {"epochs": 160, "lr": 0.1, "lr_policy": "multistep_lr", "wd": 1e-4}
        config, notes = run(values, **how)
        assert (config.method, config.find.name) == ("dense", "dense")
        assert (config.train.epochs, config.train.lr, config.train.weight_decay) == (160, 0.1, 1e-4)
        assert config.train.schedule == "multistep"
        assert ("no 'wt'" in notes) == (how["algo"] == "wt")

    def test_dense_fans_are_doubled_by_a_rate_of_minus_one(self, run):
        config, _ = run(NETWORK, weight_training=True, scale_fan=True, prune_rate=-1)
        assert config.model.options["init_options"] == {"fan_scale": 2.0}

    @pytest.mark.parametrize(
        ("values", "method", "rewind"),
        [
            ({}, "imp_warm", ("step", 1000)),
            ({"imp_rewind_iter": 2000}, "imp_warm", ("step", 2000)),
            ({"imp_rewind_iter": 0}, "imp_cold", ("init", None)),
            ({"imp_no_rewind": True}, "lrr", ("none", None)),
        ],
    )
    def test_magnitude_pruning(self, run, values, method, rewind):
        config, notes = run(IMP, lr=0.1, wd=1e-4, lr_policy="multistep_lr", **values)
        find = config.find
        assert (config.method, find.rewind.to, find.rewind.step) == (method, *rewind)
        assert (find.rounds, find.fraction_per_round, find.count) == (19, 0.2, "original")
        assert (find.train.epochs, find.train.lr) == (160, 0.1)
        assert config.train.model_dump() == {
            key: value for key, value in find.train.model_dump().items() if key not in
            ("subset", "corruption")
        }  # fmt: skip
        assert "19 prunings, of 0.2 each: 1.441 % of the weights stay" in notes
        assert config.precision == "auto"

    def test_rounds_from_epochs_and_what_resumes(self, run):
        config, notes = run(IMP, imp_rounds=-1, epochs=480, imp_resume_round=4)
        assert config.find.rounds == 2
        assert "imp_resume_round: left out; the same command continues" in notes

    def test_magnitude_pruning_that_cannot_be(self, refused):
        assert "0 trainings of iter_period 160 epochs" in refused(IMP, imp_rounds=-1)
        assert "1 training of iter_period" in refused(IMP, imp_rounds=1)
        assert "first training, which has 704 steps" in refused(IMP, iter_period=1)
        assert "fraction REMOVED" in refused(IMP, prune_rate=1)
        assert "contradicts algo 'imp'" in refused(IMP, weight_training=True)

    def test_smart_ratio(self, run):
        values = RANDOM | {"smart_ratio": 0.9856, "fine_tune_lr": 0.1}
        config, _ = run(values, fine_tune_lr_policy="multistep_lr", algo="ep")
        assert (config.find.name, config.find.sparsity) == ("smart_ratio", 0.9856)
        assert (config.find.family, config.find.bernoulli) == ("resnet", False)
        assert (config.train.epochs, config.train.lr, config.train.weight_decay) == (160, 0.1, 1e-4)
        assert run(values, arch="vgg16")[0].find.family == "vgg"

    def test_a_random_mask_keeps_with_the_rate(self, run):
        config, notes = run(RANDOM, prune_rate=0.05, smart_ratio=-1)
        assert (config.find.bernoulli, config.find.sparsity) == (True, 0.95)
        assert "every weight is kept with prune_rate 0.05" in notes

    @pytest.mark.parametrize(
        ("version", "variant", "percent"),
        [(3, "sr_v5", 1.53), (5, "sr_v4", 1.42), (6, "sr_v6", 1.48)],
    )
    def test_variants_by_counts(self, run, version, variant, percent):
        config, _ = run(RANDOM, sr_version=version)
        counts = config.find.layer_counts
        assert (config.variant, len(counts)) == (variant, 20)
        assert round(100 * sum(counts) / 268_336, 2) == percent

    def test_variants_by_densities(self, run):
        second, _ = run(RANDOM, sr_version=2)
        assert (second.variant, second.find.sparsity) == ("sr_v2", 0.9856)
        assert (second.find.first_density, second.find.last_density) == (0.3449074, 0.259375)
        third, _ = run(RANDOM, sr_version=4, smart_ratio=0.98)
        assert (third.variant, third.find.sparsity) == ("sr_v3", 0.98)
        assert (third.find.first_density, third.find.last_density) == (1.0, 1.0)

    def test_random_tickets_that_cannot_be(self, refused):
        assert "fraction of weights REMOVED" in refused(RANDOM, smart_ratio=98)
        assert "fraction of weights REMOVED" in refused(RANDOM, smart_ratio=0)
        assert "one of 1 to 6" in refused(RANDOM, sr_version=7)
        assert "resnet20's layers only" in refused(RANDOM, sr_version=3, arch="vgg16")
        assert "contradicts" in refused(RANDOM, weight_training=True)


class TestNetworksAndData:
    @pytest.mark.parametrize(
        ("arch", "name", "options"),
        [
            ("resnet32_double", "resnet32_w32", {"shortcut": "A"}),
            ("MobileNetV2", "mobilenet_v2", {}),
            ("vgg16", "vgg16", {}),
            ("WideResNet28", "wide_resnet28_2", {}),
            ("cResNet18", "resnet18", {"stem": "cifar"}),
            ("TinyResNet18", "resnet18", {"stem": "imagenet"}),
            ("ResNet50", "resnet50", {"stem": "imagenet"}),
        ],
    )
    def test_a_network(self, run, arch, name, options):
        config, _ = run(arch=arch)
        assert config.model.name == name
        assert options.items() <= config.model.options.items()
        assert config.model.options["bn_affine"] is False
        assert config.find.prune_shortcuts == (options.get("stem") != "imagenet")

    def test_networks_without_norm_layers(self, run):
        config, _ = run(arch="Conv4", width=0.5, bias=True)
        assert config.model.name == "conv4"
        assert config.model.options == {
            **{"bias": True, "width_mult": 0.5, "init": "signed_constant"},
        }

    def test_affine_norm_layers(self, run):
        assert run(bn_type="AffineBatchNorm")[0].model.options["bn_affine"] is True
        values = {key: value for key, value in NETWORK.items() if key != "bn_type"}
        config, notes = run(values, weight_training=True)
        assert config.model.options["bn_affine"] is False
        assert "bn_type: not given" in notes

    @pytest.mark.parametrize(
        ("dataset", "name", "normalization", "validation"),
        [
            ("CIFAR100", "cifar100", "legacy", 5000),
            ("TinyImageNet", "tiny_imagenet_half", "rounded", 0),
            ("ImageNet", "imagenet", "default", 10000),
            ("MNIST", "mnist", "default", 5000),
        ],
    )
    def test_a_data_set(self, run, dataset, name, normalization, validation):
        data = run(dataset=dataset)[0].data
        assert (data.name, data.normalization, data.validation) == (name, normalization, validation)
        assert (data.augment is None) == (dataset == "MNIST")

    def test_transfer_from_published_weights(self, run, refused):
        caltech = {"arch": "ResNet50", "dataset": "Caltech101", "transfer_learning": True}
        values = {**caltech, "bn_type": "AffineBatchNorm", "uv_decomp": True, "bias_fc": True}
        options = run(**values)[0].model.options
        assert options["pretrained"] == "imagenet1k_v1"
        assert (options["head"], options["classifier_bias"]) == ("two_layer", True)
        assert (options["dropout"], options["bn_affine"]) == (0.4, True)
        assert "must be AffineBatchNorm" in refused(**caltech)
        assert "no published weights for resnet20" in refused(transfer_learning=True)


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"weight_decay": 0.0005}, "ignores this key: its argument is wd"),
            ({"algo": "iter_ep"}, "'iter_ep' is commented out in the original's code"),
            ({"algo": "pt_hack"}, "no method of the paper"),
            ({"algo": "hc_itr"}, "did you mean 'hc_iter'?"),
            ({"arch": "mobilenetv2"}, "did you mean 'MobileNetV2'?"),
            ({"dataset": "CIFAR1O"}, "did you mean 'CIFAR10'?"),
            ({"taget_sparsity": 1}, "no such argument; did you mean 'target_sparsity'?"),
            ({"target_sparsity": 0}, "percentage of weights KEPT"),
            ({"target_sparsity": 101}, "percentage of weights KEPT"),
            ({"target_sparsity": "1.4%"}, "percentage of weights KEPT"),
            ({"lr": True}, "lr: must be a number above 0, found True"),
            ({"lr": 0}, "lr: must be a number above 0"),
            ({"epochs": 1.5}, "epochs: must be an integer of at least 1"),
            ({"hc_quantized": "True"}, "hc_quantized: must be true or false, found 'True'"),
            ({"lr_policy": "cosine"}, "did you mean 'cosine_lr'?"),
            ({"optimizer": "rmsprop"}, "optimizer: unknown name 'rmsprop'"),
            ({"init": "orthogonal"}, "init: unknown name 'orthogonal'"),
            ({"mode": "fan_out"}, "mode: unknown name 'fan_out'"),
            ({"bn_type": "GroupNorm"}, "bn_type: unknown name"),
            ({"milestones": 80}, r"must be a list of epochs such as [80, 120]"),
            ({"milestones": [120, 80]}, "train: milestones must be rising epochs"),
            ({"iter_period": 150}, "prune_period: 150 leaves no freezing event"),
            ({"freeze_weights": False}, "weights are frozen in every search"),
            ({"bias": True}, "resnet20 has no biases here"),
            ({"noise": False, "noise_ratio": 0.1}, "no effect where noise is false"),
            ({"rewind_score": True}, "needs rewind_to_epoch"),
            ({"rewind_to_epoch": 3}, "no effect where rewind_score is false"),
            ({"round": "naive_prob"}, "find.rounding_layer"),
            ({"algo": "hc"}, "unflag_before_finetune: true is refused for algo 'hc'"),
            ({"scale_fan": True, "prune_rate": 1}, "makes the fans 0"),
            ({"lr_gamma": 0.5}, "gamma works here"),
            ({"pretrained": "model.pth"}, "find.pretrain trains the dense network"),
            ({"only_sanity": True}, "find.name 'ticket_file' and a transform"),
            ({"sanity_folder": "results"}, "find.name 'ticket_file' and a transform"),
            ({"lam_finetune_loss": 1}, "no method of the paper"),
            ({"width_mult": 2}, "model.width_mult works here"),
        ],
    )
    def test_a_value(self, refused, values, reason):
        assert reason in refused(**values)

    @pytest.mark.parametrize("key", ["arch", "dataset"])
    def test_a_missing_network_or_data_set(self, refused, key):
        values = {name: value for name, value in NETWORK.items() if name != key}
        assert refused(values).startswith(f"{key}: is missing")

    def test_what_says_no_more_than_the_default_is_harmless(self, run):
        silent = {key: a.default for key, a in ARGUMENTS.items() if a.role == "unread"}
        del silent["weight_decay"]
        assert run(**silent)[0] == run()[0]

    def test_the_default_of_every_setting_is_one_of_its_values(self):
        for key, argument in ARGUMENTS.items():
            if argument.role == "setting" and argument.default is not None:
                argument.read(key, argument.default)


def test_every_algorithm_takes_every_setting_at_its_default(catalog):
    """No setting is a trap: given as it is by default, it changes no run."""
    bases = [read_flat(SAMPLE), EDGE_POPUP, IMP, RANDOM, NETWORK | {"weight_training": True}]
    settings = {
        key: argument.default
        for key, argument in ARGUMENTS.items()
        if argument.role == "setting" and argument.default is not None
    }
    for base, key in itertools.product(bases, settings):
        if key not in base:
            plain, more = (translate(v, catalog) for v in (base, base | {key: settings[key]}))
            if key != "target_sparsity":  # which decides between refusing and translating ep
                assert plain.configs == more.configs, key
