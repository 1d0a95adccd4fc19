"""Stage 1 of the waterfall: forced orders into the book, paced by the rulebook.

Holds what every pacing shares (start, one forced order, end) and the pacing "one-shot": cancel everything, one large
immediate-or-cancel order a position with the zero price as its limit, then takeover by the fund or allocation. The
other pacings stand in `pacing_slices`, `pacing_staged` and `pacing_fillable`. Holds no detection (`danger`).

Units: settlement units, lots, ticks, milliseconds. Invariants: only accounts that the danger stage listed are touched,
in account order; nobody above maintenance is; open orders go first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_ppm_ceil
from undertow.venue.admission import band_limit
from undertow.venue.ledger import free_if_empty, pay, tell
from undertow.venue.margin import SPOT, account_health, maintenance_parts, notional, row_maintenance
from undertow.venue.matching import Taker, cancel_all, cross, fillable_lots, release, reserve
from undertow.venue.records import Cause, EventKind, Origin
from undertow.venue.state import (
    COUNT_CANDIDATES,
    HOUSE_FUND,
    HOUSE_STRIDE,
    STAGE_FREE,
    STAGE_LIQUIDATING,
    State,
)
from undertow.venue.takeover import (
    cover,
    finish,
    fund_covers,
    fund_room,
    has_positions,
    list_bankrupt,
    sweep_flat,
    take_over,
    zero_price,
)

LIQUIDATION = int(Origin.LIQUIDATION)
LIQUIDATION_FEE = int(Cause.LIQUIDATION_FEE)
EVENT_START = int(EventKind.LIQUIDATION_START)
EVENT_ORDER = int(EventKind.LIQUIDATION_ORDER)
EVENT_END = int(EventKind.LIQUIDATION_END)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)
EVENT_EXHAUSTED = int(EventKind.FUND_EXHAUSTED)


class OneShot(NamedTuple):
    """Figures of the "one-shot" pacing."""

    whole_position: int  # 1: no smallest slice, the position goes at once
    all_or_nothing: int  # 1: the order fills whole or not at all
    at_band: int  # 1: the limit is the market band, not the zero price
    fund_takes_over: int  # 0: what the order did not close goes straight to allocation
    net_limit_ppm: int  # of the fund's equity; 0 none
    whole_or_nothing: int


@kernel
def begin(state: State, account: int) -> None:
    """First sight of an account below maintenance: freeze it and withdraw its orders."""
    owner = state.accounts[account]
    cancel_all(state, account, -1)
    if owner.stage == STAGE_LIQUIDATING:
        return
    owner.stage = STAGE_LIQUIDATING
    owner.once_liquidated = 1
    equity, maintenance, _gross = maintenance_parts(state, account)
    nothing = (np.int64(-1), np.int64(0), np.int64(0), np.int64(0))
    tell(state, EVENT_START, (account, np.int64(-1)), nothing, equity, maintenance)


@kernel
def recover(state: State, account: int) -> bool:
    """End the liquidation if the account is back at or above maintenance."""
    if account_health(state, account) < 0:
        return False
    if state.accounts[account].stage == STAGE_LIQUIDATING:
        finish(state, account)
        nothing = (np.int64(-1), np.int64(0), np.int64(0), np.int64(0))
        tell(state, EVENT_END, (account, np.int64(-1)), nothing, 0, 0)
    return True


@kernel
def forced_order(
    state: State, holding: int, lots: int, limit: int, fee_ppm: int, all_or_nothing: int
) -> tuple[int, int]:
    """Send an immediate order that reduces a holding. Returns (lots filled, value).

    The liquidation fee, a share of the value, goes to the instrument's insurance fund.
    """
    row = state.holdings[holding]
    account = np.int64(row.account)
    instrument = np.int64(row.instrument)
    side = np.int64(-1 if row.size > 0 else 1)
    zero = np.int64(0)
    taker = Taker(account, instrument, side, limit, lots, zero, np.int64(LIQUIDATION), zero)
    filled = zero
    value = zero
    if all_or_nothing == 0 or fillable_lots(state, taker) >= lots:
        reserve(state, holding, side, lots, limit)
        filled, value, _stopped = cross(state, taker, holding, 1)
        release(state, holding, side, lots, limit)
    if filled > 0 and fee_ppm > 0:
        fund = np.int64(state.instruments[instrument].fund)
        pay(state, account, fund, mul_ppm_ceil(value, fee_ppm), LIQUIDATION_FEE, instrument)
    what = (instrument, side, lots, limit)
    tell(state, EVENT_ORDER, (account, np.int64(-1)), what, filled, value)
    free_if_empty(state, holding)
    return filled, value


@kernel
def largest_position(state: State, account: int) -> int:
    """The contract holding with the most maintenance margin, -1 if the wallet holds none. First found wins ties."""
    best = np.int64(-1)
    most = np.int64(-1)
    holding = np.int64(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        if row.size != 0 and state.instruments[row.instrument].kind != SPOT:
            own = row_maintenance(state, holding, state.markets[row.instrument].mark)
            if own > most:
                most = own
                best = holding
        holding = np.int64(row.next)
    return best


@kernel
def restoring_lots(state: State, holding: int, shortfall: int) -> int:
    """Smallest slice whose freed maintenance, less its fees, makes up for the shortfall; else the whole position."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    lots = abs(row.size)
    own = row_maintenance(state, holding, mark)
    fee = record.liquidation_fee_ppm + record.taker_fee_ppm
    gain = own - mul_ppm_ceil(notional(record.kind, record.unit, lots, mark), fee)
    if gain <= shortfall:
        return lots
    return max(min(mul_div_ceil(shortfall, lots, gain), lots), 1)


