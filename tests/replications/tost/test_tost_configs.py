"""The configs of ToST: the runs of its tables, what every recipe adds, and what runs share."""

from collections import Counter

import pytest

from common.pipeline import distinct_phases, plan_run
from common.training.schedule import learning_rate
from replications.tost.methods import METHODS
from replications.tost.recipes import FUNCTIONS

TABLE_2 = "mask_x_tost_cifar"
FINDERS = {"random", "snip", "grasp", "synflow", "imp"}
RECIPES = {"default", "tost", "tost_noghost", "tost_keep"}
TRICKS = ("soft_activation", "ghost_skip", "label_smoothing", "smoothing_form", "lrsi")

# Variant -> decay of the activation, decay of the ghosts, smoothing, order of LRsI (spec 2.5-2.9).
SCALED = "mask_then_scale"
WANTED = {
    "none": (None, None, 0.0, None),
    "default": (None, None, 0.0, None),
    "tost": ("beta", "linear", 0.1, SCALED),
    "tost_noghost": ("beta", None, 0.1, SCALED),
    "tost_keep": ("none", "none", 0.1, SCALED),
    "swish": ("beta", None, 0.0, None),
    "swish_keep": ("none", None, 0.0, None),
    "ghosts": (None, "linear", 0.0, None),
    "ghosts_keep": (None, "none", 0.0, None),
    "ghosts_ls": (None, "linear", 0.1, None),
    "ghosts_ls_keep": (None, "none", 0.1, None),
    "ls": (None, None, 0.1, None),
    "lrsi": (None, None, 0.0, SCALED),
    "lrsi_dense": (None, None, 0.0, "scale_then_mask"),
    "lrsi_ls": (None, None, 0.1, SCALED),
    "swish_chain": ("beta", None, 0.0, None),
    "mish_chain": ("linear", None, 0.0, None),
    **{f"{name}_keep_chain": ("none", None, 0.0, None) for name in (*FUNCTIONS, "pswish3")},
}


def every(loaded, preset, experiment=None, **wanted):
    """Return the runs of a preset whose fields are as wanted."""
    return [
        run
        for runs in loaded[preset].values()
        for run in runs
        if experiment in (None, run.experiment)
        and all(getattr(run, name) == value for name, value in wanted.items())
    ]


def kinds(runs):
    """Count the computations of some runs of one seed."""
    plans = [plan_run(run, 0, METHODS, f"content of {run.data.name}") for run in runs]
    return Counter(phase.kind for phase in distinct_phases(plans).values())


def tricks_of(train):
    """Return what a run's training adds, as in ``WANTED``."""
    soft, ghosts, lrsi = train.soft_activation, train.ghost_skip, train.lrsi
    decay = soft and (soft.decay or ("beta" if soft.name in ("swish", "pswish") else "linear"))
    return (decay, ghosts and ghosts.decay, train.label_smoothing, lrsi and lrsi.order)


CIFAR = ("cifar10", "cifar100")


def test_table_2_has_240_runs_a_seed_and_four_dense_networks(loaded):
    runs = every(loaded, "paper", TABLE_2)
    sparse = [run for run in runs if run.method != "dense"]
    places = Counter((run.model.name, run.data.name) for run in sparse)
    assert places == {(model, data): 60 for model in ("resnet32_w32", "resnet50") for data in CIFAR}
    cells = Counter((run.method, run.variant, run.find.sparsity) for run in sparse)
    assert cells == {(m, v, s): 4 for m in FINDERS for v in RECIPES for s in (0.9, 0.95, 0.98)}
    assert (len(sparse), len(runs) - len(sparse)) == (240, 4)
    assert {run.seeds for run in runs} == {(0, 1, 2)}


def test_every_run_has_the_tricks_of_its_variant(loaded):
    seen = set()
    for preset in loaded:
        for run in every(loaded, preset):
            if run.method == "lth_local":
                assert tricks_of(run.train) == WANTED["default"]
                continue
            seen.add(run.variant)
            assert tricks_of(run.train) == WANTED[run.variant], run.name
            if run.variant.endswith("_chain"):
                function = run.variant.split("_")[0]
                slope = 3.0 if function == "pswish3" else 2.0
                soft = run.train.soft_activation
                assert (soft.name, soft.beta) == (function.rstrip("3"), slope)
    assert seen == set(WANTED)


def test_the_whole_recipe_is_that_of_the_spec(loaded):
    for run in every(loaded, "paper", variant="tost"):
        soft, ghosts, lrsi = (run.train.soft_activation, run.train.ghost_skip, run.train.lrsi)
        assert (soft.name, soft.start, soft.end, soft.per_step) == ("swish", 0.0, 0.25, True)
        assert (ghosts.init, ghosts.start, ghosts.end) == (1e-4, 0.0, 0.25)
        assert (ghosts.decay, ghosts.bottleneck) == ("linear", "conv3x3")
        assert run.train.smoothing_form == "exclude_target"
        assert (lrsi.alg, lrsi.eta, lrsi.gamma, lrsi.normalize_grad) == ("sgd", 0.1, 1.0, True)
        assert (lrsi.lr, lrsi.min_scale, lrsi.iters, lrsi.grad_clip) == (0.01, 0.01, 180, 1.0)
        assert (lrsi.batch_size, lrsi.no_overlap, lrsi.mask_gradients) == (128, False, False)


def test_ghosts_and_soft_neurons_are_gone_before_the_first_drop_of_the_learning_rate(loaded):
    for preset in loaded:
        for run in every(loaded, preset):
            for part in (run.train.soft_activation, run.train.ghost_skip):
                if part is not None and part.decay != "none":
                    last = part.end * run.train.epochs
                    assert last < run.train.milestones[0], run.name


