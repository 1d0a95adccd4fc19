"""Commands in, results out: does what each command of a batch asks, in order, or refuses it with a code.

Holds the one dispatcher that both doors use (arrays of commands, or one by one through the facade). Holds no
rule of its own: admission decides, matching trades, the ledger moves.

Invariants: a batch gives the same bytes as its commands one by one; a refused command changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.errors import Rejection
from undertow.units import AMOUNT_LIMIT
from undertow.venue.admission import AMOUNT_LIMIT as REFUSED_AMOUNT
from undertow.venue.admission import (
    BAD_PRICE,
    BAD_SIZE,
    CLEARING,
    CLEARING_ACCOUNT,
    INSUFFICIENT_MARGIN,
    NONE,
    POSITION_LIMIT,
    TOO_MANY_ORDERS,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    WRONG_SETTLEMENT,
    admit,
    band_limit,
    check_asset_withdrawal,
    check_place,
    check_withdrawal,
    known_account,
    reducible_lots,
)
from undertow.venue.book import order_id, reduce_order, slot_of
from undertow.venue.extent import has_asset_room, has_cash_room, has_deposit_room, may_hold
from undertow.venue.ledger import deposit, deposit_asset, find_holding, free_if_empty, holding_of, pay
from undertow.venue.margin import SPOT
from undertow.venue.matching import (
    REDUCE_ONLY,
    STOPPED_BY_ITSELF,
    STOPPED_BY_MEANS,
    UNLIMITED,
    Taker,
    cancel_all,
    cancel_order,
    cross,
    crosses,
    fillable_lots,
    prune_reduce_only,
    reach,
    release,
    reserve,
    rest,
    taker_of,
)
from undertow.venue.prefetch import prefetch
from undertow.venue.records import Cause, CommandKind, OrderFlag, TimeInForce
from undertow.venue.slack import begin_batch
from undertow.venue.state import COUNT_FILLS, MAXIMUM_ORDERS, SELF_TRADE_RULE, State
from undertow.venue.takeover import reopen

NEW = int(CommandKind.NEW)
CANCEL = int(CommandKind.CANCEL)
AMEND = int(CommandKind.AMEND)
CANCEL_ALL = int(CommandKind.CANCEL_ALL)
DEPOSIT = int(CommandKind.DEPOSIT)
WITHDRAW = int(CommandKind.WITHDRAW)
TRANSFER = int(CommandKind.TRANSFER)
DEPOSIT_ASSET = int(CommandKind.DEPOSIT_ASSET)
WITHDRAW_ASSET = int(CommandKind.WITHDRAW_ASSET)
IMMEDIATE = int(TimeInForce.IMMEDIATE_OR_CANCEL)
FILL_OR_KILL = int(TimeInForce.FILL_OR_KILL)
POST_ONLY = int(TimeInForce.POST_ONLY)
MARKET = int(OrderFlag.MARKET)
CAUSE_TRANSFER = int(Cause.TRANSFER)
POST_ONLY_WOULD_TAKE = int(Rejection.POST_ONLY_WOULD_TAKE)
FOK_NOT_FILLABLE = int(Rejection.FOK_NOT_FILLABLE)
REFUSED_REDUCE_ONLY = int(Rejection.REDUCE_ONLY)
UNKNOWN_ORDER = int(Rejection.UNKNOWN_ORDER)
NOT_OWNER = int(Rejection.NOT_OWNER)
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


@kernel
def execute(state: State, commands: NDArray[np.void], results: NDArray[np.void]) -> None:
    """Carry out every command in order; `results` (same length) gets code, order id, lots filled, value."""
    begin_batch(state)
    for position in range(len(commands)):
        _look_ahead(state, commands, position)
        command = commands[position]
        result = results[position]
        result.order = -1
        result.filled = 0
        result.value = 0
        if command.kind == NEW:
            result.code = _place(state, command, result)
        elif command.kind == CANCEL:
            result.code = _cancel(state, command)
        elif command.kind == CANCEL_ALL:
            result.code = NONE if known_account(state, command.account) else UNKNOWN_ACCOUNT
            if result.code == NONE:
                result.filled = cancel_all(state, command.account, command.instrument)
        elif command.kind == AMEND:
            result.code = _amend(state, command, result)
        else:
            result.code = _move_funds(state, command)


@kernel
def execute_book(state: State, commands: NDArray[np.void], results: NDArray[np.void]) -> None:
    """The books alone: NEW, CANCEL and AMEND without accounts or checks of money, by the same matching loop.

    A MARKET order is an immediate-or-cancel one at its limit. Anybody may cancel an order.
    """
    for position in range(len(commands)):
        command = commands[position]
        result = results[position]
        result.order = -1
        result.filled = 0
        result.value = 0
        if command.kind == NEW:
            result.code = _place_in_book(state, command, result)
        elif command.kind in (CANCEL, AMEND):
            slot = slot_of(state, command.order)
            if slot < 0:
                result.code = UNKNOWN_ORDER
            elif command.kind == CANCEL:
                cancel_order(state, slot, 0)
                result.code = NONE
            else:
                result.code = _amend_in_book(state, command, slot, result)
        else:
            result.code = BAD_COMMAND


@kernel
def _place_in_book(state: State, command: Any, result: Any) -> int:
    if command.side not in (1, -1):
        return BAD_COMMAND
    if command.instrument < 0 or command.instrument >= len(state.books):
        return UNKNOWN_INSTRUMENT
    if command.size <= 0:
        return BAD_SIZE
    if command.price <= 0 or command.price >= state.books[command.instrument].maximum_ticks:
        return BAD_PRICE
    taker = _taker(state, command, command.price, command.size)
    return _trade(state, taker, -1, _time_in_force(command), UNLIMITED, result)


@kernel
def _amend_in_book(state: State, command: Any, slot: int, result: Any) -> int:
    order = state.orders[slot]
    if command.size <= 0:
        return BAD_SIZE
    if command.price <= 0 or command.price >= state.books[order.instrument].maximum_ticks:
        return BAD_PRICE
    if command.price == order.price and command.size <= order.size:
        reduce_order(state, slot, order.size - command.size)
        result.order = command.order
        return NONE
    taker = _replacement(state, slot, command)
    cancel_order(state, slot, 0)
    return _trade(state, taker, -1, 0, UNLIMITED, result)


@kernel
def _replacement(state: State, slot: int, command: Any) -> Taker:
    """What an order becomes that is amended in price or grows: a new one of the same account and side."""
    order = state.orders[slot]
    reduce_only = 1 if order.flags & REDUCE_ONLY != 0 else 0
    rule = _self_trade_rule(state, command)
    return taker_of(
        order.account, order.instrument, order.side, command.price, command.size, rule, 0, reduce_only
    )


@kernel
def _taker(state: State, command: Any, limit: int, lots: int) -> Taker:
    reduce_only = 1 if command.flags & REDUCE_ONLY != 0 else 0
    rule = _self_trade_rule(state, command)
    return taker_of(
        command.account, command.instrument, command.side, limit, lots, rule, command.origin, reduce_only
    )


@kernel
def _self_trade_rule(state: State, command: Any) -> int:
    return int(command.self_trade if command.self_trade >= 0 else state.counters[SELF_TRADE_RULE])


@kernel
def _time_in_force(command: Any) -> int:
    """A market order never rests: immediate-or-cancel, or fill-or-kill if it says so."""
    if command.flags & MARKET != 0 and command.time_in_force != FILL_OR_KILL:
        return IMMEDIATE
    return int(command.time_in_force)


@kernel
def _trade(state: State, taker: Taker, holding: int, time_in_force: int, spare: int, result: Any) -> int:
    """Cross, then rest what may rest. With accounts (`holding` >= 0) the caller reserved for all of it.

    `spare` as for `cross`; only an order that never rests is stopped by its means.
    """
    left = taker.lots
    first_fill = state.counters[COUNT_FILLS]
    if crosses(state, taker):
        if time_in_force == POST_ONLY:
            return POST_ONLY_WOULD_TAKE
        if time_in_force == FILL_OR_KILL and fillable_lots(state, taker) < taker.lots:
            return FOK_NOT_FILLABLE
        filled, value, stopped = cross(state, taker, holding, 1 if holding >= 0 else 0, spare)
        result.filled = filled
        result.value = value
        if stopped == STOPPED_BY_ITSELF:
            return SELF_TRADE
        if stopped == STOPPED_BY_MEANS and filled == 0:
            return INSUFFICIENT_MARGIN
        left -= filled
    elif time_in_force == FILL_OR_KILL:
        return FOK_NOT_FILLABLE
    if left > 0:
        if time_in_force in (IMMEDIATE, FILL_OR_KILL):
            return NO_LIQUIDITY if result.filled == 0 else NONE
        result.order = order_id(state, rest(state, taker, left, holding))
        for position in range(first_fill, state.counters[COUNT_FILLS]):
            state.fills[position].taker_order = result.order
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
    if command.side not in (1, -1):
        return BAD_COMMAND
    if command.instrument < 0 or command.instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    market_order = command.flags & MARKET != 0
    taker = _taker(state, command, _limit_of(state, command), command.size)
    time_in_force = _time_in_force(command)
    expected = _expected_price(state, taker, market_order, time_in_force)
    code = check_place(state, taker, expected)
    if code != NONE:
        return code
    if state.accounts[taker.account].order_count >= state.counters[MAXIMUM_ORDERS]:
        return TOO_MANY_ORDERS
    holding = find_holding(state, taker.account, taker.instrument)
    if taker.reduce_only == 1:
        lots = 0 if holding < 0 else reducible_lots(state, holding, taker.side)
        if lots <= 0:
            return REFUSED_REDUCE_ONLY
        taker = _taker(state, command, taker.limit, min(taker.lots, lots))
    if holding < 0:
        holding = holding_of(state, taker.account, taker.instrument)
    code, spare = admit(state, taker, holding, expected)
    if code != NONE:
        free_if_empty(state, holding)
        return code
    if time_in_force != IMMEDIATE:
        spare = UNLIMITED
    code = _trade(state, taker, holding, time_in_force, spare, result)
    released = taker.lots
    if result.order >= 0:
        released = result.filled
    release(state, holding, taker.side, released, taker.limit)
    if result.filled > 0:
        prune_reduce_only(state, taker.account, taker.instrument)
    free_if_empty(state, holding)
    return code


@kernel
def _expected_price(state: State, taker: Taker, market_order: bool, time_in_force: int) -> int:
    """The price the order is admitted at: its limit, if it may rest or fills whole or not at all.

    One that never rests is admitted at the opposite best (0: nobody within reach) and checked again at each
    match; a market order that fills whole or not at all, at the worst price it needs.
    """
    if time_in_force == FILL_OR_KILL and market_order:
        _lots, worst = reach(state, taker)
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
    if slot < 0:
        return UNKNOWN_ORDER
    if state.orders[slot].account != command.account:
        return NOT_OWNER
    cancel_order(state, slot, 1)
    return NONE


@kernel
def _amend(state: State, command: Any, result: Any) -> int:
    """Size down at the same price keeps the place; anything else is a checked replacement that loses it."""
    slot = slot_of(state, command.order)
    if slot < 0:
        return UNKNOWN_ORDER
    order = state.orders[slot]
    if order.account != command.account:
        return NOT_OWNER
    if command.size <= 0:
        return BAD_SIZE
    if command.price <= 0 or command.price >= state.instruments[order.instrument].maximum_ticks:
        return BAD_PRICE
    holding = int(order.holding)
    side = int(order.side)
    if command.price == order.price and command.size <= order.size:
        release(state, holding, side, order.size - command.size, order.price)
        reduce_order(state, slot, order.size - command.size)
        result.order = command.order
        return NONE
    taker = _replacement(state, slot, command)
    code = check_place(state, taker, taker.limit)
    if code != NONE:
        return code
    release(state, holding, side, order.size, order.price)
    if taker.reduce_only == 1 and reducible_lots(state, holding, side) < taker.lots:
        code = REFUSED_REDUCE_ONLY
    else:
        kept = order.size
        order.size = 0  # the order's own loss, if it is through the mark, goes with it
        code, _spare = admit(state, taker, holding, taker.limit)
        order.size = kept
    reserve(state, holding, side, order.size, order.price)
    if code != NONE:
        return code
    cancel_order(state, slot, 1)
    code = _trade(state, taker, holding, 0, UNLIMITED, result)
    release(state, holding, side, taker.lots if result.order < 0 else result.filled, taker.limit)
    if result.filled > 0:
        prune_reduce_only(state, taker.account, taker.instrument)
    free_if_empty(state, holding)
    return code


@kernel
def _move_funds(state: State, command: Any) -> int:  # noqa: PLR0911
    """Deposits, withdrawals and transfers, of cash or of a spot asset."""
    account = int(command.account)
    if not known_account(state, account):
        return UNKNOWN_ACCOUNT
    if command.size <= 0 or command.size > AMOUNT_LIMIT:
        return BAD_SIZE
    if state.accounts[account].role == CLEARING:
        return CLEARING_ACCOUNT
    if command.kind == DEPOSIT:
        return _deposit(state, account, command.size)
    if command.kind == DEPOSIT_ASSET:
        return _deposit_asset(state, account, int(command.instrument), command.size)
    if command.kind == WITHDRAW_ASSET:
        code = check_asset_withdrawal(state, account, command.instrument, command.size)
        if code == NONE:
            deposit_asset(state, account, command.instrument, -command.size)
            free_if_empty(state, find_holding(state, account, command.instrument))
        return code
    if command.kind == WITHDRAW:
        code = check_withdrawal(state, account, command.size)
        if code == NONE:
            deposit(state, account, -command.size)
        return code
    if command.kind == TRANSFER:
        return _transfer(state, command)
    return BAD_COMMAND


@kernel
def _deposit(state: State, account: int, amount: int) -> int:
    """Cash from outside, if the wallet and the venue have room for it."""
    if not has_cash_room(state, account, amount):
        return REFUSED_AMOUNT
    if not has_deposit_room(state, state.accounts[account].settlement, amount):
        return REFUSED_AMOUNT
    deposit(state, account, amount)
    if state.accounts[account].cash >= 0:
        reopen(state, account)
    return NONE


@kernel
def _deposit_asset(state: State, account: int, instrument: int, lots: int) -> int:
    """A spot asset from outside, if the wallet and the venue have room for it."""
    if instrument < 0 or instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    if state.markets[instrument].listed == 0 or state.instruments[instrument].kind != SPOT:
        return UNKNOWN_INSTRUMENT
    if state.instruments[instrument].settlement != state.accounts[account].settlement:
        return WRONG_SETTLEMENT
    if not may_hold(state, account, instrument, lots):
        return POSITION_LIMIT
    if not has_asset_room(state, instrument, lots):
        return REFUSED_AMOUNT
    deposit_asset(state, account, instrument, lots)
    reopen(state, account)
    return NONE


@kernel
def _transfer(state: State, command: Any) -> int:
    target = int(command.counterparty)
    if not known_account(state, target):
        return UNKNOWN_ACCOUNT
    source = state.accounts[command.account]
    if source.owner != state.accounts[target].owner:
        return NOT_OWNER
    if source.settlement != state.accounts[target].settlement:
        return WRONG_SETTLEMENT
    if state.accounts[target].role == CLEARING:
        return CLEARING_ACCOUNT
    if not has_cash_room(state, target, command.size):
        return REFUSED_AMOUNT
    code = check_withdrawal(state, command.account, command.size)
    if code == NONE:
        pay(state, command.account, target, command.size, CAUSE_TRANSFER, -1)
        if state.accounts[target].cash >= 0:
            reopen(state, target)
    return code
