"""Who may send what: every check between a command and the book, as coded rejections.

Holds the checks of an order (grid, band, notional, reduce-only, initial margin, balance) and of a
withdrawal. Changes nothing but the reservation of an order it admits. Holds no matching.

Units: ticks, lots, settlement units, ppm. Invariant: an admitted order leaves equity at initial weights
at or above initial margin with all open orders reserved, or does not increase the account's open size.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.errors import Rejection
from undertow.units import mul_ppm_ceil, mul_ppm_floor, sqrt_rate_ppm
from undertow.venue.ledger import find_holding
from undertow.venue.margin import (
    SPOT,
    fill_value,
    initial_parts,
    maintenance_parts,
    open_sides,
    position_value,
)
from undertow.venue.matching import Taker
from undertow.venue.reach import walk
from undertow.venue.slack import hold_back, initial_now
from undertow.venue.state import (
    BAND_RULE,
    COUNT_ACCOUNTS,
    FREEZE_RULE,
    REDUCE_ONLY_RULE,
    REDUCE_UNOFFERED,
    STAGE_LIQUIDATING,
    WITHDRAWAL_NOTIONAL_PPM,
    WITHDRAWALS_CLOSED,
    State,
)

NONE = int(Rejection.NONE)
UNKNOWN_ACCOUNT = int(Rejection.UNKNOWN_ACCOUNT)
UNKNOWN_INSTRUMENT = int(Rejection.UNKNOWN_INSTRUMENT)
ACCOUNT_FROZEN = int(Rejection.ACCOUNT_FROZEN)
INSTRUMENT_HALTED = int(Rejection.INSTRUMENT_HALTED)
BAD_SIZE = int(Rejection.BAD_SIZE)
BAD_PRICE = int(Rejection.BAD_PRICE)
MIN_NOTIONAL = int(Rejection.MIN_NOTIONAL)
PRICE_BAND = int(Rejection.PRICE_BAND)
INSUFFICIENT_MARGIN = int(Rejection.INSUFFICIENT_MARGIN)
INSUFFICIENT_BALANCE = int(Rejection.INSUFFICIENT_BALANCE)
GATE_CLOSED = int(Rejection.WITHDRAWALS_CLOSED)
WRONG_SETTLEMENT = int(Rejection.WRONG_SETTLEMENT)
BORROWING_CLOSED = int(Rejection.BORROWING_CLOSED)
TOO_MANY_ORDERS = int(Rejection.TOO_MANY_ORDERS)
REDUCE_ONLY_GATE = int(Rejection.REDUCE_ONLY_GATE)

AT_MARKET = -1  # as the expected price of a market order for an asset: what the book asks, level by level


@kernel
def known_account(state: State, account: int) -> bool:
    """Whether the number is that of an open account."""
    return bool(0 <= account < state.counters[COUNT_ACCOUNTS])


@kernel
def band_limit(state: State, instrument: int, side: int, band_ppm: int) -> int:
    """The furthest price an order of `side` may trade at; the whole grid if the rulebook has no band."""
    maximum = state.instruments[instrument].maximum_ticks
    market = state.markets[instrument]
    reference = market.band_reference
    if state.counters[BAND_RULE] == 2:
        reference = market.best_ask if side > 0 else market.best_bid
        if reference >= maximum:
            reference = 0
    if band_ppm == 0 or reference <= 0:
        return maximum - 1 if side > 0 else 1
    if side > 0:
        return int(min(maximum - 1, mul_ppm_floor(reference, 1_000_000 + band_ppm)))
    return max(1, mul_ppm_ceil(reference, 1_000_000 - band_ppm))


@kernel
def check_place(state: State, taker: Taker, expected: int) -> int:  # noqa: PLR0911
    """Refusals that need no margin: account, instrument, freeze, halt, grid, band, notional at `expected`."""
    if not known_account(state, taker.account):
        return UNKNOWN_ACCOUNT
    if taker.instrument < 0 or taker.instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    market = state.markets[taker.instrument]
    if market.listed == 0:
        return UNKNOWN_INSTRUMENT
    owner = state.accounts[taker.account]
    record = state.instruments[taker.instrument]
    if owner.settlement != record.settlement:
        return WRONG_SETTLEMENT
    if owner.stage == STAGE_LIQUIDATING and state.counters[FREEZE_RULE] == 1:
        return ACCOUNT_FROZEN
    if market.halted == 1:
        return INSTRUMENT_HALTED
    if taker.lots <= 0 or taker.lots > record.maximum_lots:
        return BAD_SIZE
    if taker.limit <= 0 or taker.limit >= record.maximum_ticks:
        return BAD_PRICE
    if taker.reduce_only == 0 and market.reduce_only == 1:
        return REDUCE_ONLY_GATE
    furthest = band_limit(state, taker.instrument, taker.side, record.price_band_ppm)
    if (taker.side > 0 and taker.limit > furthest) or (taker.side < 0 and taker.limit < furthest):
        return PRICE_BAND
    if taker.reduce_only == 1 or expected == 0:
        return NONE
    value = fill_value(record.kind, record.unit, taker.lots, expected)
    return MIN_NOTIONAL if value < record.minimum_notional else NONE


@kernel
def reducible_lots(state: State, holding: int, side: int, but: int) -> int:
    """Lots that a reduce-only order of `side` may close: the position, whatever else rests to close it.

    Some rulebooks take off what resting orders of that side offer already; the order in slot `but`, whose
    reservation was released, is left out (-1: none).
    """
    row = state.holdings[holding]
    lots = -side * row.size
    if lots > 0 and state.counters[REDUCE_ONLY_RULE] == REDUCE_UNOFFERED:
        lots -= _offered_lots(state, holding, side, but)
    return int(max(lots, 0))


@kernel
def _offered_lots(state: State, holding: int, side: int, but: int) -> int:
    """Lots of the account's resting orders of `side`; bids on an asset hold cash, so they are counted."""
    row = state.holdings[holding]
    if side < 0:
        return int(row.open_sell)
    if state.instruments[row.instrument].kind != SPOT:
        return int(row.open_buy)
    lots = 0
    slot = int(state.accounts[row.account].first_order)
    while slot >= 0:
        order = state.orders[slot]
        if order.holding == holding and order.side > 0 and slot != but:
            lots += order.size
        slot = int(order.own_next)
    return lots


