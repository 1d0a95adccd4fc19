"""Who may send what: every check between a command and the book, as coded rejections.

Holds the checks of an order (grid, band, notional, reduce-only, initial margin, balance) and of a
withdrawal. Changes nothing but the reservation of an order it admits. Holds no matching.

Units: ticks, lots, settlement units, ppm. Invariants: an admitted order leaves equity at initial weights,
less its own loss and fee and the loss of open orders through the mark, at or above initial margin with all
open orders reserved; or, filled, it makes the account no riskier (`carry`). A withdrawal leaves as much.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.errors import Rejection
from undertow.units import mul_ppm_ceil, mul_ppm_floor
from undertow.venue.carry import carries, cost_of_fill, fee_of
from undertow.venue.extent import has_room, open_lots
from undertow.venue.ledger import find_holding
from undertow.venue.margin import INVERSE, SPOT, fill_value, maintenance_parts, open_extent, requirement_ppm
from undertow.venue.matching import UNLIMITED, Taker, crosses
from undertow.venue.open_loss import ask_loss, bid_loss, initial_parts, open_loss
from undertow.venue.reach import walk
from undertow.venue.records import Role
from undertow.venue.slack import hold_back, initial_now, open_loss_now
from undertow.venue.state import (
    BAND_RULE,
    COLLATERAL_NONE,
    COUNT_ACCOUNTS,
    FREEZE_RULE,
    REDUCE_ONLY_RULE,
    REDUCE_UNOFFERED,
    STAGE_LIQUIDATING,
    WITHDRAWAL_NOTIONAL_PPM,
    WITHDRAWALS_CLOSED,
    State,
)

CLEARING = int(Role.CLEARING)
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
POSITION_LIMIT = int(Rejection.POSITION_LIMIT)
AMOUNT_LIMIT = int(Rejection.AMOUNT_LIMIT)
CLEARING_ACCOUNT = int(Rejection.CLEARING_ACCOUNT)
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
    if owner.role == CLEARING:
        return CLEARING_ACCOUNT
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
    value = taker.lots  # an inverse contract's are dollars at any price
    if record.kind != INVERSE:
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
def admit(state: State, taker: Taker, holding: int, expected: int, at_market: bool) -> tuple[int, int]:
    """Reserve for the order if the account can carry it, else say why not and reserve nothing.

    Returns (code, what its matches may cost before the account is valued again). `expected` is the price at
    which it is admitted (0: nobody to trade with): an order through the mark loses the difference at once.
    `at_market`: of an asset, no more is held than the book asks for.
    """
    if state.instruments[taker.instrument].kind == SPOT:
        return _admit_spot(state, taker, holding, expected, at_market)
    before = open_lots(state, holding)
    exposed = open_extent(state, holding)
    hold_back(state, holding, taker.side, taker.lots, 0)
    after = open_lots(state, holding)
    if after > before and not has_room(state, holding, after):
        hold_back(state, holding, taker.side, -taker.lots, 0)
        return POSITION_LIMIT, 0
    lots = taker.side * taker.lots
    price = _no_better_than_mark(state, taker, expected)
    fee = _fee(state, taker, price)
    spare = _spare(state, taker.account)
    if expected == 0 or spare >= cost_of_fill(state, holding, lots, price, max(fee, 0)):
        return NONE, spare
    closes = taker.reduce_only == 1 or open_extent(state, holding) <= exposed
    if closes and carries(state, holding, lots, price, fee, taker.lots):
        return NONE, -1
    hold_back(state, holding, taker.side, -taker.lots, 0)
    return INSUFFICIENT_MARGIN, 0


@kernel
def _no_better_than_mark(state: State, taker: Taker, price: int) -> int:
    """The price, or the mark if that is worse for the order: a gain counts when it is there."""
    mark = int(state.markets[taker.instrument].mark)
    return max(price, mark) if taker.side > 0 else min(price, mark)


@kernel
def _fee(state: State, taker: Taker, price: int) -> int:
    """The fee of an order at `price`: as a taker if it trades at once, the larger if it may then rest."""
    record = state.instruments[taker.instrument]
    fee_ppm = record.maker_fee_ppm
    if crosses(state, taker):
        fee_ppm = max(record.taker_fee_ppm, fee_ppm)
    return fee_of(state, taker.instrument, taker.lots, price, fee_ppm)


@kernel
def _spare(state: State, account: int) -> int:
    """Equity above initial margin and the loss of open orders, everything reserved."""
    equity, required, _reserved = initial_now(state, account)
    spare = equity - required
    if state.accounts[account].first_order >= 0:
        spare -= open_loss_now(state, account)
    return spare


@kernel
def _admit_spot(state: State, taker: Taker, holding: int, expected: int, at_market: bool) -> tuple[int, int]:
    """`admit` for an asset: it is sold if held or lent, and bought with cash or credit.

    A sale holds the asset, a bid the cash at its limit, a market bid the cash that the book asks for.
    """
    row = state.holdings[holding]
    record = state.instruments[taker.instrument]
    owner = state.accounts[taker.account]
    profile = state.profiles[owner.profile]
    cash = 0
    fees = 0
    if taker.side > 0 and at_market:
        _lots, cash, fees, _worst = walk(state, taker)
        if crosses(state, taker):
            cash = max(cash, 1)  # something is held, so that the row stays while the order trades
    elif taker.side > 0:
        cash = taker.lots * taker.limit * record.unit
    hold_back(state, holding, taker.side, taker.lots, cash)
    code = NONE
    spare = UNLIMITED
    if not _within_limits(state, taker, holding):
        code = POSITION_LIMIT
    elif taker.side < 0 and row.open_sell > row.size:
        if profile.borrowing == 0:
            code = INSUFFICIENT_BALANCE
        elif record.borrow_initial_floor_ppm <= 0:
            code = BORROWING_CLOSED
    elif taker.side < 0 and (profile.collateral == COLLATERAL_NONE or record.weight_total_ppm == 0):
        return NONE, spare  # what counts for nothing is sold at a gain
    elif taker.side > 0 and profile.borrowing == 0:
        _equity, _required, reserved = initial_now(state, taker.account)
        fee_ppm = max(record.taker_fee_ppm, record.maker_fee_ppm, 0)
        charged = reserved - cash if at_market else reserved
        if reserved + mul_ppm_ceil(charged, fee_ppm) + max(fees, 0) > owner.cash + owner.credit_limit:
            code = INSUFFICIENT_BALANCE
    if code == NONE:
        price = _no_better_than_mark(state, taker, expected)
        fee = _fee(state, taker, price)
        spare = _spare(state, taker.account)
        if expected > 0 and spare < _spot_loss(state, taker, holding, price, max(fee, 0)):
            spare = -1
            lots = taker.side * taker.lots
            freed = cash if taker.side > 0 else taker.lots
            repays = taker.lots <= -row.size and row.open_buy == cash  # and nothing else that rests does
            reduces = repays if taker.side > 0 else row.open_sell <= row.size
            if not reduces or not carries(state, holding, lots, price, fee, freed):
                code = INSUFFICIENT_MARGIN
    if code != NONE:
        hold_back(state, holding, taker.side, -taker.lots, -cash)
    return code, spare


@kernel
def _within_limits(state: State, taker: Taker, holding: int) -> bool:
    """Whether what the order, reserved, can make of the holding is within its limit and its account's."""
    row = state.holdings[holding]
    if taker.side > 0:
        return has_room(state, holding, max(abs(row.size), abs(row.size + taker.lots)))
    return row.open_sell <= row.size or has_room(state, holding, row.open_sell - row.size)


