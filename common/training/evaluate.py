"""Accuracy and loss of a network on a split, weighted by images and not by batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from common.data import Batches
from common.training.convolution import fast_convolutions
from common.training.precision import Precision, autocast
from common.training.step import Meters

EVALUATION_BATCH = 1000


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Batches,
    precision: Precision = "float32",
    *,
    batch_size: int = EVALUATION_BATCH,
    augmented_by: torch.Generator | None = None,
    before_batch: Callable[[int], None] = lambda number: None,
) -> tuple[float, float]:
    """Return the mean cross-entropy and the top-1 accuracy in percent, in evaluation mode.

    Args:
        model: on the device of the batches; its mode comes back as it was.
        batches: every image counts once.
        precision: of the forward pass.
        batch_size: images at a time; more are faster.
        augmented_by: a CPU generator augments the images as in training, in the batches' own size;
            None leaves them as they are.
        before_batch: called with the number of every batch, for networks that are random.
    """
    was_training = model.training
    model.eval()
    meters = Meters(batches.device)
    images_seen = 0
    convolutions = fast_convolutions(model, batches.device, precision)
    source = batches.sequential(batch_size)
    if augmented_by is not None:
        source = batches.epoch(augmented_by, shuffle=False)
    for number, (images, labels) in enumerate(source):
        before_batch(number)
        with autocast(precision, batches.device), convolutions:
            logits = model(images)
        meters.add(F.cross_entropy(logits.float(), labels), logits, labels)
        images_seen += len(labels)
    model.train(was_training)
    return meters.read(images_seen)