@kernel
def one_shot(state: State, rule: OneShot) -> None:
    """Every account in danger, in account order: orders off, one order a position, then takeover or allocation."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = np.int64(state.candidates[position])
        begin(state, account)
        if not _close_positions(state, account, rule):
            resolve(state, account, rule.fund_takes_over, rule.net_limit_ppm, rule.whole_or_nothing)


@kernel
def _close_positions(state: State, account: int, rule: OneShot) -> bool:
    """Close down position after position until the account is healthy. False if it stays below maintenance."""
    while not recover(state, account):
        holding = np.int64(largest_position(state, account))
        if holding < 0:
            return False
        equity, maintenance, _gross = maintenance_parts(state, account)
        instrument = state.holdings[holding].instrument
        if state.markets[instrument].halted == 1:
            return False
        lots = np.int64(abs(state.holdings[holding].size))
        if rule.whole_position == 0:
            lots = np.int64(restoring_lots(state, holding, maintenance - equity))
        limit = zero_price(state, holding, equity, maintenance)
        if rule.at_band == 1:
            side = -1 if state.holdings[holding].size > 0 else 1
            limit = band_limit(state, instrument, side, state.instruments[instrument].market_band_ppm)
        fee = state.instruments[instrument].liquidation_fee_ppm
        filled, _value = forced_order(state, holding, lots, limit, fee, rule.all_or_nothing)
        if filled < lots:
            return recover(state, account)
    return True


@kernel
def fund_of(state: State, account: int) -> int:
    """The insurance fund behind a wallet: that of its largest position, else its settlement asset's."""
    holding = largest_position(state, account)
    if holding >= 0:
        return np.int64(state.instruments[state.holdings[holding].instrument].fund)
    return np.int64(state.accounts[account].settlement * HOUSE_STRIDE + HOUSE_FUND)


@kernel
def resolve(state: State, account: int, fund_takes_over: int, limit_ppm: int, whole_or_nothing: int) -> None:
    """What orders could not do: the fund takes the wallet over, or its positions are listed for allocation."""
    fund = fund_of(state, account)
    if not has_positions(state, account):
        sweep_flat(state, account)
        cover(state, account, fund, whole_or_nothing)
        if state.accounts[account].cash == 0:
            state.accounts[account].stage = STAGE_FREE
        return
    equity, _maintenance, gross = maintenance_parts(state, account)
    takes = fund_takes_over == 1 and gross <= fund_room(state, fund, limit_ppm)
    if takes and not fund_covers(state, fund, equity):
        takes = False
        nothing = (np.int64(-1), np.int64(0), np.int64(0), np.int64(0))
        tell(state, EVENT_EXHAUSTED, (account, fund), nothing, -equity, 1)
    if takes:
        take_over(state, account, fund)
        nothing = (np.int64(-1), np.int64(0), np.int64(0), np.int64(0))
        kind = EVENT_FUND_IN if equity >= 0 else EVENT_FUND_OUT
        tell(state, kind, (account, fund), nothing, abs(equity), 1)
        return
    list_bankrupt(state, account)
