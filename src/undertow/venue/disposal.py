"""How the house sells what it took over: paced by stock and turnover, never through a price floor.

Holds the minute's memory of turnover and marks, the size of a second's sale, its limit, and the pass over
the holdings of one house account. Contracts and collateral assets have separate rules. Holds no takeover.

Units: lots, ticks, settlement units, ppm, seconds. Rounding: the share of the stock up, the share of
turnover down, limits towards the market. Invariants: a sale only reduces a holding; turnover is counted
from the log of fills, each fill once, so it must be observed before the log is drained.

Sources: BitMEX docs, liquidation (at the bankruptcy price or better); where venues publish nothing, a
modelling choice (a share of the stock a minute, a share of turnover, no larger fall a minute than the
band).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_floor, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.admission import band_limit
from undertow.venue.integers import wide
from undertow.venue.ledger import free_if_empty
from undertow.venue.margin import SPOT, worth
from undertow.venue.matching import Taker, cross_only, release, reserve
from undertow.venue.records import EventKind, Origin
from undertow.venue.state import COUNT_EVENTS, COUNT_FILLS, TIME, TRADE_COUNT, State

DISPOSAL = int(Origin.DISPOSAL)
EVENT_TAKEOVER = int(EventKind.TAKEOVER)

FLOOR_NONE = 0  # market orders, to the market band
FLOOR_BAND = 1  # while solvent, not through more than a share of the mark a minute ago
FLOOR_BANKRUPTCY = 2  # at the zero price it was taken over at, or better

SECONDS = 60  # of the window


class Disposal(NamedTuple):
    """Figures of disposal, for contracts or for assets."""

    rate_ppm: int  # of the stock, a second
    turnover_ppm: int  # of the last minute's turnover, a minute; 0: no limit
    floor: int  # FLOOR_*
    band_ppm: int  # FLOOR_BAND: largest fall a minute


class Window(NamedTuple):
    """The last minute of the market; by instrument, rings by second."""

    turnover: NDArray[np.int64]  # lots traded in the last minute
    reference: NDArray[np.int64]  # mark a minute ago
    lots: NDArray[np.int64]  # [second, instrument]
    marks: NDArray[np.int64]  # [second, instrument]
    clock: NDArray[np.int64]  # [2]: second observed, -1 before the first; trades seen


class Stock(NamedTuple):
    """What a house account took over, by instrument: average zero price, and the lots it stands for."""

    zero_ticks: NDArray[np.int64]
    lots: NDArray[np.int64]


def open_window(state: State) -> Window:
    """An empty window."""
    count = len(state.instruments)
    rings = [np.zeros((SECONDS, count), np.int64) for _ in range(2)]
    clock = np.array([-1, state.counters[TRADE_COUNT]], np.int64)
    return Window(np.zeros(count, np.int64), np.zeros(count, np.int64), rings[0], rings[1], clock)


def open_stock(state: State) -> Stock:
    """Nothing taken over yet."""
    return Stock(np.zeros(len(state.instruments), np.int64), np.zeros(len(state.instruments), np.int64))


@kernel
def observe(state: State, window: Window, second: int) -> None:
    """Move the window to `second` and add what was traded since the last look."""
    before = wide(window.clock[0])
    passed = min(second - before, SECONDS) if before >= 0 else SECONDS
    for instrument in range(len(window.turnover)):
        mark = wide(state.markets[instrument].mark)
        for step in range(passed):
            bucket = (second - passed + 1 + step) % SECONDS
            window.turnover[instrument] -= window.lots[bucket, instrument]
            window.lots[bucket, instrument] = 0
            window.reference[instrument] = window.marks[bucket, instrument] if before >= 0 else mark
            window.marks[bucket, instrument] = mark
    logged = wide(state.counters[COUNT_FILLS])
    fresh = min(wide(state.counters[TRADE_COUNT] - window.clock[1]), logged)
    for position in range(logged - fresh, logged):
        fill = state.fills[position]
        window.turnover[fill.instrument] += fill.size
        window.lots[second % SECONDS, fill.instrument] += fill.size
    window.clock[0] = second
    window.clock[1] = state.counters[TRADE_COUNT]


@kernel
def disposal_lots(rule: Disposal, stock: int, turnover: int, seconds: int) -> int:
    """Lots to sell of a stock after `seconds`: its share, within the share of turnover."""
    lots = mul_ppm_ceil(stock, min(rule.rate_ppm * seconds, 1_000_000))
    if rule.turnover_ppm > 0:
        lots = min(lots, mul_div_floor(mul_ppm_floor(turnover, rule.turnover_ppm), seconds, SECONDS))
    return min(lots, stock)


def disposal_lots_reference(rule: Disposal, stock: int, turnover: int, seconds: int) -> int:
    """`disposal_lots` in plain integers."""
    lots = -(-stock * min(rule.rate_ppm * seconds, 1_000_000) // 1_000_000)
    if rule.turnover_ppm > 0:
        lots = min(lots, turnover * rule.turnover_ppm // 1_000_000 * seconds // SECONDS)
    return min(lots, stock)


@kernel
def note_takeovers(state: State, account: int, stock: Stock) -> None:
    """Average the zero prices of what this account took over at the current time; call once a step.

    Lots of one side are averaged, rounded down; a takeover of the other side begins anew.
    """
    now = state.counters[TIME]
    position = wide(state.counters[COUNT_EVENTS]) - 1
    while position >= 0 and state.events[position].time == now:
        event = state.events[position]
        if event.kind == EVENT_TAKEOVER and event.counterparty == account and event.detail == 0:
            instrument = wide(event.instrument)
            held = wide(stock.lots[instrument])
            taken = wide(event.size * event.side)
            if held != 0 and (held > 0) == (taken > 0):
                rise = wide(event.price - stock.zero_ticks[instrument])
                stock.zero_ticks[instrument] += mul_div_floor(rise, abs(taken), abs(held + taken))
                stock.lots[instrument] = held + taken
            else:
                stock.zero_ticks[instrument] = event.price
                stock.lots[instrument] = taken
        position -= 1


@kernel
def house_order(state: State, holding: int, side: int, lots: int, limit: int, origin: int) -> tuple[int, int]:
    """Send an immediate order that reduces a holding, fees as for everybody. Returns (lots filled, value)."""
    row = state.holdings[holding]
    taker = Taker(wide(row.account), wide(row.instrument), side, limit, lots, 0, origin, 0)
    reserve(state, holding, side, lots, limit)
    filled, value = cross_only(state, taker, holding)
    release(state, holding, side, lots, limit)
    free_if_empty(state, holding)
    return filled, value


@kernel
def disposal_limit(
    state: State, rule: Disposal, instrument: int, side: int, window: Window, stock: Stock, solvent: int
) -> int:
    """The price beyond which the house does not sell (side -1) or buy back (+1)."""
    record = state.instruments[instrument]
    if rule.floor == FLOOR_BANKRUPTCY:
        zero = wide(stock.zero_ticks[instrument])
        return zero if zero > 0 else wide(state.markets[instrument].mark)
    if rule.floor == FLOOR_BAND and solvent == 1:
        reference = wide(window.reference[instrument])
        if side < 0:
            return max(mul_ppm_ceil(reference, 1_000_000 - rule.band_ppm), 1)
        return min(mul_ppm_floor(reference, 1_000_000 + rule.band_ppm), wide(record.maximum_ticks) - 1)
    return band_limit(state, instrument, side, wide(record.market_band_ppm))


@kernel
def dispose(
    state: State, account: int, contracts: Disposal, assets: Disposal, window: Window, stock: Stock,
    seconds: int,
) -> int:  # fmt: skip
    """Sell a part of all that a house account holds, after `seconds` have passed. Returns the orders sent."""
    orders = 0
    solvent = 1 if worth(state, account) > 0 else 0
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        instrument = wide(row.instrument)
        market = state.markets[instrument]
        rule = assets if state.instruments[instrument].kind == SPOT else contracts
        size = wide(row.size)
        if size != 0 and market.halted == 0 and market.listed == 1:
            lots = disposal_lots(rule, abs(size), wide(window.turnover[instrument]), seconds)
            lots = min(lots, wide(state.instruments[instrument].maximum_lots))
            side = -1 if size > 0 else 1
            if lots > 0:
                limit = disposal_limit(state, rule, instrument, side, window, stock, solvent)
                filled, _value = house_order(state, holding, side, lots, limit, DISPOSAL)
                stock.lots[instrument] = size + side * filled
                orders += 1
        holding = following
    return orders
