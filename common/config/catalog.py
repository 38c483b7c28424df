"""The names a config may use, with the options each of them takes.

The schema of a run does not know which finders or transforms exist: the core brings some, a paper
adds its own. Whoever parses a config hands over a catalog that holds both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.config.schema import FindOptions, TransformOptions

Check = Callable[[str, Mapping[str, Any]], None]


def _accept(name: str, options: Mapping[str, Any]) -> None:
    """Accept every name: used where a catalog is asked only for its finders."""


@dataclass(frozen=True)
class Catalog:
    """What the strings of a config stand for.

    Attributes:
        finders: the options of every finder by its name.
        transforms: the options of every transform by its name.
        check_model: raises ``UserError`` for an unknown model or model option.
        check_data: raises ``UserError`` for an unknown data set or normalisation, and for
            a test split that the data set does not have.
    """

    finders: Mapping[str, type[FindOptions]]
    transforms: Mapping[str, type[TransformOptions]]
    check_model: Check = field(default=_accept)
    check_data: Check = field(default=_accept)
