"""ToST's tricks in a config: both spellings, defaults, and what is refused."""

import pytest

from common.config import config_hash, parse_config
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
