"""Matching: how an incoming order meets the book, and what each fill does to both accounts.

Holds the one matching loop of the venue, cancellation, and the list of an account's own orders. Holds no
admission rule (`admission.py`), no reading of commands (`execution.py`) and no question that is asked before
an order trades (`reach.py`). The loop runs with accounts (the venue) or without (the book alone, for its
benchmark and its differential test); it is the same loop. A `holding` of None means that there are no
accounts: Numba compiles the loop for each of the two and leaves out of the second all that concerns accounts.

An order has a record, and so a number, from the moment it trades or rests; an amended order keeps both.

Units: ticks, lots, settlement units. Invariants: price-time priority; an account's reserved lots equal
the sum of its resting orders; both orders of a fill are named, and no number is given twice; no match takes
a customer's equity below zero (`carry`): a resting order that its account cannot carry any more is taken off.
"""

from __future__ import annotations

from typing import NamedTuple

from undertow._jit import kernel
from undertow.errors import InvariantError
from undertow.units import mul_ppm_ceil
from undertow.venue.arenas import FILLS, next_place
from undertow.venue.book import (
    drop_order,
    free_slot,
    insert,
    level_at,
    order_id,
    reduce_order,
    remove,
    take_slot,
)
from undertow.venue.carry import carries, cost_of_fill, fee_of, resting_carries
from undertow.venue.ledger import FEE, TRADE, apply_fill, find_holding, free_if_empty, pay, swap_spot, tell
from undertow.venue.margin import SPOT, fill_value
from undertow.venue.records import EventKind, OrderFlag, SelfTrade
from undertow.venue.slack import forget, initial_now, order_rests
from undertow.venue.state import (
    COUNT_FILLS,
    HOUSE_FEES,
    HOUSE_STRIDE,
    REDUCE_EACH,
    REDUCE_ONLY_RULE,
    TIME,
    TRADE_COUNT,
    State,
)

REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)
CANCEL_TAKER = int(SelfTrade.CANCEL_TAKER)
CANCELLED_BY_ENGINE = int(EventKind.CANCELLED_BY_ENGINE)
TAKEN_OFF = int(EventKind.TAKEN_OFF)

UNLIMITED = 1 << 62  # for `cross`: the taker's means were checked beforehand, or are not asked for
# What stopped a taker.
STOPPED_NOT = 0
STOPPED_BY_ITSELF = 1  # it met an order of its own account
STOPPED_BY_MEANS = 2  # its account cannot carry the next match


class Taker(NamedTuple):
    """An incoming order as the matching loop sees it."""

    account: int
    instrument: int
    side: int
    limit: int
    lots: int
    self_trade: int
    origin: int
    reduce_only: int


@kernel
def taker_of(
    account: int,
    instrument: int,
    side: int,
    limit: int,
    lots: int,
    self_trade: int,
    origin: int,
    reduce_only: int,
) -> Taker:
    """A Taker; arguments of a kernel are int64, so all Takers are of one type."""
    return Taker(account, instrument, side, limit, lots, self_trade, origin, reduce_only)


@kernel
def crosses(state: State, taker: Taker) -> bool:
    """Whether somebody rests on the other side at a price within the taker's limit."""
    market = state.markets[taker.instrument]
    return within(state, taker, market.best_ask if taker.side > 0 else market.best_bid)


@kernel
def within(state: State, taker: Taker, price: int) -> bool:
    """Whether a best price of the other side is one at all (neither 0 nor the maximum) and in reach."""
    if taker.side > 0:
        return price <= taker.limit and price < state.books[taker.instrument].maximum_ticks
    return price >= taker.limit and price > 0


