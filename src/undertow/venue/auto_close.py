"""Step 2 of paced liquidation: below a line under maintenance, positions pass to the backstop each second.

Holds the line, the share that is closed, and the second that closes it at zero prices. Holds no provider's
capacity and no price split (`backstop`).

Units: settlement units, lots, ppm. Rounding: the line and the lots up, so that an account below its line
always closes something. Invariant: an account at or above its line is not touched; lots that nobody took are
handed on, or the whole wallet listed for allocation if it is below zero.

Sources: FTX help 360027668712 (ACMF = max(MMF / 2, MMF - 6 %)), 360027937831 step 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.arenas import STAGE_LIST, check_list
from undertow.venue.backstop import Providers, Split, pass_on
from undertow.venue.dollars import in_units
from undertow.venue.integers import lots_worth, wide
from undertow.venue.ledger import free_if_empty
from undertow.venue.liquidation import largest_position, recover, resolve
from undertow.venue.margin import SPOT, maintenance_parts
from undertow.venue.state import COUNT_CANDIDATES, STAGE_LIQUIDATING, State
from undertow.venue.takeover import list_bankrupt, zero_price

OVERFLOW = np.dtype(
    [
        ("account", np.int64),
        ("instrument", np.int64),
        ("lots", np.int64),  # that no provider had room for
        ("zero", np.int64),  # zero price they are to be closed at
    ]
)


class AutoClose(NamedTuple):
    """Figures of auto-close; `half_ppm` 0 switches it off."""

    half_ppm: int  # the line is at least this share of maintenance margin
    gap_ppm: int  # and at least maintenance less this share of notional
    floor: int  # millionths of a dollar: close at least this much, or the whole position
    overflow_to_allocation: int  # 1: what providers cannot take of a solvent wallet is closed at once too


@kernel
def auto_close_line(rule: AutoClose, maintenance: int, gross: int) -> int:
    """Equity below which positions are closed: ACMF x notional = max(half x MM, MM - gap x notional)."""
    half = mul_ppm_ceil(maintenance, rule.half_ppm)
    return max(half, maintenance - mul_ppm_floor(gross, rule.gap_ppm))


@kernel
def is_auto_closed(rule: AutoClose, equity: int, maintenance: int, gross: int) -> bool:
    """Whether an account belongs to step 2."""
    if rule.half_ppm == 0:
        return False
    return bool(equity < 0 or equity < auto_close_line(rule, maintenance, gross))


@kernel
def auto_close_lots(size: int, equity: int, line: int, floor_lots: int) -> int:
    """Lots to close this second: (1 - MF/ACMF) x size, at least the floor; all once equity is negative."""
    if equity < 0:
        return size
    return min(max(mul_div_ceil(size, line - equity, line), min(floor_lots, size)), size)


def auto_close_lots_reference(size: int, equity: int, line: int, floor_lots: int) -> int:
    """`auto_close_lots` in plain integers."""
    if equity < 0:
        return size
    return max(-(-size * (line - equity) // line), min(floor_lots, size))


@kernel
def auto_close_second(
    state: State, rule: AutoClose, split: Split, providers: Providers, overflow: NDArray[np.void]
) -> int:
    """One second for every listed account below its line, in account order. Returns rows of `overflow`."""
    count = 0
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        if state.accounts[account].stage != STAGE_LIQUIDATING:
            continue
        equity, maintenance, gross = maintenance_parts(state, account)
        if not is_auto_closed(rule, equity, maintenance, gross):
            continue
        first = count
        if largest_position(state, account) >= 0:
            count = wide(_close_part(state, rule, split, providers, account, overflow, count))
        if equity < 0 and count > first:
            count = first
            list_bankrupt(state, account)
        elif not recover(state, account) and largest_position(state, account) < 0:
            left, _maintenance, _gross = maintenance_parts(state, account)
            if left < 0:
                resolve(state, account, 0, 0, 0)
    return count


@kernel
def _close_part(
    state: State, rule: AutoClose, split: Split, providers: Providers, account: int,
    overflow: NDArray[np.void], count: int,
) -> int:  # fmt: skip
    """Close a part of every position of an account at its zero prices; returns the rows in `overflow` now."""
    equity, maintenance, gross = maintenance_parts(state, account)
    line = auto_close_line(rule, maintenance, gross)
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        record = state.instruments[row.instrument]
        if row.size != 0 and record.kind != SPOT:
            floor = in_units(state, record.settlement, rule.floor)
            floor_lots = lots_worth(record.kind, record.unit, floor, state.markets[row.instrument].mark)
            lots = wide(auto_close_lots(abs(row.size), equity, line, floor_lots))
            zero = wide(zero_price(state, holding, equity, maintenance))
            left = lots - pass_on(state, split, providers, holding, lots, zero)
            if left > 0 and (equity < 0 or rule.overflow_to_allocation == 1):
                check_list(count, len(overflow), STAGE_LIST)
                rest = overflow[count]
                rest.account = account
                rest.instrument = row.instrument
                rest.lots = left
                rest.zero = zero
                count += 1
            free_if_empty(state, holding)
        holding = following
    return count
