"""Price-time order books, all in one arena: the queue of every price level and the best of each side.

Holds the primitives a matching loop is made of: find the best level, append, reduce, remove. Holds no
account, no money and no rule about who may trade. Use `matching.py` to trade; use this only from there.

Layout: a level's queue is a doubly linked list of order slots; 64 neighbouring levels share a page that
is taken from a pool when first used and given back when empty; 256 neighbouring pages share a block,
taken when a price in it is first used and kept. A bitmap of six levels per side, the lowest in the pages and
the next in the blocks, finds the next level that holds an order in a few instructions, however far away it
is; a grid costs twelve bytes for 16,384 prices until they are used. An order knows its level; its id is its
slot plus its generation, so a cancel is one load and a stale id is recognised.

Units: prices in ticks (1 .. maximum_ticks - 1), sizes in lots. Invariants: a level's size is the sum of
its orders; a bit is set exactly when its level holds an order; bids stand below asks after every command.
"""

from __future__ import annotations

from undertow._jit import kernel, leading_zeros, trailing_zeros
from undertow.errors import CapacityError, InvariantError
from undertow.venue.arenas import BLOCKS, ORDERS, PAGES, next_place, stop
from undertow.venue.state import (
    BLOCK_PAGES,
    BLOCK_WORDS,
    COUNT_BLOCKS,
    COUNT_ORDERS,
    COUNT_PAGES,
    COUNT_PLACES,
    COUNT_WORDS,
    FREE_ORDER,
    FREE_PAGE,
    LIVE_ORDERS,
    PAGE_LEVELS,
    USED_PAGES,
    State,
)

BLOCK_LEVELS = PAGE_LEVELS * BLOCK_PAGES
UPPER_LEVELS = 4  # of the bitmap, above pages and blocks
MAXIMUM_TICKS = 64 ** (2 + UPPER_LEVELS)