@kernel
def cross(
    state: State, taker: Taker, holding: int | None, slot: int, spare: int, held: int
) -> tuple[int, int, int]:
    """Trade `taker` against the book down its limit. Returns (lots, value, what stopped it: STOPPED_*).

    `holding` is the taker's row, None leaves accounts alone (book only); `slot` is the order's record, which
    names it in the fills and stands in no book meanwhile. `spare` is what the matches may cost the taker
    against the mark before its account is valued again, `held` what is reserved for it: a match that it
    cannot carry is not made, and ends the walk.
    """
    market = state.markets[taker.instrument]
    identifier = order_id(state, slot)
    left = taker.lots
    value = 0
    while left > 0 and crosses(state, taker):
        price = market.best_ask if taker.side > 0 else market.best_bid
        level = state.pages[level_at(state, taker.instrument, price)]
        while left > 0 and level.head >= 0:
            met = int(level.head)
            maker = state.orders[met]
            if maker.account == taker.account and taker.self_trade != 0:
                if taker.self_trade == CANCEL_TAKER:
                    return taker.lots - left, value, STOPPED_BY_ITSELF
                if holding is None:
                    drop_order(state, met)
                else:
                    cancel_order(state, met)
                continue
            traded = _offered(state, taker, holding, met, left)
            if traded == 0:
                continue
            if holding is not None and spare != UNLIMITED:
                if not pays(state, taker, traded, price, held):
                    return taker.lots - left, value, STOPPED_BY_MEANS
                spare -= cost_to_taker(state, taker, holding, traded, price)
                if spare < 0 and not taker_carries(state, taker, holding, traded, price, held):
                    return taker.lots - left, value, STOPPED_BY_MEANS
            fill = _record(state, taker, met, traded, identifier)
            left -= traded
            if holding is not None:
                value += _settle(state, taker, holding, met, fill)
            owner = int(maker.account)
            row = int(maker.holding)
            if traded == maker.size:
                remove(state, met)
                if holding is not None:
                    forget_order(state, met)
                free_slot(state, met)
            else:
                reduce_order(state, met, traded)
            if holding is not None:
                prune_reduce_only(state, owner, taker.instrument)
                free_if_empty(state, row)
    return taker.lots - left, value, STOPPED_NOT


@kernel
def _offered(state: State, taker: Taker, holding: int | None, slot: int, left: int) -> int:
    """Lots of a resting order that `taker` may trade now; an order that may give none is withdrawn."""
    if holding is None:
        return min(left, int(state.orders[slot].size))
    lots = min(left, tradable_lots(state, slot))
    if lots <= 0:
        cancel_order(state, slot)
        return 0
    if not resting_carries(state, taker.account, slot, lots):
        _take_off(state, slot)
        return 0
    return lots


@kernel
def cost_to_taker(state: State, taker: Taker, holding: int, lots: int, price: int) -> int:
    """What a match takes from the taker's equity at initial weights, fee included; negative for a gain."""
    fee = fee_of(state, taker.instrument, lots, price, state.instruments[taker.instrument].taker_fee_ppm)
    return cost_of_fill(state, holding, taker.side * lots, price, fee)


@kernel
def pays(state: State, taker: Taker, lots: int, price: int, held: int) -> bool:
    """Who may not borrow buys an asset with cash and credit that no other bid of his holds."""
    owner = state.accounts[taker.account]
    record = state.instruments[taker.instrument]
    if record.kind != SPOT or taker.side < 0 or state.profiles[owner.profile].borrowing == 1:
        return True
    _equity, _required, reserved = initial_now(state, taker.account)
    fee = max(fee_of(state, taker.instrument, lots, price, record.taker_fee_ppm), 0)
    cost = lots * price * record.unit + fee
    return bool(cost + reserved - held <= owner.cash + owner.credit_limit)


@kernel
def taker_carries(state: State, taker: Taker, holding: int, lots: int, price: int, held: int) -> bool:
    """`carries` for a match of an order that never rests: with the walk all that is `held` for it is free."""
    fee = fee_of(state, taker.instrument, lots, price, state.instruments[taker.instrument].taker_fee_ppm)
    return carries(state, holding, taker.side * lots, price, fee, held)


@kernel
def _take_off(state: State, slot: int) -> None:
    """Withdraw a resting order because its account cannot carry the match, and say so."""
    order = state.orders[slot]
    what = (int(order.instrument), int(order.side), int(order.size), int(order.price))
    tell(state, TAKEN_OFF, (int(order.account), -1), what, 0, order_id(state, slot))
    cancel_order(state, slot)


@kernel
def cross_only(state: State, taker: Taker, holding: int) -> tuple[int, int]:
    """An order of the engine's own: it trades what it can at once and is gone. Returns (lots, value)."""
    slot = take_slot(state)
    filled, value, _stopped = cross(state, taker, holding, slot, UNLIMITED, 0)
    free_slot(state, slot)
    return filled, value


@kernel
def tradable_lots(state: State, slot: int) -> int:
    """Lots of a resting order that may trade: all, or for a reduce-only order what its position can feed."""
    order = state.orders[slot]
    if order.flags & REDUCE_ONLY == 0 or order.holding < 0:
        return int(order.size)
    return int(min(order.size, -order.side * state.holdings[order.holding].size))


