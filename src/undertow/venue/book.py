"""Price-time order books, all in one arena: the queue of every price level and the best of each side.

Holds the primitives a matching loop is made of: find the best level, append, reduce, remove. Holds no
account, no money and no rule about who may trade. Use `matching.py` to trade; use this only from there.

Layout: a level's queue is a doubly linked list of order slots; 64 neighbouring levels share a page that
is taken from a pool when first used and given back when empty; a four-level bitmap per side finds the
next level that holds an order in a few instructions, however far away it is. An order knows its level;
its id is its slot plus its generation, so a cancel is one load and a stale id is recognised.

Units: prices in ticks (1 .. maximum_ticks - 1), sizes in lots. Invariants: a level's size is the sum of
its orders; a bit is set exactly when its level holds an order; bids stand below asks after every command.
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel, leading_zeros, trailing_zeros
from undertow.errors import CapacityError, InvariantError
from undertow.venue.arenas import ORDERS, PAGES, next_place
from undertow.venue.state import (
    COUNT_ORDERS,
    COUNT_PAGES,
    FREE_ORDER,
    FREE_PAGE,
    LIVE_ORDERS,
    PAGE_LEVELS,
    USED_PAGES,
    State,
)

BITMAP_LEVELS = 4
MAXIMUM_TICKS = 64**BITMAP_LEVELS


def add_book(state: State, instrument: int, maximum_ticks: int) -> None:
    """Give `instrument` an empty book over prices 1 .. maximum_ticks - 1."""
    if not 2 <= maximum_ticks <= MAXIMUM_TICKS:
        raise CapacityError(f"a book holds 2 to {MAXIMUM_TICKS} ticks, not {maximum_ticks}")
    words = [(maximum_ticks + 63) // 64]
    while len(words) < BITMAP_LEVELS:
        words.append((words[-1] + 63) // 64)
    record = state.books[instrument]
    offset = len(state.bits)
    for side in range(2):
        for level in range(BITMAP_LEVELS):
            record["bits"][side, level] = offset
            offset += words[level]
    record["pages"] = len(state.page_table)
    record["maximum_ticks"] = maximum_ticks
    state.bind("bits", np.concatenate([state.bits, np.zeros(offset - len(state.bits), np.int64)]))
    table = np.concatenate([state.page_table, np.full(words[0], -1, np.int32)])
    state.bind("page_table", table)
    state.markets[instrument]["best_bid"] = 0
    state.markets[instrument]["best_ask"] = maximum_ticks


def make_order_room(state: State, orders: int) -> None:
    """Room for `orders` more resting orders and the pages they could need."""
    needed = int(state.counters[LIVE_ORDERS]) + orders + 1
    if needed > len(state.orders):
        state.grow("orders", max(needed, 2 * len(state.orders)))
    pages = int(state.counters[USED_PAGES]) + min(orders, len(state.page_table))
    if pages > len(state.page_next):
        pages = max(pages, 2 * len(state.page_next))
        state.grow("pages", pages * PAGE_LEVELS)
        state.grow("page_next", pages)


@kernel
def take_slot(state: State) -> int:
    """A free order slot (the caller made sure there is room)."""
    counters = state.counters
    counters[LIVE_ORDERS] += 1
    slot = int(counters[FREE_ORDER])
    if slot >= 0:
        counters[FREE_ORDER] = state.orders[slot].next
        return slot
    return next_place(state, ORDERS, COUNT_ORDERS)


@kernel
def free_slot(state: State, slot: int) -> None:
    """Give a slot back; its generation moves on, so old ids no longer match."""
    order = state.orders[slot]
    order.generation = (order.generation + 1) & 0x3FFFFFFF
    order.size = 0
    order.next = state.counters[FREE_ORDER]
    state.counters[FREE_ORDER] = slot
    state.counters[LIVE_ORDERS] -= 1


@kernel
def order_id(state: State, slot: int) -> int:
    """The public id of a live order."""
    return int(state.orders[slot].generation << 32) | slot


@kernel
def slot_of(state: State, identifier: int) -> int:
    """The slot of a live order, -1 if the id is unknown or its order is gone."""
    slot = identifier & 0xFFFFFFFF
    if identifier < 0 or slot >= state.counters[COUNT_ORDERS]:
        return -1
    order = state.orders[slot]
    if order.size <= 0 or order.generation != (identifier >> 32):
        return -1
    return slot


@kernel
def level_index(state: State, instrument: int, price: int) -> int:
    """Index of a price's level record in the page pool; takes a page if this neighbourhood has none."""
    entry = state.books[instrument].pages + (price >> 6)
    page = int(state.page_table[entry])
    if page < 0:
        page = state.counters[FREE_PAGE]
        if page >= 0:
            state.counters[FREE_PAGE] = state.page_next[page]
        else:
            page = next_place(state, PAGES, COUNT_PAGES)
            for level in range(page * PAGE_LEVELS, (page + 1) * PAGE_LEVELS):
                state.pages[level].head = -1
                state.pages[level].tail = -1
        state.page_table[entry] = page
        state.counters[USED_PAGES] += 1
    return page * 64 + (price & 63)


