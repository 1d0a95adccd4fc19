"""Recorded bars are known when they have ended, not before: whatever comes later changes no earlier price."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bars_file import bar
from undertow.feeds.bars import Bars
from undertow.feeds.manifest import Manifest, Tape
from undertow.feeds.outside import load_outside
from undertow.feeds.times import utc_milliseconds

START = utc_milliseconds("2025-10-10T20:50:00Z")
SECONDS = 240
LENGTHS = {"east": 1, "west": 5, "north": 60}  # seconds a bar, by venue
Row = dict[str, Any]


def tape(venue: str) -> Tape:
    return Tape(
        name=venue,
        kind="bars",
        file=f"{venue}.parquet",
        venue=venue,
        bar_seconds=LENGTHS[venue],
        symbols={"ADA": "ADA-USD"},
    )


def second_of(row: Row) -> int:
    """Seconds from the start of the case to the start of a bar."""
    hours, minutes, seconds = (int(part) for part in row["time_utc"][-8:].split(":"))
    return hours * 3600 + minutes * 60 + seconds - (20 * 3600 + 50 * 60)


def ends_at(row: Row) -> int:
    return second_of(row) + LENGTHS[row["venue"]]


@st.composite
def rows_of_a_tape(draw: st.DrawFn, venue: str) -> list[Row]:
    """Bars at any times from a minute before the start on, some of them filled in without a trade."""
    length = LENGTHS[venue]
    places = draw(
        st.lists(st.integers(-60 // length, SECONDS // length), min_size=1, max_size=12, unique=True)
    )
    found = []
    for place in sorted({-60 // length, *places}):
        second = 20 * 3600 + 50 * 60 + place * length
        time = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        empty = place != -60 // length and draw(st.booleans())
        cells = {"volume": 0.0, "buy_volume": 0.0, "notional": 0.0, "trades": 0} if empty else {}
        found.append(bar(time, draw(st.floats(90.0, 110.0)), venue=venue, **cells))
    return found


def bars_of(found: list[Row]) -> Bars:
    """What the reader makes of the rows: those with a trade."""
    traded = [row for row in found if row["volume"]]
    times = np.array([START + 1_000 * second_of(row) for row in traded], np.int64)
    return Bars(times, *(np.array([float(row[name]) for row in traded]) for name in Bars._fields[1:]))


def prices_of(rows: dict[str, list[Row]]) -> np.ndarray:
    """Prices of the grid; the rows are given, not read, so that many examples can be tried."""

    def read(_path: Path, wanted: set[tuple[str, str]], bar_ms: int) -> dict[tuple[str, str], Bars]:
        ((venue, symbol),) = wanted
        assert bar_ms == 1_000 * LENGTHS[venue]
        return {(venue, symbol): bars_of(rows[venue])}

    feed = Manifest(name="test", tape=[tape(venue) for venue in rows])
    with patch("undertow.feeds.outside.read_bars", read):
        return load_outside(Path(), ["ADA"], START, START + SECONDS * 1_000, 1_000, feed).prices[:, 0]


@given(
    east=rows_of_a_tape("east"),
    west=rows_of_a_tape("west"),
    north=rows_of_a_tape("north"),
    now=st.integers(0, SECONDS),
    factor=st.floats(0.5, 2.0),
)
def test_no_price_is_used_before_its_bar_has_ended(
    east: list[Row], west: list[Row], north: list[Row], now: int, factor: float
) -> None:
    rows = {"east": east, "west": west, "north": north}
    before = prices_of(rows)
    later = {
        venue: [row if ends_at(row) <= now else row | {"vwap": row["vwap"] * factor} for row in found]
        for venue, found in rows.items()
    }
    assert prices_of(later)[: now + 1].tolist() == before[: now + 1].tolist()
    # And it is not only unchanged because nothing ever changes it.
    known = [row for found in rows.values() for row in found if row["volume"] and ends_at(row) <= now]
    changed = {venue: [row | {"vwap": row["vwap"] * 1.001} for row in found] for venue, found in rows.items()}
    assert known and (prices_of(changed)[now] != before[now])
