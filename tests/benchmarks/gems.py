"""Speed of Rare Gems' training steps against plain code: ``python -m tests.benchmarks.gems``.

Three steps: Gem-Miner's search, global edge-popup, and fine-tuning under a found mask. The
reference does what the original does: convolutions that keep scores and freeze flags beside their
weights and multiply at every use; before every step each score tensor clamped; the regulariser
summed over all scores and differentiated with the loss; for edge-popup ``kthvalue`` over the scores
of the network; contiguous float32, PyTorch's plain SGD, loss and accuracy read at every step. Both
sides have the same normalised batch in memory from the start: neither loads data.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.config import TrainConfig
from common.data import Batches, Normalization, Split
from common.finders import find_ticket
from common.finders.edge_popup import first_scores
from common.masks import (
    GlobalEdgePopupMask,
    GlobalEdgePopupRule,
    LearnedMask,
    MaskLearner,
    SearchConfig,
    SearchRule,
    attach,
)
from common.models import build_model
from common.randomness import generator
from common.training import TrainData, WeightLearner, prepare_device, resolve_precision
from replications.rare_gems.gem_mask import SCORE_INITS, GemMask
from replications.rare_gems.gem_miner import FreezingRule
from replications.rare_gems.options import GemMinerOptions
from tests.benchmarks.duel import Step, benchmark_parser, heading, measure

METHODS = ("gem_miner", "edge_popup global", "fine-tuning")
SPARSITY, PENALTY = 0.9856, 1e-4
RECIPES: dict[str, dict[str, Any]] = {
    "gem_miner": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
    "edge_popup global": {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    "fine-tuning": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
}


def _model(name: str) -> nn.Module:
    options: dict[str, Any] = {"bn_affine": False, "classifier": "conv", "classifier_bias": False}
    if name.startswith("resnet20"):
        options["shortcut"] = "A"
    return build_model(name, num_classes=10, init="signed_constant", **options)


def _batch(batch_size: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (batch_size, 3, 32, 32), generator=draw, dtype=torch.uint8)
    return images, torch.randint(0, 10, (batch_size,), generator=draw)


class _PlainRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, threshold: Any) -> Tensor:
        return (scores > threshold).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class _PlainConv(nn.Conv2d):
    """A convolution with the scores and the freeze flag of its weights."""

    def __init__(self, conv: nn.Conv2d, method: str) -> None:
        shape: dict[str, Any] = {"stride": conv.stride, "padding": conv.padding}
        shape |= {"kernel_size": conv.kernel_size, "groups": conv.groups, "bias": False}
        super().__init__(conv.in_channels, conv.out_channels, **shape)
        self.weight, self.absolute = conv.weight, method == "edge_popup global"
        tuned = method == "fine-tuning"
        self.weight.requires_grad_(tuned)
        start = torch.ones_like(conv.weight) if tuned else torch.rand_like(conv.weight)
        if self.absolute:
            start = first_scores(conv.weight, "kaiming_uniform", torch.Generator().manual_seed(0))
        self.scores = nn.Parameter(start.detach(), requires_grad=not tuned)
        kept = torch.rand_like(conv.weight) >= SPARSITY if tuned else torch.ones_like(conv.weight)
        self.flag = nn.Parameter(kept.float(), requires_grad=False)
        self.threshold: Any = 0.5

    def forward(self, images: Tensor) -> Tensor:
        scores = self.scores.abs() if self.absolute else self.scores
        mask = _PlainRound.apply(scores, self.threshold) * self.flag
        return self._conv_forward(images, self.weight * mask, None)


def _swap(module: nn.Module, method: str) -> None:
    for key, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, key, _PlainConv(child, method))
        else:
            _swap(child, method)


def plain(method: str, name: str, batch_size: int, device: torch.device) -> Step:
    """Return the reference's step."""
    model = _model(name)
    _swap(model, method)
    model.to(device).train()
    convs = [module for module in model.modules() if isinstance(module, _PlainConv)]
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learned, **RECIPES[method])
    pixels, classes = _batch(batch_size)
    images, labels = pixels.to(device).float() / 255, classes.to(device)
    sums = {"loss": 0.0, "correct": 0.0}

    def clamp() -> None:
        for conv in convs:
            conv.scores.data = torch.clamp(conv.scores.data, 0.0, 1.0)

    def find_threshold() -> None:
        with torch.no_grad():
            scores = torch.cat([conv.scores.abs().flatten() for conv in convs])
            level = torch.kthvalue(scores, math.ceil(SPARSITY * scores.numel())).values
        for conv in convs:
            conv.threshold = level

    def step() -> None:
        if method == "gem_miner":
            clamp()
        if method == "edge_popup global":
            find_threshold()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        if method == "gem_miner":
            penalty = torch.zeros((), device=device)
            for conv in convs:
                penalty = penalty + conv.scores.pow(2).sum()
            loss = loss + PENALTY * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sums["loss"] += loss.item() * len(labels)
        sums["correct"] += (logits.argmax(dim=1) == labels).float().sum().item()

    return step


