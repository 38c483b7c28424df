"""``--set a.b=value`` and the reading of config files."""

import json

import pytest

from common.config import apply_overrides, load_config, read_json
from common.errors import UserError


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("a.b=2", {"a": {"b": 2, "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=2.5e-1", {"a": {"b": 0.25, "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=true", {"a": {"b": True, "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=null", {"a": {"b": None, "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=text", {"a": {"b": "text", "c": [10, {"d": 1}]}, "n": None}),
        ('a.b="2"', {"a": {"b": "2", "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=x=y", {"a": {"b": "x=y", "c": [10, {"d": 1}]}, "n": None}),
        ("a.b=", {"a": {"b": "", "c": [10, {"d": 1}]}, "n": None}),
        ('a={"z":1}', {"a": {"z": 1}, "n": None}),
        ("a.c.0=11", {"a": {"b": 1, "c": [11, {"d": 1}]}, "n": None}),
        ("a.c.1.d=11", {"a": {"b": 1, "c": [10, {"d": 11}]}, "n": None}),
        ("a.c=[]", {"a": {"b": 1, "c": []}, "n": None}),
        ("n.x=1", {"a": {"b": 1, "c": [10, {"d": 1}]}, "n": {"x": 1}}),
        ("n.x.y=1", {"a": {"b": 1, "c": [10, {"d": 1}]}, "n": {"x": {"y": 1}}}),
        ("new.x=1", {"a": {"b": 1, "c": [10, {"d": 1}]}, "n": None, "new": {"x": 1}}),
    ],
)
def test_a_setting_changes_one_place(setting, expected):
    raw = {"a": {"b": 1, "c": [10, {"d": 1}]}, "n": None}
    assert apply_overrides(raw, [setting]) == expected
    assert raw == {"a": {"b": 1, "c": [10, {"d": 1}]}, "n": None}


def test_the_last_of_several_settings_wins():
    assert apply_overrides({}, ["a.b=1", "a.b=2", "a.c=3"]) == {"a": {"b": 2, "c": 3}}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("train.lr", "expected the form section.key=value"),
        ("=0.1", "expected the form section.key=value"),
        ("", "expected the form section.key=value"),
        ("train.lr.x=1", r"train\.lr is 0\.1 and has no keys"),
        ("seeds.2=1", "seeds is a list of 2 entries, '2' is no index of it"),
        ("seeds.-1=1", "'-1' is no index of it"),
        ("seeds.first=1", "'first' is no index of it"),
        ("seeds.0.x=1", r"seeds\.0 is 0 and has no keys"),
    ],
)
def test_a_setting_that_leads_nowhere_is_refused(setting, reason):
    with pytest.raises(UserError, match=reason) as caught:
        apply_overrides({"train": {"lr": 0.1}, "seeds": [0, 1]}, [setting])
    assert str(caught.value).startswith(f"--set {setting!r}: ")


def test_settings_reach_the_run(parse):
    config = parse("train.lr=0.4", "find.pretrain.lr=0.2", "transform.1.scope=kept", "seeds=[7]")
    assert (config.train.lr, config.find.pretrain.lr) == (0.4, 0.2)
    assert config.transform[1].scope == "kept"
    assert config.seeds == (7,)


def test_a_section_that_is_null_can_be_filled(parse, full):
    full["data"]["augment"] = None
    full["train"] = None
    config = parse("data.augment.crop_padding=1", "train.lr=0.4", raw=full)
    assert config.data.augment.crop_padding == 1
    assert config.train.lr == 0.4


def test_a_misspelt_setting_names_the_nearest_key(parse):
    with pytest.raises(UserError, match=r"train: unknown key 'epocs'; did you mean 'epochs'\?"):
        parse("train.epocs=3")


def test_a_file_is_read_overridden_and_validated(tmp_path, full, catalog):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"$schema": "../schema.json", **full}), encoding="utf-8")
    config = load_config(path, catalog, ["train.lr=0.4"])
    assert (config.name, config.train.lr) == ("full", 0.4)
    with pytest.raises(UserError, match=r"run\.json: train\.lr: "):
        load_config(path, catalog, ["train.lr=-1"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1,\n "b" 2}', "not valid JSON at line 2, column 6"),
        (b"", "not valid JSON at line 1, column 1"),
        (b"[1, 2]", "must be a JSON object, found list"),
        (b'"text"', "must be a JSON object, found str"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_with_the_place_of_the_mistake(tmp_path, content, reason):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"config {path}: ")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path)
