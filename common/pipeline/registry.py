"""What a paper brings along: its own finders and transforms beside the core's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.config import Catalog
from common.data import DATASETS, check_is_half
from common.errors import unknown_name
from common.finders import FINDERS, Finder
from common.models import check_options
from common.tickets import TRANSFORMS
from common.tickets.transforms import Transform


@dataclass(frozen=True)
class Methods:
    """All methods a config may name.

    Attributes:
        finders: by the name in ``find.name``.
        transforms: by the name in ``transform``.
    """

    finders: Mapping[str, Finder] = field(default_factory=lambda: dict(FINDERS))
    transforms: Mapping[str, Transform] = field(default_factory=lambda: dict(TRANSFORMS))

    def extended(
        self,
        finders: Mapping[str, Finder] | None = None,
        transforms: Mapping[str, Transform] | None = None,
    ) -> Methods:
        """Return these methods and a paper's own."""
        return Methods(
            {**self.finders, **(finders or {})}, {**self.transforms, **(transforms or {})}
        )

    def catalog(self) -> Catalog:
        """Return the names and option classes, for the parser of configs."""
        return Catalog(
            finders={name: finder.options for name, finder in self.finders.items()},
            transforms={name: entry.options for name, entry in self.transforms.items()},
            check_model=check_options,
            check_data=_check_data,
        )


def _check_data(name: str, options: Mapping[str, Any]) -> None:
    if name not in DATASETS:
        raise unknown_name("data.name", name, DATASETS)
    if options["normalization"] not in DATASETS[name].normalizations:
        known = DATASETS[name].normalizations
        raise unknown_name("data.normalization", options["normalization"], known)
    if options.get("test_split", "test") != "test":
        check_is_half(name, options["test_split"])
