"""Compute a phase, once: a finished one is left alone, an interrupted one goes on."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save
from torch import Tensor

from common.config import TrainConfig
from common.errors import UserError
from common.finders import FindInputs, Found, Trained, Workshop
from common.pipeline.context import (
    Context,
    finder_data,
    fresh_model,
    initial_model,
    prepare_dataset,
    training_data,
)
from common.pipeline.phase import FindWork, Phase, TrainWork, TransferWork, TransformWork
from common.randomness import generator
from common.tickets import Ticket, transfer_ticket, transform_ticket
from common.tickets.states import load_start, load_state, save_state
from common.tickets.transfer import RULE, is_classifier
from common.tracking import (
    MetricsLog,
    PhaseLabels,
    PhasePaths,
    TrainingBar,
    WandbMirror,
    describe_environment,
)
from common.tracking.paths import PHASE_HASH
from common.training import (
    CheckpointStore,
    Moment,
    TrainData,
    TrainHooks,
    TrainResult,
    cpu_state,
    evaluate,
    prepare_device,
    train,
    write_atomically,
)
from common.tricks import InitScales


def phase_paths(phase: Phase, context: Context) -> PhasePaths:
    """Return the files of a phase."""
    return context.workspace.phase(phase.kind, phase.identity)


def is_done(phase: Phase, context: Context) -> bool:
    """Tell whether a phase is finished and holds every copy that is asked of it."""
    paths = phase_paths(phase, context)
    return paths.done.exists() and all(_kept(paths, moment).exists() for moment in phase.keep_at)


def _kept(paths: PhasePaths, moment: Moment) -> Path:
    return paths.kept(moment.unit, moment.number)


def compute_phase(phase: Phase, context: Context) -> bool:
    """Compute a phase whose inputs are finished; return False if it was finished already.

    Another process that works on the same phase is waited for.

    Raises:
        RunFailedError: the training diverged.
        UserError: the config asks for something impossible with these data.
    """
    paths = phase_paths(phase, context)
    if is_done(phase, context):
        return False
    paths.root.mkdir(parents=True, exist_ok=True)
    with FileLock(paths.lock):
        if is_done(phase, context):
            return False
        paths.done.unlink(missing_ok=True)
        for partial in paths.root.rglob("*.tmp"):  # what a kill in the middle of a save left
            partial.unlink()
        write_atomically(paths.description, _pretty(phase.description()))
        prepare_device(context.torch_device, context.threads)
        started = time.monotonic()
        with _mirror(phase, context) as mirror:
            match phase.work:
                case TrainWork():
                    result = _compute_train(phase, phase.work, paths, context, mirror)
                case FindWork():
                    result = _compute_find(phase, phase.work, paths, context, mirror)
                case TransformWork():
                    result = _compute_transform(phase, phase.work, paths, context, mirror)
                case TransferWork():
                    result = _compute_transfer(phase, phase.work, paths, context, mirror)
        result["wall_seconds"] = time.monotonic() - started
        precision = context.precision(phase.setting.precision)
        result["environment"] = describe_environment(context.torch_device, precision)
        write_atomically(paths.result, _pretty(result))
        write_atomically(paths.done, b"")
        CheckpointStore(paths.root).clear()
    return True


def _pretty(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _mirror(phase: Phase, context: Context) -> WandbMirror:
    setting, origin = phase.setting, phase.origin
    config: dict[str, Any] = {"phase": phase.description()}
    tags = [setting.data.name, setting.model.name]
    group = phase.kind
    if origin is not None:
        config |= origin.model_dump(mode="json")
        tags = [origin.paper, origin.method, *tags]
        group = origin.experiment
    labels = PhaseLabels(
        name=f"{phase.label} seed {setting.seed}",
        group=group,
        job_type=phase.role or phase.kind,
        tags=tuple(tags),
    )
    return WandbMirror(context.wandb, phase.identity[:PHASE_HASH], labels, config)


def read_result(phase: Phase, context: Context) -> dict[str, Any]:
    """Return the metrics, time and environment of a finished phase."""
    value = json.loads(phase_paths(phase, context).result.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def _compute_train(
    phase: Phase, work: TrainWork, paths: PhasePaths, context: Context, mirror: WandbMirror
) -> dict[str, Any]:
    setting, recipe = phase.setting, work.recipe
    dataset = prepare_dataset(setting.data, context, setting.seed)
    model = fresh_model(setting, dataset, context, generator(setting.seed, work.draw))
    masks: dict[str, Tensor] = {}
    if phase.inputs:
        ticket = Ticket.load(phase_paths(phase.inputs[-1], context).ticket)
        ticket.apply_to(model)
        masks = ticket.masks
    data = training_data(setting.data, dataset, recipe.batch_size, context)
    start: dict[str, float] = {}
    if masks:
        _, start["start_test_accuracy"] = evaluate(
            model, data.test, context.precision(setting.precision)
        )
    if phase.inputs and recipe.lrsi is not None and recipe.lrsi.order == "scale_then_mask":
        model.load_state_dict(ticket.weights)  # the training masks them after they are scaled
    with _followed(phase, paths, context, mirror, data, recipe) as hooks:
        result: TrainResult = train(
            model,
            data,
            recipe,
            masks=masks,
            seed=setting.seed,
            device=context.torch_device,
            precision=context.precision(setting.precision),
            graphs=context.graphs,
            hooks=hooks,
        )
    write_atomically(paths.final, save_state(cpu_state(model), masks))
    if result.dressed:
        write_atomically(paths.dressed, save(result.dressed))
    scaling = _scaling(paths)
    metrics = start | result.metrics
    if scaling is not None:
        metrics |= {
            f"lrsi_{name}": scaling[name] for name in ("constraint_steps", "objective_steps")
        }
    mirror.summarise(metrics)
    seconds = sum(row["seconds"] for row in result.history)
    seconds += 0.0 if scaling is None else scaling["seconds"]
    return {"metrics": metrics, "history": result.history, "seconds": seconds}


def _scaling(paths: PhasePaths) -> dict[str, Any] | None:
    """Return what LRsI did if the training began with it, perhaps in another process."""
    if not paths.scales.exists():
        return None
    found: dict[str, Any] = json.loads(paths.scales.read_text(encoding="utf-8"))
    return found


@contextmanager
def _followed(
    phase: Phase,
    paths: PhasePaths,
    context: Context,
    mirror: WandbMirror,
    data: TrainData,
    recipe: TrainConfig,
) -> Iterator[TrainHooks]:
    """Follow a training: checkpoints to resume from, the metrics log, wandb and a progress bar."""
    store = CheckpointStore(paths.root)
    _restart_for_copies(phase, paths, store, len(data.train), recipe)
    known = store.load()
    history = [] if known is None else list(known.values["history"])
    log = MetricsLog(paths.metrics, history)
    images = data.train.image_count
    bar = TrainingBar(phase.label, images * recipe.epochs, context.progress)
    done = images * len(history) + (
        0 if known is None else known.values["step"] * recipe.batch_size
    )
    bar.skip(done)

    def on_epoch(row: dict[str, Any]) -> None:
        log.append(row)
        bar.epoch(row)
        mirror.log(row)

    def keep(moment: Moment, state: dict[str, Tensor]) -> None:
        write_atomically(_kept(paths, moment), save(state))

    def on_scales(found: InitScales) -> None:
        write_atomically(paths.scales, _pretty(asdict(found)))

    try:
        yield TrainHooks(
            on_epoch=on_epoch,
            on_step=bar.step,
            keep=keep,
            keep_at=phase.keep_at,
            on_scales=on_scales,
            checkpoints=store,
            checkpoint_seconds=context.checkpoint_seconds,
        )
    finally:
        bar.close()


def _restart_for_copies(
    phase: Phase, paths: PhasePaths, store: CheckpointStore, steps: int, recipe: TrainConfig
) -> None:
    """Drop the checkpoints if a copy that is asked for lies behind them: start from the beginning.

    It happens where an interrupted training is continued for a run that rewinds to a moment which
    the run before did not need.

    Args:
        phase: the training.
        paths: its files.
        store: its checkpoints.
        steps: of an epoch.
        recipe: of the training.

    Raises:
        UserError: the training ends before a copy that is asked for.
    """
    known = store.load()
    epochs = 0 if known is None else len(known.values["history"])
    done = 0 if known is None else epochs * steps + known.values["step"]
    for moment in phase.keep_at:
        position = moment.number if moment.unit == "step" else (moment.number + 1) * steps
        if position > steps * recipe.epochs:
            raise UserError(
                f"find.rewind: {moment.unit} {moment.number} is not in a training of "
                f"{recipe.epochs} epochs of {steps} steps"
            )
        if position <= done and not _kept(paths, moment).exists():
            store.clear()


def _compute_find(
    phase: Phase, work: FindWork, paths: PhasePaths, context: Context, mirror: WandbMirror
) -> dict[str, Any]:
    setting = phase.setting
    dataset = prepare_dataset(setting.data, context, setting.seed)
    stage = work.function()
    started = time.monotonic()

    def data(size: int, validation_augment: bool) -> TrainData:
        return training_data(
            setting.data, dataset, size, context, validation_augment=validation_augment
        )

    workshop = Workshop(
        data=data,
        follow=lambda data, recipe: _followed(phase, paths, context, mirror, data, recipe),
        seed=setting.seed,
        device=context.torch_device,
        precision=context.precision(setting.precision),
        graphs=context.graphs,
        save_ticket=lambda name, ticket: ticket.save_light(
            paths.level(name), context.workspace.weights
        ),
    )
    found = stage.find(
        FindInputs(
            model=initial_model(setting, dataset, context),
            data=finder_data(setting.data, dataset, context),
            options=work.options,
            generator=lambda purpose, *indices: generator(setting.seed, purpose, *indices),
            trained=_trained(phase, context),
            ticket=_input_ticket(phase, context),
            workshop=workshop,
        )
    )
    if isinstance(found, Ticket):
        found = Found(found)
    meta = {
        **found.ticket.meta,
        "finder": work.identity(),
        "stage": work.stage,
        "model": setting.model.model_dump(mode="json"),
        "data": setting.data.model_dump(mode="json"),
        "seed": setting.seed,
        "phase": phase.identity,
        "metrics": dict(found.metrics),
    }
    ticket = Ticket(found.ticket.masks, found.ticket.weights, meta)
    result = _save_ticket(ticket, paths, mirror, started, context)
    mirror.summarise(dict(found.metrics))
    return result | {"metrics": dict(found.metrics), "search": found.search}


def _compute_transform(
    phase: Phase, work: TransformWork, paths: PhasePaths, context: Context, mirror: WandbMirror
) -> dict[str, Any]:
    setting = phase.setting
    dataset = context.dataset(setting.data.name, stream=setting.data.stream)
    ticket = _input_ticket(phase, context)
    assert ticket is not None
    trained = _trained(phase, context)
    started = time.monotonic()

    def build(draw: torch.Generator) -> torch.nn.Module:
        model = fresh_model(setting, dataset, context, draw)
        if trained is not None:
            model.load_state_dict(trained.final)
        return model

    changed = transform_ticket(
        ticket,
        work.options,
        generator(setting.seed, f"transform {work.options.name}", work.position),
        build,
        {work.options.name: work.transform},
    )
    meta = {**changed.meta, "phase": phase.identity}
    return _save_ticket(
        Ticket(changed.masks, changed.weights, meta), paths, mirror, started, context
    )


def _compute_transfer(
    phase: Phase, work: TransferWork, paths: PhasePaths, context: Context, mirror: WandbMirror
) -> dict[str, Any]:
    setting = phase.setting
    dataset = prepare_dataset(setting.data, context, setting.seed)
    ticket = _input_ticket(phase, context)
    if ticket is None:
        ticket = _start_of_file(work)
    started = time.monotonic()
    model = initial_model(setting, dataset, context)
    moved = transfer_ticket(ticket, model.state_dict(), work.options)
    moved.apply_to(model)
    meta = {
        **moved.meta,
        "transfer": work.identity(),
        "model": setting.model.model_dump(mode="json"),
        "data": setting.data.model_dump(mode="json"),  # what it is for now, not where it was found
        "phase": phase.identity,
    }
    if "data" in ticket.meta:
        meta["source_data"] = ticket.meta["data"]
    return _save_ticket(Ticket(moved.masks, moved.weights, meta), paths, mirror, started, context)


def _start_of_file(work: TransferWork) -> Ticket:
    """Return the start weights of the file that a transfer names, as a ticket without masks."""
    options = work.options
    assert options.init is not None
    path = Path(options.init)
    start = load_start(path)  # the start weights of a ticket are there without its mask
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != options.sha256:
        raise UserError(f"transfer.sha256: {path} has another content now ({found})")
    return Ticket({}, start.weights)


def _save_ticket(
    ticket: Ticket, paths: PhasePaths, mirror: WandbMirror, started: float, context: Context
) -> dict[str, Any]:
    precision = context.precision("float32")
    versions = describe_environment(context.torch_device, precision)
    report = ticket.report()
    meta = {
        **ticket.meta,
        "sparsity": report["sparsity"],
        "layer_densities": report["layer_densities"],
        "versions": {key: versions[key] for key in ("python", "torch")},
    }
    whole = Ticket(ticket.masks, ticket.weights, meta)
    # A carried classifier is pruned, and yet another one after every round.
    own = [n for n in whole.masks if is_classifier(n)] if meta.get(RULE) == "carried" else []
    whole.save_light(paths.ticket, context.workspace.weights, own)
    mirror.summarise({"sparsity": report["sparsity"]})
    if mirror.active:
        with tempfile.TemporaryDirectory() as folder:  # elsewhere, no weights file is beside it
            portable = Path(folder) / paths.ticket.name
            whole.save(portable)
            mirror.add_ticket(portable, meta)
    # Results are written with sorted keys; readers want the layers in the network's order.
    report["layer_order"] = list(ticket.masks)
    return {"ticket": report, "metrics": {}, "seconds": time.monotonic() - started}


def _input_ticket(phase: Phase, context: Context) -> Ticket | None:
    for earlier in phase.inputs:
        if earlier.kind != "train":
            return Ticket.load(phase_paths(earlier, context).ticket)
    return None


def _trained(phase: Phase, context: Context) -> Trained | None:
    for earlier in phase.inputs:
        if earlier.kind == "train":
            paths = phase_paths(earlier, context)
            kept = {moment: load_file(_kept(paths, moment)) for moment in earlier.keep_at}
            return Trained(load_state(paths.final), kept)
    return None
