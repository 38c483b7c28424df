"""What ToST's tricks cost: ``python -m tests.benchmarks.tricks``.

Steps of a ticket's training by the plain recipe, with each trick alone and with all of them, on a
batch that is in memory; tricks are half faded, so that they compute all they ever do. Below them
the two kinds of iterations of GradInit (LRsI), each on the two or three batches that it takes. All
take turns in one process, and a ratio is the median over the rounds of a round's two times, so it
holds when the machine drifts. Where other programs compete for the cores, the ratio of processor
times is the steadier one; it is sharp with one thread.
"""

from __future__ import annotations

import itertools
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.data import Batches, Normalization, Split
from common.finders import find_ticket
from common.models import build_model
from common.training import TrainData, WeightLearner, prepare_device, resolve_precision
from common.tricks import learn_scales
from tests.benchmarks.duel import Step, benchmark_parser, heading

SPARSITY, EPOCHS = 0.98, 4
PLAIN = "plain recipe"
SWISH = {"soft_activation": SoftActivationConfig(end=1.0)}
GHOSTS = {"ghost_skip": GhostSkipConfig(end=1.0)}
SMOOTH = {"label_smoothing": 0.1, "smoothing_form": "exclude_target"}
RECIPES: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "swish, slope grows": SWISH,
    "mish, mixed with ReLU": {"soft_activation": SoftActivationConfig(name="mish", end=1.0)},
    "ghost skips": GHOSTS,
    "label smoothing": SMOOTH,
    "swish, ghosts, smoothing": SWISH | GHOSTS | SMOOTH,
}
ITERATIONS: dict[str, float | None] = {"LRsI, constraint": 1e-9, "LRsI, objective": None}
"""Bounds of the gradient's norm that make every iteration one of this kind."""


def _data(batch_size: int, device: torch.device) -> Batches:
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (batch_size, 3, 32, 32), generator=draw, dtype=torch.uint8)
    labels = torch.randint(0, 10, (batch_size,), generator=draw)
    return Batches(Split(images, labels), batch_size, Normalization((0.5,), (0.25,)), device=device)


def _network(name: str, device: torch.device) -> tuple[Any, dict[str, Tensor]]:
    model: Any = build_model(name, num_classes=10, generator=torch.Generator().manual_seed(0))
    ticket = find_ticket("random", model, sparsity=SPARSITY)
    ticket.apply_to(model)
    masks = {key: mask.to(device) for key, mask in ticket.masks.items()}
    return model.to(device).to(memory_format=torch.channels_last), masks


def training_step(tricks: dict[str, Any], name: str, data: Batches, device: torch.device) -> Step:
    """Return a step of a training with tricks, half of the way through it."""
    model, masks = _network(name, device)
    learner = WeightLearner(
        model,
        TrainData(data, data),
        TrainConfig(epochs=EPOCHS, batch_size=data.image_count, **tricks),
        masks=masks,
        seed=0,
        device=device,
        precision=resolve_precision("auto", device),
        graphs=device.type == "cuda",
    )
    images, labels = next(iter(data.sequential()))
    model.train()
    learner.begin_epoch(0)
    return lambda: learner.step(EPOCHS // 2, 0, images, labels)


def iteration(bound: float | None, name: str, data: Batches, device: torch.device) -> Step:
    """Return an iteration of GradInit whose gradient's norm is above its bound, or below."""
    model, masks = _network(name, device)
    images, labels = next(iter(data.sequential()))
    # Factors that stay close to 1 keep the network the same from one call to the next.
    config = LrsiConfig(gamma=bound, iters=1, lr=1e-6, batch_size=data.image_count)
    batches = itertools.repeat((images, labels))

    def step() -> None:
        learn_scales(model, batches, config, masks=masks)

    return step


def _seconds(step: Step, steps: int, device: torch.device) -> tuple[float, float]:
    """Return the wall-clock and the processor time of a step."""
    started, worked = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    taken = time.perf_counter() - started, time.process_time() - worked
    return taken[0] / steps, taken[1] / steps


def measure(
    name: str, batch_size: int, device: torch.device, *, steps: int, rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Return of each kind of step its median seconds, and its median ratios to the plain one.

    The first ratio is that of the wall clock, the second one that of the processor.
    """
    data = _data(batch_size, device)
    sides = {key: training_step(tricks, name, data, device) for key, tricks in RECIPES.items()}
    sides |= {key: iteration(bound, name, data, device) for key, bound in ITERATIONS.items()}
    for step in sides.values():
        step()
    rows = [
        {key: _seconds(step, steps, device) for key, step in sides.items()} for _ in range(rounds)
    ]
    return {
        key: (
            statistics.median(row[key][0] for row in rows),
            statistics.median(row[key][0] / row[PLAIN][0] for row in rows),
            statistics.median(row[key][1] / row[PLAIN][1] for row in rows),
        )
        for key in sides
    }


def main() -> None:
    """Print the table and what bounds it."""
    parser = benchmark_parser(
        "tests.benchmarks.tricks", __doc__, models=["resnet20"], batch_size=128, rounds=9
    )
    parsed = parser.parse_args()
    device = torch.device(parsed.device)
    prepare_device(device, parsed.threads or None)
    print(heading(parsed))
    print(
        "| model | step | ms | in plain steps | likewise, processor |\n"
        "| :-- | :-- | --: | --: | --: |"
    )
    for name in parsed.models:
        how = {"steps": parsed.steps, "rounds": parsed.rounds}
        for key, (seconds, ratio, work) in measure(name, parsed.batch_size, device, **how).items():
            print(f"| {name} | {key} | {1e3 * seconds:.1f} | {ratio:.2f} | {work:.2f} |")
    print(
        "\nSwish and mish are further passes over the activations, mish and ReLU together most. A "
        "ghost's arithmetic is a\nninth of its convolution's, but it adds a BN, a product and a "
        "sum over the activations. An iteration of GradInit\ndifferentiates twice over two batches "
        "(constraint), or once over two batches of each kind (objective); it runs\nbefore the "
        "training, in float32 and without CUDA graphs."
    )


if __name__ == "__main__":
    main()
