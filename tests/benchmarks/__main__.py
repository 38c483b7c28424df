"""Speed of a training step and of a whole epoch against plain code: ``python -m tests.benchmarks``.

The reference does what the papers' own code does: float32, contiguous tensors, torchvision
transforms on PIL images in a ``DataLoader``, the mask multiplied in at every forward pass, the loss
read at every step. Both sides run in turn in this process on the same images and weights, and a
ratio is the median over the rounds of a round's two times, so it holds when the machine drifts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from common.config import TrainConfig
from common.data import Augment, Batches, Normalization, Split
from common.finders import find_ticket
from common.models import build_model, prunable_parameters
from common.tracking import MetricsLog, TrainingBar
from common.training import MaskKeeper, build_optimizer, prepare_device, resolve_precision
from common.training.step import EagerStep, GraphedStep, Meters, Step

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SPARSITY = 0.98


class _PilImages(Dataset):  # type: ignore[type-arg]
    """Images as the original code holds them, transformed one at a time."""

    def __init__(self, split: Split) -> None:
        self.images = [to_pil_image(image) for image in split.images]
        self.labels = split.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


class _Masked(nn.Module):
    """A weight that is multiplied by its mask at every use."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask


@dataclass
class Side:
    """One of the two programs: a step on a given batch, and a whole epoch."""

    step: Callable[[Tensor, Tensor], None]
    epoch: Callable[[], None]
    batch: tuple[Tensor, Tensor]


def _random_masks(model: nn.Module) -> dict[str, Tensor]:
    return find_ticket("random", model, sparsity=SPARSITY).masks


def reference(name: str, split: Split, batch_size: int, device: torch.device) -> Side:
    """Return the plain program."""
    model = build_model(name, num_classes=10)
    for key, mask in _random_masks(model).items():
        module = model.get_submodule(key.rpartition(".")[0])
        nn.utils.parametrize.register_parametrization(module, "weight", _Masked(mask))
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(
        _PilImages(split), batch_size, shuffle=True, num_workers=2, persistent_workers=True
    )

    def step(images: Tensor, labels: Tensor) -> None:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    def epoch() -> None:
        for images, labels in loader:
            step(images, labels)

    return Side(step, epoch, next(iter(loader)))


def workbench(
    name: str, split: Split, batch_size: int, device: torch.device, *, masked: bool = True
) -> Side:
    """Return this project's program; without masks for the bare step."""
    model = build_model(name, num_classes=10)
    masks = _random_masks(model) if masked else {}
    model = model.to(device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(TrainConfig(), model.parameters())
    meters = Meters(device)
    precision = resolve_precision("auto", device)
    eager = EagerStep(model, optimizer, MaskKeeper(model, masks), meters, precision, 0.0)
    run: Step = GraphedStep(eager, batch_size) if device.type == "cuda" else eager
    batches = Batches(split, batch_size, Normalization(MEAN, STD), augment=Augment(), device=device)
    draw = torch.Generator().manual_seed(0)

    log = MetricsLog(Path(tempfile.mkdtemp()) / "metrics.jsonl")

    def epoch() -> None:
        bar = TrainingBar(name, len(split), enabled=True)
        meters.zero()
        for images, labels in batches.epoch(draw):
            run(images, labels)
            bar.step(len(labels))
        loss, accuracy = meters.read(len(split))
        log.append({"epoch": 0, "train_loss": loss, "train_accuracy": accuracy})
        bar.close()

    return Side(run, epoch, next(iter(batches.epoch(draw))))


def _seconds(action: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _rounds(
    actions: list[Callable[[], None]], rounds: int, device: torch.device
) -> Iterator[list[float]]:
    for action in actions:
        action()
    for _ in range(rounds):
        yield [_seconds(action, device) for action in actions]


def measure(name: str, images: int, batch_size: int, rounds: int, device: torch.device) -> None:
    """Print one model's row of the table."""
    draw = torch.Generator().manual_seed(1)
    split = Split(
        torch.randint(0, 256, (images, 3, 32, 32), generator=draw, dtype=torch.uint8),
        torch.randint(0, 10, (images,), generator=draw),
    )
    plain = reference(name, split, batch_size, device)
    ours = workbench(name, split, batch_size, device)
    bare = workbench(name, split, batch_size, device, masked=False)

    def steps(side: Side) -> Callable[[], None]:
        def run() -> None:
            for _ in range(-(-images // batch_size)):
                side.step(*side.batch)

        return run

    rows = list(
        _rounds([steps(plain), steps(ours), steps(bare), plain.epoch, ours.epoch], rounds, device)
    )
    plain_step, our_step, _, plain_epoch, our_epoch = (
        statistics.median(column) for column in zip(*rows)
    )
    step_ratio = statistics.median(row[0] / row[1] for row in rows)
    epoch_ratio = statistics.median(row[3] / row[4] for row in rows)
    overhead = statistics.median(1 - row[2] / row[4] for row in rows)
    weights = sum(weight.numel() for weight in prunable_parameters(bare_model(name)).values())
    print(
        f"| {name} | {weights:,} | {images / plain_step:.0f} | {images / our_step:.0f} "
        f"| {step_ratio:.2f} | {images / plain_epoch:.0f} | {images / our_epoch:.0f} "
        f"| {epoch_ratio:.2f} | {100 * overhead:.1f} % |",
        flush=True,
    )


def bare_model(name: str) -> nn.Module:
    """Return the model without its weights, for counting."""
    with torch.device("meta"):
        return build_model(name, num_classes=10)


def main() -> None:
    """Print the table and what bounds it."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.benchmarks")
    parser.add_argument("--models", nargs="+", default=["resnet32_w32", "vgg19"])
    parser.add_argument("--images", type=int, default=512, help="images of an epoch")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parsed = parser.parse_args()
    device = torch.device(parsed.device)
    prepare_device(device, parsed.threads)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(
        f"torch {torch.__version__}, {where}, {torch.get_num_threads()} CPU threads, precision "
        f"{resolve_precision('auto', device)}, batch {parsed.batch_size}, {parsed.images} images "
        f"an epoch, sparsity {SPARSITY}, median of {parsed.rounds} rounds; images a second\n"
    )
    print(
        "| model | prunable weights | step, plain | step, ours | ratio | epoch, plain "
        "| epoch, ours | ratio | data, masks, logging |"
    )
    print("| :-- | --: | --: | --: | --: | --: | --: | --: | --: |")
    for name in parsed.models:
        measure(name, parsed.images, parsed.batch_size, parsed.rounds, device)
    print(
        "\nThe last column is the share of our epoch that is not the bare step (no masks, one "
        "fixed batch). The rest is\nconvolutions: what bounds an epoch is the arithmetic of the "
        "dense kernels, which masks do not make sparse."
    )


if __name__ == "__main__":
    main()
