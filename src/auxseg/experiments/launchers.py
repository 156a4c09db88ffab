"""Runs many jobs: one after another, in processes of this machine, or on a cluster."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Protocol

import torch

from auxseg.errors import AuxsegError, TrainingError, UsageError
from auxseg.processes import end_with

#: What is done with each item: a module's function, so that other processes find it. It returns a
#: line about what came out.
Work = Callable[[Any], str]


class Launcher(Protocol):
    """Where jobs run."""

    def __call__(
        self, work: Work, items: Mapping[str, Any]
    ) -> Iterator[tuple[str, str | Exception]]:
        """Yields each item's name with its line, or with the error it failed by, as they end."""


def run_all(work: Work, items: Mapping[str, Any], launch: Launcher) -> dict[str, str]:
    """Does all the work, and prints a line per finished item.

    Args:
        items: name → what ``work`` is called with.

    Returns:
        name → message of the items that failed: one that fails takes no other with it.
    """
    failures: dict[str, str] = {}
    for number, (name, outcome) in enumerate(launch(work, items), start=1):
        if isinstance(outcome, Exception):
            failures[name] = _explained(outcome)
            outcome = f"failed: {failures[name]}"
        print(f"[{number}/{len(items)}] {name}: {outcome}", flush=True)
    return failures


def default_jobs() -> int:
    """One per core and at most four (memory); runs beside each other on one GPU gain nothing."""
    return 1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1)


def one_by_one(work: Work, items: Mapping[str, Any]) -> Iterator[tuple[str, str | Exception]]:
    """In this process, in order."""
    for name, item in items.items():
        try:
            yield name, work(item)
        except Exception as error:
            yield name, error


@dataclass(frozen=True)
class Processes:
    """A process for every item, a limited number at a time.

    Attributes:
        jobs: how many; None for :func:`default_jobs`.
    """

    jobs: int | None = None

    def __call__(
        self, work: Work, items: Mapping[str, Any]
    ) -> Iterator[tuple[str, str | Exception]]:
        jobs = self.jobs or default_jobs()
        threads = max(1, (os.cpu_count() or 1) // jobs)
        pool = ThreadPoolExecutor(jobs)
        pending = {
            pool.submit(_in_process, work, item, threads): name for name, item in items.items()
        }
        try:
            for future in as_completed(pending):
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield pending[future], error or future.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)  # nothing new is started
            if not isinstance(error, KeyboardInterrupt):  # Ctrl-C reaches what runs by itself
                for process in active_children():
                    process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _in_process(work: Work, item: Any, threads: int) -> str:
    """A process of its own: one that dies takes no other run with it."""
    # A fresh process: torch's threads do not survive a fork.
    with ProcessPoolExecutor(
        1,
        mp_context=get_context("spawn"),
        initializer=_start_process,
        initargs=(os.getpid(), threads),
    ) as pool:
        return pool.submit(work, item).result()


def _start_process(parent: int, threads: int) -> None:
    end_with(parent)
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Cluster:
    """A cluster's jobs, by submitit (the extra ``cluster``); waits until all have ended.

    What jobs write must lie on a file system that all machines share.

    Attributes:
        kind: ``slurm``, or ``local`` for processes of this machine, all at once (a rehearsal).
        folder: for the jobs' logs.
        options: submitit's parameters, such as ``timeout_min``, ``slurm_partition``,
            ``gpus_per_node``, ``cpus_per_task``, ``slurm_array_parallelism``.
    """

    kind: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(
        self, work: Work, items: Mapping[str, Any]
    ) -> Iterator[tuple[str, str | Exception]]:
        executor = self._executor()
        jobs = executor.map_array(work, list(items.values()))
        import submitit

        place = {id(job): name for job, name in zip(jobs, items, strict=True)}
        print(f"{len(jobs)} jobs submitted; their logs lie in {self.folder}", flush=True)
        try:
            for job in submitit.helpers.as_completed(jobs):
                try:
                    outcome: str | Exception = job.result()
                except Exception as error:  # killed, timed out, or failed with a trace in the text
                    outcome = TrainingError(f"{_reason(error)} (log: {job.paths.stderr})")
                yield place[id(job)], outcome
        finally:  # after Ctrl-C: the same command submits them again, and they go on
            for job in jobs:
                if not job.done():
                    job.cancel()

    def _executor(self) -> Any:
        try:
            import submitit
        except ImportError:
            raise UsageError(
                "--cluster: needs the extra cluster (pip install 'auxseg[cluster]')"
            ) from None
        try:
            executor = submitit.AutoExecutor(folder=self.folder, cluster=self.kind)
            executor.update_parameters(**self.options)
        except (RuntimeError, ValueError, NameError, TypeError, AssertionError) as error:
            raise UsageError(
                f"--cluster {self.kind} with {dict(self.options)}: {_reason(error)}"
            ) from None
        return executor


def _reason(error: Exception) -> str:
    """What submitit's error is about, in a line: of a trace in its text the last line."""
    text = str(error)
    if "Traceback" in text:
        trace = re.split(r"\n-{5,}", text[text.index("Traceback") :])[0]
        return trace.strip().splitlines()[-1].removeprefix("auxseg.errors.")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _explained(error: Exception) -> str:
    """A failure in a line; a fault of the program itself is printed whole."""
    if isinstance(error, AuxsegError):
        return str(error)
    if isinstance(error, BrokenProcessPool):
        return "its process died (out of memory?); fewer --jobs may help"
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}"
