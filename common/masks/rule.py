"""What a method does to all its masks together, beside following the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.optim import Optimizer

from common.masks.base import LearnedMask
from common.training import Row


class SearchRule:
    """The hooks of a search around its steps and epochs; this rule does nothing.

    What a rule changes between epochs has to live in buffers of the masks, which checkpoints hold;
    everything else has to follow from the epoch.

    Args:
        masks: by the names of their weights.
    """

    def __init__(self, masks: Mapping[str, LearnedMask]) -> None:
        self.masks = dict(masks)

    def begin_epoch(self, epoch: int) -> None:
        """Make ready for an epoch, also in the middle of one that was interrupted."""

    def before_step(self, epoch: int, number: int) -> None:
        """Make ready for a training step, by its number in the epoch."""

    def before_forward(self) -> None:
        """Make ready for a forward pass; outside of what a CUDA graph captures."""

    def prepare(self) -> None:
        """Change the gradients before the optimiser's step."""

    def apply(self, optimizer: Optimizer | None = None) -> None:
        """Put the latents back where they may be after the optimiser's step."""

    def end_epoch(self, epoch: int) -> Row:
        """Tidy up after an epoch's last step, before it is measured; return what to log."""
        return {}

    def close_epoch(self, epoch: int) -> Row:
        """Change the masks between epochs, after the measurement; return what to log."""
        return {}

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Tell whether there is nothing left to search."""
        return False

    def metrics(self) -> dict[str, float | None]:
        """Return what a finished search adds to a run's record."""
        return {}