@kernel
def _record(state: State, taker: Taker, slot: int, traded: int, identifier: int) -> int:
    """Write down a trade; returns its place among the fills. Its fees are for who takes them to write."""
    maker = state.orders[slot]
    if traded <= 0 or traded > maker.size:
        raise InvariantError("a fill of nothing, or of more than rests")
    position = next_place(state, FILLS, COUNT_FILLS)
    fill = state.fills[position]
    state.counters[TRADE_COUNT] += 1
    fill.time = state.counters[TIME]
    fill.price = maker.price
    fill.size = traded
    fill.taker = taker.account
    fill.maker = maker.account
    fill.taker_order = identifier
    fill.maker_order = order_id(state, slot)
    fill.trade = state.counters[TRADE_COUNT]
    fill.instrument = taker.instrument
    fill.side = taker.side
    fill.origin = taker.origin
    state.markets[taker.instrument].last = maker.price
    return position


@kernel
def _settle(state: State, taker: Taker, holding: int, slot: int, position: int) -> int:
    """Both sides of one fill: position or asset and cash, the maker's reservation, both fees."""
    maker = state.orders[slot]
    fill = state.fills[position]
    record = state.instruments[taker.instrument]
    market = state.markets[taker.instrument]
    price = maker.price
    traded = fill.size
    row = int(maker.holding)
    if record.kind == SPOT:
        value = traded * price * record.unit
        if maker.side > 0:
            state.holdings[row].open_buy -= value
            swap_spot(state, row, holding, traded, price)
        else:
            state.holdings[row].open_sell -= traded
            swap_spot(state, holding, row, traded, price)
    else:
        value = fill_value(record.kind, record.unit, traded, price)
        if maker.side > 0:
            state.holdings[row].open_buy -= traded
        else:
            state.holdings[row].open_sell -= traded
        apply_fill(state, row, maker.side * traded, price, TRADE)
        apply_fill(state, holding, taker.side * traded, price, TRADE)
    fees = record.settlement * HOUSE_STRIDE + HOUSE_FEES
    fill.taker_fee = 0
    fill.maker_fee = 0
    if record.taker_fee_ppm != 0:
        fill.taker_fee = mul_ppm_ceil(value, record.taker_fee_ppm)
        pay(state, taker.account, fees, fill.taker_fee, FEE, taker.instrument)
    if record.maker_fee_ppm != 0:
        fill.maker_fee = mul_ppm_ceil(value, record.maker_fee_ppm)
        pay(state, maker.account, fees, fill.maker_fee, FEE, taker.instrument)
    market.volume_lots += traded
    market.volume_value += value
    if taker.side < 0:
        market.sell_value += value
    return int(value)


@kernel
def cancel_order(state: State, slot: int) -> None:
    """Withdraw a resting order: off the book, its reservation released, its slot free."""
    remove(state, slot)
    order = state.orders[slot]
    holding = int(order.holding)
    release(state, holding, order.side, order.size, order.price)
    forget_order(state, slot)
    free_slot(state, slot)
    free_if_empty(state, holding)


@kernel
def release(state: State, holding: int, side: int, lots: int, price: int) -> None:
    """Undo what a resting order of `lots` reserved; the inverse of `reserve`."""
    if lots == 0:
        return
    row = state.holdings[holding]
    forget(state, row.account)
    if side < 0:
        row.open_sell -= lots
    elif state.instruments[row.instrument].kind == SPOT:
        row.open_buy -= lots * price * state.instruments[row.instrument].unit
    else:
        row.open_buy -= lots


@kernel
def reserve(state: State, holding: int, side: int, lots: int, price: int) -> None:
    """Reserve for a resting order: lots, or for a spot bid the cash at its limit."""
    release(state, holding, side, -lots, price)


@kernel
def lift(state: State, slot: int, holding: int | None) -> None:
    """Take an order that is amended out of the book and release it; its record and its number stay."""
    remove(state, slot)
    if holding is not None:
        order = state.orders[slot]
        release(state, holding, order.side, order.size, order.price)
        forget_order(state, slot)


