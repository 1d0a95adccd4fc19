"""Seconds by stage, on the wall and of this process; for timing.json, never for a result."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up laps by name; `laps` on the wall, `cpu_laps` what this process worked."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.cpu_laps: dict[str, float] = {}
        self._last = time.perf_counter()
        self._cpu_last = time.process_time()

    def lap(self, name: str) -> None:
        """Add the time since the last lap to a stage."""
        now, cpu_now = time.perf_counter(), time.process_time()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self.cpu_laps[name] = self.cpu_laps.get(name, 0.0) + cpu_now - self._cpu_last
        self._last, self._cpu_last = now, cpu_now

    def seconds(self) -> dict[str, dict[str, float]]:
        """Both, to the millisecond."""
        return {
            "seconds": {name: round(lap, 3) for name, lap in self.laps.items()},
            "cpu_seconds": {name: round(lap, 3) for name, lap in self.cpu_laps.items()},
        }