@kernel
def _set_bit(state: State, instrument: int, row: int, price: int) -> None:
    bits = state.bits
    offsets = state.books[instrument].bits
    position = price
    for level in range(BITMAP_LEVELS):
        word = offsets[row, level] + (position >> 6)
        before = bits[word]
        bits[word] = before | (1 << (position & 63))
        if before != 0:
            return
        position = position >> 6


@kernel
def _clear_bit(state: State, instrument: int, row: int, price: int) -> None:
    """Clear a level's bit and, upwards, every summary bit that became empty; give back an empty page."""
    bits = state.bits
    offsets = state.books[instrument].bits
    position = price
    for level in range(BITMAP_LEVELS):
        word = offsets[row, level] + (position >> 6)
        after = bits[word] & ~(1 << (position & 63))
        bits[word] = after
        if after != 0:
            return
        if level == 0 and bits[offsets[1 - row, 0] + (position >> 6)] == 0:
            _free_page(state, state.books[instrument].pages + (position >> 6))
        position = position >> 6


@kernel
def _free_page(state: State, entry: int) -> None:
    page = state.page_table[entry]
    state.page_table[entry] = -1
    state.page_next[page] = state.counters[FREE_PAGE]
    state.counters[FREE_PAGE] = page
    state.counters[USED_PAGES] -= 1


@kernel
def level_below(state: State, instrument: int, price: int) -> int:
    """The highest price at or below `price` that holds a bid, 0 if none."""
    bits = state.bits
    offsets = state.books[instrument].bits
    position = price
    for level in range(BITMAP_LEVELS):
        if position < 0:
            return 0
        shift = 63 - (position & 63)
        word = bits[offsets[0, level] + (position >> 6)] << shift
        if word != 0:
            found = position - leading_zeros(word)
            for lower in range(level - 1, -1, -1):
                found = (found << 6) + 63 - leading_zeros(bits[offsets[0, lower] + found])
            return found
        position = (position >> 6) - 1
    return 0


@kernel
def level_above(state: State, instrument: int, price: int) -> int:
    """The lowest price at or above `price` that holds an ask, the book's `maximum_ticks` if none."""
    bits = state.bits
    offsets = state.books[instrument].bits
    maximum = int(state.books[instrument].maximum_ticks)
    position = price
    limit = maximum
    for level in range(BITMAP_LEVELS):
        if position >= limit:
            return maximum
        word = bits[offsets[1, level] + (position >> 6)] & (-1 << (position & 63))
        if word != 0:
            found = ((position >> 6) << 6) + trailing_zeros(word)
            for lower in range(level - 1, -1, -1):
                found = (found << 6) + trailing_zeros(bits[offsets[1, lower] + found])
            return found
        position = (position >> 6) + 1
        limit = (limit + 63) >> 6
    return maximum


@kernel
def insert(state: State, slot: int) -> None:
    """Append the order in `slot` (instrument, side, price, size set) to its level's queue."""
    orders = state.orders
    order = orders[slot]
    index = level_index(state, order.instrument, order.price)
    level = state.pages[index]
    order.level = index
    order.next = -1
    order.previous = level.tail
    if level.tail >= 0:
        orders[level.tail].next = slot
        level.tail = slot
        level.size += order.size
        return
    level.head = slot
    level.tail = slot
    level.size = order.size
    market = state.markets[order.instrument]
    if order.side > 0:
        _set_bit(state, order.instrument, 0, order.price)
        market.best_bid = max(market.best_bid, order.price)
    else:
        _set_bit(state, order.instrument, 1, order.price)
        market.best_ask = min(market.best_ask, order.price)


@kernel
def reduce_order(state: State, slot: int, lots: int) -> None:
    """Take `lots` off a resting order that keeps its place (it must keep some size)."""
    order = state.orders[slot]
    order.size -= lots
    state.pages[order.level].size -= lots


@kernel
def remove(state: State, slot: int) -> None:
    """Unlink a resting order from its level and move the best price if the level emptied. Keeps the slot."""
    orders = state.orders
    order = orders[slot]
    level = state.pages[order.level]
    level.size -= order.size
    if order.previous >= 0:
        orders[order.previous].next = order.next
    else:
        level.head = order.next
    if order.next >= 0:
        orders[order.next].previous = order.previous
    else:
        level.tail = order.previous
    if level.head < 0:
        if level.size != 0:
            raise InvariantError("a price level without orders has a size")
        _drop_level(state, order.instrument, order.side, order.price)


@kernel
def _drop_level(state: State, instrument: int, side: int, price: int) -> None:
    """A level emptied: its bit goes, and the best price moves on if it was the best."""
    market = state.markets[instrument]
    if side > 0:
        _clear_bit(state, instrument, 0, price)
        if price == market.best_bid:
            market.best_bid = level_below(state, instrument, price)
    else:
        _clear_bit(state, instrument, 1, price)
        if price == market.best_ask:
            market.best_ask = level_above(state, instrument, price)
