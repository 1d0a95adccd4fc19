"""What an account is worth and what it must keep: pure valuation, no state change.

Holds the integer formulas of equity, maintenance and initial margin for every margin rule, and the split of
an account's health into a price-independent base and one term per holding that the danger index relies on.
Holds no trigger, no liquidation, no order logic.

Units: settlement units of the account's wallet (micro-dollars, or atoms of the coin for inverse contracts).
Rounding: what an account must keep is rounded up, what counts in its favour down; a position is marked
exactly (linear) or down (inverse). Invariant: `row_health` is monotone in the price in integer arithmetic
itself, because each requirement is rounded once and its slope in the notional is below one. Rates that grow
with the size stop at HIGHEST_RATE_PPM and requirements above the notional at LARGEST_EXTRA, in every path
alike; `limits.py` says why no sum of them leaves int64.

Sources of the formulas: spec of each rulebook (brackets with deduction, square-root margin, stepped risk
limits).
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_div_floor, mul_ppm_ceil, mul_ppm_floor
from undertow.venue.limits import HIGHEST_RATE_PPM, LARGEST_EXTRA
from undertow.venue.rates import (
    borrow_initial_ppm,
    bought_weight_ppm,
    initial_weight_ppm,
    size_rate_ppm,
    step_count,
    stepped_rate_ppm,
)
from undertow.venue.records import InstrumentKind, OrderFlag
from undertow.venue.state import (
    COLLATERAL_NONE,
    COLLATERAL_RAW,
    MARGIN_FLAT,
    MARGIN_SQUARE_ROOT,
    MARGIN_STEPS,
    MARGIN_TIERS,
    WEIGHT_TIERS_BY_QUANTITY,
    WEIGHT_TIERS_BY_VALUE,
    State,
)

SPOT = int(InstrumentKind.SPOT)
LINEAR = int(InstrumentKind.LINEAR)
INVERSE = int(InstrumentKind.INVERSE)
REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)

ONE_PPM_SQUARED = 1_000_000_000_000


@kernel
def position_value(kind: int, unit: int, size: int, price: int) -> int:
    """Mark value of a signed size: linear size x price x unit; inverse -(size x unit / price), down."""
    if kind == INVERSE:
        return (-size * unit) // price
    return size * price * unit


@kernel
def notional(kind: int, unit: int, size: int, price: int) -> int:
    """Absolute value of a size, in settlement units, rounded up."""
    lots = abs(size)
    if kind == INVERSE:
        return (lots * unit + price - 1) // price
    return lots * price * unit


@kernel
def fill_value(kind: int, unit: int, lots: int, price: int) -> int:
    """What changes hands when `lots` trade at `price`; a coin amount is rounded down, once."""
    if kind == INVERSE:
        return (lots * unit) // price
    return lots * price * unit


@kernel
def cash_flow(kind: int, unit: int, lots: int, price: int) -> int:
    """What signed `lots` traded at `price` add to the holder's quote, or for an asset to his cash."""
    value = fill_value(kind, unit, abs(lots), price)
    return value if (lots < 0) != (kind == INVERSE) else -value


@kernel
def requirement(amount: int, rate: int) -> int:
    """amount x rate / 1e12, rounded up: what must be kept for `amount`; `rate` in millionths of a ppm.

    A rate above the whole asks for no more than LARGEST_EXTRA, or the amount where that is more.
    """
    if rate > ONE_PPM_SQUARED:
        most = max(amount, LARGEST_EXTRA)
        if float(amount) * float(rate) >= 1.5 * float(most) * 1e12:
            return most
        return min(mul_div_ceil(amount, rate, ONE_PPM_SQUARED), most)
    return mul_div_ceil(amount, rate, ONE_PPM_SQUARED)


@kernel
def requirement_ppm(amount: int, rate_ppm: int) -> int:
    """`requirement` for a plain rate in ppm."""
    if rate_ppm > 1_000_000:
        return requirement(amount, rate_ppm * 1_000_000)
    return mul_ppm_ceil(amount, rate_ppm)


@kernel
def tier_of(state: State, instrument: int, amount: int) -> int:
    """Index of the last tier whose floor is at or below `amount`."""
    record = state.instruments[instrument]
    tier: int = record.tier_start
    last = record.tier_start + record.tier_count - 1
    while tier < last and state.tiers[tier + 1].floor <= amount:
        tier += 1
    return tier


