"""Being told to stop: Ctrl-C, a termination signal and a hang-up are one and the same.

Holds the signals, and the two ways of hearing them: as an interruption, or not at all for a moment. Where a
signal was ignored from the start (`nohup`), it stays ignored.

Units: none. Invariant: outside these blocks the process's signals are as they were.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # not every system hangs up
Handler = Callable[[int, FrameType | None], object] | int


@contextmanager
def stoppable() -> Iterator[None]:
    """Whoever is told to stop in between gets a KeyboardInterrupt."""
    with _hearing(signal.default_int_handler):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """No stop is heard in between, nor ever by processes started meanwhile."""
    with _hearing(signal.SIG_IGN):
        yield


@contextmanager
def _hearing(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {stop: signal.getsignal(stop) for stop in STOPS}
    changed = {stop: was for stop, was in before.items() if was not in (signal.SIG_IGN, None)}
    for stop in changed:
        signal.signal(stop, handler)
    try:
        yield
    finally:
        for stop, was in changed.items():
            signal.signal(stop, was)
