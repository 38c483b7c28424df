"""What every section of a config is made of: strict, frozen, and stable where fields are added."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from common.errors import nearest


def refuse(message: str) -> PydanticCustomError:
    """Return the error with which a validator refuses a section, shown as it stands."""
    # The message may hold braces (a value the user gave); they must not be read as placeholders.
    return PydanticCustomError("refused", "{message}", {"message": message})


def identified(value: Any, key: str) -> Any:
    """Return a raw section that names a file, with the SHA-256 of its content filled in."""
    if not isinstance(value, dict) or not isinstance(value.get(key), str):
        return value
    path = Path(value[key])
    if not path.is_file():
        raise refuse(f"{key}: no such file: {path}")
    if value.get("sha256"):
        return value
    return {**value, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


class _Later:
    """Type of ``LATER``."""


LATER = _Later()
"""Marks a field that came after runs of its section had been recorded, as in
``Annotated[bool, LATER] = False``: a dump leaves it out where it holds its default, so that the
identities of those runs stay what they were."""


class Section(BaseModel):
    """A part of a config: frozen, and typed strictly: ``"yes"`` is no boolean, ``true`` no number.

    An integer may stand where a float is expected. Fields that hold a tuple are declared with
    ``strict=False``, because JSON only has lists; their entries stay strict. A field whose JSON
    name is no Python name has it as its alias.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict) or cls.model_config.get("extra") == "allow":
            return value
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value:
            if key not in known:
                guess = nearest(str(key), known)
                hint = f"; did you mean {guess!r}?" if guess else ""
                raise refuse(f"unknown key {key!r}{hint} (allowed: {', '.join(known)})")
        return value

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if LATER in field.metadata and getattr(self, name) == field.default:
                values.pop(name, None)
            elif field.alias is not None and name in values:
                values[field.alias] = values.pop(name)
        return values


def changed(section: Section, *names: str) -> list[str]:
    """Return those of a section's fields that do not hold their defaults.

    What has no effect is refused by this and not by having been given: a resolved config, as
    records hold it, spells out every field and has to be readable again.
    """
    fields = type(section).model_fields
    return [name for name in names if getattr(section, name) != fields[name].default]
