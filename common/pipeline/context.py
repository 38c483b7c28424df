"""Where and how phases are computed: everything that cannot change a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from common.config import AugmentConfig, DataConfig
from common.data import (
    Augment,
    Batches,
    Dataset,
    ResizedCrop,
    Split,
    evaluated_split,
    hold_out,
    load_dataset,
    subset,
)
from common.errors import UserError
from common.finders import ScoringData, corrupt
from common.models import build_model, model_options
from common.pipeline.phase import Setting
from common.randomness import generator
from common.tracking import WandbSettings, Workspace
from common.training import Precision, TrainData, epoch_draws, resolve_precision


@dataclass
class Context:
    """The place of a computation.

    Attributes:
        workspace: where files are.
        device: where tensors are.
        threads: CPU threads of this process; None leaves the library's choice.
        graphs: replay training steps as CUDA graphs.
        download: whether a missing data set may be fetched.
        checkpoint_seconds: shortest time between two checkpoints.
        progress: whether to draw progress bars.
        wandb: where to mirror phases to.
    """

    workspace: Workspace
    device: str = "cpu"
    threads: int | None = None
    graphs: bool = True
    download: bool = False
    checkpoint_seconds: float = 60.0
    progress: bool = True
    wandb: WandbSettings = field(default_factory=WandbSettings)

    @cached_property
    def _datasets(self) -> dict[tuple[str, bool], Dataset]:
        return {}

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.device)

    def precision(self, requested: str) -> Precision:
        """Return the precision that a config's value means on this device."""
        return resolve_precision(requested, self.torch_device)  # type: ignore[arg-type]

    def dataset(self, name: str, *, stream: bool = False) -> Dataset:
        """Return a data set, read once a process; streamed: with its images left in their files."""
        if (name, stream) not in self._datasets:
            self._datasets[name, stream] = load_dataset(
                name, root=self.workspace.data, download=self.download, stream=stream
            )
        return self._datasets[name, stream]


def prepare_dataset(config: DataConfig, context: Context, seed: int) -> Dataset:
    """Return the data set as a config sees it: held out, halved, corrupted, augmented for good.

    Args:
        config: the data section.
        context: where the data set is.
        seed: the run's seed; the held-out images, the half and the frozen crops depend on it.
    """
    dataset = context.dataset(config.name, stream=config.stream)
    test = evaluated_split(dataset, config.test_split, context.dataset)
    if config.validation:
        dataset = hold_out(
            dataset, config.validation, config.validation_choice, generator(seed, "validation")
        )
    train = dataset.train
    if config.subset is not None:
        train = subset(
            train,
            config.subset.fraction,
            choose=config.subset.choose,
            generator=generator(seed, "subset"),
            count=config.subset.count,
        )
    train = corrupt(train, config.corruption, dataset.num_classes, generator(seed, "corrupt"))
    if config.augment is not None and config.augment.frozen:
        train = _frozen(config, dataset, train, context, seed)
    return dataset.with_splits(train=train, test=test, validation=dataset.validation)


def _frozen(
    config: DataConfig, dataset: Dataset, split: Split, context: Context, seed: int
) -> Split:
    """Return the training images as the first epoch of a training with this seed augments them."""
    split.pixels("data.augment.frozen")
    batches = _batches(
        config, dataset, split, len(split), context, augment=_augment(config.augment)
    )
    return batches.frozen(epoch_draws(seed, 0)).to("cpu")


def _augment(config: AugmentConfig | None) -> Augment | None:
    """Return what is done to images that are augmented."""
    if config is None:
        return None
    resized = config.crop == "resized"
    return Augment(
        crop_padding=config.crop_padding,
        crop_size=config.crop_size,
        horizontal_flip=config.horizontal_flip,
        resized_crop=ResizedCrop(min_area=config.min_area) if resized else None,
    )


def _train_batches(
    config: DataConfig, dataset: Dataset, split: Split, size: int, context: Context
) -> Batches:
    """Return batches of training images; frozen ones are as they are to be seen already."""
    if config.augment is not None and config.augment.frozen:
        plain = config.model_copy(update={"test_padding": 0})
        return _batches(plain, dataset, split, size, context)
    return _batches(config, dataset, split, size, context, augment=_augment(config.augment))


def _batches(
    config: DataConfig,
    dataset: Dataset,
    split: Split,
    size: int,
    context: Context,
    *,
    augment: Augment | None = None,
) -> Batches:
    return Batches(
        split,
        size,
        dataset.normalization(config.normalization),
        augment=augment,
        device=context.torch_device,
        channels_last=True,
        channels=config.channels,
        test_padding=config.test_padding,
        workers=context.threads,
    )


def training_data(
    config: DataConfig,
    dataset: Dataset,
    size: int,
    context: Context,
    *,
    validation_augment: bool = False,
) -> TrainData:
    """Return the batches of a training, on the device.

    With ``validation_augment`` the validation images can be augmented, too; whoever evaluates asks
    for it.
    """
    held_out = dataset.validation
    augment = _augment(config.augment) if validation_augment else None
    return TrainData(
        train=_train_batches(config, dataset, dataset.train, size, context),
        test=_batches(config, dataset, dataset.test, size, context),
        validation=None
        if held_out is None
        else _batches(config, dataset, held_out, size, context, augment=augment),
    )


def finder_data(config: DataConfig, dataset: Dataset, context: Context) -> ScoringData:
    """Return the training images as a finder sees them: augmented as in training."""

    def batches(split: Split) -> Batches:
        return _train_batches(config, dataset, split, 1, context)

    return ScoringData(dataset.train, dataset.num_classes, batches)


def initial_model(setting: Setting, dataset: Dataset, context: Context) -> torch.nn.Module:
    """Return the network with the initial weights of a seed, on the device."""
    return fresh_model(setting, dataset, context, generator(setting.seed, "initialise"))


def fresh_model(
    setting: Setting, dataset: Dataset, context: Context, draw: torch.Generator
) -> torch.nn.Module:
    """Return the network with weights drawn from a generator, on the device.

    Raises:
        UserError: the network is for images of another size.
    """
    _check_image_size(setting, dataset)
    model = build_model(
        setting.model.name,
        num_classes=dataset.num_classes,
        in_channels=setting.data.channels or dataset.image_shape[0],
        generator=draw,
        **setting.model.options,
    )
    # channels_last goes with the batches: no convolution has to reorder its input.
    # Any: the types of older PyTorch versions know no memory format for modules.
    moved: Any = model.to(context.torch_device)
    laid_out: torch.nn.Module = moved.to(memory_format=torch.channels_last)
    return laid_out


def _check_image_size(setting: Setting, dataset: Dataset) -> None:
    """Raise UserError where a network without a global pool is not for the images it will see."""
    defaults = model_options(setting.model.name)
    if "image_size" not in defaults:
        return
    wanted = setting.model.options.get("image_size", defaults["image_size"])
    side = dataset.image_shape[-1]
    augment = setting.data.augment
    seen = {
        "training": side if augment is None else augment.crop_size or side,
        "test": side + 2 * setting.data.test_padding,
    }
    for kind, found in seen.items():
        if found != wanted:
            raise UserError(
                f"model.image_size: {setting.model.name} is for images of side {wanted}, but "
                f"{kind} images of {setting.data.name} have side {found}"
            )
