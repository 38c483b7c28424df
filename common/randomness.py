"""Every random number of a run comes from a generator named by (seed, purpose, indices).

Nothing reads the global random state, so a run that was killed and resumed draws the same numbers
as one that was not, and one more draw in one place moves no number in another.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, purpose: str, *indices: int) -> int:
    """Return a 63-bit seed that depends on all arguments and on nothing else.

    Args:
        seed: the run's seed.
        purpose: what the numbers are for, such as ``"initialise"`` or ``"order"``.
        indices: where in the run they are used, such as the epoch.
    """
    text = "/".join([str(seed), purpose, *map(str, indices)])
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """Return a CPU generator for one purpose of one run.

    Draws are made on the CPU and moved to the device, so that they are the same on every device.
    """
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *indices))
