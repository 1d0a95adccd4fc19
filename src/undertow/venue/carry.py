"""Whether an account can carry a fill: what it would change, and what would be left.

Holds the valuation of a fill before it happens, for both sides of a match and for orders that close. Changes
nothing that lasts: holding and cash are set to what they would be, valued, and set back. Holds no matching
and no reservation (`admission`, `matching`).

The rule of a taker, and of an order that does not open: afterwards the account holds initial margin, or is no
riskier than before, that is its maintenance margin has not grown and equity over maintenance has not fallen.
So who is short of margin may close at any price down to the one that loses his share of equity, and no
further. The rule of a maker is the rulebook's (`orders.match_check`): the same, or equity not below zero.

Units: ticks, lots, settlement units. Rounding: as in `margin`; a ratio that must not fall is compared with
the old one rounded up. Invariant: a fill that is let through takes no customer's equity below zero.

Source: dYdX v4-chain, protocol/x/subaccounts, IsValidStateTransitionForUndercollateralizedSubaccount.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_ppm_ceil
from undertow.venue.ledger import profit_realised
from undertow.venue.margin import (
    LINEAR,
    SPOT,
    asset_value,
    cash_flow,
    equity_of,
    fill_value,
    initial_row,
    maintenance_parts,
    position_value,
    requirement_ppm,
    with_cash,
)
from undertow.venue.open_loss import initial_parts
from undertow.venue.rates import refresh_rates
from undertow.venue.records import Role
from undertow.venue.slack import initial_now
from undertow.venue.state import MATCH_EQUITY, MATCH_RULE, State

FIRST_HOUSE_ROLE = int(Role.HOUSE)


@kernel
def change_of_equity(state: State, holding: int, lots: int, price: int, initial: int) -> int:
    """What signed `lots` at `price` add to the holder's equity at the mark, fees apart."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    if record.kind == LINEAR:
        return int(lots * (mark - price) * record.unit)
    flow = cash_flow(record.kind, record.unit, lots, price)
    if record.kind != SPOT:
        before = position_value(record.kind, record.unit, row.size, mark)
        return flow + position_value(record.kind, record.unit, row.size + lots, mark) - before
    rate = int(row.rate_ppm)
    before = asset_value(state, holding, mark, initial)
    row.size += lots
    refresh_rates(state, holding)
    after = asset_value(state, holding, mark, initial)
    row.size -= lots
    row.rate_ppm = rate
    return flow + after - before


@kernel
def fee_of(state: State, instrument: int, lots: int, price: int, fee_ppm: int) -> int:
    """The fee on `lots` at `price`, rounded up; negative for a rebate."""
    record = state.instruments[instrument]
    return mul_ppm_ceil(fill_value(record.kind, record.unit, lots, price), fee_ppm)


@kernel
def cost_of_fill(state: State, holding: int, lots: int, price: int, fee: int) -> int:
    """What signed `lots` at `price` take from equity at initial weights, and from it for a loan they make.

    Negative for a gain. A loss that becomes cash may have to be borrowed, and so may the fee: the margin on
    that loan counts.
    """
    row = state.holdings[holding]
    owner = state.accounts[row.account]
    margin_ppm = state.profiles[owner.profile].borrow_initial_ppm
    cost = fee - change_of_equity(state, holding, lots, price, 1)
    if margin_ppm == 0:
        return cost
    paid = fee
    if state.instruments[row.instrument].kind != SPOT:
        paid -= profit_realised(state, holding, lots, price)
    _equity, _required, reserved = initial_now(state, row.account)
    lent = paid - max(owner.cash - reserved, 0)
    return cost + requirement_ppm(lent, margin_ppm) if lent > 0 else cost


@kernel
def _held_parts(state: State, account: int) -> tuple[int, int]:
    """(equity at initial weights, initial margin) of what an account holds, its resting orders left out."""
    equity = 0
    required = 0
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        buys = row.open_buy
        sells = row.open_sell
        row.open_buy = 0
        row.open_sell = 0
        own, needed, _held = initial_row(state, holding)
        row.open_buy = buys
        row.open_sell = sells
        equity += own
        required += needed
        holding = row.next
    equity, required, _reserved = with_cash(state, account, equity, required, 0)
    return equity, required


