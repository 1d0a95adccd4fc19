"""What is refused in recorded data, and how it is said: file, row, column, fault, and what would be right.

Holds the checks on columns that are already numbers. Holds no file format (see bars.py, minutes.py, pool.py).
Units: times in milliseconds since 1970 (UTC); prices in USD or a stated quote; rows counted as the file
counts them (a parquet file's first row is 1, a CSV file's header is line 1).
Invariant: a column that passes is finite, of one length with its rows, in order, and without repetition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError
from undertow.feeds.times import utc_text

# Two neighbouring prices further apart than this are a wrong unit or a wrong row, not a market.
LARGEST_JUMP = 100.0


def fault(path: Path, row: int, column: str, problem: str, right: str) -> DataError:
    """The error for one cell."""
    return DataError(f"{path}: row {row}, column {column}: {problem}; {right}")


def _first(mask: NDArray[np.bool_]) -> int:
    """Index of the first true element, -1 if there is none."""
    return int(np.argmax(mask)) if mask.any() else -1


def check_prices(path: Path, rows: NDArray[np.int64], column: str, values: NDArray[np.float64]) -> None:
    """Every price is a finite number above zero (DataError otherwise)."""
    bad = _first(~np.isfinite(values))
    if bad >= 0:
        raise fault(path, rows[bad], column, f"{values[bad]} is not a finite number", "a price is needed")
    bad = _first(values <= 0.0)
    if bad >= 0:
        raise fault(path, rows[bad], column, f"{values[bad]} is not a price", "prices are above zero")


def check_amounts(path: Path, rows: NDArray[np.int64], column: str, values: NDArray[np.float64]) -> None:
    """Every amount is a finite number, zero or above (DataError otherwise)."""
    bad = _first(~np.isfinite(values))
    if bad >= 0:
        raise fault(path, rows[bad], column, f"{values[bad]} is not a finite number", "an amount is needed")
    bad = _first(values < 0.0)
    if bad >= 0:
        raise fault(path, rows[bad], column, f"{values[bad]} is negative", "amounts are zero or above")


def check_not_above(
    path: Path,
    rows: NDArray[np.int64],
    low: tuple[str, NDArray[np.float64]],
    high: tuple[str, NDArray[np.float64]],
) -> None:
    """The column `low` is nowhere above the column `high`, up to the last digits of a float (DataError)."""
    bad = _first(low[1] > high[1] * (1.0 + 1e-9))
    if bad >= 0:
        problem = f"{low[1][bad]} is above {high[0]} {high[1][bad]}"
        raise fault(path, rows[bad], low[0], problem, f"{low[0]} is at most {high[0]}")


def check_times(path: Path, rows: NDArray[np.int64], times_ms: NDArray[np.int64], label: str = "") -> None:
    """Times rise from row to row; a repeated or an earlier one is refused (DataError)."""
    steps = np.diff(times_ms)
    bad = _first(steps <= 0)
    if bad < 0:
        return
    this, before = utc_text(int(times_ms[bad + 1])), utc_text(int(times_ms[bad]))
    where = f" of {label}" if label else ""
    if steps[bad] == 0:
        problem = f"{this} stands in row {rows[bad]} already{where}"
        raise fault(path, rows[bad + 1], "time_utc", problem, "each time stands once")
    problem = f"{this} comes after {before} of row {rows[bad]}{where}"
    raise fault(path, rows[bad + 1], "time_utc", problem, "rows are in time order")


def check_jumps(path: Path, rows: NDArray[np.int64], column: str, values: NDArray[np.float64]) -> None:
    """No price is a hundred times, or a hundredth of, the one before (DataError: a wrong unit)."""
    ratio = values[1:] / values[:-1]
    bad = _first((ratio > LARGEST_JUMP) | (ratio < 1.0 / LARGEST_JUMP))
    if bad >= 0:
        problem = f"{values[bad + 1]} follows {values[bad]} of row {rows[bad]}"
        raise fault(path, rows[bad + 1], column, problem, "neighbours differ by less than 100 times")