@kernel
def forget_order(state: State, slot: int) -> None:
    """Unlink an order from its account's own list."""
    orders = state.orders
    order = orders[slot]
    owner = state.accounts[order.account]
    if order.own_previous >= 0:
        orders[order.own_previous].own_next = order.own_next
    else:
        owner.first_order = order.own_next
    if order.own_next >= 0:
        orders[order.own_next].own_previous = order.own_previous
    owner.order_count -= 1
    if order.flags & REDUCE_ONLY != 0:
        owner.reduce_only_count -= 1


@kernel
def rest(state: State, taker: Taker, lots: int, holding: int | None, slot: int) -> None:
    """Put what is left of an order into the book under its record; reserving is the caller's affair."""
    orders = state.orders
    order = orders[slot]
    order.size = lots
    order.price = taker.limit
    order.account = taker.account
    order.holding = -1 if holding is None else holding
    order.instrument = taker.instrument
    order.side = taker.side
    order.flags = REDUCE_ONLY if taker.reduce_only == 1 else 0
    insert(state, slot)
    if holding is not None:
        owner = state.accounts[taker.account]
        order.own_previous = -1
        order.own_next = owner.first_order
        if owner.first_order >= 0:
            orders[owner.first_order].own_previous = slot
        owner.first_order = slot
        owner.order_count += 1
        if taker.reduce_only == 1:
            owner.reduce_only_count += 1
            forget(state, taker.account)
        order_rests(state, slot)


@kernel
def cancel_all(state: State, account: int, instrument: int) -> int:
    """Withdraw every resting order of an account in one instrument (-1: in all). Returns how many.

    What rests is reserved for, so the walk ends where nothing is reserved any more: a firm with quotes in
    fifty coins renews one of them at a time.
    """
    cancelled = 0
    slot = int(state.accounts[account].first_order)
    holding = -1
    if instrument >= 0 and slot >= 0:
        holding = find_holding(state, account, instrument)
        if holding < 0:
            return 0
    while slot >= 0:
        if holding >= 0 and state.holdings[holding].open_buy == 0 and state.holdings[holding].open_sell == 0:
            break
        following = int(state.orders[slot].own_next)
        if instrument < 0 or state.orders[slot].instrument == instrument:
            cancel_order(state, slot)
            cancelled += 1
        slot = following
    return cancelled


@kernel
def withdraw_orders(state: State, account: int, instrument: int) -> None:
    """The venue withdraws an account's orders in one instrument (-1: in all), and says how many."""
    count = cancel_all(state, account, instrument)
    if count > 0:
        tell(state, CANCELLED_BY_ENGINE, (account, -1), (instrument, 0, count, 0), 0, 0)


@kernel
def prune_reduce_only(state: State, account: int, instrument: int) -> None:
    """After a position shrank: cut the account's reduce-only orders down to what it can still feed."""
    if state.accounts[account].reduce_only_count == 0:
        return
    if state.counters[REDUCE_ONLY_RULE] != REDUCE_EACH:
        while _cut_furthest(state, account, instrument):
            pass
        return
    slot = int(state.accounts[account].first_order)
    while slot >= 0:
        order = state.orders[slot]
        following = int(order.own_next)
        if order.instrument == instrument and order.flags & REDUCE_ONLY != 0:
            _cut(state, slot, order.size - tradable_lots(state, slot))
        slot = following


@kernel
def _cut(state: State, slot: int, lots: int) -> None:
    """Take `lots` off a resting order, which keeps its place; all of them withdraws it."""
    if lots <= 0:
        return
    order = state.orders[slot]
    if lots >= order.size:
        cancel_order(state, slot)
        return
    release(state, order.holding, order.side, lots, order.price)
    reduce_order(state, slot, lots)


@kernel
def _cut_furthest(state: State, account: int, instrument: int) -> bool:
    """Cut one reduce-only order if together they exceed the position; false if they do not.

    The one furthest from the market gives way first, the newest of equals. One on the wrong side goes.
    """
    total = 0
    reducible = 0
    furthest = -1
    slot = int(state.accounts[account].first_order)
    while slot >= 0:
        order = state.orders[slot]
        if order.instrument == instrument and order.flags & REDUCE_ONLY != 0:
            reducible = max(-order.side * state.holdings[order.holding].size, 0)
            if reducible == 0:
                cancel_order(state, slot)
                return True
            total += order.size
            if furthest < 0 or order.side * order.price < order.side * state.orders[furthest].price:
                furthest = slot
        slot = int(order.own_next)
    if total <= reducible:
        return False
    _cut(state, furthest, total - reducible)
    return True
