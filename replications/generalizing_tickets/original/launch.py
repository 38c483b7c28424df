"""From a script's command line to finished runs, as ``run.py`` makes them."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UserError
from common.launch.arguments import ROOT
from common.launch.cli import choose_device, guarded, make_context, plan_runs
from common.launch.discovery import load_methods
from replications.generalizing_tickets.original.configs import translate
from replications.generalizing_tickets.original.flags import NO_ENTITY, NO_RUN_NAME, build_parser
from replications.generalizing_tickets.recipes import NAME, Config

if TYPE_CHECKING:
    from common.config import RunConfig
    from common.pipeline import Context, Methods

NOT_ASKED = {
    "runs_dir": ROOT / "runs",
    "results_dir": None,
    "jobs": 1,
    "no_graphs": True,
    "checkpoint_seconds": 60.0,
}
"""What a context needs to know and ``test.py`` has no options for."""


def main(script: str, arguments: Sequence[str] | None = None) -> int:
    """Run a script's command line and return the exit status.

    Args:
        script: a key of ``flags.SCRIPTS``.
        arguments: what follows the program's name; None: the process's own.
    """
    return guarded(lambda: _run(script, build_parser(script).parse_args(arguments)))


def _run(script: str, flags: Namespace) -> int:
    from common.training import prepare_device  # noqa: PLC0415 - imports torch

    methods = load_methods(NAME)
    context = _context(flags)
    prepare_device(context.torch_device, context.threads)
    if script == "test":
        from replications.generalizing_tickets.original.evaluation import (  # noqa: PLC0415
            evaluate_file,
        )

        return evaluate_file(flags, methods, context)
    translated = translate(script, flags)
    for note in translated.notes:
        print(f"note: {note}", file=sys.stderr)
    configs = _parsed(f"{script}.py", translated.configs, flags.set, methods)
    return _execute(script, flags, configs, methods, context)


def _parsed(
    source: str, raw: Sequence[Config], settings: Sequence[str], methods: Methods
) -> list[RunConfig]:
    """Return the validated runs, each once; settings that change one change its protocol, too."""
    from common.config import apply_overrides, config_hash, parse_config  # noqa: PLC0415

    catalog = methods.catalog()
    found: dict[str, RunConfig] = {}
    for one in raw:
        plain = parse_config(one, catalog, source)
        config = parse_config(apply_overrides(one, settings), catalog, source)
        if config_hash(config) != config_hash(plain) and config.protocol == plain.protocol:
            config = config.model_copy(update={"protocol": f"{config.protocol}_modified"})
        found.setdefault(config_hash(config), config)
    return list(found.values())


def _context(flags: Namespace) -> Context:
    given = NOT_ASKED | vars(flags)
    if given["results_dir"] is None:
        given["results_dir"] = given["runs_dir"] / "results"
    given["device"] = _device(flags)
    given["wandb_entity"] = None if flags.entity == NO_ENTITY else flags.entity
    given["wandb_project"] = flags.project
    given["wandb_run_name"] = None if flags.run_name == NO_RUN_NAME else flags.run_name
    return make_context(Namespace(**given))


def _device(flags: Namespace) -> str:
    """Return the device: ``--device``, or the GPU of ``--gpu`` where there is any."""
    device = choose_device(flags.device)
    if flags.gpu == 0 or device != "cuda":
        return device
    try:
        return choose_device(f"cuda:{flags.gpu}")
    except UserError as error:
        raise UserError(f"--gpu {flags.gpu}: {error}") from None


def _execute(
    script: str,
    flags: Namespace,
    configs: list[RunConfig],
    methods: Methods,
    context: Context,
) -> int:
    from common.launch.execute import execute  # noqa: PLC0415 - imports torch
    from common.launch.listing import print_dry_run  # noqa: PLC0415
    from replications.generalizing_tickets.original.saving import (  # noqa: PLC0415
        keeping,
        kept_epochs,
        save_checkpoints,
    )

    copies = kept_epochs(configs[0], flags) if script == "train" else []
    plans = [keeping(plan, copies) for plan in plan_runs(configs, methods, context)]
    if flags.dry_run:
        return print_dry_run(plans, context)
    status = execute(plans, context, jobs=flags.jobs, force=flags.force)
    for line in save_checkpoints(script, flags, plans, context):
        print(line)
    return status
