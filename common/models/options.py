"""What a model's options may be, so that a bad value ends in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from common.errors import UserError


@dataclass(frozen=True)
class Option:
    """One option of a model: its default, and which values are allowed.

    Args:
        default: the value where the config gives none.
        allowed: the allowed values in words, for the error message.
        accepts: tells whether a value is allowed.
    """

    default: object
    allowed: str
    accepts: Callable[[object], bool]

    def check(self, field: str, value: object) -> None:
        """Raise a UserError that names ``field`` unless ``value`` is allowed."""
        if not self.accepts(value):
            raise UserError(f"{field}: {value!r} is not allowed; it must be {self.allowed}")


def is_count(value: object) -> TypeGuard[int]:
    """Tell whether ``value`` is a positive integer (and not a boolean)."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether ``value`` is a finite number (and not a boolean)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < float("inf")


def flag(default: bool) -> Option:
    """Make an option that is true or false."""
    return Option(default, "true or false", lambda value: isinstance(value, bool))


def count(default: int) -> Option:
    """Make an option that is a positive integer."""
    return Option(default, "a positive integer", is_count)


def factor(default: float) -> Option:
    """Make an option that is a positive number."""
    return Option(default, "a positive number", lambda value: is_number(value) and value > 0)


def fraction(default: float) -> Option:
    """Make an option that is a number in [0, 1)."""
    return Option(default, "a number in [0, 1)", lambda value: is_number(value) and 0 <= value < 1)


def choice(default: str, *others: str) -> Option:
    """Make an option that is one of a few names; the first is the default."""
    names = (default, *others)
    words = " or ".join(repr(name) for name in names)
    return Option(default, words, lambda value: isinstance(value, str) and value in names)


def optional_choice(*names: str) -> Option:
    """Make an option that is null (the default) or one of a few names."""
    words = " or ".join(["null", *map(repr, names)])
    return Option(
        None,
        words,
        lambda value: value is None or (isinstance(value, str) and value in names),
    )


def sizes(*default: int) -> Option:
    """Make an option that is a list of positive integers; it may be empty."""
    return Option(
        default,
        "a list of positive integers",
        lambda value: isinstance(value, list | tuple) and all(map(is_count, value)),
    )


def scaled(width: int, mult: float) -> int:
    """Return ``width`` times ``mult``, rounded, and at least 1."""
    return max(1, round(width * mult))
