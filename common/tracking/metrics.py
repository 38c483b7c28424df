"""The metrics log: one JSON object a line, whole lines only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends rows to a file, after it has been cut back to what a checkpoint knows.

    Args:
        path: the file.
        known: the rows that are already certain; whatever else the file holds is dropped, because
            an interrupted epoch is run again.
    """

    def __init__(self, path: Path, known: Iterable[dict[str, Any]] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        path.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")

    def append(self, row: dict[str, Any]) -> None:
        """Write one row."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics log; no file, no rows."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
