"""Stage 1, pacing "one-shot": cancel everything, one large immediate order a position, then the fund.

Holds the size of the order and the pass over accounts in danger. What orders could not do is
`liquidation.resolve`. Holds no detection (`danger`).

The order closes the smallest slice that restores maintenance after its fees, the whole position, or what
brings it down to a lower tier; a position in its lowest tier is then not sold but passes on. Its limit is the
position's zero price, or the market band. The largest position by maintenance goes first. Assets follow where
the account's profile says that they are sold, each with one order of the smallest slice whose proceeds, less
fees, repay enough debt. While trading is halted in something it would sell, a wallet waits.

Units: settlement units, lots, ticks. Rounding: the slice up. Invariants: no order is sent once the account is
healthy; an account's orders in a step are bounded; a wallet passes on only after its orders were tried.

Sources: Binance FAQ 360033525271 (all orders cancelled, one immediate-or-cancel order), slice rule inferred;
BitMEX docs, liquidation (fill-or-kill down to a lower risk limit; in the lowest, takeover at once).
"""

from __future__ import annotations

from typing import NamedTuple

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_div_floor, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.admission import band_limit
from undertow.venue.frozen import Frozen, enter
from undertow.venue.integers import lots_within, lots_worth, wide
from undertow.venue.liquidation import (
    forced_order,
    fund_of,
    largest_open_position,
    recover,
    resolve,
    settle_flat_debt,
)
from undertow.venue.margin import SPOT, maintenance_parts, notional, row_maintenance, tier_of
from undertow.venue.rates import refresh_rates, step_count
from undertow.venue.state import ASSETS_SOLD, COUNT_CANDIDATES, MARGIN_STEPS, MARGIN_TIERS, State
from undertow.venue.takeover import zero_price

SLICES = (
    32  # smallest slices in a step, of an account's contracts or of one asset; then the rest goes at once
)


SMALLEST, WHOLE, TIER_DOWN = range(3)
SLICINGS = {"smallest-restoring": SMALLEST, "whole-position": WHOLE, "tier-down": TIER_DOWN}


class OneShot(NamedTuple):
    """Figures of the "one-shot" pacing."""

    slicing: int  # SMALLEST, WHOLE or TIER_DOWN
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
        if settle_flat_debt(state, account, wide(fund_of(state, account)), rule.whole_or_nothing):
            continue
        enter(state, frozen, account)
        if not _close_positions(state, account, rule) and not _waits(state, account):
            resolve(state, account, rule.fund_takes_over, rule.net_limit_ppm, rule.whole_or_nothing)


@kernel
def _close_positions(state: State, account: int, rule: OneShot) -> bool:
    """Close position after position until the account is healthy. False if it stays below maintenance.

    A slice filled below the mark can cost about what it frees; so many slices, and positions go whole.
    """
    slices = 0
    while not recover(state, account):
        holding = largest_open_position(state, account)
        if holding < 0:
            return _sell_assets(state, account, rule)
        equity, maintenance, _gross = maintenance_parts(state, account)
        instrument = state.holdings[holding].instrument
        lots = wide(abs(state.holdings[holding].size))
        if rule.slicing == SMALLEST and slices < SLICES:
            lots = restoring_lots(state, holding, maintenance - equity)
        elif rule.slicing == TIER_DOWN:
            lots = tier_down_lots(state, holding, maintenance - equity) if slices < SLICES else 0
            if lots == 0:
                return False
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
def _waits(state: State, account: int) -> bool:
    """Whether trading is halted in something the account would have sold; nothing passes on unsold."""
    sold = state.profiles[state.accounts[account].profile].forced_assets == ASSETS_SOLD
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        contract = row.size != 0 and state.instruments[row.instrument].kind != SPOT
        if (contract or (sold and row.size > 0)) and state.markets[row.instrument].halted == 1:
            return True
        holding = wide(row.next)
    return False


@kernel
def tier_down_lots(state: State, holding: int, shortfall: int) -> int:
    """Lots that bring a position down to the highest tier whose lower rate makes up for the shortfall.

    0 if it is in its lowest tier already, if no tier would do, or if its rule has none.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    lots = wide(abs(row.size))
    mark = wide(state.markets[row.instrument].mark)
    own = row_maintenance(state, holding, mark)
    fee = record.liquidation_fee_ppm + record.taker_fee_ppm
    tier = _tier_number(state, holding, mark)
    while tier > 0:
        tier -= 1
        if record.margin_rule == MARGIN_STEPS:
            limit = wide(record.step_base + tier * record.step_size)
            kept = mul_div_floor(lots, limit, wide(abs(row.quote)))
        else:
            limit = wide(state.tiers[record.tier_start + tier + 1].floor)
            kept = lots_within(record.kind, record.unit, limit, mark)
        closed = lots - min(kept, lots)
        gain = own - _maintenance_of(state, holding, lots - closed, mark)
        if gain - mul_ppm_ceil(notional(record.kind, record.unit, closed, mark), fee) > shortfall:
            return closed
    return 0


@kernel
def _tier_number(state: State, holding: int, mark: int) -> int:
    """Tiers below the one a position is in; 0 where its rule has none."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    if record.margin_rule == MARGIN_STEPS:
        return wide(step_count(record.step_base, record.step_size, abs(row.quote)))
    if record.margin_rule == MARGIN_TIERS:
        amount = notional(record.kind, record.unit, row.size, mark)
        return wide(tier_of(state, row.instrument, amount) - record.tier_start)
    return 0


@kernel
def _maintenance_of(state: State, holding: int, lots: int, mark: int) -> int:
    """Maintenance of a position once only `lots` of it are left; the position itself stays as it is."""
    row = state.holdings[holding]
    size, quote, rate = wide(row.size), wide(row.quote), row.rate_ppm
    row.size = lots if size > 0 else -lots
    row.quote = quote - mul_div_floor(quote, abs(size) - lots, abs(size))
    refresh_rates(state, holding)
    maintenance = wide(row_maintenance(state, holding, mark))
    row.size = size
    row.quote = quote
    row.rate_ppm = rate
    return maintenance


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
    lots = repaying_lots(state, holding, maintenance - equity + 1) if rule.slicing == SMALLEST else size
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
