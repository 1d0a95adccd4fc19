"""Stage 1 of the waterfall: forced orders into the book, paced by the rulebook.

Holds what every pacing shares: the start, one forced order, the end, and what becomes of a wallet that orders
could not save. The pacings stand in `pacing_*`. Holds no detection (`danger`).

Units: settlement units, lots, ticks, milliseconds. Invariants: only accounts that the danger stage listed are
touched, in account order; nobody above maintenance is; open orders go first.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.venue.danger import has_stake
from undertow.venue.forced_fees import charge_clearance, give_back_fees
from undertow.venue.integers import NOTHING, wide
from undertow.venue.ledger import free_if_empty, tell
from undertow.venue.margin import SPOT, account_health, maintenance_parts, row_maintenance
from undertow.venue.matching import cross_only, release, reserve, taker_of, withdraw_orders
from undertow.venue.reach import walk
from undertow.venue.records import EventKind, Origin
from undertow.venue.state import (
    ASSETS_KEPT,
    COUNT_FILLS,
    FLAT_DEBT_RULE,
    HOUSE_FUND,
    HOUSE_LENDING,
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
    leave_debt,
    list_bankrupt,
    sweep_flat,
    take_over,
)

LIQUIDATION = int(Origin.LIQUIDATION)
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
    withdraw_orders(state, account, -1)
    state.behind[account] = fund_of(state, account)
    if owner.stage == STAGE_LIQUIDATING:
        return
    owner.stage = STAGE_LIQUIDATING
    owner.once_liquidated = 1
    equity, maintenance, _gross = maintenance_parts(state, account)
    tell(state, EVENT_START, (account, -1), NOTHING, equity, maintenance)


@kernel
def recover(state: State, account: int) -> bool:
    """End the liquidation if the account is back at or above maintenance, or has nothing left at stake."""
    if account_health(state, account) < 0 and has_stake(state, account):
        return False
    if state.accounts[account].stage == STAGE_LIQUIDATING:
        finish(state, account)
        tell(state, EVENT_END, (account, -1), NOTHING, 0, 0)
    return True


@kernel
def settle_flat_debt(state: State, account: int, payer: int, whole_or_nothing: int) -> bool:
    """A debt of a wallet that holds nothing and is not under liquidation; False if it is no such wallet.

    There is nothing to liquidate. By the rulebook's `insurance.debt_without_position` the payer covers it, or
    it stays with its owner, marked as bad debt, and no fund is asked. Within a credit line it is let be.
    """
    owner = state.accounts[account]
    if owner.stage == STAGE_LIQUIDATING or owner.cash >= 0 or has_positions(state, account):
        return False
    if owner.cash + owner.credit_limit >= 0:
        return True
    withdraw_orders(state, account, -1)
    sweep_flat(state, account)
    if state.counters[FLAT_DEBT_RULE] == 1:
        leave_debt(state, account, payer)
    else:
        cover(state, account, payer, whole_or_nothing)
    return True


@kernel
def forced_order(
    state: State, holding: int, lots: int, limit: int, fee_ppm: int, all_or_nothing: int
) -> tuple[int, int]:
    """Send an immediate order that reduces a holding. Returns (lots filled, value).

    The liquidation fee, a share of the value, goes to the instrument's insurance fund; neither it nor the
    trading fee leaves a debt (`forced_fees`).
    """
    row = state.holdings[holding]
    account = wide(row.account)
    instrument = wide(row.instrument)
    side = -1 if row.size > 0 else 1
    taker = taker_of(account, instrument, side, limit, lots, 0, LIQUIDATION, 0)
    first_fill = wide(state.counters[COUNT_FILLS])
    filled = 0
    value = 0
    if all_or_nothing == 0 or walk(state, taker)[0] >= lots:
        reserve(state, holding, side, lots, limit)
        filled, value = cross_only(state, taker, holding)
        release(state, holding, side, lots, limit)
    if filled > 0:
        equity = wide(give_back_fees(state, account, instrument, first_fill))
        if fee_ppm > 0:
            charge_clearance(state, account, instrument, value, fee_ppm, equity)
    what = (instrument, side, lots, limit)
    tell(state, EVENT_ORDER, (account, -1), what, filled, value)
    free_if_empty(state, holding)
    return filled, value


@kernel
def largest_position(state: State, account: int) -> int:
    """The contract holding with the most maintenance margin, the first found of equals; -1 if none."""
    return _largest(state, account, False)


@kernel
def largest_open_position(state: State, account: int) -> int:
    """The same of contracts in which trading is not halted."""
    return _largest(state, account, True)


@kernel
def _largest(state: State, account: int, only_open: bool) -> int:
    best = -1
    most = -1
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        halted = only_open and state.markets[row.instrument].halted == 1
        if row.size != 0 and state.instruments[row.instrument].kind != SPOT and not halted:
            own = row_maintenance(state, holding, state.markets[row.instrument].mark)
            if own > most:
                most = own
                best = holding
        holding = wide(row.next)
    return best


@kernel
def fund_of(state: State, account: int) -> int:
    """The insurance fund behind a wallet: that of its largest position, else its settlement asset's.

    A wallet under liquidation that has no position any more keeps the fund it had: what its contracts left is
    not another fund's affair.
    """
    holding = largest_position(state, account)
    if holding >= 0:
        return wide(state.instruments[state.holdings[holding].instrument].fund)
    if state.accounts[account].stage == STAGE_LIQUIDATING:
        return wide(state.behind[account])
    return wide(state.accounts[account].settlement) * HOUSE_STRIDE + HOUSE_FUND


@kernel
def resolve(state: State, account: int, fund_takes_over: int, limit_ppm: int, whole_or_nothing: int) -> None:
    """What orders could not do: the fund takes the wallet over, or it is listed for allocation.

    A wallet without contracts whose profile says "kept" passes to the lender instead, debt and all.
    """
    fund = fund_of(state, account)
    if not has_positions(state, account):
        sweep_flat(state, account)
        cover(state, account, fund, whole_or_nothing)
        if state.accounts[account].cash == 0:
            state.accounts[account].stage = STAGE_FREE
        return
    owner = state.accounts[account]
    kept = state.profiles[owner.profile].forced_assets == ASSETS_KEPT
    if kept and largest_position(state, account) < 0:
        take_over(state, account, wide(owner.settlement) * HOUSE_STRIDE + HOUSE_LENDING)
        return
    equity, _maintenance, gross = maintenance_parts(state, account)
    takes = fund_takes_over == 1 and gross <= fund_room(state, fund, limit_ppm)
    if takes and not fund_covers(state, fund, equity):
        takes = False
        tell(state, EVENT_EXHAUSTED, (account, fund), NOTHING, -equity, 1)
    if takes:
        take_over(state, account, fund)
        kind = EVENT_FUND_IN if equity >= 0 else EVENT_FUND_OUT
        tell(state, kind, (account, fund), NOTHING, abs(equity), 1)
        return
    list_bankrupt(state, account)
