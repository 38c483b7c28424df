"""Accuracy and loss of a network on a split, weighted by images and not by batches."""

from __future__ import annotations

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
    model: nn.Module, batches: Batches, precision: Precision = "float32"
) -> tuple[float, float]:
    """Return the mean cross-entropy and the top-1 accuracy in percent, in evaluation mode.

    Args:
        model: on the device of the batches; its mode comes back as it was.
        batches: every image counts once, un-augmented.
        precision: of the forward pass.
    """
    was_training = model.training
    model.eval()
    meters = Meters(batches.device)
    images_seen = 0
    convolutions = fast_convolutions(model, batches.device, precision)
    for images, labels in batches.sequential(EVALUATION_BATCH):
        with autocast(precision, batches.device), convolutions:
            logits = model(images)
        meters.add(F.cross_entropy(logits.float(), labels), logits, labels)
        images_seen += len(labels)
    model.train(was_training)
    return meters.read(images_seen)
