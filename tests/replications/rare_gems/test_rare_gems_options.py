"""What a config may say about this paper's finders, and the refusals of what it may not."""

import pytest
from pydantic import ValidationError

from common.config import config_hash, parse_config
from common.errors import UserError
from replications.rare_gems.methods import METHODS
from replications.rare_gems.options import GemMinerOptions, HypercubeOptions

GEM = {"name": "gem_miner", "sparsity": 0.9}
CUBE = {"name": "hypercube"}
POPUP = {"name": "edge_popup", "sparsity": 0.9}
RATIO = {"name": "smart_ratio", "sparsity": 0.9}
GLOBAL = {**POPUP, "scope": "global"}
GRADUAL = {**GLOBAL, "gradual": True, "prune_period": 5, "select": "last"}


def options(given):
    return METHODS.finders[given["name"]].options.model_validate(given)


@pytest.fixture
def parse(raw_run):
    """Return a function that parses a run with this ``find`` section and overrides."""

    def parse(find, *overrides):
        return parse_config(raw_run(*overrides, paper="rare_gems", find=find), METHODS.catalog())

    return parse


def test_the_defaults_of_gem_miner_are_those_of_the_paper_s_resnet20():
    found = GemMinerOptions(sparsity=0.9856)
    recipe = found.search
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (150, 128, 0.1)
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, False)
    assert (recipe.schedule, recipe.weight_decay) == ("cosine", 0.0)
    assert (recipe.select, recipe.patience, recipe.watch_test) == ("last", None, True)
    assert (found.score_init, found.quantized, found.threshold) == ("unif", True, 0.5)
    assert (found.regularization, found.penalty, found.project_every) == ("L2", 1e-4, 1)
    assert (found.prune_period, found.events, found.freeze_rule) == (5, 29, "global_bottom_k")
    assert found.rate == pytest.approx(0.136037, abs=5e-7)
    assert (found.ticket_mask, found.rounding, found.noise) == ("frozen", "naive", 0.0)
    assert not found.exact_count and not found.invert and not found.save_every_level
    assert HypercubeOptions().quantized is False


def test_l2_is_weight_decay_of_twice_its_weight_beside_that_of_the_recipe():
    assert options({**CUBE, "lambda": 3e-5}).recipe().weight_decay == pytest.approx(6e-5)
    both = options({**CUBE, "lambda": 3e-5, "weight_decay": 1e-3}).recipe()
    assert both.weight_decay == pytest.approx(1.06e-3)
    other = options({**CUBE, "lambda": 3e-5, "regularization": "L1"})
    assert other.recipe() == other.search
    popup = options({**GLOBAL, "weight_decay": 5e-4, "regularization": "L2", "lambda": 1e-4})
    assert popup.recipe().weight_decay == pytest.approx(7e-4)


def test_a_search_of_no_epochs_has_no_event():
    found = options({**GEM, "epochs": 0})
    assert (found.events, found.rate) == (0, 0.0)


# --- two spellings


@pytest.mark.parametrize("find", [GEM, CUBE, POPUP])
def test_the_recipe_s_keys_may_stand_beside_the_finder_s(parse, find):
    flat = {**find, "epochs": 7, "lr": 0.02, "schedule": "constant", "optimizer": "adam"}
    nested = {**find, "search": {"epochs": 7, "lr": 0.02, "schedule": "constant"}}
    nested["search"]["optimizer"] = "adam"
    assert parse(flat).find == parse(nested).find
    assert config_hash(parse(flat)) == config_hash(parse(nested))
    mixed = {**find, "lr": 0.02, "optimizer": "adam", "search": {"epochs": 7}}
    assert parse(mixed, "find.schedule=constant").find == parse(nested).find
    assert flat["lr"] == 0.02, "the raw config is left as it is"


def test_a_key_in_both_places_is_refused(parse):
    with pytest.raises(UserError, match="find: lr is given twice: in search, too") as caught:
        parse({**GEM, "lr": 0.1, "search": {"lr": 0.1}})
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="epochs is given twice"):
        parse({**GEM, "search": {"epochs": 20}}, "find.epochs=20")


