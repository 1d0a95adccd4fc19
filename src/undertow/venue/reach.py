"""What an order would meet in the book, found without touching anything.

Holds the questions asked before an order trades: whether anybody would trade with it, how much of it can be
filled, what it would pay. Holds no trade (`matching`) and no decision (`execution`, `admission`).

Units: ticks, lots, settlement units. Invariant: `walk` finds the lots, value and fees that `matching.cross`
would find on the same book, or less where makers are short of means: a market bid may meet more than this.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.book import level_above, level_at, level_below
from undertow.venue.carry import resting_carries
from undertow.venue.margin import SPOT, fill_value
from undertow.venue.matching import (
    CANCEL_TAKER,
    REDUCE_ONLY,
    Taker,
    cost_to_taker,
    pays,
    taker_carries,
    tradable_lots,
    within,
)
from undertow.venue.state import State

# What an order meets first.
NOBODY = 0
ANOTHER = 1
ITSELF = 2  # an order of the same account, which stops it


@kernel
def best_opposite(state: State, taker: Taker) -> int:
    """The price at which `taker` would trade first; 0 or the book's maximum if there is none."""
    market = state.markets[taker.instrument]
    return int(market.best_ask if taker.side > 0 else market.best_bid)


@kernel
def next_level(state: State, taker: Taker, price: int) -> int:
    """The price of the level behind `price`, as `taker` walks."""
    if taker.side > 0:
        return level_above(state, taker.instrument, price + 1)
    return level_below(state, taker.instrument, price - 1)


@kernel
def first_met(state: State, taker: Taker) -> int:
    """NOBODY, ANOTHER or ITSELF: who stops or trades with `taker` first within its limit."""
    price = best_opposite(state, taker)
    while within(state, taker, price):
        slot = int(state.pages[level_at(state, taker.instrument, price)].head)
        while slot >= 0:
            order = state.orders[slot]
            if order.account != taker.account or taker.self_trade == 0:
                lots = min(tradable_lots(state, slot), taker.lots)
                if lots > 0 and _carried(state, taker, slot, lots):
                    return ANOTHER
            elif taker.self_trade == CANCEL_TAKER:
                return ITSELF
            slot = int(order.next)
        price = next_level(state, taker, price)
    return NOBODY


@kernel
def _carried(state: State, taker: Taker, slot: int, lots: int) -> bool:
    """Whether a resting order would be filled, or be taken off because its account cannot carry so much."""
    return bool(state.orders[slot].holding < 0 or resting_carries(state, taker.account, slot, lots))


@kernel
def first_match_carried(state: State, taker: Taker, holding: int, spare: int, held: int) -> bool:
    """Whether the taker can carry the first match it would make; `spare` and `held` as for `cross`."""
    price = best_opposite(state, taker)
    while within(state, taker, price):
        slot = int(state.pages[level_at(state, taker.instrument, price)].head)
        while slot >= 0:
            order = state.orders[slot]
            lots = min(tradable_lots(state, slot), taker.lots)
            other = order.account != taker.account or taker.self_trade == 0
            if other and lots > 0 and _carried(state, taker, slot, lots):
                if not pays(state, taker, lots, price, held):
                    return False
                if spare >= cost_to_taker(state, taker, holding, lots, price):
                    return True
                return taker_carries(state, taker, holding, lots, price, held)
            slot = int(order.next)
        price = next_level(state, taker, price)
    return True


@kernel
def _open_lots(state: State, slot: int) -> int:
    """Lots that an order's owner has open on its side, so that whoever carries them carries any of them.

    Cash reserved at high prices is more lots at a low one than anybody may hold.
    """
    order = state.orders[slot]
    if order.holding < 0:
        return int(order.size)
    row = state.holdings[order.holding]
    if order.side < 0:
        return int(row.open_sell)
    record = state.instruments[order.instrument]
    if record.kind == SPOT:
        lots = max(row.open_buy // (order.price * record.unit), order.size)
        return int(min(lots, record.maximum_lots))
    return int(row.open_buy)


@kernel
def walk(state: State, taker: Taker) -> tuple[int, int, int, int]:
    """(lots, value, fees, worst price) of what `taker` would trade down to its limit; stops at its size.

    Its own resting orders are left out, and stop the walk where they would stop the order. So are orders
    whose accounts could not carry all they have open on that side.
    """
    record = state.instruments[taker.instrument]
    lots = 0
    value = 0
    fees = 0
    worst = 0
    price = best_opposite(state, taker)
    while lots < taker.lots and within(state, taker, price):
        slot = int(state.pages[level_at(state, taker.instrument, price)].head)
        while slot >= 0 and lots < taker.lots:
            order = state.orders[slot]
            if order.account != taker.account or taker.self_trade == 0:
                traded = min(_given(state, taker, slot, lots), taker.lots - lots)
                if not _carried(state, taker, slot, _open_lots(state, slot)):
                    traded = 0
                worth = fill_value(record.kind, record.unit, traded, price)
                worst = price if traded > 0 else worst
                lots += traded
                value += worth
                fees += mul_ppm_ceil(worth, record.taker_fee_ppm)
            elif taker.self_trade == CANCEL_TAKER:
                return lots, value, fees, worst
            slot = int(order.next)
        price = next_level(state, taker, price)
    return lots, value, fees, worst


@kernel
def _given(state: State, taker: Taker, slot: int, ahead: int) -> int:
    """Lots that a resting order has to give once `taker` has traded the `ahead` lots in front of it.

    A reduce-only order gives what its position can feed by then: orders of the same account in front of it
    have changed the position.
    """
    order = state.orders[slot]
    if order.flags & REDUCE_ONLY == 0 or order.holding < 0:
        return int(order.size)
    size = int(state.holdings[order.holding].size)
    if order.account == taker.account:
        size += taker.side * ahead
    price = best_opposite(state, taker)
    met = int(state.pages[level_at(state, taker.instrument, price)].head)
    while met != slot:
        if met < 0:
            price = next_level(state, taker, price)
            met = int(state.pages[level_at(state, taker.instrument, price)].head)
            continue
        other = state.orders[met]
        if other.account == order.account:
            traded = int(other.size)
            if other.flags & REDUCE_ONLY != 0:
                traded = min(traded, max(-order.side * size, 0))
            size += order.side * traded
        met = int(other.next)
    return int(min(order.size, max(-order.side * size, 0)))
