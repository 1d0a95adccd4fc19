"""Commands in, results out: does what each command of a batch asks, in order, or refuses it with a code.

Holds the one dispatcher that both doors use (arrays of commands, or one by one through the facade). Holds no
rule of its own: admission decides, matching trades, the ledger moves. The books alone are in `book_alone.py`.

An order is numbered when it trades or rests and keeps its number when it is amended. A command that is
refused gets no number and finds the venue as it was; the one answer that is both is SELF_TRADE with fills:
those stand, and what was left of the order is withdrawn. To a stranger an order is unknown.

Invariants: a batch gives the same bytes as its commands one by one; a refused command changes nothing; no
command begins without room for whatever it does (`arenas`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.errors import Rejection
from undertow.venue.admission import (
    BAD_PRICE,
    BAD_SIZE,
    INSUFFICIENT_MARGIN,
    NONE,
    TOO_MANY_ORDERS,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    admit,
    band_limit,
    check_place,
    known_account,
    reducible_lots,
)
from undertow.venue.arenas import commands_that_fit
from undertow.venue.book import free_slot, make_order_room, order_id, reduce_order, slot_of, take_slot
from undertow.venue.funds import move_funds
from undertow.venue.largest import beyond_largest
from undertow.venue.ledger import find_holding, free_if_empty, holding_of, unmake_holding
from undertow.venue.matching import (
    REDUCE_ONLY,
    STOPPED_BY_ITSELF,
    STOPPED_NOT,
    UNLIMITED,
    Taker,
    cancel_all,
    cancel_order,
    cross,
    crosses,
    lift,
    prune_reduce_only,
    release,
    reserve,
    rest,
    taker_of,
)
from undertow.venue.prefetch import prefetch
from undertow.venue.reach import ITSELF, NOBODY, first_match_carried, first_met, walk
from undertow.venue.records import CommandKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.refusals import tell_refusal
from undertow.venue.setup import make_holding_room
from undertow.venue.slack import begin_batch, forget
from undertow.venue.state import (
    COUNT_HOLDINGS,
    MAXIMUM_ORDERS,
    ORDER_POST_ONLY,
    POST_ONLY_AMEND_RULE,
    REDUCE_EACH,
    REDUCE_ONLY_RULE,
    SELF_TRADE_RULE,
    State,
)

NEW = int(CommandKind.NEW)
CANCEL = int(CommandKind.CANCEL)
AMEND = int(CommandKind.AMEND)
CANCEL_ALL = int(CommandKind.CANCEL_ALL)
GOOD_TILL_CANCELLED = int(TimeInForce.GOOD_TILL_CANCELLED)
IMMEDIATE = int(TimeInForce.IMMEDIATE_OR_CANCEL)
FILL_OR_KILL = int(TimeInForce.FILL_OR_KILL)
POST_ONLY = int(TimeInForce.POST_ONLY)
MARKET = int(OrderFlag.MARKET)
LAST_SELF_TRADE = int(max(SelfTrade))
POST_ONLY_WOULD_TAKE = int(Rejection.POST_ONLY_WOULD_TAKE)
FOK_NOT_FILLABLE = int(Rejection.FOK_NOT_FILLABLE)
REFUSED_REDUCE_ONLY = int(Rejection.REDUCE_ONLY)
POSITION_LIMIT = int(Rejection.POSITION_LIMIT)
UNKNOWN_ORDER = int(Rejection.UNKNOWN_ORDER)
SELF_TRADE = int(Rejection.SELF_TRADE)
BAD_COMMAND = int(Rejection.BAD_COMMAND)
NO_LIQUIDITY = int(Rejection.NO_LIQUIDITY)

# How many commands ahead memory is asked for: accounts and orders first, then what accounts point to.
FAR = 12
NEAR = 6


@kernel
def _look_ahead(state: State, commands: NDArray[np.void], position: int) -> None:
    """Begin to load what the next commands touch: a third of the time with 100,000 accounts is waiting."""
    if position + FAR >= len(commands):
        return
    far = commands[position + FAR]
    prefetch(state.accounts, int(far.account))
    if far.kind in (CANCEL, AMEND):
        prefetch(state.orders, far.order & 0xFFFFFFFF)
    account = commands[position + NEAR].account
    if known_account(state, account):
        prefetch(state.holdings, int(state.accounts[account].first_holding))


def execute(state: State, commands: NDArray[np.void], results: NDArray[np.void]) -> None:
    """Carry out every command in order; `results` (same length) gets what a RESULT holds."""
    carry_out(_execute, state, commands, results)


def carry_out(
    run: Callable[..., int], state: State, commands: NDArray[np.void], results: NDArray[np.void]
) -> None:
    """Run a batch; where it stops for want of room, make some, and go on from the same command."""
    done = 0
    while (done := int(run(state, commands, results, done))) < len(commands):
        make_order_room(state, 1)
        make_holding_room(state, 1)


@kernel
def _execute(state: State, commands: NDArray[np.void], results: NDArray[np.void], first: int) -> int:
    """Carry out commands from `first` on; returns the first that was not begun because an arena is full."""
    if first == 0:
        begin_batch(state)
    fitting = 0
    for position in range(first, len(commands)):
        if fitting == 0:
            fitting = commands_that_fit(state)
            if fitting == 0:
                return position
        fitting -= 1
        _look_ahead(state, commands, position)
        command = commands[position]
        result = results[position]
        result.order = -1
        result.filled = 0
        result.resting = 0
        result.value = 0
        if command.kind == NEW:
            result.code = _place(state, command, result)
        elif command.kind == CANCEL:
            result.code = _cancel(state, command)
        elif command.kind == CANCEL_ALL:
            result.code = _cancel_all(state, command, result)
        elif command.kind == AMEND:
            result.code = _amend(state, command, result)
        else:
            result.code = move_funds(state, command)
        if result.code != NONE:
            tell_refusal(state, command, result.code)
    return len(commands)


@kernel
def is_meant(command: Any) -> bool:
    """Whether side, time in force, flags and self-trade rule of an order are any that exist.

    The last three, self-trade from -1 on, are of four values each: one test of their upper bits does. The
    side is as good as random, so it gets no branch of its own.
    """
    bits = command.time_in_force | command.flags | (command.self_trade + 1)
    return bool((bits & -4) | (command.side * command.side - 1) == 0)


@kernel
def amendment_fault(command: Any, maximum_ticks: int) -> int:
    """BAD_SIZE, BAD_PRICE or BAD_COMMAND for an amendment that cannot be meant, else NONE."""
    if not is_self_trade(command.self_trade):
        return BAD_COMMAND
    if command.size <= 0:
        return BAD_SIZE
    if command.price <= 0 or command.price >= maximum_ticks:
        return BAD_PRICE
    return NONE


@kernel
def is_self_trade(rule: int) -> bool:
    """Whether that is a rule against self-trade, or -1, the rulebook's choice."""
    return bool(-1 <= rule <= LAST_SELF_TRADE)


