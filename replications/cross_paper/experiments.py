"""Writes the declared grid as configs.

``python -m replications.cross_paper.experiments``: one file a finder, check and recipe, which
sweeps over data sets and sparsities. Presets: ``quick`` (digits) and ``paper`` (the whole study).
"""

from __future__ import annotations

from collections.abc import Iterator

from replications.cross_paper.grid import runs
from replications.cross_paper.scales import QUICK, STUDY, Config


def quick() -> Iterator[Config]:
    """Yield the reduced grid."""
    yield from runs(QUICK)


def paper() -> Iterator[Config]:
    """Yield the whole grid."""
    yield from runs(STUDY)


PRESETS = {"quick": quick, "paper": paper}


if __name__ == "__main__":
    from common.launch.config_files import write_paper_configs

    write_paper_configs("cross_paper")
