"""Where the tricks of a training have no place."""

import pytest
from pydantic import ValidationError

from common.config import TrainConfig, parse_config
from common.errors import UserError
from common.masks import SearchConfig

WEIGHTS_ONLY = {
    "soft_activation": {"name": "mish"},
    "ghost_skip": {},
    "lrsi": {},
    "decay_norm": False,
    "freeze_negative": True,
}
STOPPING = {"schedule": "step", "milestones": (2,), "early_stopping": {"patience": 3}}


@pytest.mark.parametrize("trick", WEIGHTS_ONLY)
def test_a_mask_search_refuses_what_changes_how_weights_learn(trick):
    with pytest.raises(ValidationError, match=f"{trick} belongs to trainings of weights"):
        SearchConfig.model_validate({trick: WEIGHTS_ONLY[trick]})


def test_the_error_names_the_place_in_a_run_s_config(raw_run, catalog):
    find = {"name": "edge_popup", "sparsity": 0.5, "search": {"ghost_skip": {}}}
    with pytest.raises(UserError, match=r"find\.search: ghost_skip belongs to trainings") as caught:
        parse_config(raw_run(find=find), catalog)
    assert "\n" not in str(caught.value)


def test_a_search_may_smooth_its_labels_in_either_form():
    found = SearchConfig(label_smoothing=0.1, smoothing_form="exclude_target")
    assert found.smoothing_form == "exclude_target"
    with pytest.raises(ValidationError, match="no effect where label_smoothing is 0"):
        TrainConfig(smoothing_form="exclude_target")


@pytest.mark.parametrize("trick", ["soft_activation", "ghost_skip"])
def test_a_training_that_stops_early_has_no_tricks_that_fade(trick):
    """It could end while they are there, so that no accuracy is that of the plain network."""
    with pytest.raises(ValidationError, match="whose tricks still fade"):
        TrainConfig.model_validate(STOPPING | {trick: {}})
    kept = TrainConfig.model_validate(STOPPING | {trick: {"decay": "none"}})
    assert kept.early_stopping is not None


def test_a_training_that_stops_early_selects_nothing():
    with pytest.raises(ValidationError, match="exclude each other"):
        TrainConfig.model_validate(STOPPING | {"select": "best_validation"})
