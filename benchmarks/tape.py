"""Writing and reading a tape: fills by the million, in the small flushes of a run.

Run: `python benchmarks/tape.py [--rows N] [--flush N] [--seed N]`.

Workload: fills as a crash has them (rising times, prices near each other, a dozen instruments), handed over
`flush` rows at a time, then merged into one Parquet file. Reported: rows a second on the way in, bytes a row
on disk, and questions to the finished tape. Before anything is reported the file is read back and its hash is
compared with the writer's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from machine import header, say, table
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.venue.records import FILL

QUESTIONS = {
    "lowest price of an instrument": "select min(price) from fills where instrument = 3",
    "turnover by minute": "select time_ms // 60000, sum(price * size) from fills group by 1",
    "largest ten takers": "select taker, sum(size) from fills group by 1 order by 2 desc limit 10",
}


def fills(count: int, seed: int) -> NDArray[np.void]:
    """Fills of a two-hour crash."""
    random = np.random.default_rng(seed)
    rows = np.zeros(count, FILL)
    rows["time"] = np.sort(random.integers(0, 7_200_000, count))
    rows["price"] = 100_000 + np.cumsum(random.integers(-3, 4, count)) % 50_000
    rows["size"] = np.maximum(random.lognormal(5.0, 1.8, count), 1).astype(np.int64)
    rows["taker"] = random.integers(0, 100_000, count)
    rows["maker"] = random.integers(0, 1_000, count)
    rows["taker_order"] = np.arange(count)
    rows["maker_order"] = random.integers(0, count, count)
    rows["instrument"] = random.integers(0, 12, count)
    rows["side"] = random.choice([-1, 1], count)
    return rows


def seconds_of(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(rows: NDArray[np.void], flush: int, folder: Path) -> list[list[str]]:
    """Write, check, ask."""
    run = RunFolder.create(folder, {"case": "benchmark"})
    writer = TapeWriter(run)

    def hand_over() -> None:
        for start in range(0, len(rows), flush):
            writer.fills(rows[start : start + flush])

    taken = seconds_of(hand_over)
    finished = seconds_of(writer.finish)
    size = (run.path / "fills.parquet").stat().st_size
    with Tape(run) as tape:
        assert tape.content_hash() == writer.tape_hash()
        asked = [
            [name, f"{seconds_of(lambda q=q: tape.rows(q)) * 1e3:.0f} ms", ""]
            for name, q in QUESTIONS.items()
        ]
    millions = len(rows) / 1e6
    return [
        ["hand over", f"{taken:.2f} s", f"{millions / taken:.1f} million rows a second"],
        ["finish", f"{finished:.2f} s", f"{size / len(rows):.1f} bytes a row"],
        [
            "together",
            f"{taken + finished:.2f} s",
            f"{millions / (taken + finished):.1f} million rows a second",
        ],
        *asked,
    ]


def main() -> None:
    """Read the arguments, print the block, then the table."""
    parser = argparse.ArgumentParser(description="Times the tape.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--flush", type=int, default=7_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.rows < 1 or given.flush < 1:
        parser.error("--rows and --flush must be at least 1")
    say(header())
    say(f"workload  {given.rows:,} fills, {given.flush:,} at a time\n")
    with TemporaryDirectory() as folder:
        say(
            table(["", "time", ""], measure(fills(given.rows, given.seed), given.flush, Path(folder) / "run"))
        )


if __name__ == "__main__":
    main()
