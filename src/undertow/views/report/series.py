"""Time series for charts, thinned so that nothing visible is lost.

Holds the queries of the report's curves and the thinning: in every bucket of time the rows of the lowest
and of the highest value stay, so a low is never averaged away. Missing values are NaN here and null in the
page.

Units: milliseconds since the start of the case; prices in dollars; depth and notional in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.lab.measures.registry import MINUTE, money_unit
from undertow.tape import Tape
from undertow.tape.schema import Stage
from undertow.venue.records import Role

Floats = NDArray[np.float64]

PRICE_BUCKETS = 450
DEPTH_BUCKETS = 250
SMALL_BUCKETS = 120

_PRICES = "last_ticks * tick_usd as last, mark_ticks * tick_usd as mark, outside_ticks * tick_usd as outside"
_DEPTHS = "bid_1pct, ask_1pct, bid_4pct, ask_4pct"
_SOURCE = "from series join instruments using (instrument)"
PRICES_QUERY = f"select time_ms, {_PRICES} {_SOURCE} where name = '{{name}}' order by time_ms"
DEPTH_QUERY = (
    f"select time_ms, {_DEPTHS} {_SOURCE} where name = '{{name}}' and bid_1pct >= 0 order by time_ms"
)
EVERYTHING_QUERY = f"select instrument, time_ms, {_PRICES}, {_DEPTHS} {_SOURCE} order by instrument, time_ms"
STAGES_QUERY = (
    f"select {MINUTE} as minute, stage, sum(case when kind = 'inverse' then lots * unit * tick_usd "
    "else notional end) as notional from waterfall join instruments using (instrument) "
    "where stage in (0, 1, 2, 5) group by all order by all"
)
HOUSE_QUERY = (
    "select role, time_ms, sum(equity) as equity, sum(inventory_value) as held from house "
    "where settlement = 0 group by all order by all"
)


@dataclass(frozen=True)
class InstrumentSeries:
    """One instrument's curves. `small` are rows of the price curve that suffice for a thumbnail."""

    name: str
    time_ms: NDArray[np.int64]
    last: Floats
    mark: Floats
    outside: Floats
    small: NDArray[np.int64]
    depth_time_ms: NDArray[np.int64]
    depth: dict[str, Floats]

    @property
    def gap_percent(self) -> Floats:
        """Venue against outside."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(100.0 * (self.last / self.outside - 1.0))

    @property
    def fall_percent(self) -> float | None:
        """Deepest fall of the venue's price from its start."""
        return _fall(self.last)

    @property
    def outside_fall_percent(self) -> float | None:
        """Deepest fall of the outside price from its start."""
        return _fall(self.outside)


def instrument_names(tape: Tape) -> list[str]:
    """Instruments that have a series, in their order."""
    rows = tape.rows(
        "select name from instruments where instrument in (select instrument from series) order by instrument"
    )
    return [str(name) for (name,) in rows]


def all_series(tape: Tape) -> list[InstrumentSeries]:
    """Every instrument's curves, thinned, in one pass over the table (two queries each took a second)."""
    rows = tape.fetch(EVERYTHING_QUERY)
    if len(rows["instrument"]) == 0:
        return []
    edges = [0, *(np.flatnonzero(np.diff(rows["instrument"])) + 1).tolist(), len(rows["instrument"])]
    parts = [{column: values[start:end] for column, values in rows.items()} for start, end in pairwise(edges)]
    return [_series(tape, *pair) for pair in zip(instrument_names(tape), parts, strict=True)]


def _series(tape: Tape, name: str, rows: dict[str, NDArray[Any]]) -> InstrumentSeries:
    """One instrument's curves from its rows."""
    last, mark, outside = (_or_missing(rows[column]) for column in ("last", "mark", "outside"))
    kept = thinned(last, PRICE_BUCKETS)
    looked = rows["bid_1pct"] >= 0  # no depth was taken elsewhere
    sides = {
        column: rows[column][looked] / money_unit(tape)
        for column in ("bid_1pct", "ask_1pct", "bid_4pct", "ask_4pct")
    }
    depth_kept = thinned(sides["bid_1pct"] + sides["ask_1pct"], DEPTH_BUCKETS)
    return InstrumentSeries(
        name=name,
        time_ms=rows["time_ms"][kept],
        last=last[kept],
        mark=mark[kept],
        outside=outside[kept],
        small=thinned(last[kept], SMALL_BUCKETS),
        depth_time_ms=rows["time_ms"][looked][depth_kept],
        depth={column: values[depth_kept] for column, values in sides.items()},
    )


def stages_by_minute(tape: Tape) -> tuple[NDArray[np.int64], dict[Stage, Floats]]:
    """Start of each minute with liquidations (ms), and each stage's notional in it (dollars)."""
    rows = tape.fetch(STAGES_QUERY)
    if not len(rows["minute"]):
        return np.zeros(0, np.int64), {}
    minutes = np.arange(rows["minute"].min(), rows["minute"].max() + 1)
    found = {}
    for stage in (Stage.ORDERS, Stage.TAKEOVER, Stage.ADL, Stage.DISPOSAL):
        values = np.zeros(len(minutes))
        mine = rows["stage"] == stage
        np.add.at(values, (rows["minute"][mine] - minutes[0]).astype(np.int64), rows["notional"][mine])
        if values.any():
            found[stage] = values / money_unit(tape)
    return minutes.astype(np.int64) * 60_000, found


def house_by_role(tape: Tape) -> dict[Role, tuple[NDArray[np.int64], Floats, Floats]]:
    """For each role that covers losses: time (ms), equity, value of what it holds (dollars)."""
    rows = tape.fetch(HOUSE_QUERY)
    found = {}
    for role in (Role.FUND, Role.VAULT, Role.PROVIDER):
        mine = rows["role"] == role
        if not mine.any():
            continue
        equity = rows["equity"][mine] / money_unit(tape)
        held = rows["held"][mine] / money_unit(tape)
        kept = thinned(equity, PRICE_BUCKETS)
        found[role] = (rows["time_ms"][mine][kept], equity[kept], held[kept])
    return found


def thinned(values: Floats, buckets: int) -> NDArray[np.int64]:
    """Places of the lowest and highest value of each bucket, of the first and of the last row."""
    count = len(values)
    if count <= 2 * buckets:
        return np.arange(count, dtype=np.int64)
    edges = np.linspace(0, count, buckets + 1).astype(np.int64)
    low = np.where(np.isnan(values), np.inf, values)
    high = np.where(np.isnan(values), -np.inf, values)
    kept = {0, count - 1}
    for start, end in pairwise(edges):
        kept.add(int(start + low[start:end].argmin()))
        kept.add(int(start + high[start:end].argmax()))
    return np.array(sorted(kept), dtype=np.int64)


def page_values(values: NDArray[Any], digits: int = 6) -> list[float | None]:
    """Numbers for the page, a few figures each; None for what is missing."""
    return [None if not np.isfinite(value) else float(f"{value:.{digits}g}") for value in values.tolist()]


def _or_missing(values: NDArray[Any]) -> Floats:
    """Prices with NaN where there is none."""
    prices = np.asarray(values, dtype=np.float64)
    return np.where(prices > 0, prices, np.nan)


def _fall(prices: Floats) -> float | None:
    known = prices[~np.isnan(prices)]
    return float(100.0 * (known.min() / known[0] - 1.0)) if len(known) else None
