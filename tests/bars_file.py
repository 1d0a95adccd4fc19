"""Small parquet files of bars for tests: correct rows, to be spoiled one cell at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLUMNS = {
    "venue": "VARCHAR",
    "symbol": "VARCHAR",
    "time_utc": "TIMESTAMP",
    "open": "DOUBLE",
    "high": "DOUBLE",
    "low": "DOUBLE",
    "close": "DOUBLE",
    "vwap": "DOUBLE",
    "volume": "DOUBLE",
    "notional": "DOUBLE",
    "buy_volume": "DOUBLE",
    "trades": "BIGINT",
}


def bar(
    time: str, price: float = 100.0, venue: str = "east", symbol: str = "ADA-USD", **cells: Any
) -> dict[str, Any]:
    """One correct row at `time` (HH:MM:SS of 10 October 2025); `cells` replaces what it names."""
    row = {
        "venue": venue,
        "symbol": symbol,
        "time_utc": f"2025-10-10 {time}",
        "open": price,
        "high": price * 1.01,
        "low": price * 0.99,
        "close": price,
        "vwap": price,
        "volume": 10.0,
        "notional": 10.0 * price,
        "buy_volume": 4.0,
        "trades": 3,
    }
    return row | cells


def write_bars(path: Path, rows: list[dict[str, Any]], types: dict[str, str] | None = None) -> Path:
    """A parquet file of the rows; `types` replaces column types, None as a type leaves the column out."""
    import duckdb

    columns = {name: kind for name, kind in (COLUMNS | (types or {})).items() if kind}
    with duckdb.connect() as connection:
        connection.execute(
            f"create table bars ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
        )
        places = ", ".join([f"({', '.join('?' for _ in columns)})"] * len(rows))
        cells = [row[name] for row in rows for name in columns]
        connection.execute(f"insert into bars values {places}", cells)
        connection.execute(f"copy bars to '{path}' (format parquet)")
    return path