def add_book(state: State, instrument: int, maximum_ticks: int) -> None:
    """Give `instrument` an empty book over prices 1 .. maximum_ticks - 1."""
    if not 2 <= maximum_ticks <= MAXIMUM_TICKS:
        raise CapacityError(f"a book holds 2 to {MAXIMUM_TICKS} ticks, not {maximum_ticks}")
    counters, record = state.counters, state.books[instrument]
    blocks = -(-maximum_ticks // BLOCK_LEVELS)
    words = [-(-maximum_ticks // 64**3)]
    while len(words) < UPPER_LEVELS:
        words.append((words[-1] + 63) // 64)
    offset, place = int(counters[COUNT_WORDS]), int(counters[COUNT_PLACES])
    state.grow("bits", offset + 2 * sum(words))
    state.grow("block_table", place + blocks)
    state.block_table[place : place + blocks] = -1
    for side in range(2):
        for level in range(UPPER_LEVELS):
            record["bits"][side, level] = offset
            offset += words[level]
    record["blocks"] = place
    record["maximum_ticks"] = maximum_ticks
    counters[COUNT_WORDS], counters[COUNT_PLACES] = offset, place + blocks
    state.markets[instrument]["best_bid"] = 0
    state.markets[instrument]["best_ask"] = maximum_ticks


def make_order_room(state: State, orders: int) -> None:
    """Room for `orders` more resting orders and the pages and blocks they could need."""
    counters = state.counters
    needed = int(counters[LIVE_ORDERS]) + orders + 1
    if needed > len(state.orders):
        state.grow("orders", max(needed, 2 * len(state.orders)))
    places = int(counters[COUNT_PLACES])
    pages = int(counters[USED_PAGES]) + min(orders, places * BLOCK_PAGES)
    if pages > len(state.page_next):
        pages = max(pages, 2 * len(state.page_next))
        state.grow("pages", pages * PAGE_LEVELS)
        state.grow("page_bits", 2 * pages)
        state.grow("page_next", pages)
    blocks = min(int(counters[COUNT_BLOCKS]) + orders, places)
    state.grow("block_bits", blocks * BLOCK_WORDS)
    state.grow("page_table", blocks * BLOCK_PAGES)


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
def _take_block(state: State, place: int) -> int:
    """Give a stretch of a book's prices its block (the caller made sure there is room)."""
    block = int(state.counters[COUNT_BLOCKS])
    if (block + 1) * BLOCK_WORDS > len(state.block_bits):
        stop(BLOCKS)
    state.counters[COUNT_BLOCKS] = block + 1
    state.block_table[place] = block
    for page in range(block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES):
        state.page_table[page] = -1
    return block


@kernel
def level_index(state: State, instrument: int, price: int) -> int:
    """Index of a price's level record in the page pool; takes a page if this neighbourhood has none."""
    place = state.books[instrument].blocks + (price >> 14)
    block = int(state.block_table[place])
    if block < 0:
        block = _take_block(state, place)
    entry = block * 256 + ((price >> 6) & 255)
    page = int(state.page_table[entry])
    if page < 0:
        page = _take_page(state, entry)
    return page * 64 + (price & 63)


@kernel
def _take_page(state: State, entry: int) -> int:
    """Give 64 neighbouring prices their page (the caller made sure there is room)."""
    page = int(state.counters[FREE_PAGE])
    if page >= 0:
        state.counters[FREE_PAGE] = state.page_next[page]
    else:
        page = next_place(state, PAGES, COUNT_PAGES)
        for level in range(page * PAGE_LEVELS, (page + 1) * PAGE_LEVELS):
            state.pages[level].head = -1
            state.pages[level].tail = -1
    state.page_table[entry] = page
    state.counters[USED_PAGES] += 1
    return page


@kernel
def level_at(state: State, instrument: int, price: int) -> int:
    """Index of the level record of a price that holds an order."""
    block = int(state.block_table[state.books[instrument].blocks + (price >> 14)])
    return int(state.page_table[block * 256 + ((price >> 6) & 255)]) * 64 + (price & 63)


@kernel
def _set_bit(state: State, instrument: int, row: int, price: int, page: int) -> None:
    """Mark a level that got its first order: in its page, and upwards where it is the first."""
    before = state.page_bits[2 * page + row]
    state.page_bits[2 * page + row] = before | (1 << (price & 63))
    if before != 0:
        return
    book = state.books[instrument]
    block = int(state.block_table[book.blocks + (price >> 14)])
    word = block * 8 + row * 4 + ((price >> 12) & 3)
    before = state.block_bits[word]
    state.block_bits[word] = before | (1 << ((price >> 6) & 63))
    if before != 0:
        return
    position = price >> 12
    for level in range(UPPER_LEVELS):
        word = book.bits[row, level] + (position >> 6)
        before = state.bits[word]
        state.bits[word] = before | (1 << (position & 63))
        if before != 0:
            return
        position = position >> 6


@kernel
def _clear_bit(state: State, instrument: int, row: int, price: int, page: int) -> int:
    """Clear a level's bit and, upwards, every summary bit that became empty; give back an empty page.

    Returns the bits that are left in the page on this side.
    """
    after = state.page_bits[2 * page + row] & ~(1 << (price & 63))
    state.page_bits[2 * page + row] = after
    if after != 0:
        left: int = after
        return left
    book = state.books[instrument]
    block = int(state.block_table[book.blocks + (price >> 14)])
    if state.page_bits[2 * page + 1 - row] == 0:
        state.page_table[block * 256 + ((price >> 6) & 255)] = -1
        state.page_next[page] = state.counters[FREE_PAGE]
        state.counters[FREE_PAGE] = page
        state.counters[USED_PAGES] -= 1
    word = block * 8 + row * 4 + ((price >> 12) & 3)
    after = state.block_bits[word] & ~(1 << ((price >> 6) & 63))
    state.block_bits[word] = after
    if after != 0:
        return 0
    position = price >> 12
    for level in range(UPPER_LEVELS):
        word = book.bits[row, level] + (position >> 6)
        after = state.bits[word] & ~(1 << (position & 63))
        state.bits[word] = after
        if after != 0:
            return 0
        position = position >> 6
    return 0


@kernel
def _levels_near(state: State, instrument: int, row: int, price: int) -> int:
    """The bits of the 64 levels around a price on one side; 0 where no page is."""
    block = int(state.block_table[state.books[instrument].blocks + (price >> 14)])
    if block < 0:
        return 0
    page = int(state.page_table[block * 256 + ((price >> 6) & 255)])
    if page < 0:
        return 0
    bits: int = state.page_bits[2 * page + row]
    return bits


@kernel
def _pages_near(state: State, instrument: int, row: int, position: int) -> int:
    """The bits of the 64 pages around a page's position on one side; 0 where no block is."""
    block = int(state.block_table[state.books[instrument].blocks + (position >> 8)])
    if block < 0:
        return 0
    bits: int = state.block_bits[block * 8 + row * 4 + ((position >> 6) & 3)]
    return bits


@kernel
def _highest_in(state: State, instrument: int, position: int) -> int:
    """The highest price in a page, known by its position, that holds a bid."""
    return (position << 6) + 63 - leading_zeros(_levels_near(state, instrument, 0, position << 6))


@kernel
def _lowest_in(state: State, instrument: int, position: int) -> int:
    """The lowest price in a page, known by its position, that holds an ask."""
    return (position << 6) + trailing_zeros(_levels_near(state, instrument, 1, position << 6))


@kernel
def level_below(state: State, instrument: int, price: int) -> int:
    """The highest price at or below `price` that holds a bid, 0 if none."""
    if price < 0:
        return 0
    word = _levels_near(state, instrument, 0, price) << (63 - (price & 63))
    if word != 0:
        return price - leading_zeros(word)
    position = (price >> 6) - 1
    if position < 0:
        return 0
    word = _pages_near(state, instrument, 0, position) << (63 - (position & 63))
    if word != 0:
        return _highest_in(state, instrument, position - leading_zeros(word))
    position = (position >> 6) - 1
    offsets = state.books[instrument].bits
    for level in range(UPPER_LEVELS):
        if position < 0:
            return 0
        word = state.bits[offsets[0, level] + (position >> 6)] << (63 - (position & 63))
        if word != 0:
            found = position - leading_zeros(word)
            for lower in range(level - 1, -1, -1):
                found = (found << 6) + 63 - leading_zeros(state.bits[offsets[0, lower] + found])
            found = (found << 6) + 63 - leading_zeros(_pages_near(state, instrument, 0, found << 6))
            return _highest_in(state, instrument, found)
        position = (position >> 6) - 1
    return 0


@kernel
def level_above(state: State, instrument: int, price: int) -> int:
    """The lowest price at or above `price` that holds an ask, the book's `maximum_ticks` if none."""
    maximum = int(state.books[instrument].maximum_ticks)
    if price >= maximum:
        return maximum
    word = _levels_near(state, instrument, 1, price) & (-1 << (price & 63))
    if word != 0:
        return ((price >> 6) << 6) + trailing_zeros(word)
    position = (price >> 6) + 1
    limit = (maximum + 63) >> 6
    if position >= limit:
        return maximum
    word = _pages_near(state, instrument, 1, position) & (-1 << (position & 63))
    if word != 0:
        return _lowest_in(state, instrument, ((position >> 6) << 6) + trailing_zeros(word))
    position = (position >> 6) + 1
    limit = (limit + 63) >> 6
    offsets = state.books[instrument].bits
    for level in range(UPPER_LEVELS):
        if position >= limit:
            return maximum
        word = state.bits[offsets[1, level] + (position >> 6)] & (-1 << (position & 63))
        if word != 0:
            found = ((position >> 6) << 6) + trailing_zeros(word)
            for lower in range(level - 1, -1, -1):
                found = (found << 6) + trailing_zeros(state.bits[offsets[1, lower] + found])
            found = (found << 6) + trailing_zeros(_pages_near(state, instrument, 1, found << 6))
            return _lowest_in(state, instrument, found)
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
    _set_bit(state, order.instrument, 0 if order.side > 0 else 1, order.price, index >> 6)
    market = state.markets[order.instrument]
    if order.side > 0:
        market.best_bid = max(market.best_bid, order.price)
    else:
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
        _drop_level(state, order.instrument, order.side, order.price, order.level >> 6)


@kernel
def drop_order(state: State, slot: int) -> None:
    """Take an order off the book and give its slot back; what it reserved is the caller's affair."""
    remove(state, slot)
    free_slot(state, slot)


@kernel
def _drop_level(state: State, instrument: int, side: int, price: int, page: int) -> None:
    """A level emptied: its bit goes, and the best price moves on if it was the best."""
    near = _clear_bit(state, instrument, 0 if side > 0 else 1, price, page)
    market = state.markets[instrument]
    if side > 0:
        if price == market.best_bid:
            near = near << (63 - (price & 63))
            if near != 0:  # most often the next level is close by
                market.best_bid = price - leading_zeros(near)
            else:
                market.best_bid = level_below(state, instrument, price)
    elif price == market.best_ask:
        near = near & (-1 << (price & 63))
        if near != 0:
            market.best_ask = ((price >> 6) << 6) + trailing_zeros(near)
        else:
            market.best_ask = level_above(state, instrument, price)
