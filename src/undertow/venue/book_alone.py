"""The books alone, driven by commands: no account, no money, no check but the grid's.

Holds the dispatcher that the benchmark of the books and their differential test use. Holds no matching: how
an order is read, refused, traded and put to rest is the code of `execution`.

Units: ticks, lots. Invariants: those of `book`; results and fills equal those of `book_reference`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.admission import BAD_PRICE, BAD_SIZE, NONE, UNKNOWN_INSTRUMENT
from undertow.venue.arenas import commands_that_fit
from undertow.venue.book import drop_order, reduce_order, slot_of
from undertow.venue.execution import (
    AMEND,
    BAD_COMMAND,
    CANCEL,
    MARKET,
    NEW,
    POST_ONLY,
    POST_ONLY_WOULD_TAKE,
    UNKNOWN_ORDER,
    amendment_fault,
    carry_out,
    is_meant,
    order_of,
    replacement_of,
    time_in_force_of,
    trade,
    trade_amended,
)
from undertow.venue.matching import UNLIMITED
from undertow.venue.state import State


def execute_book(state: State, commands: NDArray[np.void], results: NDArray[np.void]) -> None:
    """The books alone: NEW, CANCEL and AMEND without accounts or checks of money, by the same matching loop.

    A MARKET order is an immediate-or-cancel one at its limit. Anybody may cancel an order.
    """
    carry_out(_execute_book, state, commands, results)


@kernel
def _execute_book(state: State, commands: NDArray[np.void], results: NDArray[np.void], first: int) -> int:
    """Carry out commands from `first` on; returns the first that was not begun because an arena is full."""
    fitting = 0
    for position in range(first, len(commands)):
        if fitting == 0:
            fitting = commands_that_fit(state)
            if fitting == 0:
                return position
        fitting -= 1
        command = commands[position]
        result = results[position]
        result.order = -1
        result.filled = 0
        result.resting = 0
        result.value = 0
        if command.kind == NEW:
            result.code = _place_in_book(state, command, result)
        elif command.kind in (CANCEL, AMEND):
            slot = slot_of(state, command.order)
            if slot < 0:
                result.code = UNKNOWN_ORDER
            elif command.kind == CANCEL:
                drop_order(state, slot)
                result.code = NONE
            else:
                result.code = _amend_in_book(state, command, slot, result)
        else:
            result.code = BAD_COMMAND
    return len(commands)


@kernel
def _place_in_book(state: State, command: Any, result: Any) -> int:
    if not is_meant(command):
        return BAD_COMMAND
    if command.instrument < 0 or command.instrument >= len(state.books):
        return UNKNOWN_INSTRUMENT
    if command.size <= 0:
        return BAD_SIZE
    if command.price <= 0 or command.price >= state.books[command.instrument].maximum_ticks:
        return BAD_PRICE
    if command.flags & MARKET != 0 and command.time_in_force == POST_ONLY:
        return POST_ONLY_WOULD_TAKE
    taker = order_of(state, command, command.price, command.size)
    return trade(state, taker, None, time_in_force_of(command), -1, UNLIMITED, 0, result)


@kernel
def _amend_in_book(state: State, command: Any, slot: int, result: Any) -> int:
    order = state.orders[slot]
    code = amendment_fault(command, state.books[order.instrument].maximum_ticks)
    if code != NONE:
        return code
    if command.price == order.price and command.size <= order.size:
        reduce_order(state, slot, order.size - command.size)
        result.order = command.order
        result.resting = command.size
        return NONE
    taker = replacement_of(state, slot, command)
    return trade_amended(state, taker, None, slot, result)
