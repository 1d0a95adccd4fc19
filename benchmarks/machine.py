"""What every benchmark prints and how it times: the command line, the machine block, best of n.

Holds no workload. Units: milliseconds. A timing is the best of n calls after one call that does not count (it
compiles); the median stands beside it, and a large gap between the two says that the machine was busy.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numba
import numpy as np


class Timing(NamedTuple):
    """Best and median of several calls, and the first call, which compiles or loads what it needs."""

    best_ms: float
    median_ms: float
    first_ms: float


def best_of(count: int, function: Callable[[], object]) -> Timing:
    """Call once, then `count` times; wall time of each in milliseconds."""
    first, *rest = [_timed(function) for _ in range(count + 1)]
    return Timing(min(rest), median(rest), first)


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3


def processor() -> str:
    """The processor's model name."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_block() -> str:
    """One line per fact a reader needs to compare figures."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    numbers = f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    return "\n".join(
        [
            f"machine   {processor()}, {os.cpu_count()} cores{load}",
            f"system    {platform.system()} {platform.release()}",
            f"software  {numbers}",
        ]
    )


def header() -> str:
    """The command line and the machine block."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return f"command   python benchmarks/{' '.join(words)}\n{machine_block()}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in plain text: the first to the left, the others to the right."""
    widths = [max(len(line[place]) for line in [titles, *rows]) for place in range(len(titles))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [titles, ["-" * width for width in widths], *rows]
    )


def say(text: str = "") -> None:
    """Write a line and let it be seen at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
