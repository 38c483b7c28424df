"""The values that an original config gives, checked, and who has asked for them."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import UserError, nearest
from replications.rare_gems.original.arguments import ARGUMENTS
from replications.rare_gems.original.text import Value

PLAIN = {"mode", "nonlinearity", "gamma", "lr_gamma", "trial_num", "project_freq", "noise_ratio"}
"""Settings whose defaults go without saying."""


class Given:
    """The values of an original config, checked, and a record of who has asked for them.

    Args:
        values: by key, as they stand in the file.

    Attributes:
        notes: what a user should know about the translation, one line each.

    Raises:
        UserError: an unknown key, a value that is not allowed, or an argument that is refused.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.notes: list[str] = []
        self._values: dict[str, Value] = {}
        self._asked: set[str] = set()
        self._raw = dict(values)
        for key, value in values.items():
            if key not in ARGUMENTS:
                guess = nearest(key, ARGUMENTS)
                hint = f"; did you mean {guess!r}?" if guess else ""
                raise UserError(f"{key}: the original has no such argument{hint}")
            argument = ARGUMENTS[key]
            if argument.role == "machine":
                self.notes.append(f"{key}: left out; {argument.note}")
            elif argument.role == "unread":
                if value != argument.default:
                    raise UserError(f"{key}: {value!r} is refused: {argument.note}")
            else:
                self._values[key] = argument.read(key, value)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Value:
        """Return the value of a setting, or the original's default."""
        self._asked.add(key)
        if key in self._values:
            return self._values[key]
        default = ARGUMENTS[key].default
        return ARGUMENTS[key].read(key, default) if isinstance(default, str) else default

    def defaults(self) -> str:
        """Return the defaults that were asked for and stand in no line of the file."""
        used = {
            key: ARGUMENTS[key].default
            for key in ARGUMENTS
            if key in self._asked and key not in self._values and key not in PLAIN
        }
        return ", ".join(
            f"{key} {value}"
            for key, value in used.items()
            if value is not None and value is not False and value != -1
        )

    def unused(self) -> list[str]:
        """Return the keys of the file that nobody asked for and that say more than the default."""
        return [
            key
            for key in self._values
            if key not in self._asked and self._raw[key] != ARGUMENTS[key].default
        ]
