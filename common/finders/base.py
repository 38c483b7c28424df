"""What a finder is: a chain of stages, each of which may ask for a training first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from common.config.recipe import TrainConfig
from common.config.schema import CorruptionConfig, FindOptions, SubsetConfig
from common.data import (
    Batches,
    Dataset,
    Split,
    balanced_batch,
    random_labels,
    random_labels_su,
    random_pixels,
)
from common.errors import UserError
from common.tickets.ticket import Ticket
from common.training import Moment, Precision, TrainData, TrainHooks

Batch = tuple[Tensor, Tensor]
State = dict[str, Tensor]


class PretrainConfig(TrainConfig):
    """The recipe of a training that a finder needs, and what it changes about the data."""

    subset: SubsetConfig | None = None
    corruption: CorruptionConfig | None = None


@dataclass(frozen=True)
class TrainingNeed:
    """A training that must be finished before a stage can find its ticket.

    Attributes:
        recipe: how to train; the ticket of the stage before is trained, at first the dense model.
        keep_at: the moments at which a copy of the state is needed.
    """

    recipe: PretrainConfig
    keep_at: tuple[Moment, ...] = ()


@dataclass(frozen=True)
class Trained:
    """What a training left: the final state and the copies that were asked for."""

    final: State
    kept: Mapping[Moment, State] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoringData:
    """The training images as a finder sees them.

    Attributes:
        split: training images (uint8) and labels, possibly corrupted.
        num_classes: number of classes.
        batches: builds the normalised, augmented batches of a split.
    """

    split: Split
    num_classes: int
    batches: Callable[[Split], Batches]

    def corrupted(
        self, corruption: CorruptionConfig | None, generator: torch.Generator
    ) -> ScoringData:
        """Return the same data with random labels and pixels as a sanity check asks for."""
        return ScoringData(
            corrupt(self.split, corruption, self.num_classes, generator),
            self.num_classes,
            self.batches,
        )

    def balanced(self, per_class: int, generator: torch.Generator) -> Batch:
        """Return ``per_class`` random augmented images of every class, sorted by class."""
        indices = balanced_batch(self.split, per_class, self.num_classes, generator)
        return self._at(indices, generator)

    def minibatch(self, size: int, generator: torch.Generator) -> Batch:
        """Return ``size`` random augmented images, as one step of training would see them."""
        if size > len(self.split):
            raise UserError(
                f"find.batch_size: {size} is more than the {len(self.split)} training images"
            )
        return self._at(torch.randperm(len(self.split), generator=generator)[:size], generator)

    def _at(self, indices: Tensor, generator: torch.Generator) -> Batch:
        chosen = self.batches(self.split.select(indices))
        return chosen.at(torch.arange(len(indices)), generator)


def corrupt(
    split: Split,
    corruption: CorruptionConfig | None,
    num_classes: int,
    generator: torch.Generator,
) -> Split:
    """Apply random labels, then random pixels, as far as the corruption asks for them."""
    if corruption is None:
        return split
    if corruption.random_labels == "su":
        split = random_labels_su(split, num_classes)
    elif corruption.random_labels:
        split = random_labels(split, num_classes, generator)
    if corruption.random_pixels is not None:
        split = random_pixels(split, generator, mode=corruption.random_pixels)
    return split


def scoring_data(dataset: Dataset, device: torch.device | str = "cpu") -> ScoringData:
    """Return a data set's training images without augmentation, normalised by default."""
    normalization = dataset.normalizations["default"]

    def batches(split: Split) -> Batches:
        return Batches(split, 1, normalization, augment=None, device=device)

    return ScoringData(dataset.train, dataset.num_classes, batches)


