"""A phase: one content-addressed step of a run, and the chain of phases that a config asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from common.config import (
    DataConfig,
    FindOptions,
    ModelConfig,
    RunConfig,
    TrainConfig,
    TransferConfig,
    TransformOptions,
    digest,
)
from common.config.schema import SCHEMA_VERSION
from common.errors import UserError
from common.finders import Finder, PretrainConfig, Stage
from common.pipeline.registry import Methods
from common.tickets.transforms import Transform
from common.training import Moment


@dataclass(frozen=True)
class Setting:
    """What all phases of a run share.

    Attributes:
        data: which images, and how they are seen.
        model: which network.
        precision: as the config gives it.
        seed: the run's seed.
        dataset: the SHA-256 of the images and labels that are really there.
    """

    data: DataConfig
    model: ModelConfig
    precision: str
    seed: int
    dataset: str

    def identity(self) -> dict[str, Any]:
        """Return the setting as JSON values."""
        return {
            "data": self.data.model_dump(mode="json"),
            "model": self.model.model_dump(mode="json"),
            "precision": self.precision,
            "seed": self.seed,
            "dataset": self.dataset,
        }


@dataclass(frozen=True)
class TrainWork:
    """Train the ticket of the input phase, or the dense network where there is no input.

    Attributes:
        recipe: how.
        draw: purpose of the generator of the dense network's first weights; another than the
            run's where a transform draws weights that are trained first.
    """

    recipe: TrainConfig
    draw: str = "initialise"


@dataclass(frozen=True)
class FindWork:
    """Run one stage of a finder on what the input phases made."""

    finder: Finder
    options: FindOptions
    stage: int

    def function(self) -> Stage:
        """Return the stage."""
        return self.finder.stages(self.options)[self.stage]

    def identity(self) -> dict[str, Any]:
        """Return what of the options decides the stage's result, as JSON values."""
        bears_on = self.function().bears_on
        return self.options.model_dump(mode="json") if bears_on is None else dict(bears_on)


@dataclass(frozen=True)
class TransformWork:
    """Apply one transform to the ticket of the input phase."""

    transform: Transform
    options: TransformOptions
    position: int


@dataclass(frozen=True)
class TransferWork:
    """Make the input phase's ticket, or the start weights of a file, one of this network."""

    options: TransferConfig

    def identity(self) -> dict[str, Any]:
        """Return what of the options decides the result; the source is an input."""
        return self.options.model_dump(mode="json", exclude={"source", "init"})


Work = TrainWork | FindWork | TransformWork | TransferWork
EVALUATE_ONLY = TrainConfig(epochs=0)
KINDS = {
    TrainWork: "train",
    FindWork: "find",
    TransformWork: "transform",
    TransferWork: "transfer",
}


@dataclass(frozen=True)
class Phase:
    """One step of a run; two runs that need the same step share it.

    Attributes:
        setting: data, model, precision and seed.
        work: what to do.
        inputs: the phases whose output it reads.
        keep_at: moments at which a training keeps a copy of its state. Outside the identity: a copy
            more does not change a number.
        role: what it does in its run: pretrain, find, train or the transform's name.
        origin: the config of a run that needs it, for labels; outside the identity.
        identity: 64 hexadecimal digits, the hash of everything that bears on the result.
    """

    setting: Setting
    work: Work
    inputs: tuple[Phase, ...] = ()
    keep_at: tuple[Moment, ...] = ()
    role: str = ""
    origin: RunConfig | None = field(default=None, compare=False, repr=False)
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", digest(self.description()))

    @property
    def label(self) -> str:
        """What to call the phase on the screen."""
        name = "" if self.origin is None else self.origin.name
        return f"{name} {self.role}".strip()

    @property
    def kind(self) -> str:
        """``train``, ``find``, ``transform`` or ``transfer``."""
        return KINDS[type(self.work)]

    def description(self) -> dict[str, Any]:
        """Return what the identity is the hash of."""
        match self.work:
            case TrainWork(recipe, draw):
                work: dict[str, Any] = {"recipe": recipe.model_dump(mode="json")}
                if recipe.lrsi is not None and recipe.lrsi.resume is not None:
                    del work["recipe"]["lrsi"]["resume"]  # its content counts, not its place
                work |= {} if draw == "initialise" else {"draw": draw}
            case FindWork(stage=stage) as find:
                work = {"find": find.identity(), "stage": stage}
            case TransformWork(_, options, position):
                work = {"transform": options.model_dump(mode="json"), "position": position}
            case TransferWork() as transfer:
                work = {"transfer": transfer.identity()}
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            **self.setting.identity(),
            **work,
            "inputs": [phase.identity for phase in self.inputs],
        }


@dataclass(frozen=True)
class RunPlan:
    """The phases of one run in the order in which they can be computed.

    Attributes:
        config: the run's config.
        seed: the run's seed.
        phases: every phase that the run needs.
        ticket: the phase that makes the ticket which is trained; None for a dense run.
        train: the last training; of no epochs, just evaluated, where the config trains nothing.
    """

    config: RunConfig
    seed: int
    phases: tuple[Phase, ...]
    ticket: Phase | None
    train: Phase