@kernel
def replacement_of(state: State, slot: int, command: Any) -> Taker:
    """What an order becomes that is amended in price or grows: an order of the same account and side."""
    order = state.orders[slot]
    reduce_only = 1 if order.flags & REDUCE_ONLY != 0 else 0
    rule = _self_trade_rule(state, command)
    return taker_of(
        order.account, order.instrument, order.side, command.price, command.size, rule, 0, reduce_only
    )


@kernel
def order_of(state: State, command: Any, limit: int, lots: int) -> Taker:
    """A NEW command as the matching loop sees it, with this limit and size."""
    reduce_only = 1 if command.flags & REDUCE_ONLY != 0 else 0
    rule = _self_trade_rule(state, command)
    return taker_of(
        command.account, command.instrument, command.side, limit, lots, rule, command.origin, reduce_only
    )


@kernel
def _self_trade_rule(state: State, command: Any) -> int:
    return int(command.self_trade if command.self_trade >= 0 else state.counters[SELF_TRADE_RULE])


@kernel
def time_in_force_of(command: Any) -> int:
    """A market order never rests: immediate-or-cancel, or fill-or-kill if it says so."""
    if command.flags & MARKET != 0 and command.time_in_force != FILL_OR_KILL:
        return IMMEDIATE
    return int(command.time_in_force)


@kernel
def _kept_time_in_force(state: State, slot: int) -> int:
    """How an order that rests goes on when it is amended: post-only stays post-only."""
    return POST_ONLY if state.orders[slot].flags & ORDER_POST_ONLY != 0 else GOOD_TILL_CANCELLED