def test_the_dense_recipe_is_the_same_file_without_the_tricks(loaded):
    """Also in its masks: section ``find`` and so the ticket is the same (section 6)."""
    compared = 0
    for preset in ("paper", "grasp", "quick", "cpu_cifar10"):
        plain = {}
        for run in every(loaded, preset, variant="default"):
            plain[place_of(run)] = without_tricks(run)
        for run in every(loaded, preset):
            if run.variant not in ("default", "none") and not run.variant.endswith("_chain"):
                assert without_tricks(run) == plain[place_of(run)], run.name
                compared += 1
    assert compared > 400


def place_of(run):
    """Return what a run shares with that of the dense recipe."""
    return (run.experiment, run.data.name, run.model.name, run.method, run.find.sparsity)


def without_tricks(run):
    """Return a run's configuration without names and tricks."""
    raw = run.model_dump(mode="json", exclude={"name", "variant"})
    return raw | {"train": {k: v for k, v in raw["train"].items() if k not in TRICKS}}


def test_trainings_are_those_of_the_released_scripts(loaded):
    for run in every(loaded, "paper"):
        train = run.train
        assert (train.epochs, train.batch_size, train.optimizer) == (182, 128, "sgd")
        assert (train.momentum, train.weight_decay, train.nesterov) == (0.9, 2e-4, False)
        rates = [learning_rate(train, epoch) for epoch in (0, 89, 90, 134, 135, 181)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
        assert train.select == "best_validation"
        held_out = (run.data.validation, run.data.validation_choice)
        tiny = run.data.name == "tiny_imagenet"
        assert held_out == ((10000, "stratified") if tiny else (5000, "first"))
    for run in every(loaded, "grasp"):
        assert (run.train.epochs, run.train.weight_decay) == (160, 1e-4)
        assert (run.data.validation, run.train.select) == (0, "last")


def test_masks_are_found_as_in_the_released_code(loaded):
    for run in every(loaded, "paper", TABLE_2):
        if run.method in ("snip", "grasp"):
            find = run.find
            assert (find.sampling, find.batch_size, find.score_batches) == ("loader", 128, None)
            assert find.bn_mode == "train"
        if run.method == "imp":
            find = run.find
            assert (find.scope, find.fraction_per_round, find.hit_target) == ("conv", 0.2, True)
            assert (find.rewind.to, find.rewind.scope) == ("init", "all")
            assert tricks_of(find.train) == WANTED["default"], "masks come from the dense recipe"


@pytest.mark.parametrize("network", ["resnet32_w32", "resnet50"])
def test_recipes_share_masks_and_sparsities_share_a_chain(loaded, network):
    """Rounds to 90, 95 and 98 %: 11, 14 and 18; the last one of each is cut to hit its target."""
    runs = [
        run
        for run in every(loaded, "paper", TABLE_2)
        if (run.model.name, run.data.name) == (network, "cifar10")
    ]
    by_method = {m: [run for run in runs if run.method == m] for m in (*FINDERS, "dense")}
    for method in FINDERS - {"imp"}:
        assert kinds(by_method[method]) == {"find": 3, "train": 12}
    chain, finds = 18, 17 + 3
    assert kinds(by_method["imp"]) == {"find": finds, "train": chain + 12}
    assert kinds(by_method["imp"] + by_method["dense"]) == {"find": finds, "train": chain + 12}
    # All of them: the dense network is the first training of the chain.
    assert kinds(runs) == {"find": finds + 4 * 3, "train": chain + 5 * 12}


def test_all_tricks_of_the_study_train_one_chain_s_masks(loaded):
    runs = every(loaded, "paper", "tweaks_resnet18_cifar100")
    shared = [run for run in runs if not run.variant.endswith("_chain")]
    variants = {run.variant for run in shared}
    assert len(shared) == 16 * len(variants) == 16 * 14
    # A round is the training of the dense recipe at the level before; the first one is dense.
    assert kinds(shared) == {"find": 16, "train": 16 * 14 + 1}
    own = [run for run in runs if run.variant == "swish_keep_chain"]
    assert {tricks_of(run.find.train) for run in own} == {WANTED["swish_keep"]}
    assert kinds(shared + own) == {"find": 32, "train": 16 * 15 + 2}


def test_magnitude_and_taylor_score_one_dense_training(loaded):
    runs = every(loaded, "paper", "other_masks_cifar")
    assert Counter(run.method for run in runs) == {"magnitude": 6, "taylor": 6, "gmp": 6}
    scored = [run for run in runs if run.method != "gmp"]
    assert kinds(scored) == {"find": 6, "train": 12 + 1}


def test_the_reduced_runs_compare_every_mask_without_ghosts(loaded):
    digits = every(loaded, "quick", "digits")
    for method in ("random", "snip", "synflow", "imp"):
        variants = {run.variant for run in digits if run.method == method}
        assert {"default", "tost_noghost"} <= variants
    short = every(loaded, "cpu_cifar10", "cifar10_short")
    assert {(run.method, run.variant) for run in short} == {
        (method, variant) for method in ("random", "snip") for variant in RECIPES
    }
    assert all(run.protocol != "paper" for run in digits + short)


def test_the_second_lottery_ticket_code_has_one_chain_a_network_data_set_and_restart(loaded):
    runs = every(loaded, "lth_local")
    chains = Counter((run.model.name, run.data.name, run.variant) for run in runs)
    assert len(chains) == 3 * 4 * 2 and set(chains.values()) == {34}
    for run in runs:
        assert run.find.reinit == (run.variant == "reinit")
        assert run.find.fraction_per_round == 0.1
    one = [run for run in runs if (run.model.name, run.data.name) == ("fc", "mnist")]
    assert kinds([run for run in one if run.variant == "lt"]) == {"find": 34, "train": 35}
