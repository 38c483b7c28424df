"""Speed of a step of a mask search against plain code: ``python -m tests.benchmarks.search``.

The reference does what the papers' own code does: contiguous float32; for ASLP two Gumbel variables
a weight, stacked for PyTorch's ``gumbel_softmax``; for supermasks ``bernoulli + p - p.detach()``;
for edge-popup ``kthvalue``; gradients of the frozen weights and biases computed and left unread.
Each side has a process of its own with its own settings, as a user would run it. The two take turns
on the same images and initial weights, and a ratio is the median over the rounds of a round's two
times, so it holds when the machine drifts.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from common.data import Batches, Normalization, Split
from common.finders.edge_popup import first_scores
from common.masks import (
    EdgePopupMask,
    LearnedMask,
    MaskLearner,
    Rescale,
    RescaleTraining,
    SearchConfig,
    attach,
)
from common.models import build_model
from common.training import TrainData, prepare_device, resolve_precision
from replications.aslp.gumbel import GumbelMask
from replications.aslp.rescale import DynamicRescale, SmartRescale
from replications.aslp.supermask import SupermaskMask
from tests.benchmarks.duel import Step, benchmark_parser, heading, measure

STRATEGIES = ("aslp", "aslp+WR", "aslp+WR one pass", "supermask", "supermask+WR", "edge_popup")
SPARSITY = 0.5
LR = {"supermask+WR": 1e-3, "edge_popup": 0.1}


class _PlainTopK(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        k = 1 + round(SPARSITY * (scores.numel() - 1))
        threshold = torch.kthvalue(scores.flatten(), k).values
        return torch.where(scores < threshold, 0.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _Plain(nn.Module):
    """The masked weight as the papers' own code writes it."""

    def __init__(self, strategy: str, weight: Tensor) -> None:
        super().__init__()
        self.strategy = strategy
        start = torch.zeros_like(weight)
        if strategy == "edge_popup":
            start = first_scores(weight, "kaiming_uniform", torch.Generator().manual_seed(0))
        self.latent = nn.Parameter(start.to(weight.device))
        self.factor = nn.Parameter(torch.ones((), device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        if self.strategy == "edge_popup":
            return weight * _PlainTopK.apply(self.latent.abs())
        if self.strategy.startswith("supermask"):
            p = torch.sigmoid(self.latent)
            mask = torch.bernoulli(p.detach()) + p - p.detach()
            masked = weight * mask
            return masked * (mask.numel() / mask.sum()) if "WR" in self.strategy else masked
        logits = torch.stack([self.latent, torch.zeros_like(self.latent)])
        masked = weight * F.gumbel_softmax(logits, tau=1, hard=True, dim=0)[0]
        return masked * self.factor if "WR" in self.strategy else masked


def _batch(batch_size: int) -> Split:
    draw = torch.Generator().manual_seed(1)
    return Split(
        torch.randint(0, 256, (batch_size, 3, 32, 32), generator=draw, dtype=torch.uint8),
        torch.randint(0, 10, (batch_size,), generator=draw),
    )


def plain(strategy: str, name: str, batch_size: int, device: torch.device) -> Step:
    """Return the reference's step."""
    model = build_model(name, num_classes=10).to(device)
    masks = []
    for module in list(model.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            masks.append(_Plain(strategy, module.weight.detach()))
            parametrize.register_parametrization(module, "weight", masks[-1])
    latents = torch.optim.SGD([m.latent for m in masks], lr=LR.get(strategy, 50.0), momentum=0.9)
    factors = torch.optim.SGD([m.factor for m in masks], lr=1e-3, momentum=0.9)
    split = _batch(batch_size)
    images, labels = split.images.to(device).float() / 255, split.labels.to(device)

    def one_pass(*optimizers: torch.optim.Optimizer) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        loss.item()

    def step() -> None:
        if strategy == "aslp+WR one pass":
            one_pass(latents, factors)
            return
        one_pass(latents)
        if strategy == "aslp+WR":
            one_pass(factors)

    return step


def _mask(strategy: str, weight: Tensor) -> LearnedMask:
    if strategy == "edge_popup":
        draw = torch.Generator().manual_seed(0)
        return EdgePopupMask(weight, first_scores(weight, "kaiming_uniform", draw), SPARSITY)
    if strategy.startswith("supermask"):
        dynamic = DynamicRescale() if "WR" in strategy else Rescale()
        return SupermaskMask(weight, rescale=dynamic)
    return GumbelMask(weight, rescale=SmartRescale() if "WR" in strategy else Rescale())


def workbench(strategy: str, name: str, batch_size: int, device: torch.device) -> Step:
    """Return this project's step."""
    prepare_device(device, torch.get_num_threads())
    model: Any = build_model(name, num_classes=10).to(device)
    model = model.to(memory_format=torch.channels_last)
    masks = attach(model, lambda _, weight: _mask(strategy, weight).to(device))
    batches = Batches(_batch(batch_size), batch_size, Normalization((0.0,), (1.0,)), device=device)
    images, labels = next(iter(batches.sequential()))
    learner = MaskLearner(
        model,
        masks,
        TrainData(batches, batches),
        SearchConfig(batch_size=batch_size, lr=LR.get(strategy, 50.0)),
        rescale=RescaleTraining(1e-3, 0.9, two_pass="one pass" not in strategy),
        seed=0,
        device=device,
        precision=resolve_precision("auto", device),
        graphs=device.type == "cuda",
    )
    number = 0

    def step() -> None:
        nonlocal number
        learner.step(0, number, images, labels)
        number += 1

    return step


def main() -> None:
    """Print the table and what bounds it."""
    parser = benchmark_parser(
        "tests.benchmarks.search", __doc__, models=["conv2", "conv4"], batch_size=256, rounds=5
    )
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parsed = parser.parse_args()
    device = torch.device(parsed.device)
    print(heading(parsed))
    print("| model | strategy | plain | ours | ratio |\n| :-- | :-- | --: | --: | --: |")
    for name in parsed.models:
        for strategy in parsed.strategies:
            arguments = (strategy, name, parsed.batch_size, device)
            seen = measure(
                plain,
                workbench,
                arguments,
                steps=parsed.steps,
                rounds=parsed.rounds,
                threads=parsed.threads,
            )
            print(
                f"| {name} | {strategy} | {1e3 * seen.plain:.0f} | {1e3 * seen.ours:.0f} "
                f"| {seen.ratio:.2f} |",
                flush=True,
            )
    print(
        "\nWhat bounds ours are the dense convolutions and their gradients, which masks do not "
        "make sparse; sampling is\na few passes over the weights. The plain side pays for two "
        "Gumbel variables a weight, for gradients nobody\nreads, and on a CPU for memory that the "
        "C library maps anew at every step."
    )


if __name__ == "__main__":
    main()
