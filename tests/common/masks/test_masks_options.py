"""What a config may say about a search, and the one-line errors for what it may not."""

import pytest
from pydantic import ValidationError

from common.finders.edge_popup import EdgePopupOptions
from common.masks import SearchConfig


def test_the_defaults_are_the_paper_s():
    search = SearchConfig()
    assert (search.epochs, search.batch_size, search.patience) == (1000, 256, 100)
    assert (search.optimizer, search.lr, search.momentum) == ("sgd", 50.0, 0.9)
    assert (search.weight_decay, search.schedule, search.nesterov) == (0.0, "constant", False)
    assert (search.select, search.validate_as) == ("best_validation", "searched")


def test_edge_popup_s_defaults_are_those_of_its_authors():
    search = EdgePopupOptions(sparsity=0.5).search
    assert (search.lr, search.momentum, search.weight_decay) == (0.1, 0.9, 1e-4)
    assert (search.epochs, search.batch_size, search.schedule) == (100, 128, "cosine")


def test_a_part_of_edge_popup_s_search_leaves_the_rest_as_it_is():
    options = {"name": "edge_popup", "sparsity": 0.5, "search": {"epochs": 5}}
    search = EdgePopupOptions.model_validate(options).search
    assert (search.epochs, search.lr, search.batch_size, search.patience) == (5, 0.1, 128, None)


def test_patience_without_anything_to_compare_is_refused():
    with pytest.raises(ValidationError, match="patience must be null where select is 'last'"):
        SearchConfig(select="last")
    assert SearchConfig(select="last", patience=None).patience is None


@pytest.mark.parametrize(
    "field", [{"patience": 0}, {"lr": 0.0}, {"select": "best"}, {"validate_as": "pruned"}]
)
def test_impossible_values_are_refused(field):
    with pytest.raises(ValidationError) as caught:
        SearchConfig(**field)
    assert caught.value.error_count() == 1
    assert caught.value.errors()[0]["loc"] == tuple(field)


def test_a_misspelt_option_is_pointed_out():
    with pytest.raises(ValidationError, match="did you mean 'patience'"):
        SearchConfig.model_validate({"patence": 3})
