"""Wall seconds by stage of a piece of work; for timing.json, never for a result."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up laps by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last lap to a stage."""
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
