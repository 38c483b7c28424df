"""Which arithmetic a device does well."""

from __future__ import annotations

import contextlib
import ctypes
from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def resolve_precision(
    requested: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> Precision:
    """Return the precision that ``auto`` stands for on a device.

    bfloat16 autocast is chosen where the hardware multiplies in it: on CUDA from Ampere on, on a
    CPU with AVX512-BF16 or AMX. Elsewhere it is emulated and several times slower than float32.
    """
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float32"
    if device.type == "cpu" and cpu_has_bfloat16():
        return "bfloat16"
    return "float32"


def cpu_has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the autocast context of a precision on a device."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def prepare_device(device: torch.device, threads: int | None = None) -> None:
    """Set what the process needs for fast and repeatable arithmetic on a device.

    The memory of activations is kept when it is freed, see ``keep_freed_memory``.

    Denormal numbers are flushed to zero: weight decay drives the momentum and the scales of dead
    channels there, and a CPU computes with them many times more slowly. A thread takes the setting
    over from the one that starts it, so this must come before the first parallel operation.
    """
    torch.set_flush_denormal(True)
    if device.type == "cpu":
        keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    if device.type == "cuda":
        # Streams and graphs belong to the current device, not to that of their tensors.
        torch.cuda.set_device(device.index or 0)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


# Parameters of mallopt(3), from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let the C library keep large blocks that are freed, for the next step needs them again.

    By default glibc maps every block above 32 MB anew and gives it back when it is freed, so each
    step pays for the page faults of all its large activations: half of the time of a step of Conv2
    at batch 256. Up to 2 GB on top of the heap then stay with the process.

    Returns:
        Whether this C library can be told so; others are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
