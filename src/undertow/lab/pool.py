"""Work for several processes: one function over many tasks, with progress, stopped by Ctrl-C without loss.

Holds the pool and the way a worker tells how far it is. Knows no case and no run.

Workers are started afresh (never forked, since threads may be running), stay for the next batch, and hear of
a stop through shared memory: their listener then interrupts the task at its next step. Invariant: results are
keyed by the task's place, so nothing depends on who finished first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import Any, Generic, NamedTuple, TypeVar

from undertow.errors import CapacityError, CommandLineError
from undertow.lab.progress import Progress, Silent
from undertow.lab.stops import STOPS, deaf

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
JOBS_LIMIT = 64
LOOK_SECONDS = 0.25
TERMINATED = 143  # exit code of a process that a termination signal ended


class Batch(NamedTuple, Generic[ResultT]):
    """What came of a batch: results by the task's place, and whether it was stopped before the end."""

    results: dict[int, ResultT]
    interrupted: bool


class _Told(Silent):
    """A worker's listener: counts steps where everybody can see them, and stops when told to."""

    def __init__(self, steps: Any, stop: Any) -> None:
        self.steps, self.stop = steps, stop
        self.busy, self.terminated = False, False

    def advance(self, steps: int = 1) -> None:
        """Count; raises KeyboardInterrupt when the batch, or this process, is being stopped."""
        # A worker that died while it counted keeps the lock for ever: nobody waits for it long.
        if self.steps.get_lock().acquire(timeout=LOOK_SECONDS):
            self.steps.get_obj().value += steps
            self.steps.get_lock().release()
        if self.stop.value or self.terminated:
            raise KeyboardInterrupt

    def terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """A termination signal: the task ends at its next step; without one, or when told again, all ends."""
        if not self.busy or self.terminated:
            os._exit(TERMINATED)
        self.terminated = True


class _Passed(Silent):
    """The listener of work done in this process: hands steps on, keeps the stages to itself."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def advance(self, steps: int = 1) -> None:
        """Hand on."""
        self.progress.advance(steps)


_told: Progress = Silent()


def _begin(steps: Any, stop: Any) -> None:
    global _told  # noqa: PLW0603 a worker has one listener, set once when it starts
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)  # stops go to the whole group; the parent decides
    _told = _Told(steps, stop)
    signal.signal(signal.SIGTERM, _told.terminate)  # but what is told alone must be able to end
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    """End with the parent, also where it was killed and could tell nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(TERMINATED)


def _call(function: Callable[[TaskT, Progress], ResultT | None], task: TaskT) -> ResultT | None:
    told = _told
    try:
        if isinstance(told, _Told):
            told.busy = True
        return function(task, told)
    except KeyboardInterrupt:
        return None
    finally:
        if isinstance(told, _Told):
            told.busy = False


class Pool:
    """Processes that wait for work; with one job everything is done in this process."""

    def __init__(self, jobs: int) -> None:
        if not 1 <= jobs <= JOBS_LIMIT:
            raise CommandLineError(f"--jobs must be between 1 and {JOBS_LIMIT}, not {jobs}")
        self.jobs = jobs
        context = multiprocessing.get_context("spawn")
        self._steps, self._stop = context.Value("q", 0), context.Value("b", 0, lock=False)
        self._workers: ProcessPoolExecutor | None = None
        if jobs > 1:
            self._workers = ProcessPoolExecutor(jobs, context, _begin, (self._steps, self._stop))

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._stop.value = 1
            self._workers.shutdown(wait=True, cancel_futures=True)

    def each(
        self,
        function: Callable[[TaskT, Progress], ResultT | None],
        tasks: Sequence[TaskT],
        progress: Progress,
    ) -> Batch[ResultT]:
        """Call a function with every task. It and the tasks are picklable; None from it counts as stopped.

        What the function raises ends the batch and is raised here; Ctrl-C ends it with what is done.
        """
        if self._workers is None or len(tasks) == 1:
            return self._here(function, tasks, progress)
        results: dict[int, ResultT] = {}
        places: dict[Future[ResultT | None], int] = {}
        interrupted = False
        try:
            with deaf():
                for place, task in enumerate(tasks):
                    places[self._workers.submit(_call, function, task)] = place
            self._collect(places, results, progress)
        except KeyboardInterrupt:
            interrupted = True
            self._end(places, results)
        except BrokenProcessPool:
            raise CapacityError(
                "a worker process died, most likely for want of memory; give fewer --jobs or --accounts"
            ) from None
        except BaseException:
            self._end(places, {})
            raise
        return Batch(results, interrupted or len(results) < len(tasks))

    def _here(
        self,
        function: Callable[[TaskT, Progress], ResultT | None],
        tasks: Sequence[TaskT],
        progress: Progress,
    ) -> Batch[ResultT]:
        results: dict[int, ResultT] = {}
        try:
            for place, task in enumerate(tasks):
                result = function(task, _Passed(progress))
                if result is None:
                    break
                results[place] = result
        except KeyboardInterrupt:
            pass
        return Batch(results, len(results) < len(tasks))

    def _collect(
        self, places: dict[Future[ResultT | None], int], results: dict[int, ResultT], progress: Progress
    ) -> None:
        """Take results as they come, telling how many steps all workers have done."""
        waiting, seen = set(places), self._steps.get_obj().value  # read without the lock: it may be lost
        while waiting:
            done, waiting = wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                result = future.result()
                if result is not None:
                    results[places[future]] = result
            now = self._steps.get_obj().value
            if now > seen:
                progress.advance(now - seen)
                seen = now

    def _end(self, places: dict[Future[ResultT | None], int], results: dict[int, ResultT]) -> None:
        """Stop what runs, drop what waits, keep what had finished."""
        self._stop.value = 1
        for future in places:
            future.cancel()
        with deaf():
            for future, place in places.items():
                if not future.cancelled() and future.exception() is None:
                    result = future.result()
                    if result is not None:
                        results[place] = result
        self._stop.value = 0
