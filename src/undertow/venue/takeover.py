"""When a wallet's positions pass to the house, at what price, and who pays what is missing.

Holds zero prices, the passing of a whole wallet to a house account, and the fund's cover of a wallet that
ends below zero. Holds no decision when to do it (the pacing modules) and no ranking of winners
(`allocation`).

Units: ticks, lots, settlement units. Rounding: a zero price is rounded towards the mark, so a wallet closed
at its zero prices ends at or above zero, within one tick's worth a position. Invariant: a wallet that was
taken over holds nothing; what it was worth passed to the house in full, for better or worse.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_div_floor
from undertow.venue.arenas import BANKRUPT, next_place
from undertow.venue.danger import mark_dirty
from undertow.venue.integers import NOTHING, wide
from undertow.venue.ledger import (
    apply_fill,
    free_if_empty,
    holding_of,
    move_asset,
    move_position,
    pay,
    settle_flat,
    tell,
)
from undertow.venue.margin import INVERSE, SPOT, maintenance_parts, notional, row_maintenance, worth
from undertow.venue.records import Cause, EventKind
from undertow.venue.state import (
    COUNT_BANKRUPT,
    EXEMPT_BAD_DEBT,
    EXEMPT_NOT,
    STAGE_FREE,
    STAGE_TAKEN,
    State,
)

TAKEOVER = int(Cause.TAKEOVER)
ADL = int(Cause.ADL)
INSURANCE_IN = int(Cause.INSURANCE_IN)
INSURANCE_OUT = int(Cause.INSURANCE_OUT)
EVENT_TAKEOVER = int(EventKind.TAKEOVER)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)
EVENT_BAD_DEBT = int(EventKind.BAD_DEBT)
EVENT_EXHAUSTED = int(EventKind.FUND_EXHAUSTED)


@kernel
def zero_price(state: State, holding: int, equity: int, maintenance: int) -> int:
    """Price at which this position's share of the wallet's equity is used up.

    The share is the position's part of total maintenance margin; with one position it is all of the equity.
    Source: FTX help 360027668712 (PZP = P (1 -+ PMPD), PMPD = (MM_i / sum MM) AV / N_i).
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    share = equity
    own = row_maintenance(state, holding, mark)
    if maintenance > own:
        share = mul_div_floor(equity, own, maintenance)
    lots = abs(row.size)
    long = row.size > 0
    if record.kind == INVERSE:
        worth = notional(INVERSE, record.unit, lots, mark)
        if long:
            denominator = worth + share
            price = (lots * record.unit + denominator - 1) // denominator if denominator > 0 else mark
        else:
            denominator = worth - share
            price = lots * record.unit // denominator if denominator > 0 else record.maximum_ticks - 1
    else:
        ticks = share // (lots * record.unit)
        price = mark - ticks if long else mark + ticks
    return int(min(max(price, 1), record.maximum_ticks - 1))


@kernel
def take_over(state: State, account: int, house: int) -> int:
    """Pass the whole wallet (positions at cost, assets, cash) to `house`. Returns the equity that passed."""
    equity, maintenance, _gross = maintenance_parts(state, account)
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        following = wide(row.next)
        instrument = wide(row.instrument)
        size = row.size
        if state.instruments[instrument].kind == SPOT:
            if size != 0:
                price = state.markets[instrument].mark
                what = (instrument, 1 if size > 0 else -1, abs(size), price)
                tell(state, EVENT_TAKEOVER, (account, house), what, 0, 1)
                move_asset(state, account, house, instrument, size, TAKEOVER)
        elif size != 0:
            price = zero_price(state, holding, equity, maintenance)
            what = (instrument, 1 if size > 0 else -1, abs(size), price)
            tell(state, EVENT_TAKEOVER, (account, house), what, equity, 0)
            move_position(state, holding, holding_of(state, house, instrument), size, row.quote)
        free_if_empty(state, holding)
        holding = following
    pay(state, account, house, state.accounts[account].cash, TAKEOVER, -1)
    state.accounts[account].stage = STAGE_TAKEN
    return equity


@kernel
def absorb(state: State, account: int, fund: int, fund_pays: int, whole_or_nothing: int) -> None:
    """Pass a whole wallet to a fund. What it is short of the fund pays if it can; the rest is bad debt.

    `fund_pays` 0: nobody is asked, so all of it is. Either way the fund carries the hole from then on.
    """
    means = fund_means(state, fund)
    equity = take_over(state, account, fund)
    if equity >= 0:
        tell(state, EVENT_FUND_IN, (account, fund), NOTHING, equity, 1)
        return
    paid = min(-equity, means) if fund_pays == 1 else 0
    if whole_or_nothing == 1 and paid < -equity:
        paid = 0
    if paid > 0:
        tell(state, EVENT_FUND_OUT, (account, fund), NOTHING, paid, 1)
    if paid < -equity:
        tell(state, EVENT_BAD_DEBT, (account, fund), NOTHING, -equity - paid, 1)