@kernel
def asset_value(state: State, holding: int, price: int, initial: int) -> int:
    """Collateral value of a spot balance in its account's profile; a negative balance counts in full."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    worth: int = row.size * price * record.unit
    if row.size <= 0:
        return worth
    collateral = state.profiles[state.accounts[row.account].profile].collateral
    if collateral == COLLATERAL_NONE:
        return 0
    if collateral == COLLATERAL_RAW:
        return worth if record.weight_total_ppm > 0 else 0  # what the rulebook does not name is no collateral
    if record.weight_rule == WEIGHT_TIERS_BY_QUANTITY:
        tier = state.tiers[tier_of(state, row.instrument, row.size)]
        return mul_div_floor(price * record.unit, row.size * tier.rate_ppm + tier.deduction, 1_000_000)
    if record.weight_rule == WEIGHT_TIERS_BY_VALUE:
        tier = state.tiers[tier_of(state, row.instrument, worth)]
        return int(mul_ppm_floor(worth, tier.rate_ppm) + tier.deduction)
    weight = initial_weight_ppm(record, row.size) if initial == 1 else int(row.rate_ppm)
    return mul_ppm_floor(worth, weight)


@kernel
def row_maintenance(state: State, holding: int, price: int) -> int:
    """Maintenance margin of one holding, times its profile's multiplier, rounded up once."""
    row = state.holdings[holding]
    if row.size == 0:
        return 0
    record = state.instruments[row.instrument]
    if record.kind == SPOT and row.size > 0:
        return 0
    amount = notional(record.kind, record.unit, row.size, price)
    multiplier = state.profiles[state.accounts[row.account].profile].maintenance_multiplier_ppm
    rate = row.rate_ppm
    deduction = 0
    if record.kind != SPOT:
        if record.margin_rule == MARGIN_TIERS:
            tier = state.tiers[tier_of(state, row.instrument, amount)]
            rate = tier.rate_ppm
            deduction = tier.deduction
        elif record.margin_rule == MARGIN_FLAT:
            rate = record.rate_floor_ppm
    if multiplier == 1_000_000:
        return int(requirement_ppm(amount, rate) - deduction)
    return requirement(amount, rate * multiplier) - mul_ppm_floor(deduction, multiplier)


@kernel
def row_health(state: State, holding: int, price: int) -> int:
    """What one holding adds to its account's health if its instrument stood at `price`."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    if record.kind == SPOT:
        if row.size == 0:
            return 0
        return asset_value(state, holding, price, 0) - row_maintenance(state, holding, price)
    worth: int = row.quote
    if row.size != 0:
        worth += position_value(record.kind, record.unit, row.size, price)
        worth -= row_maintenance(state, holding, price)
    return worth


@kernel
def base_health(state: State, account: int) -> int:
    """The part of health that no price moves: cash, margin on borrowed cash, the rulebook's equality rule."""
    owner = state.accounts[account]
    profile = state.profiles[owner.profile]
    base: int = owner.cash - profile.trigger_at_equality
    if owner.cash < 0 and profile.borrow_maintenance_ppm > 0:
        base -= requirement_ppm(-owner.cash, profile.borrow_maintenance_ppm)
    return base


@kernel
def account_health(state: State, account: int) -> int:
    """Equity minus maintenance at current marks; negative means the rulebook may liquidate."""
    health = base_health(state, account)
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        health += row_health(state, holding, state.markets[row.instrument].mark)
        holding = row.next
    return health


@kernel
def row_side(state: State, holding: int) -> int:
    """+1 if a fall of the price hurts this holding, -1 if a rise does, 0 if its price does not matter."""
    row = state.holdings[holding]
    if row.size == 0:
        return 0
    if row.size < 0:
        return -1
    if state.instruments[row.instrument].kind != SPOT:
        return 1
    collateral = state.profiles[state.accounts[row.account].profile].collateral
    return 0 if collateral == COLLATERAL_NONE else 1