def plan_run(
    config: RunConfig, seed: int, methods: Methods, dataset: str, source: str | None = None
) -> RunPlan:
    """Return the phases of one run of a config.

    Args:
        config: a validated config.
        seed: one of its seeds.
        methods: the finders and transforms its names stand for.
        dataset: the SHA-256 of the data set's content.
        source: likewise of the data set that a transfer comes from.

    Raises:
        UserError: the config asks for a transfer or transform of a ticket that is not there.
    """
    setting = Setting(config.data, config.model, config.precision, seed, dataset)
    phases: list[Phase] = []
    ticket = _plan_find(config, setting, methods, phases, source)
    for position, options in enumerate(config.transform):
        if ticket is None:
            raise UserError(f"transform: {options.name!r} needs a ticket, but find makes none")
        inputs: tuple[Phase, ...] = (ticket,)
        if options.dense_epochs:
            fresh = _fresh_training(config, options, position)
            phases.append(Phase(setting, fresh, role="pretrain", origin=config))
            inputs = (ticket, phases[-1])
        work = TransformWork(methods.transforms[options.name], options, position)
        ticket = Phase(setting, work, inputs, role=options.name, origin=config)
        phases.append(ticket)
    recipe = EVALUATE_ONLY if config.train is None else config.train
    start = () if ticket is None else (ticket,)
    train = Phase(setting, TrainWork(recipe), start, role="train", origin=config)
    phases.append(train)
    return RunPlan(config, seed, tuple(phases), ticket, train)


def _fresh_training(config: RunConfig, options: TransformOptions, position: int) -> TrainWork:
    """Return the dense training of the weights that a transform draws: the run's first epochs."""
    epochs = options.dense_epochs
    if config.train is None or epochs > config.train.epochs:
        length = 0 if config.train is None else config.train.epochs
        raise UserError(
            f"transform.{position}.rewind_epoch: {epochs} is more than the {length} epochs of train"
        )
    return TrainWork(config.train.first_epochs(epochs), f"transform {options.name} {position}")


def _plan_find(
    config: RunConfig,
    setting: Setting,
    methods: Methods,
    phases: list[Phase],
    source: str | None,
) -> Phase | None:
    """Plan the stages of the finder: where there is a transfer, on the source up to it."""
    finder = methods.finders[config.find.name]
    stages = list(enumerate(finder.stages(config.find)))
    transfer = config.transfer
    # Rounds of none from the initial weights: there is nothing to take from elsewhere.
    if transfer is None or (transfer.mask == "source" and not stages):
        return _plan_stages(config, finder, setting, stages, None, phases)
    there = stages
    if transfer.mask == "target":
        there = [(number, stage) for number, stage in stages if stage.makes_start]
        if not there:
            raise UserError(
                "transfer.mask: 'target' needs a finder that starts from weights of its own "
                "training (find.name 'imp' with rewind.restart true)"
            )
    ticket: Phase | None = None
    if transfer.source is not None:
        assert source is not None
        away = replace(setting, data=transfer.source, dataset=source)
        ticket = _plan_stages(config, finder, away, there, None, phases)
    work = TransferWork(transfer)
    moved = Phase(
        setting, work, () if ticket is None else (ticket,), role="transfer", origin=config
    )
    phases.append(moved)
    return _plan_stages(config, finder, setting, stages[len(there) :], moved, phases)


def _plan_stages(
    config: RunConfig,
    finder: Finder,
    setting: Setting,
    stages: Sequence[tuple[int, Stage]],
    ticket: Phase | None,
    phases: list[Phase],
) -> Phase | None:
    """Plan stages of the finder, from a ticket or from nothing; return the last one's phase."""
    for number, stage in stages:
        inputs: tuple[Phase, ...] = () if ticket is None else (ticket,)
        if stage.training is not None:
            pretrain = Phase(
                replace(setting, data=_training_data(setting.data, stage.training.recipe)),
                TrainWork(_plain(stage.training.recipe)),
                inputs,
                keep_at=stage.training.keep_at,
                role="pretrain",
                origin=config,
            )
            phases.append(pretrain)
            inputs = (*inputs, pretrain)
        work = FindWork(finder, config.find, number)
        ticket = Phase(setting, work, inputs, role="find", origin=config)
        phases.append(ticket)
    return ticket


def _training_data(data: DataConfig, recipe: PretrainConfig) -> DataConfig:
    return data.model_copy(update={"subset": recipe.subset, "corruption": recipe.corruption})


def _plain(recipe: PretrainConfig) -> TrainConfig:
    """Drop what a pre-training says about the data, so that it equals a dense run's recipe."""
    fields = {name: getattr(recipe, name) for name in TrainConfig.model_fields}
    return TrainConfig.model_construct(**fields)


def distinct_phases(plans: Sequence[RunPlan]) -> dict[str, Phase]:
    """Return every phase once, in an order in which each follows its inputs.

    A training that several runs share keeps the copies that any of them needs.
    """
    found: dict[str, Phase] = {}
    for plan in plans:
        for phase in plan.phases:
            known = found.get(phase.identity)
            if known is None:
                found[phase.identity] = phase
            elif set(phase.keep_at) - set(known.keep_at):
                keep = tuple(sorted({*known.keep_at, *phase.keep_at}))
                found[phase.identity] = replace(known, keep_at=keep)
    return found
