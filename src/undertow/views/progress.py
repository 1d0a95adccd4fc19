"""Progress for people: bars on a terminal, a line now and then elsewhere, nothing for work under two seconds.

Both listeners follow `undertow.lab.progress.Progress` and write to stderr, so that what a command prints
can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from undertow.lab.progress import Progress, Silent

PATIENCE_SECONDS = 2.0
LINE_EVERY_SECONDS = 10.0

Clock = Callable[[], float]


class Bars:
    """Bars on a terminal. A stage with a known total appears once it has taken two seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: RichProgress | None = None
        self._task: TaskID | None = None
        self._started = 0.0

    def begin(self, label: str, total: int | None = None) -> None:
        """A stage starts; one whose length is unknown is shown at once."""
        self.end()
        self._started = time.monotonic()
        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            *([MofNCompleteColumn(), TimeRemainingColumn()] if total is not None else []),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bars.add_task(label, total=total, visible=total is None)
        self._bars.start()

    def advance(self, steps: int = 1) -> None:
        """Move the bar; show it when patience has run out."""
        if self._bars is None or self._task is None:
            return
        visible = self._bars.tasks[0].visible or time.monotonic() - self._started > PATIENCE_SECONDS
        self._bars.update(self._task, advance=steps, visible=visible)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text, highlight=False)

    def end(self) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Lines:
    """A line every ten seconds, for logs and pipes; nothing for a stage under two seconds."""

    def __init__(self, write: Callable[[str], object], clock: Clock = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._label = ""
        self._total: int | None = None
        self._done = 0
        self._started = 0.0
        self._next = 0.0

    def begin(self, label: str, total: int | None = None) -> None:
        """A stage starts; one whose length is unknown is told at once."""
        self._label, self._total, self._done = label, total, 0
        self._started = self._clock()
        self._next = self._started + PATIENCE_SECONDS
        if total is None:
            self._write(f"{label} ...\n")

    def advance(self, steps: int = 1) -> None:
        """Count; say so when a line is due."""
        self._done += steps
        now = self._clock()
        if now >= self._next and self._total is not None:
            share = 100 * self._done // max(1, self._total)
            self._write(f"{self._label}: {self._done:,} of {self._total:,} ({share} %)\n")
            self._next = now + LINE_EVERY_SECONDS

    def note(self, text: str) -> None:
        """A line of its own."""
        self._write(f"{text}\n")

    def end(self) -> None:
        """Say how long a stage took that took long."""
        spent = self._clock() - self._started
        if self._label and spent > PATIENCE_SECONDS:
            self._write(f"{self._label}: done in {spent:.0f} s\n")
        self._label = ""


def listener(console: Console, quiet: bool = False) -> Progress:
    """What fits where stderr goes: bars on a terminal, lines elsewhere, silence when asked for."""
    if quiet:
        return Silent()
    if console.is_terminal:
        return Bars(console)
    return Lines(console.file.write)
