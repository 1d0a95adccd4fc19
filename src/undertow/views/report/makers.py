"""What the report shows of makers that left: depth missing by cause, depth that stands, messages refused.

Holds the queries and their rows, no layout. Missing depth is what makers quote in calm, both sides out to
their reach, less what they would quote now. Units: milliseconds since the start of the case; dollars; per
cent. Invariant: causes add up to all that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.makers import MakerCause
from undertow.lab.measures.registry import MINUTE, among, money_unit
from undertow.tape import Tape
from undertow.views.report.series import PRICE_BUCKETS, Floats, thinned

ALTCOINS = "alt"  # the margin class that facts call altcoin contracts
STANDING = -1  # in place of a cause: depth that is there

WEATHER_QUERY = (
    "select time_ms, 100.0 * failure as refused, 100.0 * (1.0 - transfers) as stalled, messages "
    "from weather order by time_ms"
)


@dataclass(frozen=True)
class Missing:
    """Depth by time: `causes` missing, `standing` there within 4 % of the mark (NaN where not sampled)."""

    name: str
    time_ms: NDArray[np.int64]
    causes: dict[MakerCause, Floats]
    standing: Floats
    query: str


@dataclass(frozen=True)
class Trough:
    """The minute with the least ask depth of one contract, averages over its samples in dollars."""

    minute: int
    bids: float
    asks: float
    causes: dict[MakerCause, float]  # the largest first
    query: str


@dataclass(frozen=True)
class Weather:
    """Messages by time: per cent refused, per cent of transfers held up, messages tried in a step."""

    time_ms: NDArray[np.int64]
    refused: Floats
    stalled: Floats
    messages: Floats


@dataclass(frozen=True)
class Quoting:
    """All of it; parts the run did not record are None."""

    first: Missing
    altcoins: Missing | None
    trough: Trough | None
    weather: Weather | None


def quoting_of(tape: Tape) -> Quoting | None:
    """Who stopped quoting and why, of the first contract and of altcoins; None without makers on the tape."""
    rows = tape.rows(
        "select name from instruments where kind <> 'spot' and instrument in (select instrument from maker) "
        "order by instrument limit 1"
    )
    if not rows:
        return None
    name = str(rows[0][0])
    first = _missing(tape, name, among([name], None))
    if first is None:
        return None
    altcoins = _missing(tape, "Altcoin contracts", among(None, ALTCOINS))
    return Quoting(first, altcoins, _trough(tape, name), _weather(tape))


def _missing(tape: Tape, name: str, where: str) -> Missing | None:
    """Missing and standing depth of the contracts of `where` together, at the moments of table `maker`."""
    unit = money_unit(tape)
    query = (
        f"select time_ms, cause, sum(depth_removed) / {unit}.0 as usd from maker "
        f"join instruments using (instrument) where {where} group by all union all "
        f"select time_ms, {STANDING} as cause, sum(bid_4pct + ask_4pct) / {unit}.0 as usd from series "
        f"join instruments using (instrument) where {where} and bid_4pct >= 0 "
        "and time_ms in (select time_ms from maker) group by all order by time_ms, cause"
    )
    rows = tape.fetch(query)
    if not (rows["cause"] != STANDING).any():
        return None
    times, place = np.unique(rows["time_ms"].astype(np.int64), return_inverse=True)

    def column(cause: int, otherwise: float) -> Floats:
        values = np.full(len(times), otherwise)
        mine = rows["cause"] == cause
        values[place[mine]] = rows["usd"][mine]
        return values

    causes = {cause: column(cause, 0.0) for cause in MakerCause}
    present = {cause: values for cause, values in causes.items() if values.any()}
    return Missing(name, times, present, column(STANDING, np.nan), query)


def _trough(tape: Tape, name: str) -> Trough | None:
    """What is missing in the minute whose asks within 4 % are least on the average."""
    unit, where = money_unit(tape), among([name], None)
    query = (
        f"with minutes as (select {MINUTE} as minute, avg(bid_4pct) / {unit}.0 as bids, "
        f"avg(ask_4pct) / {unit}.0 as asks from series join instruments using (instrument) "
        f"where {where} and ask_4pct >= 0 and {MINUTE} in (select {MINUTE} from maker) "
        "group by all order by asks, minute limit 1), "
        "samples as (select count(distinct time_ms) as samples from maker "
        f"where {MINUTE} in (select minute from minutes)) "
        f"select minute, bids, asks, cause, sum(depth_removed) / any_value(samples) / {unit}.0 as usd "
        f"from maker join instruments using (instrument) join minutes on {MINUTE} = minute, samples "
        f"where {where} group by minute, bids, asks, cause order by usd desc, cause"
    )
    rows = tape.rows(query)
    if not rows:
        return None
    minute, bids, asks = rows[0][:3]
    causes = {MakerCause(cause): float(usd) for *_, cause, usd in rows}
    return Trough(int(minute), float(bids), float(asks), causes, query)


def _weather(tape: Tape) -> Weather | None:
    rows = tape.fetch(WEATHER_QUERY)
    if not len(rows["time_ms"]):
        return None
    refused, stalled = (np.asarray(rows[name], dtype=np.float64) for name in ("refused", "stalled"))
    kept = thinned(refused, PRICE_BUCKETS)
    # Transfers stop and start again within a step: both ends of each change stay.
    changed = np.flatnonzero(np.diff(stalled))
    if len(changed) <= PRICE_BUCKETS:
        kept = np.unique(np.concatenate([kept, changed, changed + 1]))
    messages = np.asarray(rows["messages"], dtype=np.float64)
    return Weather(rows["time_ms"][kept], refused[kept], stalled[kept], messages[kept])
