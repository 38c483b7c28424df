"""Tells whether this Python satisfies pyproject.toml: ``python common/setup/check.py``.

It runs before anything is installed, so it imports nothing of the project, and nothing that Python
does not bring until it knows that it is there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Installed in the right version and yet not importable is what happens to these two: they are
# compiled against each other, and a mixture of their CPU and CUDA builds breaks the second.
COMPILED = ("torch", "torchvision")


def requirements(pyproject: Path, extras: Iterable[str] = ()) -> list[str]:
    """Return the project's requirements and those of the named extras, as they are written."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    return [*project.get("dependencies", []), *(line for name in extras for line in optional[name])]


def unmet(lines: Iterable[str]) -> list[str]:
    """Return one sentence for each requirement that the installed packages do not satisfy."""
    try:
        from packaging.requirements import Requirement  # noqa: PLC0415
    except ImportError:
        return ["packaging is not installed"]
    problems = []
    for requirement in map(Requirement, lines):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            problems.append(f"{requirement.name} is not installed")
            continue
        # Builds that vendors ship in their images carry pre-release versions.
        if not requirement.specifier.contains(installed, prereleases=True):
            problems.append(
                f"{requirement.name} {installed} is installed, {requirement.specifier} is needed"
            )
    return problems


def unimportable(names: Iterable[str]) -> list[str]:
    """Return one sentence for each module that cannot be imported."""
    problems = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken build raises anything
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            problems.append(f"{name} cannot be imported ({reason})")
    return problems


def fingerprint(names: Iterable[str]) -> str:
    """Return a hash of this Python, where it is, and the versions of what it is to import."""
    versions = [f"{name}=={version(name)}" for name in names]
    return hashlib.sha256("\n".join([sys.version, sys.prefix, *versions]).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the first problem and return 1, or return 0 where there is none."""
    parser = argparse.ArgumentParser(prog="common/setup/check.py", description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="also check this extra")
    parser.add_argument("--pyproject", type=Path, default=ROOT / "pyproject.toml")
    parser.add_argument(
        "--stamp", type=Path, help="file that remembers that the imports of this Python work"
    )
    options = parser.parse_args(arguments)
    lines = requirements(options.pyproject, options.extra)
    problems = unmet(lines)
    if not problems:
        problems = _import_once(options.stamp, lines)
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        print(problems[0] + more)
        return 1
    return 0


def _import_once(stamp: Path | None, lines: Iterable[str]) -> list[str]:
    """Import what is compiled, unless the stamp says that it went well; it takes seconds."""
    wanted = {re.split(r"[^\w.-]", line)[0] for line in lines}
    names = [name for name in COMPILED if name in wanted]
    known = fingerprint(names)
    if stamp is not None and stamp.is_file() and stamp.read_text(encoding="utf-8") == known:
        return []
    problems = unimportable(names)
    if stamp is not None and not problems:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(known, encoding="utf-8")
    return problems


if __name__ == "__main__":
    sys.exit(main())
