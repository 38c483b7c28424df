"""The flat YAML of the original configs, as it is read."""

import pytest

from common.errors import UserError
from replications.rare_gems.original.text import read_flat, read_setting


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k: 150", 150),
        ("k: -1", -1),
        ("k: 0.59", 0.59),
        ("k: .5", 0.5),
        ("k: 5.", 5.0),
        ("k: 1e-4", 1e-4),
        ("k: 1.5E-5  # 1e-4", 1.5e-5),
        ("k: True", True),
        ("k: false", False),
        ("k: yes", True),
        ("k: Off", False),
        ("k:", None),
        ("k: null", None),
        ("k: ~", None),
        ("k: None", None),
        ("k: resnet20", "resnet20"),
        ("k: 'hc_iter' # Gem-Miner", "hc_iter"),
        ("k: 'it''s # no comment'", "it's # no comment"),
        ('k: "a # b"', "a # b"),
        ("k: '150'", "150"),
        ("k: results/a#b", "results/a#b"),
        ("k: it's", "it's"),
        ("k: 0.1 #0.01", 0.1),
        ("k: [80, 120]", [80, 120]),
        ("k: [1, 2.5, a, True,] # of all kinds", [1, 2.5, "a", True]),
        ("k: []", []),
        ("k :  3", 3),
        ("k: a:b", "a:b"),
    ],
)
def test_a_value(line, value):
    found = read_flat(line)["k"]
    assert found == value
    assert type(found) is type(value)


def test_comments_blank_lines_and_markers_are_passed_over():
    text = "\ufeff---\n# ===== Dataset ===== #\n\n   # indented\ndataset: CIFAR10\r\narch: vgg16\n"
    assert read_flat(text) == {"dataset": "CIFAR10", "arch": "vgg16"}


def test_hyphens_are_underscores_and_a_repeated_line_is_harmless():
    assert read_flat("batch-size: 64\nbatch_size: 64") == {"batch_size": 64}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\ntrain:\n  lr: 1", r"conf\.yml, line 3: .*without nesting, found '  lr: 1'"),
        ("- a", "line 1: expected `key: value`"),
        ("a:1", "line 1: expected `key: value`"),
        ("just words", "line 1: expected `key: value`"),
        ("a: {b: 1}", "line 1: only plain values"),
        ("a: [[1], [2]]", "line 1: only plain values"),
        ("a: |", "line 1: only plain values"),
        ("a: *anchor", "line 1: only plain values"),
        ("a: [1,", "line 1: a list must end on the same line"),
        ("a: 'open", "line 1: the quotes do not match"),
        ('a: "open', "line 1: the quotes do not match"),
        ("a: 1\n\na: 2", r"line 3: a is given a second time: 2 after 1"),
    ],
)
def test_what_is_not_flat_is_refused_with_its_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        read_flat(text, "conf.yml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("lr=1e-3", ("lr", 1e-3)),
        ("--imp-rounds=20", ("imp_rounds", 20)),
        ("milestones=[2, 4]", ("milestones", [2, 4])),
        ("subfolder=", ("subfolder", None)),
    ],
)
def test_a_setting(setting, expected):
    assert read_setting(setting) == expected


@pytest.mark.parametrize("setting", ["lr", "=3", "a b=3"])
def test_a_setting_without_key_or_value_is_refused(setting):
    with pytest.raises(UserError, match="expected the form key=value"):
        read_setting(setting)
