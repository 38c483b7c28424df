"""Who selects by validation images must have some: held out, or brought by the data set."""

from types import SimpleNamespace

import pytest

from common.errors import UserError
from common.launch.cli import plan_runs
from common.pipeline import Methods

CHOSEN = {"epochs": 3, "select": "best_validation"}


@pytest.fixture
def plan(run_config):
    """Return a function that plans a run on data that bring so many validation images."""

    def go(brought, held_out, **fields):
        def dataset(name, *, stream):
            return SimpleNamespace(fingerprint={"sha256": "0", "validation_images": brought})

        config = run_config(f"data.validation={held_out}", **fields)
        return plan_runs([config], Methods(), SimpleNamespace(dataset=dataset))

    return go


@pytest.mark.parametrize(("brought", "held_out"), [(197, 0), (0, 50), (197, 50)])
def test_selection_among_validation_images_from_either_side_is_planned(plan, brought, held_out):
    assert len(plan(brought, held_out, train=CHOSEN)) == 1


def test_selection_without_any_is_refused_before_anything_is_computed(plan):
    words = r"train\.select: 'best_validation' needs validation images, and digits brings none; "
    with pytest.raises(UserError, match=words + r"set data\.validation"):
        plan(0, 0, train=CHOSEN)
    find = {"name": "imp", "rounds": 1, "train": CHOSEN}
    with pytest.raises(UserError, match=r"find\." + words):
        plan(0, 0, train={"epochs": 3}, find=find)
    assert len(plan(0, 0, train={"epochs": 3})) == 1
