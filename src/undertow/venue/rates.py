"""Rates and weights that depend on how large a position or a balance is, and the rate a holding caches.

Holds the square-root rule, risk-limit steps and the weights of large balances. Holds no valuation (`margin`).

Units: ppm, lots, settlement units. Invariant: a requirement's rate never falls and a weight never rises with
size; both stop at HIGHEST_RATE_PPM.
"""

from __future__ import annotations

from typing import Any

from undertow._jit import kernel
from undertow.units import sqrt_rate_ppm
from undertow.venue.limits import HIGHEST_RATE_PPM
from undertow.venue.records import InstrumentKind
from undertow.venue.state import (
    COLLATERAL_NONE,
    COLLATERAL_RAW,
    MARGIN_SQUARE_ROOT,
    MARGIN_STEPS,
    WEIGHT_SQUARE_ROOT,
    State,
)

SPOT = int(InstrumentKind.SPOT)


@kernel
def size_rate_ppm(record: Any, factor_ppb: int, lots: int) -> int:
    """factor x sqrt(size in coins), at most HIGHEST_RATE_PPM."""
    rate = sqrt_rate_ppm(factor_ppb, lots, record.coins_per_lot, record.lots_per_coin)
    return min(rate, HIGHEST_RATE_PPM)


@kernel
def stepped_rate_ppm(record: Any, steps: int) -> int:
    """The maintenance floor once, and once more for each step above the base; at most HIGHEST_RATE_PPM."""
    if record.rate_floor_ppm > 0 and steps >= HIGHEST_RATE_PPM // record.rate_floor_ppm:
        return HIGHEST_RATE_PPM
    return int(record.rate_floor_ppm * (1 + steps))


@kernel
def step_count(base: int, step: int, amount: int) -> int:
    """Risk-limit steps above the base that hold `amount`."""
    if step <= 0 or amount <= base:
        return 0
    return (amount - base + step - 1) // step


@kernel
def refresh_rates(state: State, holding: int) -> None:
    """Recompute the size-dependent rate a holding caches; call after every change of its size or quote."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    if row.size == 0:
        row.rate_ppm = 0
        return
    lots = abs(row.size)
    if record.kind == SPOT:
        if row.size > 0:
            row.rate_ppm = _capped_weight_ppm(record, lots, record.weight_total_ppm)
        else:
            rate = max(record.borrow_floor_ppm, size_rate_ppm(record, record.borrow_factor_ppb, lots))
            row.rate_ppm = min(rate, HIGHEST_RATE_PPM)
        return
    if record.margin_rule == MARGIN_SQUARE_ROOT:
        rate = max(record.rate_floor_ppm, size_rate_ppm(record, record.rate_factor_ppb, lots))
        if row.size > 0 and record.long_cap_ppm > 0:
            rate = min(rate, record.long_cap_ppm)
        row.rate_ppm = rate
    elif record.margin_rule == MARGIN_STEPS:
        steps = step_count(record.step_base, record.step_size, abs(row.quote))
        row.rate_ppm = stepped_rate_ppm(record, steps)


@kernel
def bought_weight_ppm(state: State, holding: int) -> int:
    """Share of the price of an asset bought that counts for opening, in the profile of its buyer."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    collateral = state.profiles[state.accounts[row.account].profile].collateral
    if collateral == COLLATERAL_NONE or record.weight_total_ppm == 0:
        return 0
    return 1_000_000 if collateral == COLLATERAL_RAW else int(record.weight_initial_ppm)


@kernel
def _capped_weight_ppm(record: Any, lots: int, weight: int) -> int:
    """A collateral weight of an asset, less for a large balance where the rulebook says so."""
    if record.weight_rule == WEIGHT_SQUARE_ROOT and record.weight_factor_ppb > 0:
        rate = size_rate_ppm(record, record.weight_factor_ppb, lots)
        return int(min(weight, 1_100_000_000_000 // (1_000_000 + rate)))
    return weight


@kernel
def initial_weight_ppm(record: Any, lots: int) -> int:
    """Weight of a balance of `lots` as collateral for new positions."""
    return _capped_weight_ppm(record, lots, record.weight_initial_ppm)


@kernel
def borrow_initial_ppm(record: Any, lots: int) -> int:
    """Initial margin on `lots` of an asset borrowed: its floor, or factor x sqrt(coins) where more."""
    rate = size_rate_ppm(record, record.borrow_initial_factor_ppb, lots)
    return int(min(max(record.borrow_initial_floor_ppm, rate), HIGHEST_RATE_PPM))
