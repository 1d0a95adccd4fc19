"""Readers for the two CSV formats: an index in minutes, and a pool's price per block.

Holds parsing and checks. Holds no combination of tapes (see outside.py).

* Index minutes: `time_utc,last,low,high`. The time is the minute's start; `last` is its end.
* Pool: `time_utc,blockNumber` and a price column that the caller names. The price stands from its block
  to the next; further columns (tick, liquidity) are not read.

Units: milliseconds since 1970 UTC; prices in the file's quote currency.
Invariant: what is returned is finite, positive, in time order and without repetition; minutes have no gap.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError, InputError
from undertow.feeds import checks
from undertow.feeds.times import utc_milliseconds, utc_text
from undertow.rulebook.text import text_of

MINUTE_MS = 60_000


class IndexMinutes(NamedTuple):
    """Minutes of an index, arrays of one length."""

    times_ms: NDArray[np.int64]
    last: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class PoolPrices(NamedTuple):
    """A pool's price by block, arrays of one length."""

    times_ms: NDArray[np.int64]
    price: NDArray[np.float64]


def read_index_minutes(path: Path) -> IndexMinutes:
    """Minutes of an index (DataError names the first fault found)."""
    lines, times_ms, columns = _read_columns(path, ("last", "low", "high"))
    for name, values in columns.items():
        checks.check_prices(path, lines, name, values)
    checks.check_not_above(path, lines, ("low", columns["low"]), ("last", columns["last"]))
    checks.check_not_above(path, lines, ("last", columns["last"]), ("high", columns["high"]))
    off = np.flatnonzero(times_ms % MINUTE_MS)
    if len(off):
        text = utc_text(int(times_ms[off[0]]))
        raise checks.fault(
            path, int(lines[off[0]]), "time_utc", f"{text} is inside a minute", "minutes start at :00"
        )
    checks.check_times(path, lines, times_ms)
    gaps = np.flatnonzero(np.diff(times_ms) != MINUTE_MS)
    if len(gaps):
        text = utc_text(int(times_ms[gaps[0]]) + MINUTE_MS)
        raise checks.fault(
            path, int(lines[gaps[0] + 1]), "time_utc", f"{text} is missing before it", "no minute is left out"
        )
    checks.check_jumps(path, lines, "last", columns["last"])
    return IndexMinutes(times_ms, columns["last"], columns["low"], columns["high"])


def read_pool(path: Path, price_column: str) -> PoolPrices:
    """A pool's price by block, from the named column (DataError names the first fault found)."""
    lines, times_ms, columns = _read_columns(path, ("blockNumber", price_column))
    price = columns[price_column]
    checks.check_prices(path, lines, price_column, price)
    checks.check_amounts(path, lines, "blockNumber", columns["blockNumber"])
    checks.check_times(path, lines, times_ms)
    falling = np.flatnonzero(np.diff(columns["blockNumber"]) <= 0)
    if len(falling):
        row = int(falling[0]) + 1
        number = int(columns["blockNumber"][row])
        raise checks.fault(
            path, int(lines[row]), "blockNumber", f"{number} is not above the block before", "blocks rise"
        )
    checks.check_jumps(path, lines, price_column, price)
    return PoolPrices(times_ms, price)


def _read_columns(
    path: Path, names: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Line numbers, times and the named number columns of a CSV file with a header and `time_utc`."""
    rows = _read_rows(path)
    header = rows[0][1]
    for name in ("time_utc", *names):
        if name not in header:
            expected = ", ".join(("time_utc", *names))
            raise DataError(f"{path}: column {name} is missing; the header needs {expected}")
    if len(rows) < 2:
        raise DataError(f"{path}: there is a header and no row; at least one row is needed")
    places = [header.index(name) for name in names]
    time_place = header.index("time_utc")
    times_ms = np.empty(len(rows) - 1, np.int64)
    numbers = np.empty((len(names), len(rows) - 1), np.float64)
    for index, (line, cells) in enumerate(rows[1:]):
        if len(cells) != len(header):
            raise DataError(f"{path}: row {line} has {len(cells)} cells; the header has {len(header)}")
        try:
            times_ms[index] = utc_milliseconds(cells[time_place])
        except ValueError as error:
            raise DataError(f"{path}: row {line}, column time_utc: {error}") from None
        for row, place in enumerate(places):
            try:
                numbers[row, index] = float(cells[place])
            except ValueError:
                raise checks.fault(
                    path, line, names[row], f"{cells[place]!r} is not a number", "a number is needed"
                ) from None
    lines = np.array([line for line, _ in rows[1:]], np.int64)
    return lines, times_ms, dict(zip(names, numbers, strict=True))


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not empty, the header first."""
    try:
        text = text_of(path.read_bytes(), str(path))
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; a CSV file is needed") from None
    except InputError as error:
        raise DataError(str(error)) from None
    except (OSError, csv.Error):
        raise DataError(f"{path}: not readable as CSV; UTF-8 text with commas is needed") from None
    if not rows:
        raise DataError(f"{path}: the file is empty; a header and rows are needed")
    return rows
