"""The record fields ``search`` and ``training``: what a run noted epoch by epoch.

``training`` holds the curves of the training under the mask: ``epoch`` (1 is the first) and any
number of metrics, lists of one length; a metric is null at epochs where it was not measured.
Accuracies are in percent. It may be missing or null, as in records from before it was kept.

``search`` may be missing or null. It may hold

- ``curves``: those of the search, in the same form.
- ``selection_probability``: histograms over all weights of the probability to be selected:
  ``edges`` of the bins from 0 to 1, ``epoch`` (0 is before training) and ``fractions``, one list a
  histogram that sums to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from common.errors import UserError

_ROUNDING = 1e-3  # fractions may have been rounded before they were written


def check_search(search: object, where: str) -> None:
    """Raise a UserError that names the record and the field unless ``search`` is well formed."""
    if search is None:
        return
    if not isinstance(search, Mapping):
        raise UserError(f"record {where}: search must be an object or null ({search!r:.60})")
    if search.get("curves") is not None:
        _check_curves(search["curves"], "search.curves", where)
    if search.get("selection_probability") is not None:
        _check_histograms(search["selection_probability"], where)


def check_training(training: object, where: str) -> None:
    """Raise a UserError that names the record and the field unless ``training`` is well formed."""
    if training is not None:
        _check_curves(training, "training", where)


def _check_curves(curves: object, field: str, where: str) -> None:
    """Check curves over epochs."""
    epochs = _epochs(curves, field, where)
    assert isinstance(curves, Mapping)
    for name, values in curves.items():
        _check_list(values, f"{field}.{name}", where)
        if len(values) != len(epochs):
            raise UserError(
                f"record {where}: {field}.{name} has {len(values)} values, "
                f"{field}.epoch has {len(epochs)}"
            )
        if set(map(type, values)) <= {int, float, type(None)}:
            continue
        for value in values:
            if value is not None and not _is_number(value):
                raise UserError(
                    f"record {where}: {field}.{name} holds {value!r:.40}, allowed: numbers and null"
                )


def _check_histograms(histograms: object, where: str) -> None:
    """Check ``search.selection_probability``."""
    field = "search.selection_probability"
    epochs = _epochs(histograms, field, where)
    assert isinstance(histograms, Mapping)
    edges, fractions = histograms.get("edges"), histograms.get("fractions")
    _check_list(edges, f"{field}.edges", where)
    assert isinstance(edges, (list, tuple))
    if len(edges) < 2 or not _increases(edges) or abs(edges[0]) > 1e-6 or abs(edges[-1] - 1) > 1e-6:
        raise UserError(f"record {where}: {field}.edges must increase from 0 to 1 ({edges!r:.60})")
    _check_list(fractions, f"{field}.fractions", where)
    assert isinstance(fractions, (list, tuple))
    if len(fractions) != len(epochs):
        raise UserError(
            f"record {where}: {field}.fractions has {len(fractions)} histograms, "
            f"{field}.epoch has {len(epochs)}"
        )
    for epoch, histogram in zip(epochs, fractions, strict=True):
        what = f"{field}.fractions at epoch {epoch:g}"
        _check_list(histogram, what, where)
        if len(histogram) != len(edges) - 1:
            raise UserError(
                f"record {where}: {what} has {len(histogram)} bins, "
                f"{field}.edges has {len(edges) - 1}"
            )
        if not all(_is_number(value) and 0 <= value <= 1 + _ROUNDING for value in histogram):
            raise UserError(f"record {where}: {what} must hold numbers from 0 to 1")
        total = math.fsum(histogram)
        if abs(total - 1) > _ROUNDING:
            raise UserError(f"record {where}: {what} sums to {total:.6g}, not to 1")


def _epochs(part: object, field: str, where: str) -> list[Any]:
    """Return the epochs of a part of ``search`` after checking them."""
    if not isinstance(part, Mapping):
        raise UserError(f"record {where}: {field} must be an object or null ({part!r:.60})")
    epochs = part.get("epoch")
    _check_list(epochs, f"{field}.epoch", where)
    assert isinstance(epochs, (list, tuple))
    if not _increases(epochs) or (epochs and epochs[0] < 0):
        raise UserError(
            f"record {where}: {field}.epoch must increase from 0 or more ({epochs!r:.60})"
        )
    return list(epochs)


def _check_list(values: object, field: str, where: str) -> None:
    """Raise UserError unless the values are a list."""
    if not isinstance(values, (list, tuple)):
        found = "is missing" if values is None else f"is no list ({values!r:.60})"
        raise UserError(f"record {where}: {field} {found}")


def _increases(values: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether the values are numbers, every one above the one before."""
    usual = set(map(type, values)) <= {int, float}
    numbers = (usual or all(map(_is_number, values))) and all(map(math.isfinite, values))
    return numbers and all(left < right for left, right in pairwise(values))


def _is_number(value: object) -> bool:
    """Return whether a value is a number and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
