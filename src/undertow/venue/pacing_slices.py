"""Stage 1, pacing "random-slices": every few seconds a tenth of a position, within a share of daily volume.

Holds the order size rule and the second that sends the orders. Below the auto-close line an account belongs
to `auto_close`. Holds no detection (`danger`).

Each second and contract, with a given probability: one cap for all accounts, a share of the coin's average
daily volume; accounts in keyed random order (one order a second, the same for every contract); immediate
orders a random way through the opposite side. An order with no opposite side is not sent and uses nothing of
the cap.

Units: settlement units, lots, ppm, seconds. Rounding: sizes up, so that a slice is never nothing; limits
towards the market. Invariants: an order is at most the jitter's upper end times the cap that was left, and
never more than the position; a seed and a second draw the same numbers whoever else is in danger.

Source: FTX help 360027937831, step 1 (the jitter is applied after the cap).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.streams import integer_at
from undertow.units import AMOUNT_LIMIT, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.auto_close import AutoClose, is_auto_closed
from undertow.venue.dollars import in_units
from undertow.venue.frozen import Frozen, enter
from undertow.venue.integers import lots_worth, wide
from undertow.venue.liquidation import forced_order, fund_of, recover, resolve, settle_flat_debt
from undertow.venue.margin import SPOT, maintenance_parts
from undertow.venue.state import COUNT_CANDIDATES, State

HOLDING_STRIDE = 1 << 15  # instruments an account can hold: the id of a draw is account x stride + instrument


class Slices(NamedTuple):
    """Figures of the "random-slices" pacing."""

    probability_ppm: int  # per second and contract
    slice_ppm: int  # of the position
    floor: int  # millionths of a dollar: at least this much, or the whole position
    volume_cap_ppm: int  # of average daily volume, one pool for all accounts
    jitter_low_ppm: int
    jitter_high_ppm: int
    cross_low_ppm: int  # of the opposite best price
    cross_high_ppm: int


class Draws(NamedTuple):
    """Keys of one second's random numbers."""

    execute: np.uint64  # by instrument
    jitter: np.uint64  # by account and instrument
    cross: np.uint64


class SlicesMemory(NamedTuple):
    """Arrays by instrument: average daily volume (0: no cap), this second's cap (-1: not executed)."""

    adv_lots: NDArray[np.int64]
    room: NDArray[np.int64]


def draws_of(seed: int, second: int) -> Draws:
    """The keys of one second."""
    return Draws(
        streams.stream_key(seed, "liquidation: execute", second),
        streams.stream_key(seed, "liquidation: jitter", second),
        streams.stream_key(seed, "liquidation: cross", second),
    )


def visiting_order(accounts: NDArray[np.int32], seed: int, second: int) -> NDArray[np.int32]:
    """The accounts in this second's random order: by a number drawn for each, then by account."""
    draws = streams.integers(seed, "liquidation: order", second, accounts.astype(np.int64), 1 << 31)
    return np.ascontiguousarray(accounts[np.lexsort((accounts, draws))])


@kernel
def slice_lots(size: int, floor_lots: int, room: int, slice_ppm: int, jitter_ppm: int) -> int:
    """Lots of one order: a share of the position, at least the floor, within the cap, then the jitter."""
    lots = max(mul_ppm_ceil(size, slice_ppm), min(floor_lots, size))
    return min(mul_ppm_ceil(min(lots, room), jitter_ppm), size)


