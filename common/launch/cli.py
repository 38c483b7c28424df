"""From a command line to finished runs."""

from __future__ import annotations

import json
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError, nearest
from common.launch.arguments import build_parser, usable_cores
from common.launch.discovery import load_methods, preset_configs, presets

if TYPE_CHECKING:
    from common.config import DataConfig, RunConfig
    from common.pipeline import Context, Methods, RunPlan

FINISHED, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(paper: str, arguments: Sequence[str] | None = None) -> int:
    """Run a replication's command line and return the exit status.

    Args:
        paper: the name of the folder under ``replications``.
        arguments: what follows the program's name; None: the process's own.
    """
    return guarded(lambda: _run(paper, build_parser(paper, presets(paper)).parse_args(arguments)))


def guarded(command: Callable[[], int]) -> int:
    """Return a command's exit status; what the user did wrong, or stopped, ends in one line."""
    try:
        # An exception, not the default sudden end: locks are let go and bars are taken away.
        signal.signal(signal.SIGTERM, _interrupt)
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_USAGE
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues", file=sys.stderr)
        return INTERRUPTED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(paper: str, parsed: Namespace) -> int:
    from common.launch.listing import print_dry_run, print_list  # noqa: PLC0415
    from common.training import prepare_device  # noqa: PLC0415

    methods = load_methods(paper)
    if parsed.schema:
        from common.launch.schema import config_schema  # noqa: PLC0415

        print(json.dumps(config_schema(methods.catalog()), indent=1))
        return FINISHED
    configs = _read_configs(paper, parsed, methods)
    context = make_context(parsed)
    prepare_device(context.torch_device, context.threads)
    if parsed.list:
        return print_list(configs, context)
    plans = plan_runs(configs, methods, context)
    if parsed.dry_run:
        return print_dry_run(plans, context)
    from common.launch.execute import execute  # noqa: PLC0415

    return execute(plans, context, jobs=parsed.jobs, force=parsed.force)


def _read_configs(paper: str, parsed: Namespace, methods: Methods) -> list[RunConfig]:
    from common.config import load_configs  # noqa: PLC0415

    if parsed.config and parsed.preset:
        raise UserError("--config and --preset exclude each other")
    files: list[Path] = parsed.config or preset_configs(paper, parsed.preset or "quick")
    if parsed.only:
        files = [file for file in files if any(word in file.name for word in parsed.only)]
        if not files:
            raise UserError(f"--only {' '.join(parsed.only)}: no config's file name contains that")
    catalog = methods.catalog()
    configs = []
    for file in files:
        if not file.exists() and not parsed.preset:
            _suggest(paper, file)
        found = load_configs(file, catalog, parsed.set)
        if parsed.set:
            known = load_configs(file, catalog)
            found = [_relabel(config, known) for config in found]
        for config in found:
            if config.paper != paper:
                raise UserError(f"{file}: belongs to paper {config.paper!r}, this is {paper!r}")
            if parsed.seeds:
                if len(set(parsed.seeds)) != len(parsed.seeds):
                    raise UserError(f"--seeds: {parsed.seeds} holds a seed twice")
                configs.append(config.model_copy(update={"seeds": tuple(parsed.seeds)}))
            else:
                configs.append(config)
    return configs


def _relabel(changed: RunConfig, originals: Sequence[RunConfig]) -> RunConfig:
    """Give a config whose numbers an override changes a protocol of its own.

    Its record then never stands in the tables of the protocol it no longer follows, unless the
    override names a protocol itself.
    """
    from common.config import config_hash  # noqa: PLC0415

    same = config_hash(changed) in map(config_hash, originals)
    if same or changed.protocol != originals[0].protocol:
        return changed
    return changed.model_copy(update={"protocol": f"{changed.protocol}_modified"})


def _suggest(paper: str, file: Path) -> None:
    known = {path.name: path for preset in presets(paper) for path in preset_configs(paper, preset)}
    guess = nearest(file.name, known)
    hint = f"; did you mean {known[guess]}?" if guess else ""
    raise UserError(f"--config {file}: no such file{hint}")


def make_context(parsed: Namespace) -> Context:
    """Return the place of computation that the arguments describe."""
    from common.pipeline import Context  # noqa: PLC0415
    from common.tracking import WandbSettings, Workspace  # noqa: PLC0415

    workspace = Workspace(
        runs=parsed.runs_dir.resolve(),
        results=parsed.results_dir.resolve(),
        data=parsed.data_root.resolve(),
    )
    return Context(
        workspace=workspace,
        device=choose_device(parsed.device),
        threads=parsed.threads or max(1, usable_cores() // parsed.jobs),
        graphs=not parsed.no_graphs,
        download=parsed.download,
        checkpoint_seconds=parsed.checkpoint_seconds,
        progress=parsed.jobs == 1,
        wandb=WandbSettings(
            mode=parsed.wandb,
            entity=parsed.wandb_entity,
            project=parsed.wandb_project,
            run_name=parsed.wandb_run_name,
            directory=workspace.runs,
        ),
    )


def choose_device(requested: str) -> str:
    """Return the device a request means; ``auto`` takes a GPU where there is one."""
    import torch  # noqa: PLC0415

    available = torch.cuda.is_available()
    if requested == "auto":
        return "cuda" if available else "cpu"
    kind, _, index = requested.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise UserError(f"--device: must be auto, cpu, cuda or cuda:N, found {requested!r}")
    if kind == "cuda" and not available:
        raise UserError(f"--device {requested}: this machine has no usable CUDA device")
    if index and int(index) >= torch.cuda.device_count():
        raise UserError(
            f"--device {requested}: there are {torch.cuda.device_count()} CUDA devices here"
        )
    return requested


def plan_runs(configs: list[RunConfig], methods: Methods, context: Context) -> list[RunPlan]:
    """Return the plans of all runs: every config with each of its seeds.

    Raises:
        UserError: a data set cannot be read, or a recipe selects by validation images that its
            data do not have.
    """
    from common.pipeline import plan_run  # noqa: PLC0415

    plans = []
    for config in configs:
        _check_selections(config, context)
        contents = _content(context, config.data), _source(context, config)
        plans += [plan_run(config, seed, methods, *contents) for seed in config.seeds]
    return plans


def _check_selections(config: RunConfig, context: Context) -> None:
    for where, data in config.selections():
        if not data.validation and not _fingerprint(context, data)["validation_images"]:
            raise UserError(
                f"{config.name}: {where}.select: 'best_validation' needs validation images, and "
                f"{data.name} brings none; set data.validation"
            )


def _fingerprint(context: Context, data: DataConfig) -> dict[str, Any]:
    fingerprint: dict[str, Any] = context.dataset(data.name, stream=data.stream).fingerprint
    return fingerprint


def _content(context: Context, data: DataConfig) -> str:
    return str(_fingerprint(context, data)["sha256"])


def _source(context: Context, config: RunConfig) -> str | None:
    source = None if config.transfer is None else config.transfer.source
    return None if source is None else _content(context, source)
