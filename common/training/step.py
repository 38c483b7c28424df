"""One training step: forward, backward, optimiser, masks; eagerly or as a CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from common.training.convolution import fast_convolutions
from common.training.optimizer import Constraint
from common.training.precision import Precision, autocast


class Meters:
    """Sums over an epoch that stay on the device until the epoch is over.

    Args:
        device: where they are.
        keep_last: note the mean loss of the last batch, too, in ``last``.
    """

    def __init__(self, device: torch.device, *, keep_last: bool = False) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device)
        self.last = torch.zeros((), dtype=torch.float64, device=device) if keep_last else None

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch's mean loss, weighted by its images, and its right answers."""
        self.loss += loss.detach().double() * len(labels)
        self.correct += (logits.detach().argmax(dim=1) == labels).sum()
        if self.last is not None:
            self.last.copy_(loss.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold of them."""
        kept = {"loss": self.loss, "correct": self.correct}
        return kept if self.last is None else kept | {"last": self.last}

    def zero(self) -> None:
        """Start over, in place."""
        self.loss.zero_()
        self.correct.zero_()

    def read(self, images: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy in percent; waits for the device."""
        return float(self.loss) / images, 100.0 * float(self.correct) / images


SmoothingForm = Literal["uniform", "exclude_target"]


def smoothed_loss(
    logits: Tensor, labels: Tensor, amount: float, form: SmoothingForm = "uniform"
) -> Tensor:
    """Return the mean cross-entropy with smoothed labels.

    Args:
        logits: (batch, C) floats.
        labels: (batch,) int64.
        amount: a, what is taken from the true class.
        form: ``uniform``: a / C go to each class, the true one too (Szegedy et al., PyTorch);
            ``exclude_target``: a / (C - 1) to each other class (ToST, spec 2.7).
    """
    if form == "uniform" or amount == 0:
        return F.cross_entropy(logits, labels, label_smoothing=amount)
    surprise = -F.log_softmax(logits, dim=1)
    true = surprise.gather(1, labels[:, None]).squeeze(1)
    others = (surprise.sum(dim=1) - true) / (logits.shape[1] - 1)
    return ((1 - amount) * true + amount * others).mean()


class Step(Protocol):
    """Trains on one batch and adds to the meters."""

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Train on normalised images (NCHW) and their class labels (int64)."""

    def network_changed(self) -> None:
        """Note that the network's forward pass is another one from now on."""


class EagerStep:
    """The reference: every operation is launched from Python."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        keeper: Constraint,
        meters: Meters,
        precision: Precision,
        label_smoothing: float,
        smoothing_form: SmoothingForm = "uniform",
        attached: Sequence[nn.Module] = (),
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.keeper = keeper
        self.meters = meters
        self.precision = precision
        self.label_smoothing = label_smoothing
        self.smoothing_form = smoothing_form
        self.attached = attached
        self.convolutions = fast_convolutions(model, meters.loss.device, precision)

    def forward_backward(self, images: Tensor, labels: Tensor) -> None:
        """Compute the gradients of the mean loss and add to the meters."""
        with autocast(self.precision, images.device), self.convolutions:
            logits = self.model(images)
        loss = smoothed_loss(logits.float(), labels, self.label_smoothing, self.smoothing_form)
        loss.backward()
        self.meters.add(loss, logits, labels)

    def update(self) -> None:
        """Step the optimiser under the constraint, such as that removed weights stay at zero."""
        self.keeper.prepare()
        self.optimizer.step()
        self.keeper.apply(self.optimizer)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Train on one batch."""
        self.optimizer.zero_grad(set_to_none=True)
        self.forward_backward(images, labels)
        self.update()

    def network_changed(self) -> None:
        """Do nothing: every forward pass is launched anew."""


class GraphedStep:
    """Forward and backward of a full batch replayed as one CUDA graph.

    The optimiser and the masks stay outside (they are a handful of fused kernels), so the learning
    rate may change at any time. Batches of another size, the last one of an epoch, run eagerly.

    Args:
        eager: the step to capture.
        batch_size: the size that is captured, at the first batch that has it.
    """

    warm_up_steps = 3

    def __init__(self, eager: EagerStep, batch_size: int) -> None:
        self.eager = eager
        self.batch_size = batch_size
        self.graph: torch.cuda.CUDAGraph | None = None
        self.images: Tensor
        self.labels: Tensor

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Train on one batch."""
        if len(labels) != self.batch_size:
            # The gradients live in the graph's memory: they are zeroed, never replaced.
            self.eager.optimizer.zero_grad(set_to_none=self.graph is None)
            self.eager.forward_backward(images, labels)
        else:
            if self.graph is None:
                self._capture(images, labels)
            assert self.graph is not None
            self.images.copy_(images)
            self.labels.copy_(labels)
            self.graph.replay()
        self.eager.update()

    def network_changed(self) -> None:
        """Capture the next full batch anew."""
        self.graph = None

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images.clone(), labels.clone()
        step = self.eager
        # Warming up moves BatchNorm statistics, meters and the random state of dropout; all must be
        # as if it never happened.
        networks = [step.model, *step.attached]
        states = [{k: v.clone() for k, v in part.state_dict().items()} for part in networks]
        meters = {name: value.clone() for name, value in step.meters.tensors().items()}
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(self.warm_up_steps):
                    step.optimizer.zero_grad(set_to_none=True)
                    step.forward_backward(self.images, self.labels)
            torch.cuda.current_stream().wait_stream(stream)
            step.optimizer.zero_grad(set_to_none=True)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                step.forward_backward(self.images, self.labels)
        for part, state in zip(networks, states, strict=True):
            part.load_state_dict(state)
        for name, value in step.meters.tensors().items():
            value.copy_(meters[name])


def fastest_step(eager: EagerStep, batch_size: int, graphs: bool) -> Step:
    """Return the step as a CUDA graph of full batches where that is asked for and possible."""
    on_gpu = eager.meters.loss.device.type == "cuda"
    return GraphedStep(eager, batch_size) if graphs and on_gpu else eager


def has_dropout(model: nn.Module) -> bool:
    """Tell whether the model draws random numbers in its forward pass."""
    return any(isinstance(module, nn.modules.dropout._DropoutNd) for module in model.modules())
