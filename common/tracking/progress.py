"""Progress bars: loss, accuracy, images a second and time left."""

from __future__ import annotations

import sys
import threading
from typing import Any

from tqdm import tqdm

# tqdm's own lock is one between processes, which an interrupted call leaves behind; bars are drawn
# by one process only.
tqdm.set_lock(threading.RLock())


class TrainingBar:
    """A bar over the images of a training; the numbers behind it are those of the last epoch.

    Args:
        label: shown in front.
        images: images of the whole training.
        enabled: False draws nothing (worker processes, output that is no terminal).
    """

    def __init__(self, label: str, images: int, enabled: bool) -> None:
        self._bar = tqdm(
            total=images,
            desc=label,
            unit="img",
            unit_scale=True,
            disable=not enabled or not sys.stderr.isatty(),
            leave=False,
            dynamic_ncols=True,
            mininterval=0.5,
        )

    def skip(self, images: int) -> None:
        """Count images of an earlier, interrupted call without counting their time."""
        self._bar.initial = images
        self._bar.n = images
        self._bar.refresh()

    def step(self, images: int) -> None:
        """Count the images of a step."""
        self._bar.update(images)

    def epoch(self, row: dict[str, Any]) -> None:
        """Show the metrics of an epoch."""
        text = f"loss {row['train_loss']:.3f}, train {row['train_accuracy']:.1f} %"
        for split in ("validation", "test"):
            if f"{split}_accuracy" in row:
                text += f", {split} {row[f'{split}_accuracy']:.1f} %"
        self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