@kernel
def row_sensitivity(state: State, holding: int, price: int) -> int:
    """How much money one hundred per cent of price means to this holding."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    return notional(record.kind, record.unit, row.size, price)


@kernel
def maintenance_parts(state: State, account: int) -> tuple[int, int, int]:
    """(equity, maintenance margin, gross notional) of an account at current marks, total weights."""
    owner = state.accounts[account]
    profile = state.profiles[owner.profile]
    equity = owner.cash
    maintenance = 0
    gross = 0
    if owner.cash < 0 and profile.borrow_maintenance_ppm > 0:
        maintenance += requirement_ppm(-owner.cash, profile.borrow_maintenance_ppm)
    holding = owner.first_holding
    while holding >= 0:
        row = state.holdings[holding]
        record = state.instruments[row.instrument]
        mark = state.markets[row.instrument].mark
        if record.kind == SPOT:
            if row.size != 0:
                equity += asset_value(state, holding, mark, 0)
            if row.size < 0:
                gross += notional(SPOT, record.unit, row.size, mark)
        else:
            equity += row.quote
            if row.size != 0:
                equity += position_value(record.kind, record.unit, row.size, mark)
                gross += notional(record.kind, record.unit, row.size, mark)
        maintenance += row_maintenance(state, holding, mark)
        holding = row.next
    return equity, maintenance, gross


@kernel
def worth(state: State, account: int) -> int:
    """Everything an account owns and owes, contracts and assets at their marks, no weights."""
    total: int = state.accounts[account].cash
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        record = state.instruments[row.instrument]
        mark = state.markets[row.instrument].mark
        total += row.quote + position_value(record.kind, record.unit, row.size, mark)
        holding = row.next
    return total


@kernel
def equity_of(state: State, account: int) -> int:
    """The equity of `maintenance_parts` alone."""
    equity = int(state.accounts[account].cash)
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        record = state.instruments[row.instrument]
        mark = state.markets[row.instrument].mark
        if record.kind == SPOT:
            equity += asset_value(state, holding, mark, 0)
        else:
            equity += row.quote
            if row.size != 0:
                equity += position_value(record.kind, record.unit, row.size, mark)
        holding = row.next
    return equity


@kernel
def initial_rate_ppm(state: State, account: int, instrument: int, lots: int, amount: int) -> int:
    """Initial margin rate of `lots` worth `amount`: the user's leverage or the rule, the stricter."""
    record = state.instruments[instrument]
    rate = max(state.accounts[account].leverage_floor_ppm, record.rate_initial_floor_ppm)
    if record.margin_rule == MARGIN_TIERS:
        rate = max(rate, state.tiers[tier_of(state, instrument, amount)].initial_ppm)
    elif record.margin_rule == MARGIN_SQUARE_ROOT:
        rate = max(rate, size_rate_ppm(record, record.rate_initial_factor_ppb, lots))
    elif record.margin_rule == MARGIN_STEPS:
        steps = step_count(record.step_base, record.step_size, amount)
        rate += stepped_rate_ppm(record, steps) - record.rate_floor_ppm
    if record.interest_upper > 0:
        rate = max(rate, _interest_rate_ppm(state, account, instrument, lots))
    return int(min(rate, HIGHEST_RATE_PPM))


@kernel
def _interest_rate_ppm(state: State, account: int, instrument: int, lots: int) -> int:
    """Initial rate that rises with open interest, as it is once the account holds `lots`.

    base + (OI - lower) / (upper - lower) x (1 - base), rounded up, at most 1. What the account would add
    counts as if the other side opened it too. Source: dydxprotocol/v4-chain, x/subaccounts (the change of
    open interest is applied before the margin of an update is checked).
    """
    record = state.instruments[instrument]
    market = state.markets[instrument]
    held = 0
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        if row.instrument == instrument:
            held = abs(row.size)
            break
        holding = row.next
    interest = market.open_interest + max(lots - held, 0)
    above = notional(record.kind, record.unit, interest, market.mark) - record.interest_lower
    span = record.interest_upper - record.interest_lower
    above = min(max(above, 0), span)
    base = record.rate_initial_floor_ppm
    return int(base + mul_div_ceil(above, 1_000_000 - base, span))


@kernel
def open_sides(state: State, holding: int) -> tuple[int, int]:
    """Signed lots of a contract if all its resting buys filled, and if all its resting sells did.

    Reduce-only orders are left out: they only ever close, so they need no margin.
    """
    row = state.holdings[holding]
    if state.accounts[row.account].reduce_only_count > 0 and (row.open_buy > 0 or row.open_sell > 0):
        return _opening_sides(state, holding)
    return int(row.size + row.open_buy), int(row.size - row.open_sell)


