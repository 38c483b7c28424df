"""ToST's tricks in a config: both spellings, defaults, and what is refused."""

import json

import pytest

from common.config import TrainConfig, config_hash, load_config, parse_config
from common.errors import UserError

# The recipe of the example in section 6 of the specification of ToST.
EXAMPLE = {
    "epochs": 182,
    "milestones": [90, 135],
    "label_smoothing": {"alpha": 0.1, "form": "exclude_target"},
    "soft_activation": {"name": "swish", "decay": "beta", "start": 0.0, "end": 0.25},
    "ghost_skip": {
        **{"enabled": True, "init": 1e-4, "decay": "linear", "start": 0.0, "end": 0.25},
        "bottleneck": "conv3x3",
    },
    "lrsi": {
        **{"enabled": True, "alg": "sgd", "eta": 0.1, "gamma": 1.0, "normalize_grad": True},
        **{"lr": 0.01, "min_scale": 0.01, "iters": 180, "grad_clip": 1.0, "batch_size": 128},
        **{"no_overlap": False, "order": "mask_then_scale", "mask_gradients": False},
    },
}


@pytest.fixture
def recipe(raw_run, catalog):
    """Return a function that parses a run with a recipe."""
    return lambda train: parse_config(raw_run(train=train), catalog)


def test_the_example_of_the_specification_holds_the_defaults(recipe):
    train = recipe(EXAMPLE).train
    assert (train.label_smoothing, train.smoothing_form) == (0.1, "exclude_target")
    assert train.soft_activation.fading == "beta"
    short = {"label_smoothing": 0.1, "smoothing_form": "exclude_target"}
    tricks = {"soft_activation": "swish", "ghost_skip": {}, "lrsi": {}}
    same = recipe({"epochs": 182, "milestones": [90, 135], **short, **tricks}).train
    for trick in ("ghost_skip", "lrsi"):
        assert getattr(same, trick) == getattr(train, trick)
    assert same.soft_activation.fading == "beta"


def test_a_trick_that_is_off_is_no_trick(recipe):
    off = {"soft_activation": "relu", "ghost_skip": {"enabled": False}, "lrsi": {"enabled": False}}
    assert config_hash(recipe({"epochs": 3} | off)) == config_hash(recipe({"epochs": 3}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"smoothing_form": "exclude_target"}, "no effect where label_smoothing is 0"),
        ({"lrsi": {"itters": 3}}, "did you mean 'iters'"),
        ({"ghost_skip": {"decay": "beta"}}, "train.ghost_skip.decay"),
        ({"soft_activation": {"name": "swich"}}, "train.soft_activation.name"),
        ({"label_smoothing": {"alfa": 0.1}}, "train.label_smoothing"),
        ({"select": "best_validaton"}, "train.select"),
    ],
)
def test_a_mistake_is_refused_by_its_name(recipe, fields, words):
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        recipe({"epochs": 3} | fields)


def test_the_command_line_sets_label_smoothing_off_or_to_its_other_form(tmp_path, raw_run, catalog):
    raw = raw_run(train={"epochs": 3, "label_smoothing": 0.1, "smoothing_form": "exclude_target"})
    path = tmp_path / "run.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    for off in ("0", '{"enabled":false}'):
        train = load_config(path, catalog, [f"train.label_smoothing={off}"]).train
        assert (train.label_smoothing, train.smoothing_form) == (0.0, "uniform")
    section = '{"alpha":0.2,"form":"uniform"}'
    train = load_config(path, catalog, [f"train.label_smoothing={section}"]).train
    assert (train.label_smoothing, train.smoothing_form) == (0.2, "uniform")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"label_smoothing": {"alpha": 0.1, "form": "uniform"}}, "they are one thing"),
        ({"label_smoothing": {"fom": "uniform"}}, "did you mean 'form'"),
    ],
)
def test_two_forms_of_smoothing_are_refused(recipe, fields, words):
    with pytest.raises(UserError, match=words):
        recipe({"epochs": 3, "smoothing_form": "exclude_target"} | fields)


def test_a_run_tells_which_of_its_recipes_select_by_validation_images(raw_run, catalog):
    chosen, plain = ({"epochs": 3, "select": select} for select in ("best_validation", "last"))
    find = {"name": "imp", "rounds": 1, "train": chosen}

    def selecting(**fields):
        return [where for where, _ in parse_config(raw_run(**fields), catalog).selections()]

    assert selecting(train=plain) == []
    assert selecting(train=chosen) == ["train"]
    assert selecting(train=plain, find=find) == ["find.train"]


def test_the_first_epochs_of_a_recipe_end_with_their_last_network_and_without_fading_tricks():
    whole = TrainConfig(epochs=9, select="best_validation", schedule_epochs=9)
    assert whole.first_epochs(3).select == "last"
    for trick in ({"soft_activation": {}}, {"ghost_skip": {}}, {"lrsi": {}}):
        with pytest.raises(UserError, match=next(iter(trick))):
            TrainConfig.model_validate({"epochs": 9} | trick).first_epochs(3)
    kept = {"epochs": 9, "ghost_skip": {"decay": "none"}}
    assert TrainConfig.model_validate(kept).first_epochs(3).epochs == 3
