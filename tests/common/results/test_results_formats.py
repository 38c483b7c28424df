"""Text that other programs read: JSON in which a row of numbers is a line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.results.formats import json_text

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    PLAIN.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_the_text_is_json_of_the_value(value):
    assert json.loads(json_text(value)) == value


@given(VALUES)
def test_the_order_of_keys_does_not_matter(value):
    again = dict.fromkeys(("b", "a"), value)
    assert json_text(again) == json_text(dict.fromkeys(("a", "b"), value))


def test_a_row_is_a_line():
    text = json_text({"rows": [{"n": 1, "where": {"x": 2}}, {"n": 3}], "name": "a"})
    assert text.splitlines() == [
        "{",
        ' "name": "a",',
        ' "rows": [',
        '  {"n": 1, "where": {"x": 2}},',
        '  {"n": 3}',
        " ]",
        "}",
    ]


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        json_text({"rows": [{"n": float("nan")}]})
