"""Two programs timed against each other, each in a process of its own.

Each side has its own settings, as a user would run it. The two take turns, and a ratio is the
median over the rounds of a round's two times, so it holds when the machine drifts. Where other
programs compete for the cores, waiting for them blurs it; the ratio of the processor time that the
two processes were charged for, system calls included, is then the steadier number. It is sharp with
one thread: more of them wait for each other in busy loops, which is charged as well.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch

from common.training import resolve_precision

Step = Callable[[], None]
"""One training step on a batch that is already in memory."""


@dataclass(frozen=True)
class Outcome:
    """Medians over the rounds.

    Attributes:
        plain: seconds a step of the reference.
        ours: seconds a step of this project.
        ratio: of the two, of each round.
        plain_work: processor seconds a step of the reference's process, of all its threads.
        our_work: likewise of this project's.
        work_ratio: of these two, of each round.
    """

    plain: float
    ours: float
    ratio: float
    plain_work: float
    our_work: float
    work_ratio: float


def _serve(make: Callable[..., Step], arguments: tuple[Any, ...], line: Connection) -> None:
    """Time as many steps as asked for, until none are."""
    device, threads = arguments[-1], line.recv()
    if threads:
        torch.set_num_threads(threads)
    step = make(*arguments)
    step()
    line.send(torch.get_num_threads())
    while steps := line.recv():
        started, worked = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken = time.perf_counter() - started, time.process_time() - worked
        line.send([seconds / steps for seconds in taken])


def measure(
    plain: Callable[..., Step],
    workbench: Callable[..., Step],
    arguments: tuple[Any, ...],
    *,
    steps: int,
    rounds: int,
    threads: int,
) -> Outcome:
    """Return what a step of each side takes, and the median ratios.

    Args:
        plain: a function of a module that returns the reference's step.
        workbench: likewise this project's step.
        arguments: of both, the device last.
        steps: of a round.
        rounds: in which both have their turn.
        threads: of each side; 0: the library's choice.
    """
    spawn = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for make in (plain, workbench):
        here, there = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(make, arguments, there), daemon=True)
        process.start()
        here.send(threads)
        here.recv()
        lines.append(here)
        processes.append(process)
    rows = []
    for _ in range(rounds):
        row = []
        for line in lines:
            line.send(steps)
            row += line.recv()
        rows.append(row)
    for line, process in zip(lines, processes, strict=True):
        line.send(0)
        process.join()
    plain_time, plain_work, our_time, our_work = (
        statistics.median(column) for column in zip(*rows, strict=True)
    )
    return Outcome(
        plain_time,
        our_time,
        statistics.median(row[0] / row[2] for row in rows),
        plain_work,
        our_work,
        statistics.median(row[1] / row[3] for row in rows),
    )


def benchmark_parser(
    module: str, description: str | None, *, models: list[str], batch_size: int, rounds: int
) -> argparse.ArgumentParser:
    """Return the command line that the benchmarks of training steps share.

    Args:
        module: what follows ``python -m``.
        description: the text above the options.
        models: timed by default.
        batch_size: likewise.
        rounds: likewise.
    """
    parser = argparse.ArgumentParser(
        description=description,
        prog=f"python -m {module}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--steps", type=int, default=2, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=0, help="0: the library's choice")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


def heading(parsed: argparse.Namespace) -> str:
    """Return what the numbers of a benchmark were measured on, and how."""
    device = torch.device(parsed.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return (
        f"torch {torch.__version__}, {where}, {parsed.threads or torch.get_num_threads()} CPU "
        f"threads, precision {resolve_precision('auto', device)}, batch {parsed.batch_size}, "
        f"median of {parsed.rounds} rounds of {parsed.steps} steps; milliseconds a step\n"
    )
