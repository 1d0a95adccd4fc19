"""Reader for bars of trades in a parquet file: one row per venue, symbol and second (or minute) with a trade.

Holds the schema, the query and the checks. Holds no combination of tapes (see outside.py) and reads only the
series it is asked for. DuckDB reads the file.
Units: `times_ms` is the start of the bar, milliseconds since 1970 UTC; prices in the quote currency;
`volume` and `buy_volume` in the base currency; `notional` in the quote currency.
Invariant: a returned series is in time order, each time once, low <= open, close, vwap <= high, all finite.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError
from undertow.feeds import checks
from undertow.feeds.parquet import ONLY_ITS_COLUMNS, one_file

PRICE_COLUMNS = ("open", "high", "low", "close", "vwap")
AMOUNT_COLUMNS = ("volume", "notional", "buy_volume", "trades")
_TEXT_COLUMNS = ("venue", "symbol")
_COLUMNS = (*_TEXT_COLUMNS, "time_utc", *PRICE_COLUMNS, *AMOUNT_COLUMNS)


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


def read_bars(path: Path, series: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Bars]:
    """The named (venue, symbol) series of a parquet file of bars; DataError names the first fault found."""
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
        columns = {
            name: np.asarray(table[name], np.float64)[chosen] for name in PRICE_COLUMNS + AMOUNT_COLUMNS
        }
        bars = Bars(times_ms=np.asarray(table["time_utc"], np.int64)[chosen], **columns)
        _check(path, rows[chosen], bars, f"{venue} {symbol}")
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
        _check_schema(path, {str(row[0]): str(row[1]) for row in schema})
        places = " or ".join("(venue = ? and symbol = ?)" for _ in wanted)
        numbers = ", ".join(f"{name}::double as {name}" for name in PRICE_COLUMNS + AMOUNT_COLUMNS)
        result = connection.execute(
            f"select file_row_number + 1 as row, venue, symbol, epoch_ms(time_utc) as time_utc, {numbers} "
            f"from read_parquet(?, file_row_number = true, {ONLY_ITS_COLUMNS}) "
            f"where {places} or venue is null or symbol is null "
            "order by row",
            [one_file(path), *(text for pair in wanted for text in pair)],
        )
        table: dict[str, NDArray[Any]] = result.fetchnumpy()
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
            fits = given.startswith(
                ("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER", "UBIGINT", "UINTEGER")
            )
            right = "a number"
        if not fits:
            raise DataError(f"{path}: column {name} has type {types[name]}; {right} is needed")


def _refuse_missing_cells(path: Path, rows: NDArray[np.int64], table: dict[str, NDArray[Any]]) -> None:
    for name in _COLUMNS:
        empty = np.ma.getmaskarray(table[name])
        if empty.any():
            raise checks.fault(
                path, int(rows[np.argmax(empty)]), name, "the cell is empty", "a value is needed"
            )


def _check(path: Path, rows: NDArray[np.int64], bars: Bars, label: str) -> None:
    for name in PRICE_COLUMNS:
        checks.check_prices(path, rows, name, getattr(bars, name))
    for name in AMOUNT_COLUMNS:
        checks.check_amounts(path, rows, name, getattr(bars, name))
    for name in ("open", "close", "vwap"):
        checks.check_not_above(path, rows, ("low", bars.low), (name, getattr(bars, name)))
        checks.check_not_above(path, rows, (name, getattr(bars, name)), ("high", bars.high))
    checks.check_not_above(path, rows, ("buy_volume", bars.buy_volume), ("volume", bars.volume))
    checks.check_times(path, rows, bars.times_ms, label)
    checks.check_jumps(path, rows, "close", bars.close)
