"""The hash of a config: what bears on the numbers changes it, nothing else does."""

import json
import random

import pytest

from common.config import canonical_json, config_hash, digest
from common.errors import UserError

LABELS = {
    "paper": "other_paper",
    "experiment": "other",
    "protocol": "other",
    "name": "other",
    "method": "other",
    "variant": "other",
    "seeds": [5],
}

# Fields whose allowed values only a registry knows.
NAMES = {
    "data.name": ["mnist"],
    "data.normalization": ["half"],
    "model.name": ["resnet14"],
    "transfer": [{"source": "mnist"}],
}
# Exchanged as a whole elsewhere: another name is another class of options.
CLASSES = {"find.name", "transform.0.name", "transform.1.name"}
# Needs milestones of its own, which the walk takes away.
STOPPING = {"train.early_stopping", "find.pretrain.early_stopping"}
# Sections that are not there by default; each is made with a field of its own.
TRICKS = {
    f"{recipe}.{trick}": field
    for recipe in ("train", "find.pretrain")
    for trick, field in {
        "soft_activation": '{"end":0.5}',
        "ghost_skip": '{"end":0.5}',
        "lrsi": '{"iters":5}',
    }.items()
}


def leaves(section, path=""):
    """Yield the dotted path, the model class's field schema and the value of every plain field."""
    definitions = type(section).model_json_schema()
    for name, value in section:
        where = f"{path}{name}"
        if hasattr(value, "model_dump"):
            yield from leaves(value, f"{where}.")
        elif name == "transform":
            for number, entry in enumerate(value):
                yield from leaves(entry, f"{where}.{number}.")
        elif name in definitions["properties"]:
            yield where, definitions["properties"][name], value


def other_values(schema, value):
    """Yield values of a field's type that differ from its present one."""
    for option in schema.get("anyOf", [schema]):
        for choice in option.get("enum", []):
            if choice != value:
                yield choice
        match option.get("type"):
            case "null" if value is not None:
                yield None
            case "boolean":
                yield not value
            case "integer":
                yield (value or 0) + 1
                yield (value or 2) - 1
            case "number":
                yield (value or 1.0) * 0.75
                yield (value or 1.0) * 0.5
            case "array":
                yield [*(value or ()), 10]


def with_value(raw, path, value):
    """Return a deep copy of a raw config with one place changed."""
    copied = json.loads(json.dumps(raw))
    *parents, last = path.split(".")
    place = copied
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    if last == "count":
        place["fraction"] = None  # one of the two is given, never both
    return copied


def test_every_field_that_bears_on_the_numbers_changes_the_hash(parse):
    config = parse("train.milestones=null", "find.pretrain.milestones=null", "data.name=digits_a")
    raw = config.model_dump(mode="json")
    hashes = {config_hash(config)}
    seen = []
    for path, schema, value in leaves(config):
        if path in {*LABELS, *CLASSES, *STOPPING, *TRICKS, "schema_version"}:
            continue
        changed = []
        for other in NAMES.get(path, other_values(schema, value)):
            try:
                changed.append(config_hash(parse(raw=with_value(raw, path, other))))
            except UserError:
                continue  # clashes with another field; another value has to do
        assert changed, f"no other value of {path} was accepted"
        assert not hashes & set(changed), f"{path} does not change the hash"
        hashes.update(changed)
        seen.append(path)
    assert len(seen) >= 60
    assert {"train.lr", "find.pretrain.subset.count", "transform.1.scope", "precision"} <= {*seen}


@pytest.mark.parametrize("path", sorted(STOPPING))
def test_early_stopping_changes_the_hash(parse, path):
    values = ("null", "{}", '{"patience":5}')
    assert len({config_hash(parse(f"{path}={value}")) for value in values}) == 3
    assert config_hash(parse(f"{path}=null")) == config_hash(parse())


@pytest.mark.parametrize("path", sorted(TRICKS))
def test_a_trick_changes_the_hash(parse, path):
    values = ("null", "{}", TRICKS[path])
    assert len({config_hash(parse(f"{path}={value}")) for value in values}) == 3
    assert config_hash(parse(f"{path}=null")) == config_hash(parse())


@pytest.mark.parametrize(
    "override",
    [
        "find.name=magnitude",
        "data.augment=null",
        "data.subset=null",
        "data.corruption=null",
        "find.pretrain.corruption=null",
        "model.width=4",
        "model.shortcut=A",
        "model.init=grasp",
        "transform=[]",
        'transform=["layerwise_rearrange"]',
        "transform.0=reinitialise",
        "train=null",
    ],
)
def test_sections_and_the_order_of_transforms_change_the_hash(parse, full, override):
    if override == "find.name=magnitude":
        full["find"] = {**full["find"], "name": "hybrid"}
        other = {key: full["find"][key] for key in ("sparsity", "pretrain", "rewinding")}
        other |= {"name": "magnitude", "rewind_epoch": 3}
        assert config_hash(parse(raw=full)) != config_hash(parse(raw={**full, "find": other}))
    else:
        assert config_hash(parse(raw=full)) != config_hash(parse(override, raw=full))


def test_transforms_in_another_order_are_another_run(parse, full):
    turned = {**full, "transform": full["transform"][::-1]}
    assert config_hash(parse(raw=turned)) != config_hash(parse())


@pytest.mark.parametrize("field", LABELS)
def test_labels_and_seeds_do_not_change_the_hash(parse, full, field):
    assert config_hash(parse(raw={**full, field: LABELS[field]})) == config_hash(parse())


def shuffled(value, order):
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    if isinstance(value, list):
        return [shuffled(entry, order) for entry in value]
    return value


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_keys_is_irrelevant(parse, full, seed):
    raw = shuffled(full, random.Random(seed))
    assert list(raw) != list(full)
    assert config_hash(parse(raw=raw)) == config_hash(parse())


def test_a_default_written_out_is_the_same_run(parse, full):
    written = parse().model_dump(mode="json")
    assert len(json.dumps(written)) > len(json.dumps(full))
    assert config_hash(parse(raw=written)) == config_hash(parse())


def test_one_and_one_point_zero_are_the_same_learning_rate(parse):
    assert config_hash(parse("train.lr=1")) == config_hash(parse("train.lr=1.0"))


def test_a_transform_by_name_and_with_its_defaults_is_the_same_run(parse):
    short = parse('transform=["layerwise_weights_shuffling"]')
    long = parse('transform=[{"scope":"kept","name":"layerwise_weights_shuffling"}]')
    assert config_hash(short) == config_hash(long)


def test_canonical_text_and_its_digest():
    value = {"b": [1, 2.5, None, True], "a": {"z": "text", "y": 1e-4}}
    assert canonical_json(value) == '{"a":{"y":0.0001,"z":"text"},"b":[1,2.5,null,true]}'
    # printf '{}' | sha256sum
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"lr": float("nan")})