@kernel
def admit(state: State, taker: Taker, holding: int, expected: int) -> int:
    """Reserve for the order if the account can carry it, else say why not and reserve nothing.

    `expected` is the price the account will trade at in the worst case it can see now (its limit, or for a
    market order the opposite best): an order through the mark loses the difference at once. AT_MARKET for an
    asset.
    """
    if state.instruments[taker.instrument].kind == SPOT:
        return _admit_spot(state, taker, holding, expected)
    long, short = open_sides(state, holding)
    before = max(abs(long), abs(short))
    hold_back(state, holding, taker.side, taker.lots, 0)
    if taker.reduce_only == 1:
        return NONE
    long, short = open_sides(state, holding)
    after = max(abs(long), abs(short))
    if after <= before:
        return NONE
    equity, required, _reserved = initial_now(state, taker.account)
    equity -= _loss_at_once(state, taker, expected)
    if equity < required:
        hold_back(state, holding, taker.side, -taker.lots, 0)
        return INSUFFICIENT_MARGIN
    return NONE


@kernel
def _loss_at_once(state: State, taker: Taker, expected: int) -> int:
    record = state.instruments[taker.instrument]
    mark = state.markets[taker.instrument].mark
    if mark <= 0 or expected <= 0:
        return 0
    size = taker.side * taker.lots
    gain = position_value(record.kind, record.unit, size, mark)
    gain -= position_value(record.kind, record.unit, size, expected)
    return max(-gain, 0)