@kernel
def fund_means(state: State, fund: int) -> int:
    """What a fund can pay now: its cash, but no more than it is worth with everything that it holds."""
    cash: int = state.accounts[fund].cash
    if cash <= 0:
        return 0
    return max(min(cash, worth(state, fund)), 0)


@kernel
def cover(state: State, account: int, fund: int, whole_or_nothing: int) -> int:
    """Bring a wallet without positions back to zero from the fund. Returns what stayed uncovered.

    What is left over goes to the fund; what is missing the fund pays as far as its means go, or only if it
    can pay all.
    """
    owner = state.accounts[account]
    cash: int = owner.cash
    if cash >= 0:
        if cash > 0:
            tell(state, EVENT_FUND_IN, (account, fund), NOTHING, cash, 0)
        pay(state, account, fund, cash, INSURANCE_IN, -1)
        return 0
    paid = min(-cash, fund_means(state, fund))
    if whole_or_nothing == 1 and paid < -cash:
        paid = 0
    if paid > 0:
        tell(state, EVENT_FUND_OUT, (account, fund), NOTHING, paid, 0)
        pay(state, fund, account, paid, INSURANCE_OUT, -1)
    missing: int = -cash - paid
    if missing > 0:
        leave_debt(state, account, fund)
    return missing


@kernel
def leave_debt(state: State, account: int, fund: int) -> None:
    """Mark what a wallet without positions still owes as bad debt; nobody is asked for it again."""
    owner = state.accounts[account]
    if owner.cash < 0:
        tell(state, EVENT_BAD_DEBT, (account, fund), NOTHING, -owner.cash, 0)
        owner.exempt = EXEMPT_BAD_DEBT


@kernel
def reopen(state: State, account: int) -> None:
    """A wallet left with bad debt has something again: the danger stage looks at it as at any other."""
    owner = state.accounts[account]
    if owner.exempt == EXEMPT_BAD_DEBT:
        owner.exempt = EXEMPT_NOT
        mark_dirty(state, account)


@kernel
def has_positions(state: State, account: int) -> bool:
    """Whether the wallet still holds a contract or an asset (positive or borrowed)."""
    holding = state.accounts[account].first_holding
    while holding >= 0:
        if state.holdings[holding].size != 0:
            return True
        holding = state.holdings[holding].next
    return False


@kernel
def sweep_flat(state: State, account: int) -> None:
    """Realise and free every holding of the wallet that has no size left."""
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        following = wide(state.holdings[holding].next)
        settle_flat(state, holding)
        free_if_empty(state, holding)
        holding = following


@kernel
def list_bankrupt(state: State, account: int) -> None:
    """Hand the wallet's positions to the allocation stage of this step."""
    place = next_place(state, BANKRUPT, COUNT_BANKRUPT)
    state.bankrupt[place] = account


@kernel
def fund_room(state: State, fund: int, limit_ppm: int) -> int:
    """Notional the fund may still take over: equity times the limit, less what it holds. No limit: a lot."""
    if limit_ppm <= 0:
        return 1 << 60
    equity, _maintenance, gross = maintenance_parts(state, fund)
    if equity >= mul_div_floor(1 << 60, 1_000_000, max(limit_ppm, 1_000_000)):
        return (1 << 60) - gross
    return mul_div_floor(max(equity, 0), limit_ppm, 1_000_000) - gross


@kernel
def fund_covers(state: State, fund: int, equity: int) -> bool:
    """Whether the fund can take over a wallet worth `equity` and still be worth something itself."""
    if equity >= 0:
        return True
    own, _maintenance, _gross = maintenance_parts(state, fund)
    return bool(own + equity >= 0)


@kernel
def close_between(
    state: State, loser: tuple[int, int], winner: tuple[int, int], lots: int, price: int
) -> None:
    """Close `lots` of two opposite positions against each other. Pairs: (account, row)."""
    side = 1 if state.holdings[loser[1]].size > 0 else -1
    apply_fill(state, loser[1], -side * lots, price, ADL)
    apply_fill(state, winner[1], side * lots, price, ADL)


@kernel
def finish(state: State, account: int) -> None:
    """The wallet is healthy again: the user may trade."""
    state.accounts[account].stage = STAGE_FREE