def test_a_misspelt_key_of_the_recipe_is_refused_wherever_it_stands(parse):
    with pytest.raises(UserError, match="find: unknown key 'momentun'"):
        parse({**GEM, "momentun": 0.9})
    with pytest.raises(UserError, match=r"find\.search: .*did you mean 'momentum'"):
        parse({**GEM, "search": {"momentun": 0.9}})
    with pytest.raises(UserError, match=r"find\.search\.lr: .*found 'x'"):
        parse({**GEM, "lr": "x"})


@pytest.mark.parametrize(("unflag", "mask"), [(True, "frozen"), (False, "rounded")])
def test_the_original_s_name_for_which_ticket_is_taken(parse, unflag, mask):
    alias = parse({**GEM, "unflag_before_finetune": unflag})
    assert alias.find.ticket_mask == mask
    assert config_hash(alias) == config_hash(parse({**GEM, "ticket_mask": mask}))
    assert "unflag_before_finetune" not in alias.find.model_dump()
    with pytest.raises(UserError, match="ticket_mask and unflag_before_finetune are one option"):
        parse({**GEM, "unflag_before_finetune": unflag, "ticket_mask": mask})
    with pytest.raises(UserError, match="must be true or false, found 1"):
        parse({**GEM, "unflag_before_finetune": 1})
    with pytest.raises(UserError, match="unknown key 'unflag_before_finetune'"):
        parse({**CUBE, "unflag_before_finetune": unflag})


@pytest.mark.parametrize("to", ["init", "none"])
def test_a_rewinding_without_a_moment_may_be_its_name_alone(parse, to):
    imp = {"name": "imp", "rounds": 2}
    short, long = (parse({**imp, "rewind": rewind}) for rewind in (to, {"to": to}))
    assert short.find.rewind.to == to
    assert config_hash(short) == config_hash(long)
    with pytest.raises(UserError, match="step is missing; to 'step' needs one"):
        parse({**imp, "rewind": "step"})
    with pytest.raises(UserError, match=r"find\.rewind\.to: input should be .*found 'cold'"):
        parse({**imp, "rewind": "cold"})


def test_lambda_is_called_so_everywhere(parse):
    config = parse(GEM, "find.lambda=3e-5")
    assert config.find.penalty == 3e-5
    dumped = config.model_dump(mode="json")["find"]
    assert dumped["lambda"] == 3e-5 and "penalty" not in dumped
    assert parse(dumped).find == config.find
    with pytest.raises(UserError, match=r"find\.lambda: .*found -1"):
        parse(GEM, "find.lambda=-1")
    with pytest.raises(UserError, match="find: unknown key 'penalty'"):
        parse(GEM, "find.penalty=0.1")


@pytest.mark.parametrize(
    "find",
    [
        {**GEM, "lambda": 0.5, "lr": 0.5, "pretrain": {"epochs": 3}, "save_every_level": True},
        {**GEM, "regularization": None},
        {**GLOBAL, "regularization": "L2", "lambda": 0.5},
        {**CUBE, "regularization": "var_red_1", "alpha": 2.0, "rounding": "prob", "samples": 3},
        {**GRADUAL, "regularization": "L2", "lambda": 0.5, "epochs": 20},
        {**RATIO, "first_density": 1.0, "learn": {"epochs": 5}},
        {**RATIO, "bernoulli": True},
        {"name": "smart_ratio", "layer_counts": [10, 20]},
        {"name": "imp", "rounds": 2, "rewind": {"to": "step", "step": 3}, "epochs_per_round": 4},
    ],
)
def test_a_resolved_config_is_read_back_as_the_same_run(parse, find):
    config = parse(find)
    dumped = config.model_dump(mode="json")["find"]
    assert parse(dumped).find == config.find
    assert config_hash(parse(dumped)) == config_hash(config)


# --- what has no effect or cannot be