@kernel
def _spot_loss(state: State, taker: Taker, holding: int, price: int, fee: int) -> int:
    """What the order would lose against the mark at `price`, and its fee.

    A bid's fee may have to be borrowed with what it reserves; its margin, at most that on all of it, counts.
    """
    row = state.holdings[holding]
    if taker.side > 0:
        margin_ppm = state.profiles[state.accounts[row.account].profile].borrow_initial_ppm
        return bid_loss(state, holding, taker.lots, price) + fee + requirement_ppm(fee, margin_ppm)
    return ask_loss(state, holding, taker.lots, price) + fee


@kernel
def _must_keep(state: State, account: int, required: int) -> int:
    """`required` of equity, or the share of notional that the rulebook keeps in, whichever is more."""
    share = state.counters[WITHDRAWAL_NOTIONAL_PPM]
    if share > 0:
        _equity, _maintenance, gross = maintenance_parts(state, account)
        return max(required, mul_ppm_ceil(gross, share))
    return required


@kernel
def withdrawable(state: State, account: int) -> int:
    """Cash the account may take out.

    Afterwards it has what it must keep, the margin on a debt that the withdrawal makes included. Who may not
    borrow takes no more cash than is there, unless the rulebook lets open profit out; what bids reserve
    stays. A credit limit lends beyond that, less the loss of open orders through the mark.
    """
    owner = state.accounts[account]
    profile = state.profiles[owner.profile]
    equity, required, reserved = initial_parts(state, account)
    free = equity - _must_keep(state, account, required)
    there = owner.cash - reserved
    if profile.borrowing == 1 and free > max(there, 0):
        unborrowed = max(there, 0)  # the rest y is owed: y + margin x y <= what is free
        free = unborrowed + _loan_within(free - unborrowed, profile.borrow_initial_ppm)
    elif profile.borrowing == 0 and (profile.open_profit_leaves == 0 or reserved > 0):
        free = min(free, there)
    if owner.credit_limit > 0:
        free = max(free, there + owner.credit_limit - open_loss(state, account))
    return max(free, 0)


@kernel
def _loan_within(amount: int, margin_ppm: int) -> int:
    """The largest loan that, with its initial margin rounded up, takes no more than `amount`."""
    divisor = 1_000_000 + margin_ppm
    whole = amount // divisor
    return int(whole * 1_000_000 + (amount - whole * divisor) * 1_000_000 // divisor)


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
    required = _must_keep(state, account, required)
    row.size += lots
    if equity < required:
        return INSUFFICIENT_MARGIN
    return NONE
