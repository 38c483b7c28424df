"""Data sets as uint8 tensors on the device, and what is done to them before a network sees them.

dataset = load_dataset("cifar10", root="data")
dataset = hold_out(dataset, 5000, "random", generator(seed, "validation"))
batches = Batches(dataset.train, 128, dataset.normalization(), augment=Augment(), device="cuda")
for images, labels in batches.epoch(generator(seed, "order", epoch)):
    ...
"""

from common.data.augment import Augment, ResizedCrop
from common.data.batches import Batch, Batches
from common.data.corruptions import PixelMode, random_labels, random_labels_su, random_pixels
from common.data.datasets import Dataset, Normalization, Split
from common.data.files import Frame, ImageFiles
from common.data.half import check_is_half, evaluated_split
from common.data.load import load_dataset
from common.data.registry import DATASETS, DatasetSpec
from common.data.splits import (
    alternate_halves,
    balanced_batch,
    concatenate,
    hold_out,
    merge_validation,
    subset,
)

__all__ = [
    "DATASETS",
    "Augment",
    "Batch",
    "Batches",
    "Dataset",
    "DatasetSpec",
    "Frame",
    "ImageFiles",
    "Normalization",
    "PixelMode",
    "ResizedCrop",
    "Split",
    "alternate_halves",
    "balanced_batch",
    "check_is_half",
    "concatenate",
    "evaluated_split",
    "hold_out",
    "load_dataset",
    "merge_validation",
    "random_labels",
    "random_labels_su",
    "random_pixels",
    "subset",
]
