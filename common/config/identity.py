"""The identity of a config: the hash of what can change the mathematics of a run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from common.config.schema import RunConfig

LABELS = frozenset({"paper", "experiment", "protocol", "name", "method", "variant", "seeds"})


def canonical_json(value: Any) -> str:
    """Return the one text of a JSON value: sorted keys, no spaces, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value's canonical text as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def meaning(config: RunConfig) -> dict[str, Any]:
    """Return the resolved fields of a config that bear on its numbers, defaults included."""
    dumped = config.model_dump(mode="json")
    return {key: value for key, value in dumped.items() if key not in LABELS}


def config_hash(config: RunConfig) -> str:
    """Return the 64-digit hash of a config; the seed is not part of it."""
    return digest(meaning(config))
