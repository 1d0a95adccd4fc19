"""The whole evening at full size: where the time of a run goes, its memory, and how far two parts of it are
from what they can do alone.

Run: `python benchmarks/full_size.py [--case NAME] [--accounts N] [--end UTC] [--seed N]`.

The case is run as `undertow run` runs it, every mechanism on, into a folder that is thrown away. First the
population is drawn into an empty cache, so that drawing is measured, and read back. Then come the run's own
stages. Inside the run the danger stage and the matching of the crowd's commands are timed call by call:

* danger: time of a tick and of an account valued at it, against a full scan of the same venue as it ended
  (`benchmarks/danger.py` measures both on a population made for it);
* matching: commands a second, with all that a venue does for a command (`benchmarks/matching.py` measures the
  books alone, `benchmarks/venue.py` a venue under a denser stream).

Times are CPU time of this one process, walls beside them where they say more; memory is the process's peak. A
second run of the script finds the kernels compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from machine import best_of, header, say, table
from undertow.case.load import load_case
from undertow.lab import build as building
from undertow.lab.run import run_case
from undertow.lab.warmup import warm_up
from undertow.venue.danger_scan import scan
from undertow.venue.engine import Engine
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_HOLDINGS, TRADE_COUNT, WAKES

ACCOUNT_LISTS = ("pending", "dirty", "candidates", "bankrupt")
ACCOUNT_BITS = ("worklist_bits", "debt_bits", "moved_bits")


class Meter:
    """CPU time and calls of some functions, by name, and the largest arguments that were seen."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self.commands = 0
        self.engine: Engine | None = None

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added up."""

        def call(*arguments: Any, **named: Any) -> Any:
            start = time.process_time()
            result = function(*arguments, **named)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
            self.calls[name] = self.calls.get(name, 0) + 1
            return result

        return call

    def submit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`Engine.submit`, with its commands counted."""
        timed = self.timed("matching", function)

        def call(engine: Engine, commands: Any) -> Any:
            self.engine = engine
            self.commands += len(commands)
            return timed(engine, commands)

        return call


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Time the engine's own methods and the drawing of the population while a run goes on."""
    changed: Any = Engine
    assembly: Any = building
    kept = (Engine.submit, Engine.find_danger, assembly.drawn_once)
    changed.submit = meter.submit(kept[0])
    changed.find_danger = meter.timed("danger", kept[1])
    assembly.drawn_once = meter.timed("population", kept[2])
    try:
        yield
    finally:
        changed.submit, changed.find_danger, assembly.drawn_once = kept


