"""Worker processes on one machine, each computing one phase at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from common.errors import RunFailedError, UserError
from common.pipeline import Context, Phase, compute_phase
from common.training import prepare_device


@dataclass(frozen=True)
class Outcome:
    """A phase that a worker is through with; ``error`` is None where it finished."""

    phase: Phase
    error: str | None


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    phase: Phase | None = None


def attempt(compute: Callable[[], object]) -> str | None:
    """Call ``compute``; return why it failed, or None. Defects also print their traceback."""
    try:
        compute()
    except (RunFailedError, UserError) as error:
        return str(error)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _serve(pipe: Connection, context: Context) -> None:
    """Compute phases until the parent says None or is gone."""
    prepare_device(context.torch_device, context.threads)
    while True:
        try:
            phase = pipe.recv()
        except EOFError:
            return
        if phase is None:
            return
        pipe.send(attempt(lambda phase=phase: compute_phase(phase, context)))  # type: ignore[misc]


class WorkerPool:
    """As many processes as asked for; one that dies is replaced and its phase counts as failed.

    Args:
        context: where phases run; workers draw no progress bars.
        size: number of processes.
    """

    def __init__(self, context: Context, size: int) -> None:
        self._context = replace(context, progress=False)
        self._spawn = multiprocessing.get_context("spawn")
        self._workers = [self._start() for _ in range(size)]

    def _start(self) -> _Worker:
        here, there = self._spawn.Pipe()
        process = self._spawn.Process(target=_serve, args=(there, self._context), daemon=True)
        # Ctrl-C reaches the whole group, but what it means is the parent's to decide: the child
        # inherits that it ignores it, from its first moment on.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        there.close()
        return _Worker(process, here)

    @property
    def busy(self) -> bool:
        """Whether a phase is being computed."""
        return any(worker.phase is not None for worker in self._workers)

    @property
    def idle(self) -> bool:
        """Whether a worker is free."""
        return any(worker.phase is None for worker in self._workers)

    def submit(self, phase: Phase) -> None:
        """Hand a phase to a free worker."""
        worker = next(worker for worker in self._workers if worker.phase is None)
        if not worker.process.is_alive():
            worker = self._replace(worker)
        worker.phase = phase
        with contextlib.suppress(OSError):  # it died just now: wait() will find out
            worker.pipe.send(phase)

    def _replace(self, worker: _Worker) -> _Worker:
        worker.pipe.close()
        fresh = self._start()
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def wait(self) -> list[Outcome]:
        """Wait until a worker is through with its phase; return all that are."""
        working = {worker.pipe: worker for worker in self._workers if worker.phase is not None}
        if not working:
            return []
        outcomes = []
        for pipe in wait(list(working)):
            worker = working[pipe]  # type: ignore[index]
            assert worker.phase is not None
            try:
                error = worker.pipe.recv()
            except (EOFError, OSError):  # OSError: it died before it had read its phase
                worker.process.join()
                error = f"the worker process ended with exit code {worker.process.exitcode}"
                outcomes.append(Outcome(worker.phase, error))
                self._replace(worker)
                continue
            outcomes.append(Outcome(worker.phase, error))
            worker.phase = None
        return outcomes

    def __enter__(self) -> WorkerPool:
        """Return the pool."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the workers: at once after an error or Ctrl-C, else when they are idle."""
        for worker in self._workers:
            if kind is not None:
                worker.process.terminate()
            else:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