@kernel
def trade(
    state: State,
    taker: Taker,
    holding: int | None,
    time_in_force: int,
    slot: int,
    spare: int,
    held: int,
    result: Any,
) -> int:
    """Refuse an order, or cross and rest what may rest. With accounts the caller reserved for all of it.

    `slot` is the record of an order that is amended and was lifted, -1 for a new one: it gets its record, and
    so its number, here. `holding` is None without accounts. A refusal comes before anything is touched.
    `spare` and `held` as for `cross`; only an order that never rests is stopped by its means.
    """
    meets = crosses(state, taker)
    if time_in_force != GOOD_TILL_CANCELLED or (meets and (holding is not None or taker.self_trade != 0)):
        code = refusal(state, taker, time_in_force, meets)
        if code != NONE:
            return code
    if (
        holding is not None
        and meets
        and spare != UNLIMITED
        and not first_match_carried(state, taker, holding, spare, held)
    ):
        return INSUFFICIENT_MARGIN
    if slot < 0:
        slot = take_slot(state)
    result.order = order_id(state, slot)
    left = taker.lots
    if meets:
        filled, value, stopped = cross(state, taker, holding, slot, spare, held)
        result.filled = filled
        result.value = value
        left -= filled
        if left == 0 or stopped != STOPPED_NOT or time_in_force in (IMMEDIATE, FILL_OR_KILL):
            free_slot(state, slot)
            return SELF_TRADE if stopped == STOPPED_BY_ITSELF else NONE
    rest(state, taker, left, holding, slot)
    if time_in_force == POST_ONLY:
        state.orders[slot].flags |= ORDER_POST_ONLY
    result.resting = left
    return NONE


@kernel
def trade_amended(state: State, taker: Taker, holding: int | None, slot: int, result: Any) -> int:
    """Trade and rest what the order in `slot` becomes, under its own number; refused, it rests as it did."""
    time_in_force = _kept_time_in_force(state, slot)
    code = refusal(state, taker, time_in_force, crosses(state, taker))
    if code != NONE:
        return code
    lift(state, slot, holding)
    return trade(state, taker, holding, time_in_force, slot, UNLIMITED, 0, result)


@kernel
def refusal(state: State, taker: Taker, time_in_force: int, meets: bool) -> int:
    """Why an order may not go to the book as it stands, NONE if it may. `meets`: somebody is within reach."""
    if not meets:
        if time_in_force == FILL_OR_KILL:
            return FOK_NOT_FILLABLE
        return NO_LIQUIDITY if time_in_force == IMMEDIATE else NONE
    if time_in_force == POST_ONLY:
        return POST_ONLY_WOULD_TAKE
    if time_in_force == FILL_OR_KILL and walk(state, taker)[0] < taker.lots:
        return FOK_NOT_FILLABLE
    met = first_met(state, taker)
    if met == ITSELF:
        return SELF_TRADE
    if met == NOBODY and time_in_force == IMMEDIATE:
        return NO_LIQUIDITY
    return NONE


@kernel
def _limit_of(state: State, command: Any) -> int:
    """The order's limit; for a market order the furthest price that both bands of the rulebook allow."""
    if command.flags & MARKET == 0:
        return int(command.price)
    record = state.instruments[command.instrument]
    reach = band_limit(state, command.instrument, command.side, record.market_band_ppm)
    allowed = band_limit(state, command.instrument, command.side, record.price_band_ppm)
    return min(reach, allowed) if command.side > 0 else max(reach, allowed)


@kernel
def _place(state: State, command: Any, result: Any) -> int:
    """A new order: checks, reservation, crossing, resting; what neither traded nor rests is released."""
    if not is_meant(command):
        return BAD_COMMAND
    if command.instrument < 0 or command.instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    market_order = command.flags & MARKET != 0
    taker = order_of(state, command, _limit_of(state, command), command.size)
    force = time_in_force_of(command)
    expected = _expected_price(state, taker, market_order, force)
    code = check_place(state, taker, expected)
    if code != NONE:
        return code
    if market_order and command.time_in_force == POST_ONLY:
        return POST_ONLY_WOULD_TAKE
    full = state.accounts[taker.account].order_count >= state.counters[MAXIMUM_ORDERS]
    if full and force not in (IMMEDIATE, FILL_OR_KILL):
        return TOO_MANY_ORDERS
    holding = find_holding(state, taker.account, taker.instrument)
    if taker.reduce_only == 1:
        lots = 0 if holding < 0 else reducible_lots(state, holding, taker.side, -1)
        if lots <= 0:
            return REFUSED_REDUCE_ONLY
        taker = order_of(state, command, taker.limit, min(taker.lots, lots))
        expected = _expected_price(state, taker, market_order, force)
    rows = int(state.counters[COUNT_HOLDINGS])
    made = holding < 0
    if made:
        holding = holding_of(state, taker.account, taker.instrument)
    buys = int(state.holdings[holding].open_buy)
    code = POSITION_LIMIT
    spare = 0
    if not beyond_largest(state, taker, holding):
        code, spare = admit(state, taker, holding, expected, market_order)
    if code == NONE:
        held = int(state.holdings[holding].open_buy) - buys if taker.side > 0 else taker.lots
        if force != IMMEDIATE:
            spare = UNLIMITED
        code = trade(state, taker, holding, force, -1, spare, held, result)
        if market_order and taker.side > 0:
            _release_bid(state, holding, held)
        else:
            release(state, holding, taker.side, taker.lots - result.resting, taker.limit)
    if result.order < 0:
        if made:
            unmake_holding(state, holding, rows)
        return code
    _after_trade(state, taker, result)
    free_if_empty(state, holding)
    return code


