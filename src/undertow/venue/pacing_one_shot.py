"""Stage 1, pacing "one-shot": cancel everything, one large immediate order a position, then the fund.

Holds the size of the order and the pass over accounts in danger. What orders could not do is
`liquidation.resolve`. Holds no detection (`danger`).

The order closes the smallest slice that restores maintenance after its fees, or the whole position; its limit
is the position's zero price, or the market band. The largest position by maintenance goes first. Assets
follow where the account's profile says that they are sold, each with one order of the smallest slice whose
proceeds, less fees, repay enough debt.

Units: settlement units, lots, ticks. Rounding: the slice up. Invariants: no order is sent once the account is
healthy; an account's orders in a step are bounded.

Source: Binance FAQ 360033525271 (all orders cancelled, one immediate-or-cancel order); slice rule inferred.
"""

from __future__ import annotations

from typing import NamedTuple

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.admission import band_limit
from undertow.venue.frozen import Frozen, enter
from undertow.venue.integers import lots_worth, wide
from undertow.venue.liquidation import forced_order, largest_position, recover, resolve
from undertow.venue.margin import SPOT, maintenance_parts, notional, row_maintenance
from undertow.venue.state import ASSETS_SOLD, COUNT_CANDIDATES, State
from undertow.venue.takeover import zero_price

SLICES = (
    32  # smallest slices in a step, of an account's contracts or of one asset; then the rest goes at once
)


class OneShot(NamedTuple):
    """Figures of the "one-shot" pacing."""

    whole_position: int  # 1: no smallest slice, the position goes at once
    all_or_nothing: int  # 1: the order fills whole or not at all
    at_band: int  # 1: the limit is the market band, not the zero price
    fund_takes_over: int  # 0: what the order did not close goes straight to allocation
    net_limit_ppm: int  # of the fund's equity; 0 none
    whole_or_nothing: int


@kernel
def restoring_lots(state: State, holding: int, shortfall: int) -> int:
    """Smallest slice whose freed maintenance, less its fees, makes up for the shortfall; else all of it."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    lots = wide(abs(row.size))
    own = row_maintenance(state, holding, mark)
    fee = record.liquidation_fee_ppm + record.taker_fee_ppm
    gain = own - mul_ppm_ceil(notional(record.kind, record.unit, lots, mark), fee)
    if gain <= shortfall:
        return lots
    return max(min(mul_div_ceil(shortfall, lots, gain), lots), 1)


@kernel
def one_shot(state: State, rule: OneShot, frozen: Frozen) -> None:
    """Every account in danger, in account order: orders off, one order a position, then `resolve`."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        if recover(state, account):
            continue
        enter(state, frozen, account)
        if not _close_positions(state, account, rule):
            resolve(state, account, rule.fund_takes_over, rule.net_limit_ppm, rule.whole_or_nothing)


@kernel
def _close_positions(state: State, account: int, rule: OneShot) -> bool:
    """Close position after position until the account is healthy. False if it stays below maintenance.

    A slice filled below the mark can cost about what it frees; so many slices, and positions go whole.
    """
    slices = 0
    while not recover(state, account):
        holding = largest_position(state, account)
        if holding < 0:
            return _sell_assets(state, account, rule)
        equity, maintenance, _gross = maintenance_parts(state, account)
        instrument = state.holdings[holding].instrument
        if state.markets[instrument].halted == 1:
            return False
        lots = wide(abs(state.holdings[holding].size))
        if rule.whole_position == 0 and slices < SLICES:
            lots = restoring_lots(state, holding, maintenance - equity)
            slices += 1
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
def repaying_lots(state: State, holding: int, shortfall: int) -> int:
    """Smallest slice of an asset whose sale at the mark makes up for the shortfall, or what covers the debt.

    A dollar sold frees the margin on a dollar of debt and costs its fees.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    owner = state.accounts[row.account]
    size = wide(row.size)
    debt = wide(max(-owner.cash, 0))
    fee = record.liquidation_fee_ppm + record.taker_fee_ppm
    most = min(size, lots_worth(SPOT, record.unit, debt + mul_ppm_ceil(debt, fee), mark))
    worth = min(notional(SPOT, record.unit, most, mark), debt)
    freed = mul_ppm_floor(worth, state.profiles[owner.profile].borrow_maintenance_ppm)
    gain = freed - mul_ppm_ceil(worth, fee)
    if gain <= shortfall:
        return most
    return max(min(mul_div_ceil(shortfall, most, gain), most), 1)


@kernel
def _sell_assets(state: State, account: int, rule: OneShot) -> bool:
    """Asset after asset, if the profile has them sold. False if the account stays below maintenance."""
    if state.profiles[state.accounts[account].profile].forced_assets != ASSETS_SOLD:
        return False
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        if state.instruments[row.instrument].kind == SPOT and row.size > 0:
            for _ in range(SLICES):
                again = _sell_slice(state, holding, rule)
                if recover(state, account):
                    return True
                if not again:
                    break
        holding = following
    return False


@kernel
def _sell_slice(state: State, holding: int, rule: OneShot) -> bool:
    """One order. True if it filled whole and something is left to sell."""
    row = state.holdings[holding]
    account = wide(row.account)
    instrument = wide(row.instrument)
    record = state.instruments[instrument]
    if state.markets[instrument].halted == 1:
        return False
    equity, maintenance, _gross = maintenance_parts(state, account)
    size = wide(row.size)
    lots = size if rule.whole_position == 1 else repaying_lots(state, holding, maintenance - equity + 1)
    lots = min(lots, wide(record.maximum_lots))
    if lots <= 0:  # what it owes is an asset: dollars do not repay it
        return False
    limit = wide(state.markets[instrument].mark) - equity // (size * record.unit)
    limit = min(max(limit, 1), wide(record.maximum_ticks) - 1)
    if rule.at_band == 1:
        limit = wide(band_limit(state, instrument, -1, wide(record.market_band_ppm)))
    fee = wide(record.liquidation_fee_ppm)
    filled, _value = forced_order(state, holding, lots, limit, fee, rule.all_or_nothing)
    return filled == lots and filled < size
