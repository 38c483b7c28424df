"""The command line: ``python -m replications.rare_gems.original --help``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from common.launch.arguments import Parser
from replications.rare_gems.methods import METHODS
from replications.rare_gems.original import Translation, map_table, translate
from replications.rare_gems.original.text import read_flat, read_setting

FINISHED, BAD_USAGE = 0, 2


def _parser() -> Parser:
    parser = Parser(
        prog="python -m replications.rare_gems.original",
        description="Translates a config of the original program into JSON configs.",
        epilog="Notes go to standard error. Exit status: 0 translated; 2 refused, with one line.",
        allow_abbrev=False,
    )
    parser.add_argument("config", nargs="?", type=Path, help="a flat YAML file of the original")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="a .json file for the run, or a folder for it and its sanity checks "
        "(default: the run, on standard output)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="arguments of the original that win over the file, as on its command line",
    )
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="default: seed*trial_num")
    parser.add_argument("--protocol", default="original", metavar="NAME")
    parser.add_argument("--experiment", metavar="NAME", help="default: data set and network")
    parser.add_argument("--map", action="store_true", help="print the map of all arguments")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        return _run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_USAGE


def _run(arguments: Sequence[str] | None) -> int:
    parsed = _parser().parse_args(arguments)
    if parsed.map:
        print(map_table(), end="")
        return FINISHED
    if parsed.config is None:
        raise UserError("which config? (see --help)")
    values = read_flat(_text(parsed.config), str(parsed.config))
    values |= dict(read_setting(setting) for setting in parsed.set)
    try:
        translation = translate(
            values,
            METHODS.catalog(),
            name=_name(parsed.config),
            protocol=parsed.protocol,
            experiment=parsed.experiment,
            seeds=parsed.seeds,
        )
    except UserError as error:
        raise UserError(f"{parsed.config}: {error}") from None
    written = _write(translation, parsed.out)
    for note in translation.notes:
        print(f"note: {note}", file=sys.stderr)
    for line in written:
        print(line, file=sys.stderr)
    return FINISHED


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _name(path: Path) -> str:
    """Return a file's name as that of a run."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).lstrip("_.+-")
    return name or "original"


def _write(translation: Translation, out: Path | None) -> list[str]:
    """Write the configs to where they are wanted and return what to say about it."""
    configs = translation.configs
    checks = ", ".join(config["variant"] for config in configs[1:])
    left = [f"note: skip_sanity_checks: false; a folder as --out gets {checks}, too"]
    if out is None:
        print(json.dumps(configs[0], indent=2))
        return left if checks else []
    single = out.suffix == ".json" and not out.is_dir()
    files = {out: configs[0]} if single else {out / f"{c['name']}.json": c for c in configs}
    for path, config in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"--out {path}: cannot be written ({error.strerror})") from None
    return [*(left if checks and single else []), *(f"wrote {path}" for path in files)]


if __name__ == "__main__":
    raise SystemExit(main())