def slice_lots_reference(size: int, floor_lots: int, room: int, slice_ppm: int, jitter_ppm: int) -> int:
    """`slice_lots` in plain integers, step by step as published."""
    lots = -(-size * slice_ppm // 1_000_000)
    lots = max(lots, min(floor_lots, size))
    lots = min(lots, room)
    lots = -(-lots * jitter_ppm // 1_000_000)
    return min(lots, size)


@kernel
def through_limit(state: State, instrument: int, side: int, cross_ppm: int) -> int:
    """A limit so far through the opposite best price, rounded towards it; 0 if nobody is there."""
    market = state.markets[instrument]
    maximum = wide(state.instruments[instrument].maximum_ticks)
    if side > 0:
        if market.best_ask >= maximum:
            return 0
        return min(mul_ppm_floor(market.best_ask, 1_000_000 + cross_ppm), maximum - 1)
    if market.best_bid <= 0:
        return 0
    return max(mul_ppm_ceil(market.best_bid, 1_000_000 - cross_ppm), 1)


@kernel
def open_rooms(state: State, rule: Slices, key: np.uint64, memory: SlicesMemory) -> None:
    """Draw which contracts are executed this second, and give each its cap."""
    for instrument in range(len(memory.room)):
        memory.room[instrument] = -1
        market = state.markets[instrument]
        if market.listed == 0 or market.halted == 1 or state.instruments[instrument].kind == SPOT:
            continue
        if integer_at(key, instrument, 1_000_000) < rule.probability_ppm:
            room = mul_ppm_floor(wide(memory.adv_lots[instrument]), rule.volume_cap_ppm)
            memory.room[instrument] = room if memory.adv_lots[instrument] > 0 else AMOUNT_LIMIT


@kernel
def slices_second(
    state: State, rule: Slices, line: AutoClose, draws: Draws, visiting: NDArray[np.int32],
    memory: SlicesMemory, frozen: Frozen,
) -> None:  # fmt: skip
    """One second: every listed account is frozen, and those above the auto-close line get their slices.

    Without auto-close an account below zero is covered by the fund, or listed for allocation.
    """
    open_rooms(state, rule, draws.execute, memory)
    for position in range(len(visiting)):
        account = wide(visiting[position])
        if recover(state, account) or settle_flat_debt(state, account, wide(fund_of(state, account)), 0):
            continue
        enter(state, frozen, account)
        equity, maintenance, gross = maintenance_parts(state, account)
        if is_auto_closed(line, equity, maintenance, gross):
            continue
        if equity < 0:
            resolve(state, account, 0, 0, 0)
            continue
        _send_slices(state, rule, draws, account, memory.room)


@kernel
def _send_slices(state: State, rule: Slices, draws: Draws, account: int, room: NDArray[np.int64]) -> None:
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        instrument = wide(row.instrument)
        if row.size != 0 and room[instrument] > 0:
            record = state.instruments[instrument]
            identity = account * HOLDING_STRIDE + instrument
            span = rule.jitter_high_ppm - rule.jitter_low_ppm + 1
            jitter = rule.jitter_low_ppm + integer_at(draws.jitter, identity, span)
            span = rule.cross_high_ppm - rule.cross_low_ppm + 1
            cross = rule.cross_low_ppm + integer_at(draws.cross, identity, span)
            floor = in_units(state, record.settlement, rule.floor)
            floor_lots = lots_worth(record.kind, record.unit, floor, state.markets[instrument].mark)
            lots = wide(slice_lots(abs(row.size), floor_lots, room[instrument], rule.slice_ppm, jitter))
            limit = wide(through_limit(state, instrument, -1 if row.size > 0 else 1, cross))
            if limit > 0:
                fee = wide(record.liquidation_fee_ppm)
                forced_order(state, holding, lots, limit, fee, 0)
                room[instrument] = max(room[instrument] - lots, 0)
                if recover(state, account):
                    return
        holding = following


def liquidate_slices(
    state: State, rule: Slices, line: AutoClose, memory: SlicesMemory, frozen: Frozen, seed: int, second: int
) -> None:
    """Step 1 of one second for the accounts the danger stage listed. `second` keys its random numbers."""
    listed = state.candidates[: state.counters[COUNT_CANDIDATES]]
    visiting = visiting_order(listed, seed, second)
    slices_second(state, rule, line, draws_of(seed, second), visiting, memory, frozen)
