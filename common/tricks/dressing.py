"""Everything that a recipe adds to a plain network for a time, and takes away again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from common.config.recipe import TrainConfig
from common.config.tricks import AnnealedConfig
from common.errors import UserError
from common.tricks.activations import Swap, soft_activations
from common.tricks.ghosts import GhostSkips, ghost_paths

NEARLY = 1e-6
"""So close to its end a trick is gone: in float32 u would be 1, and a slope of 1 / (1 - u) not."""


def faded(config: AnnealedConfig, decay: str, step: int, steps: int, epoch_steps: int) -> float:
    """Return u, how far a trick has faded: 0 = there in full, 1 = gone.

    Args:
        config: its start and end.
        decay: ``none``: u is 0; ``step``: 0 before the end; else linear in time.
        step: how many steps of the optimiser are behind.
        steps: of the training in all.
        epoch_steps: of an epoch.
    """
    if decay == "none":
        return 0.0
    if not config.per_step:
        step -= step % epoch_steps
    done = step / steps if steps else 1.0
    if done >= config.end:
        return 1.0
    if decay == "step" or done <= config.start:
        return 0.0
    u = (done - config.start) / (config.end - config.start)
    return 1.0 if u > 1.0 - NEARLY else u


class Dressing:
    """Soft activations and ghost skips on a network; the network under them stays as it is.

    What they add has no name in the network's state dict. ``move_to`` lets them fade; when one is
    gone, so are its modules, and the network is the plain one.

    Args:
        model: on the device, plain.
        recipe: which tricks.
        epoch_steps: steps of an epoch.
        device: where the network is.
    """

    def __init__(
        self, model: nn.Module, recipe: TrainConfig, epoch_steps: int, device: torch.device
    ) -> None:
        self._model, self._recipe = model, recipe
        self._epoch_steps, self._steps = epoch_steps, epoch_steps * recipe.epochs
        self._fade = torch.zeros((), device=device)
        self._alpha = torch.ones((), device=device)
        self._swap: Swap | None = None
        self.ghosts: GhostSkips | None = None
        if recipe.soft_activation is not None:
            self._swap = soft_activations(model, recipe.soft_activation, self._fade)
            if self._swap.count == 0:
                raise UserError(
                    f"soft_activation: {type(model).__name__} has no ReLU modules to replace"
                )
        if recipe.ghost_skip is not None:
            paths = ghost_paths(model, bottleneck=recipe.ghost_skip.bottleneck == "conv3x3")
            self.ghosts = GhostSkips(model, paths, recipe.ghost_skip.init, self._alpha)
            self.ghosts.attach(model)
        self.ghost_parameters = 0 if self.ghosts is None else self.ghosts.parameter_count

    @property
    def is_fading(self) -> bool:
        """Return whether a trick is there that will be gone at the end."""
        soft, skip = self._recipe.soft_activation, self._recipe.ghost_skip
        softened = self._swap is not None and soft is not None and soft.fading != "none"
        return softened or (self.ghosts is not None and skip is not None and skip.decay != "none")

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the ghosts that are there."""
        return [] if self.ghosts is None else list(self.ghosts.parameters())

    def move_to(self, epoch: int, step: int) -> bool:
        """Let the tricks fade to what they are before a step of an epoch (both from 0).

        Returns:
            Whether one of them ended, so that the network's forward pass is another one.
        """
        step += epoch * self._epoch_steps
        ended = False
        if self._swap is not None and self._recipe.soft_activation is not None:
            soft = self._recipe.soft_activation
            u = faded(soft, soft.fading, step, self._steps, self._epoch_steps)
            if u >= 1.0:
                self._swap.undo()
                self._swap, ended = None, True
            else:
                self._fade.fill_(u)
        if self.ghosts is not None and self._recipe.ghost_skip is not None:
            skip = self._recipe.ghost_skip
            u = faded(skip, skip.decay, step, self._steps, self._epoch_steps)
            if u >= 1.0:
                self.take_ghosts_off()
                ended = True
            else:
                self._alpha.fill_(1.0 - u)
        return ended

    def take_ghosts_off(self) -> None:
        """Remove the ghosts."""
        if self.ghosts is not None:
            self.ghosts.detach()
            self.ghosts = None

    def take_off(self) -> None:
        """Leave the plain network, whatever was to stay."""
        if self._swap is not None:
            self._swap.undo()
            self._swap = None
        self.take_ghosts_off()

    def state(self) -> dict[str, Tensor]:
        """Return the ghosts' state dict; empty where there are none (any more)."""
        return {} if self.ghosts is None else dict(self.ghosts.state_dict())

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take back a state; an empty one means that the ghosts were gone by then."""
        if not state:
            self.take_ghosts_off()
        elif self.ghosts is not None:
            self.ghosts.load_state_dict(dict(state))