@kernel
def _admit_spot(state: State, taker: Taker, holding: int, expected: int) -> int:
    """A sale holds the asset, a bid the cash at its limit, a market bid the cash that the book asks for."""
    row = state.holdings[holding]
    owner = state.accounts[taker.account]
    record = state.instruments[row.instrument]
    borrowing = state.profiles[owner.profile].borrowing
    fee_ppm = max(record.taker_fee_ppm, record.maker_fee_ppm, 0)
    at_market = expected == AT_MARKET
    cash = 0
    fees = 0
    if taker.side > 0 and at_market:
        _lots, cash, fees = walk(state, taker)
    elif taker.side > 0:
        cash = taker.lots * taker.limit * record.unit
    hold_back(state, holding, taker.side, taker.lots, cash)
    code = NONE
    if taker.side < 0:
        short = row.open_sell - row.size
        if short > 0:
            if borrowing == 0:
                code = INSUFFICIENT_BALANCE
            else:
                code = _admit_short_sale(state, taker, holding, short)
    else:
        equity, required, reserved = initial_now(state, taker.account)
        charged = reserved - cash if at_market else reserved
        needed = reserved + mul_ppm_ceil(charged, fee_ppm) + max(fees, 0)
        if borrowing == 0 and needed > owner.cash + owner.credit_limit:
            code = INSUFFICIENT_BALANCE
        elif equity < required:
            code = INSUFFICIENT_MARGIN
    if code != NONE:
        hold_back(state, holding, taker.side, -taker.lots, -cash)
    return code


@kernel
def _admit_short_sale(state: State, taker: Taker, holding: int, short: int) -> int:
    """Selling more than is held borrows the asset: its initial margin must be there beforehand."""
    record = state.instruments[taker.instrument]
    if record.borrow_initial_floor_ppm <= 0:
        return BORROWING_CLOSED
    equity, required, _reserved = initial_now(state, taker.account)
    amount = position_value(SPOT, record.unit, short, state.markets[taker.instrument].mark)
    rate = sqrt_rate_ppm(record.borrow_initial_factor_ppb, short, record.lots_per_coin)
    rate = max(record.borrow_initial_floor_ppm, rate)
    if equity < required + mul_ppm_ceil(amount, rate):
        return INSUFFICIENT_MARGIN
    return NONE


@kernel
def withdrawable(state: State, account: int) -> int:
    """Cash the account may take out: what is above initial margin, and what is there unless it may borrow."""
    owner = state.accounts[account]
    equity, required, reserved = initial_parts(state, account)
    share = state.counters[WITHDRAWAL_NOTIONAL_PPM]
    if share > 0:
        _equity, _maintenance, gross = maintenance_parts(state, account)
        required = max(required, mul_ppm_ceil(gross, share))
    free = equity - required
    if state.profiles[owner.profile].borrowing == 0:
        free = min(free, owner.cash - reserved)
    if owner.credit_limit > 0:
        free = max(free, owner.cash + owner.credit_limit)
    return max(free, 0)


@kernel
def check_withdrawal(state: State, account: int, amount: int) -> int:
    """Whether `amount` of cash may leave the account now."""
    if not known_account(state, account):
        return UNKNOWN_ACCOUNT
    if amount <= 0:
        return BAD_SIZE
    if state.accounts[account].stage == STAGE_LIQUIDATING:
        return ACCOUNT_FROZEN
    if state.counters[WITHDRAWALS_CLOSED] == 1:
        return GATE_CLOSED
    if amount > withdrawable(state, account):
        return INSUFFICIENT_MARGIN
    return NONE


@kernel
def check_asset_withdrawal(  # noqa: PLR0911
    state: State, account: int, instrument: int, lots: int
) -> int:
    """Whether `lots` of a spot asset may leave the account now."""
    if not known_account(state, account):
        return UNKNOWN_ACCOUNT
    if instrument < 0 or instrument >= len(state.instruments):
        return UNKNOWN_INSTRUMENT
    if state.instruments[instrument].kind != SPOT or state.markets[instrument].listed == 0:
        return UNKNOWN_INSTRUMENT
    if lots <= 0:
        return BAD_SIZE
    if state.accounts[account].stage == STAGE_LIQUIDATING:
        return ACCOUNT_FROZEN
    if state.counters[WITHDRAWALS_CLOSED] == 1:
        return GATE_CLOSED
    holding = find_holding(state, account, instrument)
    if holding < 0 or state.holdings[holding].size - state.holdings[holding].open_sell < lots:
        return INSUFFICIENT_BALANCE
    row = state.holdings[holding]
    row.size -= lots  # as if they were gone: the account must carry the rest without them
    equity, required, _reserved = initial_parts(state, account)
    row.size += lots
    if equity < required:
        return INSUFFICIENT_MARGIN
    return NONE
