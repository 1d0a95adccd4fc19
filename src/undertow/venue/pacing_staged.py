"""Stage 1, pacing "staged": first a part of a large position, a pause, then the whole remainder.

Holds the size rule and the pass over accounts in danger, which ends with the vault (`vault.hand_over`).
Holds no detection (`danger`).

Positions worth no more than the threshold go at once, larger ones first by a share; the account then
rests for the cooldown and after it every position goes whole. Orders are market orders: down the whole
grid, or to the market band. What is left belongs to the user. An account below zero sends no orders.

Units: settlement units, lots, ppm, milliseconds. Rounding: the first part up. Invariants: no order during
a cooldown; an account gets at most one order a position a step.

Source: Hyperliquid docs, trading/liquidations (20 % above 100,000 USDC, 30 s, then the remainder).
"""

from __future__ import annotations

from typing import NamedTuple

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.admission import band_limit
from undertow.venue.dollars import in_units
from undertow.venue.frozen import Frozen, enter
from undertow.venue.integers import wide
from undertow.venue.liquidation import forced_order, recover, settle_flat_debt
from undertow.venue.margin import SPOT, maintenance_parts, notional
from undertow.venue.state import COUNT_CANDIDATES, TIME, State
from undertow.venue.vault import Vault, hand_over, payer


class Staged(NamedTuple):
    """Figures of the "staged" pacing."""

    threshold: int  # millionths of a dollar of notional: larger positions go in two parts
    first_ppm: int
    cooldown_ms: int
    at_band: int  # 1: market orders reach the market band; 0: the whole grid


@kernel
def staged_lots(size: int, amount: int, threshold: int, first_ppm: int) -> int:
    """Lots of a first order for a position of `size` lots worth `amount`."""
    if amount <= threshold:
        return size
    return min(mul_ppm_ceil(size, first_ppm), size)


def staged_lots_reference(size: int, amount: int, threshold: int, first_ppm: int) -> int:
    """`staged_lots` in plain integers."""
    return size if amount <= threshold else min(-(-size * first_ppm // 1_000_000), size)


@kernel
def staged(state: State, rule: Staged, vault: Vault, frozen: Frozen) -> None:
    """Every account in danger, in account order: orders unless it rests, then the vault or allocation."""
    now = wide(state.counters[TIME])
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        if recover(state, account) or settle_flat_debt(state, account, wide(payer(state, vault, account)), 0):
            continue
        fresh = enter(state, frozen, account)
        owner = state.accounts[account]
        if fresh and owner.cooldown <= now:
            owner.cooldown = 0
        equity, _maintenance, _gross = maintenance_parts(state, account)
        if equity >= 0 and owner.cooldown <= now:
            _send_orders(state, rule, account)
        if not recover(state, account):
            hand_over(state, vault, account)


@kernel
def _send_orders(state: State, rule: Staged, account: int) -> None:
    """One order for each position until the account is healthy; a partial one starts the cooldown."""
    owner = state.accounts[account]
    first = owner.cooldown == 0
    holding = wide(owner.first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        record = state.instruments[row.instrument]
        market = state.markets[row.instrument]
        if row.size != 0 and record.kind != SPOT and market.halted == 0:
            size = wide(abs(row.size))
            lots = size
            if first:
                amount = notional(record.kind, record.unit, size, market.mark)
                threshold = in_units(state, record.settlement, rule.threshold)
                lots = wide(staged_lots(size, amount, threshold, rule.first_ppm))
            if lots < size:
                owner.cooldown = state.counters[TIME] + rule.cooldown_ms
            side = -1 if row.size > 0 else 1
            band = wide(record.market_band_ppm) if rule.at_band == 1 else 0
            limit = band_limit(state, row.instrument, side, band)
            forced_order(state, holding, lots, wide(limit), wide(record.liquidation_fee_ppm), 0)
            if recover(state, account):
                return
        holding = following
