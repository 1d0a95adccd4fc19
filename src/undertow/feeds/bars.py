"""Reader for bars of trades in a parquet file: one row per venue, symbol and stretch of time with a trade.

Holds the schema, the query and the checks. Holds no combination of tapes (see outside.py) and reads only the
series it is asked for. DuckDB reads the file. A row without volume fills a gap that nobody traded in: it is
dropped, whatever prices it repeats, or it would pass for a trade.

Units: `times_ms` is the start of the bar, milliseconds since 1970 UTC; `bar_ms` its length; prices in the
quote currency; `volume` and `buy_volume` in the base currency; `notional` in the quote currency.
Invariant: a returned series is in time order, each time once, whole bars apart, low <= open, close, vwap <=
high, all finite, every bar with a trade.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError
from undertow.feeds import checks
from undertow.feeds.times import utc_text
from undertow.rulebook.one_file import ONLY_ITS_COLUMNS, one_file

PRICE_COLUMNS = ("open", "high", "low", "close", "vwap")
AMOUNT_COLUMNS = ("volume", "notional", "buy_volume", "trades")
_TEXT_COLUMNS = ("venue", "symbol")
_COLUMNS = (*_TEXT_COLUMNS, "time_utc", *PRICE_COLUMNS, *AMOUNT_COLUMNS)
_NUMBERS = (
    *("DOUBLE", "FLOAT", "DECIMAL", "HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT"),
    *("UHUGEINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT"),
)
# Rows from which on a spacing is no accident: gaps that all share five lengths happen once in two million.
_TELLING_ROWS = 10
_TELLING_LENGTHS = 5


class Bars(NamedTuple):
    """One series, arrays of one length."""

    times_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    vwap: NDArray[np.float64]
    volume: NDArray[np.float64]
    notional: NDArray[np.float64]
    buy_volume: NDArray[np.float64]
    trades: NDArray[np.float64]


def read_bars(path: Path, series: Iterable[tuple[str, str]], bar_ms: int) -> dict[tuple[str, str], Bars]:
    """The named (venue, symbol) series of a parquet file of bars so long; DataError names the first fault."""
    wanted = sorted(set(series))
    table = _query(path, wanted)
    rows = np.asarray(table["row"], np.int64)
    _refuse_missing_cells(path, rows, table)
    venues, symbols = np.asarray(table["venue"], object), np.asarray(table["symbol"], object)
    result = {}
    for venue, symbol in wanted:
        chosen = np.flatnonzero((venues == venue) & (symbols == symbol))
        if len(chosen) == 0:
            raise DataError(
                f"{path}: no row has venue {venue!r} and symbol {symbol!r}; at least one is needed"
            )
        label = f"{venue} {symbol}"
        times_us = np.asarray(table["time_utc"], np.int64)
        _check_spacing(path, rows[chosen], times_us[chosen], bar_ms, label)
        traded = chosen[np.asarray(table["volume"], np.float64)[chosen] != 0.0]
        if len(traded) == 0:
            raise DataError(f"{path}: no row of {label} has volume; at least one trade is needed")
        columns = {
            name: np.asarray(table[name], np.float64)[traded] for name in PRICE_COLUMNS + AMOUNT_COLUMNS
        }
        bars = Bars(times_ms=times_us[traded] // 1_000, **columns)
        _check(path, rows[traded], bars)
        result[venue, symbol] = bars
    return result


def _query(path: Path, wanted: list[tuple[str, str]]) -> dict[str, NDArray[Any]]:
    """The wanted rows in file order, with the row number and the time in milliseconds."""
    import duckdb

    if not path.is_file():
        raise DataError(f"{path}: there is no such file; a parquet file of bars is needed")
    with duckdb.connect() as connection:
        try:
            schema = connection.execute(
                f"describe select * from read_parquet(?, {ONLY_ITS_COLUMNS})", [one_file(path)]
            ).fetchall()
        except duckdb.Error:
            raise DataError(f"{path}: not a parquet file; a parquet file of bars is needed") from None
        types = {str(row[0]): str(row[1]) for row in schema}
        _check_schema(path, types)
        places = " or ".join("(venue = ? and symbol = ?)" for _ in wanted)
        numbers = ", ".join(f"{name}::double as {name}" for name in PRICE_COLUMNS + AMOUNT_COLUMNS)
        zoned = "TIME ZONE" in types["time_utc"].upper()
        moment = "time_utc" if zoned else "time_utc::timestamp"  # also of seconds and of nanoseconds
        query = (
            f"select file_row_number + 1 as row, venue, symbol, epoch_us({moment}) as time_utc, {numbers} "
            f"from read_parquet(?, file_row_number = true, {ONLY_ITS_COLUMNS}) "
            f"where {places} or venue is null or symbol is null "
            "order by row"
        )
        try:
            given = [one_file(path), *(text for pair in wanted for text in pair)]
            table: dict[str, NDArray[Any]] = connection.execute(query, given).fetchnumpy()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: cannot be read as bars ({reason}); write the file again") from None
        return table


def _check_schema(path: Path, types: dict[str, str]) -> None:
    missing = [name for name in _COLUMNS if name not in types]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing; the columns are {', '.join(_COLUMNS)}")
    for name in _COLUMNS:
        given = types[name].upper()
        if name in _TEXT_COLUMNS:
            fits, right = given == "VARCHAR", "text"
        elif name == "time_utc":
            fits, right = given.startswith("TIMESTAMP"), "a timestamp in UTC"
        else:
            fits, right = given.partition("(")[0] in _NUMBERS, "a number"
        if not fits:
            raise DataError(f"{path}: column {name} has type {types[name]}; {right} is needed")


def _refuse_missing_cells(path: Path, rows: NDArray[np.int64], table: dict[str, NDArray[Any]]) -> None:
    filler = np.ma.filled(table["volume"], np.nan) == 0.0  # nobody traded: it has no prices to give
    for name in _COLUMNS:
        empty = np.ma.getmaskarray(table[name])
        if name in PRICE_COLUMNS:
            empty = empty & ~filler
        if empty.any():
            raise checks.fault(
                path, int(rows[np.argmax(empty)]), name, "the cell is empty", "a value is needed"
            )


def _check_spacing(
    path: Path, rows: NDArray[np.int64], times_us: NDArray[np.int64], bar_ms: int, label: str
) -> None:
    """Bars start whole lengths apart, and not all of them several lengths: then the length is another."""
    checks.check_times(path, rows, times_us // 1_000, label)
    gaps = np.diff(times_us)
    off = np.flatnonzero(gaps % (1_000 * bar_ms))
    if len(off):
        place = int(off[0]) + 1
        problem = f"{utc_text(int(times_us[place]) // 1_000)} is inside a bar of {label}"
        right = f"bars of {bar_ms / 1_000:g} s start whole lengths apart"
        raise checks.fault(path, int(rows[place]), "time_utc", problem, right)
    if len(rows) < _TELLING_ROWS:
        return
    apart_ms = int(np.gcd.reduce(gaps)) // 1_000
    if apart_ms >= _TELLING_LENGTHS * bar_ms:
        raise DataError(
            f"{path}: rows of {label} all start {apart_ms / 1_000:g} s apart or a multiple of it, "
            f"and bars are said to last {bar_ms / 1_000:g} s; give bar_seconds = {apart_ms // 1_000}"
        )


def _check(path: Path, rows: NDArray[np.int64], bars: Bars) -> None:
    for name in PRICE_COLUMNS:
        checks.check_prices(path, rows, name, getattr(bars, name))
    for name in AMOUNT_COLUMNS:
        checks.check_amounts(path, rows, name, getattr(bars, name))
    for name in ("open", "close", "vwap"):
        checks.check_not_above(path, rows, ("low", bars.low), (name, getattr(bars, name)))
        checks.check_not_above(path, rows, (name, getattr(bars, name)), ("high", bars.high))
    checks.check_not_above(path, rows, ("buy_volume", bars.buy_volume), ("volume", bars.volume))
    checks.check_jumps(path, rows, "close", bars.close)
