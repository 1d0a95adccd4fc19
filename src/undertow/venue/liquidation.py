"""Stage 1 of the waterfall: forced orders into the book, paced by the rulebook.

Holds what every pacing shares: the start, one forced order, the end, and what becomes of a wallet that orders could
not save. The pacings stand in `pacing_*`. Holds no detection (`danger`).

Units: settlement units, lots, ticks, milliseconds. Invariants: only accounts that the danger stage listed are touched,
in account order; nobody above maintenance is; open orders go first.
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.ledger import free_if_empty, pay, tell
from undertow.venue.margin import SPOT, account_health, maintenance_parts, row_maintenance
from undertow.venue.matching import Taker, cancel_all, cross, fillable_lots, release, reserve
from undertow.venue.records import Cause, EventKind, Origin
from undertow.venue.state import (
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
)

LIQUIDATION = int(Origin.LIQUIDATION)
LIQUIDATION_FEE = int(Cause.LIQUIDATION_FEE)
EVENT_START = int(EventKind.LIQUIDATION_START)
EVENT_ORDER = int(EventKind.LIQUIDATION_ORDER)
EVENT_END = int(EventKind.LIQUIDATION_END)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)
EVENT_EXHAUSTED = int(EventKind.FUND_EXHAUSTED)


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