NOTHING = "has no effect"
REFUSED = [
    ({**CUBE, "sparsity": 0.5}, "sparsity cannot be asked for: it is an outcome of this search"),
    ({**GEM, "regularization": None, "lambda": 1e-3}, f"lambda {NOTHING}"),
    ({**GEM, "alpha": 2.0}, "alpha and alpha_prime have no effect without"),
    ({**GEM, "regularization": "L1", "alpha_prime": 2.0}, "have no effect without"),
    ({**GEM, "rounding": "naive_prob"}, "'naive_prob' and rounding_layer belong together"),
    ({**GEM, "rounding_layer": "conv.weight"}, "belong together"),
    ({**GEM, "samples": 3}, f"samples {NOTHING} where rounding is 'naive'"),
    ({**CUBE, "noise": 0.1}, "noise needs quantized true and rounding 'naive'"),
    ({**GEM, "noise": 0.1, "rounding": "prob"}, "noise needs quantized true"),
    ({**GEM, "clamp_in_forward": True}, f"clamp_in_forward {NOTHING} where project_every is 1"),
    ({**GEM, "epochs": 5}, "prune_period: 5 leaves no freezing event in 5 epochs"),
    ({**GEM, "epochs": 20, "prune_period": 20}, "it must be below 20"),
    ({**GEM, "freeze_rule": "threshold", "invert": True}, f"invert {NOTHING}"),
    ({**GEM, "freeze_rule": "threshold", "exact_count": True}, f"exact_count {NOTHING}"),
    (
        {**GEM, "freeze_rule": "threshold", "fraction_per_event": 0.1},
        f"fraction_per_event {NOTHING}",
    ),
    ({**GEM, "freeze_rule": "layer_bottom_k", "exact_count": True}, "which is always exact"),
    ({**GEM, "mask_rule": "quantile", "quantized": False}, "'quantile' needs quantized true"),
    ({**GEM, "rewind_scores_to": 150}, r"below search\.epochs \(150\), found 150"),
    ({**GEM, "select": "best_validation"}, r"search\.select must be 'last'"),
    ({**GEM, "patience": 3}, "patience must be null where select is 'last'"),
    ({"name": "gem_miner"}, "sparsity"),
    ({**POPUP, "gradual": True}, "gradual and prune_period belong together"),
    ({**GLOBAL, "prune_period": 5}, "gradual and prune_period belong together"),
    ({**GRADUAL, "scope": "layer"}, "gradual needs scope 'global'"),
    ({**GRADUAL, "epochs": 5}, r"prune_period must be below search\.epochs \(5\), found 5"),
    ({**GRADUAL, "select": "best_validation"}, "gradual needs search.select 'last'"),
    ({**POPUP, "lambda": 0.1}, "regularization and lambda belong together"),
    ({**POPUP, "regularization": "L2"}, "regularization and lambda belong together"),
    ({**GLOBAL, "rule": "floor"}, f"rule {NOTHING} where scope is 'global'"),
    ({"name": "smart_ratio"}, "give either sparsity or layer_counts"),
    ({**RATIO, "layer_counts": [1]}, "give no sparsity or bernoulli"),
    ({**RATIO, "bernoulli": True, "family": "vgg"}, f"family {NOTHING} where bernoulli is given"),
    (
        {"name": "smart_ratio", "layer_counts": [1], "first_density": 1.0},
        f"first_density {NOTHING} where layer_counts is given",
    ),
    ({**RATIO, "bernoulli": True, "learn": {}}, "which bernoulli has not"),
    ({"name": "smart_ratio", "layer_counts": [-1]}, "greater than or equal to 0"),
]


@pytest.mark.parametrize(("find", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_has_no_effect_is_refused(find, reason):
    with pytest.raises(ValidationError, match=reason) as caught:
        options(find)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "find",
    [
        {**GEM, "regularization": None, "lambda": 0.0},
        {**GEM, "clamp_in_forward": True, "project_every": 2},
        {**GEM, "noise": 0.1},
        {**CUBE, "noise": 0.1, "quantized": True},
        {**GEM, "rounding": "prob", "samples": 3},
        {**GEM, "rounding": "naive_prob", "rounding_layer": "conv.weight", "samples": 3},
        {**GEM, "epochs": 6},
        {**GEM, "rewind_scores_to": 149},
        {**GEM, "freeze_rule": "layer_bottom_k", "invert": True},
        {**GRADUAL, "epochs": 6},
        {**RATIO, "bernoulli": True},
    ],
)
def test_what_has_an_effect_is_accepted(find):
    assert options(find).name == find["name"]