@dataclass(frozen=True)
class Workshop:
    """What a stage that trains by itself (learning a mask, say) works with.

    Attributes:
        data: makes the batches of a training from their size and whether the validation images
            are augmented, too.
        follow: makes the hooks of a training from its data and recipe: progress, logging, exact
            resume. To be used as a context.
        seed: the run's seed.
        device: where the model and the batches are.
        precision: of forward passes.
        graphs: replay steps as CUDA graphs (CUDA only).
        save_ticket: keeps a ticket from the middle of a search under a name.
    """

    data: Callable[[int, bool], TrainData]
    follow: Callable[[TrainData, TrainConfig], AbstractContextManager[TrainHooks]]
    seed: int
    device: torch.device
    precision: Precision = "float32"
    graphs: bool = False
    save_ticket: Callable[[str, Ticket], None] = lambda name, ticket: None


@dataclass(frozen=True)
class FindInputs:
    """What a stage may look at.

    Attributes:
        model: the network with its initial weights; a stage may overwrite it.
        data: the training images, or None for finders that need none.
        options: the finder's options.
        generator: maps a purpose and indices to a generator of this run's seed.
        trained: what the training that the stage asked for left.
        ticket: the ticket of the stage before.
        workshop: for stages that train by themselves.
    """

    model: nn.Module
    data: ScoringData | None
    options: Any
    generator: Callable[..., torch.Generator]
    trained: Trained | None = None
    ticket: Ticket | None = None
    workshop: Workshop | None = None

    def initial_state(self) -> State:
        """Return a copy of the model's state dict on the CPU."""
        return {k: v.detach().cpu().clone() for k, v in self.model.state_dict().items()}

    def need_data(self) -> ScoringData:
        """Return the data; ``UserError`` where the caller handed over none."""
        if self.data is None:
            raise UserError(f"find.name {self.options.name!r}: needs data, but none was given")
        return self.data

    def need_trained(self) -> Trained:
        """Return what the training left; ``UserError`` outside a run, where there is none."""
        if self.trained is None:
            raise UserError(
                f"find.name {self.options.name!r}: needs a training first, so it works in a run "
                "config and not as a single call"
            )
        return self.trained

    def need_workshop(self) -> Workshop:
        """Return the workshop; ``UserError`` where the caller handed over no data set."""
        if self.workshop is None:
            raise UserError(f"find.name {self.options.name!r}: needs a data set to learn from")
        return self.workshop


@dataclass(frozen=True)
class Found:
    """A ticket and what finding it measured.

    Attributes:
        ticket: the ticket.
        metrics: accuracies in percent, times, counts; they go into the run's record.
        search: curves over the epochs, in the form in which records hold them.
    """

    ticket: Ticket
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    search: Mapping[str, Any] | None = None


FindFunction = Callable[[FindInputs], Ticket | Found]


@dataclass(frozen=True)
class Stage:
    """One step of a finder.

    Attributes:
        find: makes the stage's ticket.
        training: what is trained before that, if anything.
        bears_on: what decides the stage's result beside its inputs; None: all of the options. A
            chain of stages whose first ones do not depend on how many follow leaves that number
            out, so that runs of different length share them.
        makes_start: it makes the weights that later stages rewind to and removes nothing: where
            only these come from another data set, it alone runs there.
    """

    find: FindFunction
    training: TrainingNeed | None = None
    bears_on: Mapping[str, Any] | None = None
    makes_start: bool = False


@dataclass(frozen=True)
class Finder:
    """A finder: the class of its options and the stages that those options ask for.

    A one-shot score has one stage without training; pruning a trained network has one stage with
    training; iterative magnitude pruning has one of those per level.
    """

    options: type[FindOptions]
    stages: Callable[[Any], Sequence[Stage]]


def one_shot(options: type[FindOptions], find: FindFunction) -> Finder:
    """Return a finder with a single stage that trains nothing."""
    return Finder(options, partial(_single_stage, find))


def _single_stage(find: FindFunction, _: FindOptions) -> Sequence[Stage]:
    return (Stage(find),)


def need_sparsity(options: FindOptions) -> float:
    """Return the target sparsity; ``UserError`` where the config gives none."""
    if options.sparsity is None:
        raise UserError(f"find.sparsity: finder {options.name!r} needs one (a number in [0, 1])")
    return options.sparsity