@kernel
def _opening_sides(state: State, holding: int) -> tuple[int, int]:
    """`open_sides` of an account that has reduce-only orders: its other orders are added up."""
    row = state.holdings[holding]
    buys = int(row.open_buy)
    sells = int(row.open_sell)
    slot = int(state.accounts[row.account].first_order)
    while slot >= 0:
        order = state.orders[slot]
        if order.holding == holding and order.flags & REDUCE_ONLY != 0:
            if order.side > 0:
                buys -= order.size
            else:
                sells -= order.size
        slot = int(order.own_next)
    return int(row.size + buys), int(row.size - sells)


@kernel
def open_extent(state: State, holding: int) -> int:
    """The larger of what all resting buys and all resting sells would leave of a contract, in lots."""
    long, short = open_sides(state, holding)
    return max(abs(long), abs(short))


@kernel
def open_rate(state: State, holding: int) -> tuple[int, int]:
    """(lots, initial rate) that the initial margin of a contract is taken on, resting orders counted.

    That is the larger of what all buys and what all sells would leave. Where the rulebook caps the rate of
    longs, it is the side that needs more.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    lots = open_extent(state, holding)
    amount = notional(record.kind, record.unit, lots, mark)
    rate = initial_rate_ppm(state, row.account, row.instrument, lots, amount)
    if record.long_cap_ppm == 0 or rate <= record.long_cap_ppm:
        return lots, rate
    return _capped_rate(state, holding)


@kernel
def _capped_rate(state: State, holding: int) -> tuple[int, int]:
    """`open_rate` where the rate of longs is capped: the side that needs more."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    cap = int(record.long_cap_ppm)
    long, short = open_sides(state, holding)
    long, short = max(long, 0), max(-short, 0)
    amount = notional(record.kind, record.unit, long, mark)
    long_rate = min(initial_rate_ppm(state, row.account, row.instrument, long, amount), cap)
    below = notional(record.kind, record.unit, short, mark)
    short_rate = initial_rate_ppm(state, row.account, row.instrument, short, below)
    if requirement_ppm(amount, long_rate) >= requirement_ppm(below, short_rate):
        return long, long_rate
    return short, short_rate


@kernel
def initial_row(state: State, holding: int) -> tuple[int, int, int]:
    """What one holding adds to equity at initial weights, to initial margin, and to cash reserved by bids.

    Resting sales of an asset beyond what is held are margined as the loan they make when they fill.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    mark = state.markets[row.instrument].mark
    equity = 0
    required = 0
    if record.kind == SPOT:
        if row.size != 0:
            equity += asset_value(state, holding, mark, 1)
        borrowed = row.open_sell - row.size
        if borrowed > 0:
            amount = notional(SPOT, record.unit, borrowed, mark)
            required += requirement_ppm(amount, borrow_initial_ppm(record, borrowed))
        if row.open_buy > 0:
            required += mul_ppm_ceil(row.open_buy, 1_000_000 - bought_weight_ppm(state, holding))
        return equity, required, max(row.open_buy, 0)
    equity += row.quote
    if row.size != 0:
        equity += position_value(record.kind, record.unit, row.size, mark)
    lots, rate = open_rate(state, holding)
    if lots > 0:
        required += requirement_ppm(notional(record.kind, record.unit, lots, mark), rate)
    return equity, required, 0


@kernel
def initial_rows(state: State, account: int) -> tuple[int, int, int, int]:
    """Sums of `initial_row` over an account's holdings, and how many there are."""
    equity = 0
    required = 0
    reserved = 0
    count = 0
    holding = state.accounts[account].first_holding
    while holding >= 0:
        own, needed, held = initial_row(state, holding)
        equity += own
        required += needed
        reserved += held
        count += 1
        holding = state.holdings[holding].next
    return equity, required, reserved, count


@kernel
def with_cash(state: State, account: int, equity: int, required: int, reserved: int) -> tuple[int, int, int]:
    """The sums over holdings with the account's cash, and the margin on what of it is borrowed."""
    owner = state.accounts[account]
    profile = state.profiles[owner.profile]
    borrowed = reserved - owner.cash
    if borrowed > 0 and profile.borrow_initial_ppm > 0:
        required += requirement_ppm(borrowed, profile.borrow_initial_ppm)
    return owner.cash + equity, required, reserved