def peak_mb() -> float:
    """Most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def account_bytes(engine: Engine) -> tuple[float, float]:
    """Bytes an account in the venue, with its holdings and its part of every index; holdings an account."""
    state = engine.state
    accounts, holdings = (int(state.counters[slot]) for slot in (COUNT_ACCOUNTS, COUNT_HOLDINGS))
    used = accounts * state.accounts.itemsize + holdings * state.holdings.itemsize + state.buckets.nbytes
    used += accounts * sum(getattr(state, name).itemsize for name in ACCOUNT_LISTS)
    used += accounts * len(ACCOUNT_BITS) // 8
    return used / accounts, holdings / accounts


def report_population(case: str, settings: dict[str, Any], seed: int) -> None:
    """Draw into an empty cache, then read."""
    loaded = load_case(case, settings)
    outside = building.outside_of(loaded, None, seed)
    meter = Meter()
    times, peaks = [], [peak_mb()]
    with TemporaryDirectory() as place, metered(meter):
        os.environ["UNDERTOW_CACHE_DIR"] = place  # the kernels' place was taken when they were imported
        for _ in range(2):
            meter.seconds.clear()
            engine = building.build(loaded, outside, seed).engine
            times.append(meter.seconds["population"])
            peaks.append(peak_mb())
    size, rows = account_bytes(engine)
    say(f"population drawn        {times[0]:9.1f} s, read from the cache {times[1]:.1f} s")
    say(f"ready for step one      {peaks[1]:9.0f} MB at most, {peaks[0]:.0f} MB of it before")
    say(f"in the venue            {size:9.0f} bytes an account, at {rows:.2f} holdings an account")


def report_stages(folder: Path, wall: float) -> None:
    """Wall and CPU seconds of every stage."""
    timing = json.loads((folder / "timing.json").read_text())
    worked = timing["cpu_seconds"]
    total = sum(worked.values())
    rows = [
        [name, f"{seconds:.1f}", f"{worked[name]:.1f}", f"{worked[name] / total:.0%}"]
        for name, seconds in timing["seconds"].items()
    ]
    say(table(["stage", "wall s", "CPU s", "share"], [*rows, ["all", f"{wall:.1f}", f"{total:.1f}", ""]]))


def report_parts(meter: Meter, steps: int) -> None:
    """Danger and matching inside the run, against what they can do."""
    assert meter.engine is not None
    state = meter.engine.state
    wakes, trades = int(state.counters[WAKES]), int(state.counters[TRADE_COUNT])
    danger, matching = meter.seconds["danger"], meter.seconds["matching"]
    plain = best_of(3, lambda: scan(state)).best_ms
    numbers = np.ones(1 << 25, np.int64)
    bandwidth = numbers.nbytes / best_of(5, numbers.sum).best_ms / 1e6
    size = int(state.counters[COUNT_ACCOUNTS]) * state.accounts.itemsize
    size += int(state.counters[COUNT_HOLDINGS]) * state.holdings.itemsize
    rate = size / plain / 1e6
    say(f"danger                  {danger:9.2f} s in {steps:,} ticks, {1e3 * danger / steps:.3f} ms each")
    say(f"  accounts valued       {wakes:9,} {1e9 * danger / max(wakes, 1):.0f} ns each, with the index")
    say(f"  a full scan instead   {plain:9.1f} ms, {plain * steps / 1e3 / danger:.0f} times a tick")
    say(f"  scan: share of reads  {rate / bandwidth:9.0%} {rate:.1f} of {bandwidth:.1f} GB/s, one core")
    say(f"matching                {matching:9.2f} s for {meter.commands:,} commands and {trades:,} fills")
    say(f"  commands a second     {meter.commands / matching / 1e6:9.2f} M, with checks and ledger")


def report_run(case: str, settings: dict[str, Any], seed: int) -> None:
    """The run, its memory, its stages, and two of its parts."""
    meter = Meter()
    start = time.perf_counter()
    with TemporaryDirectory() as place, metered(meter):
        result = run_case(case, settings, seed=seed, out=Path(place))
        wall = time.perf_counter() - start
        say(f"peak memory             {peak_mb():9.0f} MB")
        say()
        report_stages(result.folder, wall)
        steps = json.loads((result.folder / "run.json").read_text())["steps_done"]
    say()
    report_parts(meter, steps)


PARTS: dict[str, Callable[[str, dict[str, Any], int], None]] = {
    "warm up": lambda _case, _settings, _seed: warm_up(),
    "population": report_population,
    "run": report_run,
}


def main() -> None:
    """Print the figures; every part in a process of its own, so that its memory is its own."""
    parser = argparse.ArgumentParser(description="A run at full size.")
    parser.add_argument("--case", default="oct-2025")
    parser.add_argument("--accounts", type=int, default=1_660_000)
    parser.add_argument("--end", default="", help="UTC, to stop earlier than the case does")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=tuple(PARTS), help="one part alone")
    choice = parser.parse_args()
    settings = {"accounts": choice.accounts, **({"end": choice.end} if choice.end else {})}
    if choice.part:
        PARTS[choice.part](choice.case, settings, choice.seed)
        return
    say(header())
    say(f"case {choice.case}, {choice.accounts:,} accounts, seed {choice.seed}")
    for part in PARTS:
        subprocess.run([sys.executable, *sys.argv, "--part", part], check=True)


if __name__ == "__main__":
    main()
