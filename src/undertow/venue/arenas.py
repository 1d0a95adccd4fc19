"""Room for everything a kernel appends: the one way to take the next place of an arena or of a list.

Holds the check that every append makes, and what happens where it finds no room:

* The logs (fills, postings, events) grow on the spot, in the middle of whatever writes to them. How long they
  get depends on what a command or a stage meets, so nobody has to foresee it.
* Orders, pages and blocks of the books, and holdings, stay where they are while a kernel runs, since kernels
  keep views of their records. A batch of commands stops before a command for which one of them may be full,
  and goes on from there once it is larger (`execution`); a step makes room for what the house
  may hold when it begins.
* Lists with one place an account, and the lists of a stage, are as long as they can get.

Holds no record layout (`state`). Units: records. Invariant: nothing is written where there is no room. An
arena that cannot grow raises CapacityError, which names it; no record is dropped for want of room.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.errors import CapacityError
from undertow.venue.memory import enlarge, length_of
from undertow.venue.state import (
    BLOCK_WORDS,
    COUNT_BLOCKS,
    COUNT_HOLDINGS,
    COUNT_HOUSE,
    COUNT_PLACES,
    FREE_HOLDING,
    LIVE_ORDERS,
    USED_PAGES,
    State,
)

_PLACES = list(State.LAYOUT)
HOLDINGS = _PLACES.index("holdings")
ORDERS = _PLACES.index("orders")
PAGES = _PLACES.index("page_next")
BLOCKS = _PLACES.index("block_bits")
PENDING = _PLACES.index("pending")
DIRTY = _PLACES.index("dirty")
CANDIDATES = _PLACES.index("candidates")
BANKRUPT = _PLACES.index("bankrupt")
FILLS = _PLACES.index("fills")
POSTINGS = _PLACES.index("postings")
EVENTS = _PLACES.index("events")
STAGE_LIST = len(_PLACES)  # a list that a stage brings along


@kernel
def stop(arena: int) -> None:
    """Raise CapacityError for an arena that is full and cannot grow."""
    if arena == FILLS:
        raise CapacityError("fills: no memory is left for more; drain the log more often")
    if arena == POSTINGS:
        raise CapacityError("postings: no memory is left for more; drain the log more often")
    if arena == EVENTS:
        raise CapacityError("events: no memory is left for more; drain the log more often")
    if arena == HOLDINGS:
        raise CapacityError("holdings: full in the middle of a command; make room with make_holding_room")
    if arena == ORDERS:
        raise CapacityError("orders: full in the middle of a command; make room with make_order_room")
    if arena == PAGES:
        raise CapacityError("pages: full in the middle of a command; make room with make_order_room")
    if arena == BLOCKS:
        raise CapacityError("blocks: full in the middle of a command; make room with make_order_room")
    if arena in (PENDING, DIRTY, CANDIDATES, BANKRUPT):
        raise CapacityError("a list of accounts is longer than there are accounts: one was listed twice")
    raise CapacityError("a list of a stage is full: something was listed twice")


@kernel
def next_place(state: State, arena: int, counter: int) -> int:
    """Take the next place of an arena whose length in use is this counter; the only way to append.

    Take it before the array is named: `state.events[next_place(...)]` would write to the events as they were
    before they grew.
    """
    place = int(state.counters[counter])
    if place >= length_of(state, arena) and enlarge(state, arena, place + 1) == 0:
        stop(arena)
    state.counters[counter] = place + 1
    return place


@kernel
def check_list(place: int, length: int, arena: int) -> None:
    """Before a stage writes to the next place of a list: CapacityError if the list ends before it."""
    if place >= length:
        stop(arena)


@kernel
def commands_that_fit(state: State) -> int:
    """How many commands fit whatever they do: each may rest an order, on a new page, of a new holder."""
    counters = state.counters
    most = min(len(state.orders) - counters[LIVE_ORDERS], len(state.page_next) - counters[USED_PAGES])
    blocks = len(state.block_bits) // BLOCK_WORDS
    if blocks < counters[COUNT_PLACES]:
        most = min(most, blocks - counters[COUNT_BLOCKS])
    holdings = len(state.holdings) - counters[COUNT_HOLDINGS]
    if holdings <= 0 and counters[FREE_HOLDING] >= 0:
        holdings = 1
    return int(max(min(most, holdings), 0))


def make_house_room(state: State, instruments: int) -> None:
    """Room for the house to hold something of every instrument: nobody else gets a holding in a step."""
    most = int(state.counters[COUNT_HOUSE]) * instruments
    state.grow("holdings", int(state.counters[COUNT_HOLDINGS]) + most)
