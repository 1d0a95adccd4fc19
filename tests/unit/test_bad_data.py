"""Broken data files, and the one message each of them gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bars_file import bar, write_bars
from undertow.errors import DataError
from undertow.feeds.bars import read_bars
from undertow.feeds.manifest import load_manifest
from undertow.feeds.tables import read_index_minutes, read_pool

HEADER = "time_utc,last,low,high"
GOOD = [
    "2025-10-10 20:48:00+00,116930.8,116929.4,117052.4",
    "2025-10-10 20:49:00+00,116919.1,116899.9,116948.0",
]
POOL_HEADER = "time_utc,blockNumber,price_usdt_per_usde,tick"

# (lines of the file, the message after the path)
INDEX_FILES = {
    "empty": ([], "the file is empty; a header and rows are needed"),
    "no rows": ([HEADER], "there is a header and no row; at least one row is needed"),
    "no column": (
        ["time_utc,last,low", "2025-10-10 20:48:00+00,1,1"],
        "column high is missing; the header needs time_utc, last, low, high",
    ),
    "short row": (
        [HEADER, GOOD[0], "2025-10-10 20:49:00+00,116919.1"],
        "row 3 has 2 cells; the header has 4",
    ),
    "not a number": (
        [HEADER, GOOD[0], "2025-10-10 20:49:00+00,n/a,116899.9,116948.0"],
        "row 3, column last: 'n/a' is not a number; a number is needed",
    ),
    "not finite": (
        [HEADER, "2025-10-10 20:48:00+00,116930.8,116929.4,inf"],
        "row 2, column high: inf is not a finite number; a price is needed",
    ),
    "nan": (
        [HEADER, GOOD[0], "2025-10-10 20:49:00+00,nan,116899.9,116948.0"],
        "row 3, column last: nan is not a finite number; a price is needed",
    ),
    "negative": (
        [HEADER, "2025-10-10 20:48:00+00,116930.8,-5,117052.4"],
        "row 2, column low: -5.0 is not a price; prices are above zero",
    ),
    "low above last": (
        [HEADER, "2025-10-10 20:48:00+00,116930.8,116931.4,117052.4"],
        "row 2, column low: 116931.4 is above last 116930.8; low is at most last",
    ),
    "last above high": (
        [HEADER, "2025-10-10 20:48:00+00,116930.8,116929.4,116930.0"],
        "row 2, column last: 116930.8 is above high 116930.0; last is at most high",
    ),
    "no time": (
        [HEADER, "noon,116930.8,116929.4,117052.4"],
        "row 2, column time_utc: 'noon' is not a time; write 2025-10-10T20:50:00Z",
    ),
    "no offset": (
        [HEADER, "2025-10-10 20:48:00,116930.8,116929.4,117052.4"],
        "row 2, column time_utc: '2025-10-10 20:48:00' has no offset; write 2025-10-10T20:50:00Z",
    ),
    "not a minute": (
        [HEADER, "2025-10-10 20:48:30+00,116930.8,116929.4,117052.4"],
        "row 2, column time_utc: 2025-10-10T20:48:30Z is inside a minute; minutes start at :00",
    ),
    "duplicate": (
        [HEADER, GOOD[0], GOOD[0]],
        "row 3, column time_utc: 2025-10-10T20:48:00Z stands in row 2 already; each time stands once",
    ),
    "out of order": (
        [HEADER, GOOD[1], GOOD[0]],
        "row 3, column time_utc: 2025-10-10T20:48:00Z comes after 2025-10-10T20:49:00Z of row 2; "
        "rows are in time order",
    ),
    "gap": (
        [HEADER, GOOD[0], GOOD[1].replace("20:49", "20:50")],
        "row 3, column time_utc: 2025-10-10T20:49:00Z is missing before it; no minute is left out",
    ),
    "wrong unit": (
        [HEADER, GOOD[0], "2025-10-10 20:49:00+00,116.9191,116.8999,116.9480"],
        "row 3, column last: 116.9191 follows 116930.8 of row 2; neighbours differ by less than 100 times",
    ),
}

POOL_FILES = {
    "no price column": (
        ["time_utc,blockNumber,price", "2025-10-10T16:00:11Z,23548382,1.0"],
        "column price_usdt_per_usde is missing; the header needs time_utc, blockNumber, price_usdt_per_usde",
    ),
    "zero price": (
        [POOL_HEADER, "2025-10-10T16:00:11Z,23548382,0.0,0"],
        "row 2, column price_usdt_per_usde: 0.0 is not a price; prices are above zero",
    ),
    "block falls": (
        [POOL_HEADER, "2025-10-10T16:00:11Z,23548382,1.0,0", "2025-10-10T16:00:23Z,23548381,1.0,0"],
        "row 3, column blockNumber: 23548381 is not above the block before; blocks rise",
    ),
}

NAN, INFINITY = float("nan"), float("inf")
BARS_FILES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "no column": (
        [bar("20:50:00")],
        {"vwap": None},
        "column vwap is missing; the columns are venue, symbol, "
        "time_utc, open, high, low, close, vwap, volume, notional, buy_volume, trades",
    ),
    "text price": (
        [bar("20:50:00", close="100")],
        {"close": "VARCHAR"},
        "column close has type VARCHAR; a number is needed",
    ),
    "text time": (
        [bar("20:50:00")],
        {"time_utc": "VARCHAR"},
        "column time_utc has type VARCHAR; a timestamp in UTC is needed",
    ),
    "no such series": (
        [bar("20:50:00", symbol="DOT-USD")],
        {},
        "no row has venue 'east' and symbol 'ADA-USD'; at least one is needed",
    ),
    "empty cell": (
        [bar("20:50:00"), bar("20:50:01", close=None)],
        {},
        "row 2, column close: the cell is empty; a value is needed",
    ),
    "empty venue": (
        [bar("20:50:00"), bar("20:50:01", venue=None)],
        {},
        "row 2, column venue: the cell is empty; a value is needed",
    ),
    "not finite": (
        [bar("20:50:00"), bar("20:50:01", vwap=NAN)],
        {},
        "row 2, column vwap: nan is not a finite number; a price is needed",
    ),
    "infinite volume": (
        [bar("20:50:00", volume=INFINITY)],
        {},
        "row 1, column volume: inf is not a finite number; an amount is needed",
    ),
    "negative price": (
        [bar("20:50:00", low=-1.0)],
        {},
        "row 1, column low: -1.0 is not a price; prices are above zero",
    ),
    "negative volume": (
        [bar("20:50:00", volume=-3.0)],
        {},
        "row 1, column volume: -3.0 is negative; amounts are zero or above",
    ),
    "close above high": (
        [bar("20:50:00", close=120.0)],
        {},
        "row 1, column close: 120.0 is above high 101.0; close is at most high",
    ),
    "more bought than traded": (
        [bar("20:50:00", buy_volume=11.0)],
        {},
        "row 1, column buy_volume: 11.0 is above volume 10.0; buy_volume is at most volume",
    ),
    "duplicate": (
        [bar("20:50:00"), bar("20:50:00", symbol="DOT-USD"), bar("20:50:00")],
        {},
        "row 3, column time_utc: 2025-10-10T20:50:00Z stands in row 1 already of east ADA-USD; "
        "each time stands once",
    ),
    "out of order": (
        [bar("20:50:01"), bar("20:50:00")],
        {},
        "row 2, column time_utc: 2025-10-10T20:50:00Z comes after 2025-10-10T20:50:01Z of row 1 "
        "of east ADA-USD; rows are in time order",
    ),
    "no trade at all": (
        [bar("20:50:00", volume=0.0, buy_volume=0.0)],
        {},
        "no row of east ADA-USD has volume; at least one trade is needed",
    ),
    "truth value": (
        [bar("20:50:00", trades=True)],
        {"trades": "BOOLEAN"},
        "column trades has type BOOLEAN; a number is needed",
    ),
    "inside a bar": (
        [bar("20:50:00"), bar("20:50:01.5")],
        {},
        "row 2, column time_utc: 2025-10-10T20:50:01.500Z is inside a bar of east ADA-USD; "
        "bars of 1 s start whole lengths apart",
    ),
    "wrong unit": (
        [bar("20:50:00"), bar("20:50:01", price=0.1)],
        {},
        "row 2, column close: 0.1 follows 100.0 of row 1; neighbours differ by less than 100 times",
    ),
}


def _text_file(folder: Path, lines: list[str]) -> Path:
    path = folder / "given.csv"
    path.write_text("\n".join(lines))
    return path


def _message(read: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        read()
    return str(caught.value)


@pytest.mark.parametrize("name", INDEX_FILES)
def test_index_minutes(name: str, tmp_path: Path) -> None:
    lines, message = INDEX_FILES[name]
    path = _text_file(tmp_path, lines)
    assert _message(lambda: read_index_minutes(path)) == f"{path}: {message}"


@pytest.mark.parametrize("name", POOL_FILES)
def test_pool(name: str, tmp_path: Path) -> None:
    lines, message = POOL_FILES[name]
    path = _text_file(tmp_path, lines)
    assert _message(lambda: read_pool(path, "price_usdt_per_usde")) == f"{path}: {message}"


@pytest.mark.parametrize("name", BARS_FILES)
def test_bars(name: str, tmp_path: Path) -> None:
    rows, types, message = BARS_FILES[name]
    path = write_bars(tmp_path / "bars.parquet", rows, types)
    assert _message(lambda: read_bars(path, [("east", "ADA-USD")], 1_000)) == f"{path}: {message}"


def test_files_that_are_not_there_or_not_what_they_should_be(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert (
        _message(lambda: read_index_minutes(absent))
        == f"{absent}: there is no such file; a CSV file is needed"
    )
    assert (
        _message(lambda: read_bars(absent, [("east", "ADA-USD")], 1_000))
        == f"{absent}: there is no such file; a parquet file of bars is needed"
    )
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"PAR1\xff\xfe\x00\x80")
    assert (
        _message(lambda: read_index_minutes(binary))
        == f"{binary}: byte 4 is not UTF-8; save the file as UTF-8 text"
    )
    assert (
        _message(lambda: read_bars(binary, [("east", "ADA-USD")], 1_000))
        == f"{binary}: not a parquet file; a parquet file of bars is needed"
    )


def test_a_feed_reports_all_its_faults_at_once(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text(
        'name = "mine"\ncolour = "red"\n'
        '[[tape]]\nname = "a"\nkind = "bars"\nfile = "a.parquet"\nsymbols = { ADA = "ADA-USD" }\n'
        '[[tape]]\nname = "b"\nkind = "pool"\nfile = "b.csv"\ncolumn = "p"\nweight = -1\n'
        'symbols = { USDE = "USDE" }\n'
    )
    assert _message(lambda: load_manifest(path)).splitlines() == [
        f"{path}: 3 fault(s)",
        "  tape.0: a tape of bars needs venue, the value of that column in its file",
        "  tape.1.weight: Input should be greater than or equal to 0",
        "  colour: Extra inputs are not permitted",
    ]
    path.write_text(
        'name = "mine"\n[[tape]]\nname = "a"\nkind = "pool"\nfile = "b.csv"\ncolumn = "p"\nweight = 0\n'
        'symbols = { USDE = "USDE" }\n'
    )
    assert _message(lambda: load_manifest(path)).splitlines()[1:] == [
        "  file: USDE has witnesses only; one tape of it needs a weight above 0"
    ]
    path.write_text("name = \n")
    assert _message(lambda: load_manifest(path)) == f"{path}: not TOML: Invalid value (at line 1, column 8)"
    assert (
        _message(lambda: load_manifest("oct-2052"))
        == "no recorded feed is called 'oct-2052'; there is oct-2025"
    )