@kernel
def _release_bid(state: State, holding: int, held: int) -> None:
    """Undo what a market bid reserved: contracts, or the cash that the book asked for."""
    row = state.holdings[holding]
    row.open_buy -= held
    forget(state, row.account)


@kernel
def _after_trade(state: State, taker: Taker, result: Any) -> None:
    """Cut reduce-only orders that the account can no longer feed, the one just placed among them."""
    together = taker.reduce_only == 1 and state.counters[REDUCE_ONLY_RULE] != REDUCE_EACH
    if result.filled > 0 or together:
        prune_reduce_only(state, taker.account, taker.instrument)
    if result.resting > 0 and taker.reduce_only == 1:
        slot = slot_of(state, result.order)
        result.resting = state.orders[slot].size if slot >= 0 else 0


@kernel
def _expected_price(state: State, taker: Taker, market_order: bool, time_in_force: int) -> int:
    """The price the order is admitted at: its limit, if it may rest or fills whole or not at all.

    One that never rests is admitted at the opposite best (0: nobody within reach) and checked again at each
    match; a market order that fills whole or not at all, at the worst price it needs.
    """
    if time_in_force == FILL_OR_KILL and market_order:
        _lots, _value, _fees, worst = walk(state, taker)
        return worst
    if time_in_force != IMMEDIATE:
        return taker.limit
    if not crosses(state, taker):
        return 0
    market = state.markets[taker.instrument]
    return int(market.best_ask if taker.side > 0 else market.best_bid)


@kernel
def _cancel(state: State, command: Any) -> int:
    slot = slot_of(state, command.order)
    if slot < 0 or state.orders[slot].account != command.account:
        return UNKNOWN_ORDER
    cancel_order(state, slot)
    return NONE


@kernel
def _cancel_all(state: State, command: Any, result: Any) -> int:
    if not known_account(state, command.account):
        return UNKNOWN_ACCOUNT
    if command.instrument < -1 or command.instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    result.filled = cancel_all(state, command.account, command.instrument)
    return NONE


@kernel
def _amend(state: State, command: Any, result: Any) -> int:
    """Size down at the same price keeps the place; anything else is checked anew and loses it.

    The order keeps its number. A refused amendment leaves it as it was, but for a rulebook that withdraws a
    post-only order which would take.
    """
    slot = slot_of(state, command.order)
    if slot < 0 or state.orders[slot].account != command.account:
        return UNKNOWN_ORDER
    order = state.orders[slot]
    code = amendment_fault(command, state.instruments[order.instrument].maximum_ticks)
    if code != NONE:
        return code
    holding = int(order.holding)
    side = int(order.side)
    if command.price == order.price and command.size <= order.size:
        release(state, holding, side, order.size - command.size, order.price)
        reduce_order(state, slot, order.size - command.size)
        result.order = command.order
        result.resting = command.size
        return NONE
    taker = replacement_of(state, slot, command)
    code = _admit_amended(state, taker, slot)
    if code != NONE:
        return code
    code = trade_amended(state, taker, holding, slot, result)
    release(state, holding, side, taker.lots - result.resting, taker.limit)
    if code == POST_ONLY_WOULD_TAKE and state.counters[POST_ONLY_AMEND_RULE] == 1:
        cancel_order(state, slot)
        result.order = command.order
        return NONE
    if result.order >= 0:
        _after_trade(state, taker, result)
        free_if_empty(state, holding)
    return code


@kernel
def _admit_amended(state: State, taker: Taker, slot: int) -> int:
    """Reserve for what an order becomes, as if it were gone; it keeps its own reservation meanwhile."""
    code = check_place(state, taker, taker.limit)
    if code != NONE:
        return code
    order = state.orders[slot]
    holding = int(order.holding)
    release(state, holding, order.side, order.size, order.price)
    if taker.reduce_only == 1 and reducible_lots(state, holding, order.side, slot) < taker.lots:
        code = REFUSED_REDUCE_ONLY
    elif beyond_largest(state, taker, holding):
        code = POSITION_LIMIT
    else:
        kept = order.size
        order.size = 0  # the order's own loss, if it is through the mark, goes with it
        code, _spare = admit(state, taker, holding, taker.limit, False)
        order.size = kept
    reserve(state, holding, order.side, order.size, order.price)
    return code
