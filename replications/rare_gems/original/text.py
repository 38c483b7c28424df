"""Reads the text of an original config: flat YAML, ``key: value`` a line, with comments.

A YAML library would be a new dependency for a dozen rules. What is read here is what the original
configs use; nesting and everything else that YAML knows is refused, with the line.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from common.errors import UserError

Value: TypeAlias = Any
"""None, a boolean, an integer, a float, a text, or a list of those."""

_LINE = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$")
_INTEGER = re.compile(r"[-+]?\d+$")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = {"", "~", "null", "none"}


def read_flat(text: str, source: str = "config") -> dict[str, Value]:
    """Return the keys and values of an original config; hyphens in keys become underscores.

    ``1e-4``, which YAML takes for a text, is a number, and ``None`` is null: that is what is meant
    by them in the original configs.

    Args:
        text: the content of the file.
        source: what to call it in an error.

    Raises:
        UserError: a line is nothing of the above, or gives a key a second, different value.
    """
    found: dict[str, Value] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        where = f"{source}, line {number}"
        content = _without_comment(line).rstrip()
        if not content or content in ("---", "..."):
            continue
        match = _LINE.match(content)
        if match is None:
            raise UserError(f"{where}: expected `key: value` without nesting, found {content!r}")
        key, value = match[1].replace("-", "_"), _value(match[2] or "", where)
        if key in found and found[key] != value:
            raise UserError(
                f"{where}: {key} is given a second time: {value!r} after {found[key]!r}"
            )
        found[key] = value
    return found


def read_setting(setting: str) -> tuple[str, Value]:
    """Return key and value of a ``key=value`` from the command line."""
    key, equals, text = setting.partition("=")
    if not equals or not re.fullmatch(r"-{0,2}[A-Za-z_][\w-]*", key.strip()):
        raise UserError(f"--set {setting!r}: expected the form key=value")
    return key.strip().lstrip("-").replace("-", "_"), _value(text.strip(), f"--set {setting!r}")


def _without_comment(line: str) -> str:
    """Cut off a comment: from a # at the start or behind a blank, outside of quotes."""
    quote = closed = ""
    for place, letter in enumerate(line):
        if quote:
            quote, closed = ("", quote) if letter == quote else (quote, "")
        elif letter == closed and line[place - 1] == closed:
            quote = letter  # a doubled quote is one inside of the text
        elif letter in "'\"" and line[:place].rstrip().endswith((":", "[", ",")):
            quote = letter
        elif letter == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place]
    return line


def _value(text: str, where: str) -> Value:
    text = text.strip()
    if text.startswith("["):
        if not text.endswith("]"):
            raise UserError(f"{where}: a list must end on the same line, found {text!r}")
        entries = text[1:-1].strip().removesuffix(",")
        return [_scalar(entry.strip(), where) for entry in entries.split(",")] if entries else []
    return _scalar(text, where)


def _scalar(text: str, where: str) -> Value:
    if text[:1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            raise UserError(f"{where}: the quotes do not match in {text}") from None
    if text[:1] == "'":
        if len(text) < 2 or text[-1] != "'" or "'" in text[1:-1].replace("''", ""):
            raise UserError(f"{where}: the quotes do not match in {text}")
        return text[1:-1].replace("''", "'")
    if text[:1] in tuple("[]{}|>&*!%@`") and text:
        raise UserError(f"{where}: only plain values and lists of them are read, found {text!r}")
    if text.lower() in _NULLS:
        return None
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