@kernel
def after_fill(
    state: State, holding: int, lots: int, price: int, fee: int, freed: int
) -> tuple[int, int, int, int]:
    """(equity, maintenance, equity at initial weights, what must be kept of it) if signed `lots` had traded.

    `freed` is what leaves the holding's reservation with the order that trades; -1 leaves all resting orders
    of the account out of what must be kept.
    """
    row = state.holdings[holding]
    owner = state.accounts[row.account]
    record = state.instruments[row.instrument]
    size = int(row.size)
    quote = int(row.quote)
    buys = int(row.open_buy)
    sells = int(row.open_sell)
    rate = int(row.rate_ppm)
    cash = int(owner.cash)
    flow = cash_flow(record.kind, record.unit, lots, price)
    market = state.markets[row.instrument]
    opened = max(abs(size + lots) - abs(size), 0) if record.kind != SPOT else 0
    market.open_interest += opened
    paid = flow
    if record.kind != SPOT:
        paid = profit_realised(state, holding, lots, price)
        row.quote += flow - paid
    row.size += lots
    owner.cash += paid - fee
    refresh_rates(state, holding)
    if freed > 0 and lots > 0:
        row.open_buy -= freed
    elif freed > 0:
        row.open_sell -= freed
    equity, maintenance, _gross = maintenance_parts(state, row.account)
    if freed < 0:
        opening, required = _held_parts(state, row.account)
    else:
        opening, required, _reserved = initial_parts(state, row.account)
    row.size = size
    row.quote = quote
    row.open_buy = buys
    row.open_sell = sells
    row.rate_ppm = rate
    owner.cash = cash
    market.open_interest -= opened
    return equity, maintenance, opening, required


@kernel
def no_riskier(equity: int, maintenance: int, equity_after: int, maintenance_after: int) -> bool:
    """Whether maintenance has not grown and equity over maintenance has not fallen."""
    if maintenance_after > maintenance:
        return False
    if maintenance <= 0:
        return equity_after >= equity
    return equity_after >= mul_div_ceil(equity, maintenance_after, maintenance)


@kernel
def carries(state: State, holding: int, lots: int, price: int, fee: int, freed: int) -> bool:
    """Whether the holder has initial margin after signed `lots` at `price`, or is no riskier than before.

    `freed` as for `after_fill`. A credit limit counts as equity here.
    """
    account = int(state.holdings[holding].account)
    credit = int(state.accounts[account].credit_limit)
    equity, maintenance, _gross = maintenance_parts(state, account)
    after, maintenance_after, opening, required = after_fill(state, holding, lots, price, fee, freed)
    if opening >= required:
        return True
    return no_riskier(equity + credit, maintenance, after + credit, maintenance_after)


@kernel
def maker_carries(state: State, slot: int, lots: int) -> bool:
    """Whether the owner of a resting order may be filled `lots` of it, by the rulebook's rule.

    Most fills are better than the mark for the maker and add to his equity; only others are valued. The
    house may owe: its losses are the waterfall's affair.
    """
    order = state.orders[slot]
    owner = state.accounts[order.account]
    if owner.role >= FIRST_HOUSE_ROLE:
        return True
    holding = int(order.holding)
    signed = order.side * lots
    fee_ppm = state.instruments[order.instrument].maker_fee_ppm
    fee = fee_of(state, order.instrument, lots, order.price, fee_ppm)
    change = change_of_equity(state, holding, signed, order.price, 0) - fee
    if state.counters[MATCH_RULE] == MATCH_EQUITY:
        return change >= 0 or equity_of(state, order.account) + owner.credit_limit + change >= 0
    opening, required, _reserved = initial_now(state, order.account)
    if opening + min(change, 0) >= required:
        return True
    return carries(state, holding, signed, order.price, fee, -1)


@kernel
def resting_carries(state: State, taker: int, slot: int, lots: int) -> bool:
    """Whether a resting order's account may be filled `lots` of it by `taker`, which may be itself."""
    if state.orders[slot].account == taker:
        return _pays_itself(state, slot, lots)
    return maker_carries(state, slot, lots)


@kernel
def _pays_itself(state: State, slot: int, lots: int) -> bool:
    """Whether an account that trades with itself keeps initial margin after both fees, all that it costs."""
    order = state.orders[slot]
    record = state.instruments[order.instrument]
    fees = fee_of(state, order.instrument, lots, order.price, record.taker_fee_ppm)
    fees += fee_of(state, order.instrument, lots, order.price, record.maker_fee_ppm)
    owner = state.accounts[order.account]
    if fees <= 0 or owner.role >= FIRST_HOUSE_ROLE:
        return True
    equity, required, _reserved = initial_now(state, order.account)
    return bool(equity + owner.credit_limit - fees >= required)
