"""Fields that came after records were made, and fields whose JSON name is no Python name."""

import json
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from common.config import config_hash, parse_config
from common.config.recipe import TrainConfig
from common.config.schema import AugmentConfig, DataConfig
from common.config.section import LATER, Section
from common.errors import UserError
from common.finders import FINDERS
from common.finders.edge_popup import EdgePopupOptions
from common.launch.arguments import ROOT
from common.launch.discovery import load_methods
from common.masks import SearchConfig

MOST_CONFIGS = 30
TRICKS = {"smoothing_form", "decay_norm", "freeze_negative"} | {
    *("soft_activation", "ghost_skip", "lrsi"),
}


class Grown(Section):
    """A section with one field of the beginning and three that came later."""

    old: int = 1
    new: Annotated[bool, LATER] = False
    rate: Annotated[float, LATER] = Field(0.5, gt=0.0)
    weight: Annotated[float, LATER] = Field(0.0, ge=0.0, alias="lambda")
    always: float = Field(2.0, alias="yield")


def test_a_later_field_at_its_default_is_not_in_a_dump():
    assert Grown().model_dump(mode="json") == {"old": 1, "yield": 2.0}
    written = Grown.model_validate({"new": False, "rate": 0.5, "lambda": 0.0})
    assert written.model_dump(mode="json") == {"old": 1, "yield": 2.0}


def test_a_later_field_with_another_value_is():
    changed = Grown.model_validate({"new": True, "rate": 0.25, "lambda": 3.0, "yield": 4.0})
    dumped = changed.model_dump(mode="json")
    assert dumped == {"old": 1, "new": True, "rate": 0.25, "lambda": 3.0, "yield": 4.0}
    assert Grown.model_validate(dumped) == changed


def test_only_the_json_name_is_known_and_shown():
    for key in ("weight", "always"):
        with pytest.raises(ValidationError, match=f"unknown key '{key}'.*old, new, rate, lambda"):
            Grown.model_validate({key: 1.0})
    with pytest.raises(ValidationError) as caught:
        Grown.model_validate({"lambda": -1.0})
    assert caught.value.errors()[0]["loc"] == ("lambda",)


@pytest.mark.parametrize(
    ("section", "later"),
    [
        (AugmentConfig(), {"crop", "min_area", "frozen"}),
        (DataConfig(name="digits"), {"stream", "test_split"}),
        (TrainConfig(), {"early_stopping", "select"} | TRICKS),
        (SearchConfig(), {"watch_test", "early_stopping"} | TRICKS),
        (
            EdgePopupOptions(sparsity=0.5),
            {"scope", "gradual", "prune_period", "regularization", "lambda", "invert"}
            | {"prune_shortcuts"},
        ),
    ],
)
def test_sections_of_recorded_runs_dump_as_they_did(section, later):
    assert not later & set(section.model_dump(mode="json"))
    names = {field.alias or name for name, field in type(section).model_fields.items()}
    assert names == later | set(section.model_dump(mode="json"))


def test_the_watched_test_accuracy_is_dumped_where_it_is_not_the_default_of_its_class():
    assert SearchConfig(watch_test=True).model_dump()["watch_test"] is True
    gems = load_methods("rare_gems").finders["hypercube"].options
    plain, blind = (gems.model_validate({"search": s}) for s in ({}, {"watch_test": False}))
    assert "watch_test" not in plain.model_dump()["search"]
    assert blind.model_dump()["search"]["watch_test"] is False


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": "global"},
        {"scope": "global", "gradual": True, "prune_period": 5, "select": "last"},
        {"regularization": "L2", "lambda": 1e-4},
        {"invert": True},
        {"prune_shortcuts": False},
        {"search": {"watch_test": True}},
    ],
)
def test_a_later_field_with_another_value_changes_the_hash(raw_run, catalog, changed):
    find = {"name": "edge_popup", "sparsity": 0.5}
    plain = parse_config(raw_run(find=find), catalog)
    other = parse_config(raw_run(find=find | changed), catalog)
    assert config_hash(plain) != config_hash(other)


def test_every_finder_s_dump_is_read_back_as_the_same_options():
    given = {
        "random": {"sparsity": 0.5},
        "snip": {"sparsity": 0.5},
        "edge_popup": {"sparsity": 0.5, "regularization": "L2", "lambda": 0.1},
        "imp": {"rounds": 3, "rewind": {"to": "step", "step": 10}},
    }
    for name, fields in given.items():
        options = FINDERS[name].options.model_validate({"name": name, **fields})
        dumped = json.loads(json.dumps(options.model_dump(mode="json")))
        assert FINDERS[name].options.model_validate(dumped) == options


def test_an_override_uses_the_json_name(raw_run, catalog):
    raw = raw_run("find.lambda=0.5", find={"name": "edge_popup", "sparsity": 0.5})
    with pytest.raises(UserError, match="find: regularization and lambda belong together"):
        parse_config(raw, catalog)
    raw["find"]["regularization"] = "L2"
    assert parse_config(raw, catalog).find.penalty == 0.5
    raw["find"]["lambda"] = -0.5
    with pytest.raises(UserError, match=r"find\.lambda: .*greater than or equal to 0, found -0\.5"):
        parse_config(raw, catalog)


def test_committed_records_have_the_hash_that_their_config_has_today():
    folders = [path for path in (ROOT / "results" / "records").iterdir() if path.is_dir()]
    assert folders, "there are committed records"
    for folder in folders:
        catalog, seen = load_methods(folder.name).catalog(), set()
        for path in sorted(folder.rglob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["config_hash"] in seen or len(seen) >= MOST_CONFIGS:
                continue
            seen.add(record["config_hash"])
            config = parse_config(record["config"], catalog, path.name)
            assert config_hash(config) == record["config_hash"], path
            assert config.model_dump(mode="json", exclude={"seeds"}) == record["config"]