def workbench(method: str, name: str, batch_size: int, device: torch.device) -> Step:
    """Return this project's step."""
    prepare_device(device, torch.get_num_threads())
    model = _model(name)
    ticket = find_ticket("random", model, sparsity=SPARSITY) if method == "fine-tuning" else None
    if ticket is not None:
        ticket.apply_to(model)
    model = model.to(device).to(memory_format=torch.channels_last)
    split = Split(*_batch(batch_size))
    batches = Batches(split, batch_size, Normalization((0.0,), (1.0,)), device=device)
    images, labels = next(iter(batches.sequential()))
    data = TrainData(batches, batches)
    how: dict[str, Any] = {
        "seed": 0,
        "device": device,
        "precision": resolve_precision("auto", device),
        "graphs": device.type == "cuda",
    }
    learner: MaskLearner | WeightLearner
    if ticket is not None:
        masks = {key: mask.to(device) for key, mask in ticket.masks.items()}
        recipe = TrainConfig(batch_size=batch_size, **RECIPES[method])
        learner = WeightLearner(model, data, recipe, masks=masks, **how)
    else:
        learner = _searcher(method, model, data, batch_size, how)
    model.train()
    learner.begin_epoch(0)
    number = 0

    def step() -> None:
        nonlocal number
        learner.step(0, number, images, labels)
        number += 1

    return step


def _searcher(
    method: str, model: nn.Module, data: TrainData, batch_size: int, how: dict[str, Any]
) -> MaskLearner:
    draw = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}

    def make(name: str, weight: Tensor) -> LearnedMask:
        weights[name] = weight
        if method == "edge_popup global":
            scores = first_scores(weight, "kaiming_uniform", draw)
            return GlobalEdgePopupMask(weight, scores).to(how["device"])
        return GemMask(weight, SCORE_INITS["unif"](weight.shape, draw)).to(how["device"])

    masks = attach(model, make)
    search = SearchConfig(batch_size=batch_size, **RECIPES[method])
    rule: SearchRule
    if method == "edge_popup global":
        rule = GlobalEdgePopupRule(masks, SPARSITY, epochs=search.epochs)
    else:
        options = GemMinerOptions.model_validate(
            {"sparsity": SPARSITY, "lambda": PENALTY, "search": RECIPES[method]}
        )
        search = options.recipe().model_copy(update={"batch_size": batch_size})
        rule = FreezingRule(
            masks, weights, options, lambda *purpose: generator(0, *purpose), lambda name: None
        )
    return MaskLearner(model, masks, data, search, rule=rule, **how)


def main() -> None:
    """Print the table and what bounds it."""
    parser = benchmark_parser(
        "tests.benchmarks.gems", __doc__, models=["resnet20"], batch_size=128, rounds=9
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parsed = parser.parse_args()
    device = torch.device(parsed.device)
    print(heading(parsed))
    print(
        "| model | step | plain | ours | ratio | plain, processor | ours, processor | ratio |\n"
        "| :-- | :-- | --: | --: | --: | --: | --: | --: |"
    )
    for name in parsed.models:
        for method in parsed.methods:
            seen = measure(
                plain,
                workbench,
                (method, name, parsed.batch_size, device),
                steps=parsed.steps,
                rounds=parsed.rounds,
                threads=parsed.threads,
            )
            print(
                f"| {name} | {method} | {1e3 * seen.plain:.0f} | {1e3 * seen.ours:.0f} "
                f"| {seen.ratio:.2f} | {1e3 * seen.plain_work:.0f} | {1e3 * seen.our_work:.0f} "
                f"| {seen.work_ratio:.2f} |",
                flush=True,
            )
    print(
        "\nThe last three columns count the processor time of all threads, also that of the "
        "system, which other programs\non the cores disturb least. On a CPU ours is bound by the "
        "dense convolutions and their gradients, about two thirds\nof a step, which masks do not "
        "make sparse, then by passes over activations (batch norm, ReLU, sums); masks, scores\n"
        "and the optimiser are about one percent. The plain side pays for turning activations into "
        "the library's layout and\nback, for slower batch norm, and for memory that the C library "
        "gives back and maps anew at every step."
    )


if __name__ == "__main__":
    main()
