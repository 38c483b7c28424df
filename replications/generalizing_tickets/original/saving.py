"""Which checkpoints the runs of a script leave, and under which names they are gathered."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.config import RunConfig
from common.errors import UserError
from common.pipeline import Context, RunPlan, phase_paths, run_paths
from common.pipeline.compute import read_result
from common.tickets.files import link_file
from common.training import Moment
from replications.generalizing_tickets.runs import SPELLED

PARTS = 10
"""The original keeps ten checkpoints of a dense training, every sixteenth epoch of VGG19 say."""


def kept_epochs(config: RunConfig, flags: Namespace) -> list[int]:
    """Return the epochs, from 1, after which ``train.py`` keeps the state.

    That of late resetting, and where checkpoints are gathered those of the original. With early
    stopping nobody knows beforehand whether a later one comes.

    Raises:
        UserError: the training ends before the epoch of late resetting.
    """
    recipe = config.train
    epochs = 0 if recipe is None else recipe.epochs
    if flags.rewind_epoch > epochs:
        raise UserError(
            f"--rewind-epoch: must be at most the {epochs} epochs of the training, found "
            f"{flags.rewind_epoch}"
        )
    stops = recipe is not None and recipe.early_stopping is not None
    if flags.model_saving_path is None or stops:
        return [flags.rewind_epoch]
    step = max(1, epochs // PARTS)
    return sorted({flags.rewind_epoch, *range(step, epochs + 1, step)})


def keeping(plan: RunPlan, epochs: Iterable[int]) -> RunPlan:
    """Return a plan whose last training keeps its state after these epochs, counted from 1."""
    moments = tuple(Moment("epoch", epoch - 1) for epoch in epochs)
    train = replace(plan.train, keep_at=moments)
    phases = tuple(train if phase is plan.train else phase for phase in plan.phases)
    return replace(plan, train=train, phases=phases)


def save_checkpoints(
    script: str, flags: Namespace, plans: Sequence[RunPlan], context: Context
) -> list[str]:
    """Make the checkpoints of finished runs appear in the folder that is asked for.

    Args:
        script: whose runs these are; the names of the files depend on it.
        flags: the script's options.
        plans: the runs; those that failed are left out.
        context: where they ran.

    Returns:
        One line for every checkpoint, with its path.

    Raises:
        UserError: the folder cannot be written.
    """
    lines = []
    for plan in plans:
        for stem, what, file in _checkpoints(script, flags, plan, context):
            place = file
            if flags.model_saving_path is not None:
                place = flags.model_saving_path / f"{stem}.safetensors"
                _link(file, place)
            lines.append(f"{what}: {place}")
    return lines


def _link(file: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        link_file(file, place)
    except OSError as error:
        raise UserError(
            f"--model_saving_path: {place} cannot be written ({error.strerror})"
        ) from None


def _checkpoints(
    script: str, flags: Namespace, plan: RunPlan, context: Context
) -> Iterator[tuple[str, str, Path]]:
    """Yield name, description and file of every checkpoint of a run."""
    paths = phase_paths(plan.train, context)
    if not paths.done.exists():
        return
    final = run_paths(plan, context).checkpoint
    epochs = len(read_result(plan.train, context)["history"])
    if script in ("iterative_pruning", "iterative_snip"):
        find: Any = plan.config.find  # what has rounds
        number = find.number_of_rounds - (script == "iterative_snip")
        yield f"{number}_{epochs}", f"round {number}", final
        return
    data = plan.config.data.name
    stem = f"{plan.config.model.name}_{SPELLED.get(data, data)}"
    if script != "train":
        stem += f"_{script.removesuffix('_train')}"
    for moment in plan.train.keep_at:
        file = paths.kept(moment.unit, moment.number)
        epoch = moment.number + 1
        if file.exists() and epoch != epochs:
            late = " (late resetting)" if epoch == flags.rewind_epoch else ""
            yield f"{stem}_{epoch}", f"after epoch {epoch}{late}", file
    yield f"{stem}_{epochs}", f"after epoch {epochs}, the last", final
