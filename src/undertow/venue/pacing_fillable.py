"""Stage 1, pacing "fillable-price": every block the riskiest accounts, a slice each, at a price that worsens.

Holds the ranking, the size rule, the fillable price and the settlement of each fill with the insurance
fund. Holds no detection (`danger`) and no allocation; accounts below zero are listed for it.

A block (a step): up to so many attempts, each for the account with the lowest equity over maintenance;
one of its positions not tried yet, from a random start; an immediate order at the fillable price. The
fill is compared with the bankruptcy price of the slice: what it lacks the fund pays, of what it has more
the user pays a fee. An order whose fills the fund could not make good is not sent so low: its limit is
where the fund can still pay.

Units: settlement units, lots, ticks, ppm. Rounding: the fillable price towards the mark; the bankruptcy
value up (against the fund), the fee down. Invariants: no account closes more than the block cap a block;
no account costs the fund more than its loss limit a block; ties go to the lower account.

Source: dydxprotocol/v4-chain, x/clob/keeper (liquidations.go, deleveraging.go) and x/clob/types.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow._jit import kernel
from undertow.streams import integer_at
from undertow.units import mul_div_ceil, mul_div_floor, mul_ppm_floor
from undertow.venue.dollars import in_units
from undertow.venue.frozen import Frozen, enter
from undertow.venue.integers import NOTHING, lots_within, wide
from undertow.venue.ledger import pay, tell
from undertow.venue.liquidation import (
    forced_order,
    fund_of,
    largest_position,
    recover,
    resolve,
    settle_flat_debt,
)
from undertow.venue.margin import INVERSE, SPOT, maintenance_parts, notional, row_maintenance
from undertow.venue.records import Cause, EventKind
from undertow.venue.state import COUNT_CANDIDATES, STAGE_LIQUIDATING, State
from undertow.venue.takeover import fund_means, list_bankrupt

INSURANCE_IN = int(Cause.INSURANCE_IN)
INSURANCE_OUT = int(Cause.INSURANCE_OUT)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)

RATIO_LIMIT = 1_000_000  # equity further from zero than this many times maintenance ranks as this
RATIO_SCALE = 1_000_000_000


class Fillable(NamedTuple):
    """Figures of the "fillable-price" pacing."""

    slice_ppm: int  # of the position's notional
    floor: int  # millionths of a dollar: at least this much, or the whole position
    block_cap: int  # the same: what an account may close a block
    attempts: int  # a block
    spread_ppm: int  # of maintenance: how far the price may worsen
    adjustment_ppm: int  # how fast it worsens with the shortfall
    fee_cap_ppm: int  # of the fill's value
    loss_limit: int  # millionths of a dollar the fund pays for an account a block; 0: no limit
    whole_or_nothing: int  # 1: the fund covers a wallet without contracts only if it can pay all


class Block(NamedTuple):
    """Working memory of one block: the riskiest accounts [attempts] and the positions tried [attempts]."""

    account: NDArray[np.int64]
    ratio: NDArray[np.int64]
    used: NDArray[np.int64]
    lost: NDArray[np.int64]
    tried: NDArray[np.int64]
    length: NDArray[np.int64]  # [2]: accounts, positions tried


def open_block(rule: Fillable) -> Block:
    """Working memory for blocks under this rule."""
    account, ratio, used, lost, tried = np.zeros((5, max(rule.attempts, 1)), np.int64)
    return Block(account, ratio, used, lost, tried, np.zeros(2, np.int64))


@kernel
def risk_ratio(equity: int, maintenance: int) -> int:
    """Equity over maintenance in parts per billion, rounded down; lower is riskier."""
    if maintenance <= 0:
        return RATIO_SCALE if equity >= 0 else -RATIO_LIMIT * RATIO_SCALE
    if abs(equity) // RATIO_LIMIT >= maintenance:
        return RATIO_LIMIT * RATIO_SCALE if equity > 0 else -RATIO_LIMIT * RATIO_SCALE
    return mul_div_floor(equity, RATIO_SCALE, maintenance)


@kernel
def slice_value(amount: int, used: int, rule: Fillable) -> int:
    """Notional to close of a position worth `amount`: min(max(min(floor, N), slice x N), cap - used)."""
    wanted = max(min(rule.floor, amount), mul_ppm_floor(amount, rule.slice_ppm))
    return max(min(wanted, rule.block_cap - used), 0)


def slice_value_reference(amount: int, used: int, rule: Fillable) -> int:
    """`slice_value` in plain integers."""
    wanted = max(min(rule.floor, amount), amount * rule.slice_ppm // 1_000_000)
    return max(min(wanted, rule.block_cap - used), 0)


@kernel
def fillable_discount(equity: int, maintenance: int, own: int, rule: Fillable) -> int:
    """Money that a whole position's price may give away: ABR x spread x its maintenance, rounded down.

    ABR = clamp(adjustment x (1 - equity / maintenance), 0, 1).
    """
    if equity >= maintenance or maintenance <= 0:
        return 0
    most = mul_ppm_floor(own, rule.spread_ppm)
    if float(maintenance - equity) * float(rule.adjustment_ppm) >= 2e6 * float(maintenance):
        return most
    scaled = mul_ppm_floor(maintenance - equity, rule.adjustment_ppm)
    return most if scaled >= maintenance else mul_div_floor(most, scaled, maintenance)


def fillable_discount_reference(equity: int, maintenance: int, own: int, rule: Fillable) -> int:
    """`fillable_discount` in plain integers."""
    if equity >= maintenance or maintenance <= 0:
        return 0
    most = own * rule.spread_ppm // 1_000_000
    scaled = (maintenance - equity) * rule.adjustment_ppm // 1_000_000
    return most * min(scaled, maintenance) // maintenance


@kernel
def ticks_of(kind: int, unit: int, size: int, mark: int, money: int) -> int:
    """How many ticks off the mark give away `money` on a whole position, rounded down."""
    return mul_div_floor(money, mark, notional(kind, unit, size, mark))


@kernel
def bankruptcy_value(value: int, equity: int, freed: int, maintenance: int) -> int:
    """What a long slice worth `value` at the mark must fetch for its share of equity to be just used up.

    value - equity x freed / maintenance, rounded up. A short's value is passed, and comes back, negative.
    """
    if maintenance <= 0:
        return value
    return value - mul_div_floor(equity, freed, maintenance)


def bankruptcy_value_reference(value: int, equity: int, freed: int, maintenance: int) -> int:
    """`bankruptcy_value` in plain integers."""
    return value if maintenance <= 0 else -((equity * freed - value * maintenance) // maintenance)


@kernel
def collect_riskiest(state: State, block: Block) -> None:
    """The riskiest candidates, at most as many as there are attempts, in order of risk then account."""
    room = len(block.account)
    count = 0
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        equity, maintenance, _gross = maintenance_parts(state, account)
        ratio = risk_ratio(equity, maintenance)
        if count == room and ratio >= block.ratio[count - 1]:
            continue
        place = count if count < room else room - 1
        while place > 0 and block.ratio[place - 1] > ratio:
            block.ratio[place] = block.ratio[place - 1]
            block.account[place] = block.account[place - 1]
            place -= 1
        block.ratio[place] = ratio
        block.account[place] = account
        count = min(count + 1, room)
    block.length[0] = count
    block.length[1] = 0
    block.used[:] = 0
    block.lost[:] = 0


@kernel
def _untried(state: State, account: int, block: Block, key: np.uint64) -> int:
    """A contract of the account that was not tried in this block, from a random start; -1: none is left."""
    open_count = 0
    holding = wide(state.accounts[account].first_holding)
    while holding >= 0:
        if _is_open(state, holding, block):
            open_count += 1
        holding = wide(state.holdings[holding].next)
    if open_count == 0:
        return -1
    skip = wide(integer_at(key, account, open_count))
    holding = wide(state.accounts[account].first_holding)
    while True:
        if _is_open(state, holding, block):
            if skip == 0:
                return holding
            skip -= 1
        holding = wide(state.holdings[holding].next)


@kernel
def _is_open(state: State, holding: int, block: Block) -> bool:
    row = state.holdings[holding]
    if row.size == 0 or state.instruments[row.instrument].kind == SPOT:
        return False
    if state.markets[row.instrument].halted == 1:
        return False
    tried = False
    for position in range(block.length[1]):
        tried = tried or block.tried[position] == holding
    return not tried


@kernel
def fillable_block(state: State, rule: Fillable, block: Block, frozen: Frozen, key: np.uint64) -> None:
    """One block: attempts in order of risk, then every account below zero is covered or listed."""
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        if recover(state, account):
            continue
        if not settle_flat_debt(state, account, wide(fund_of(state, account)), rule.whole_or_nothing):
            enter(state, frozen, account)
    collect_riskiest(state, block)
    while block.length[1] < rule.attempts:
        best = -1
        for row in range(block.length[0]):
            if block.account[row] >= 0 and (best < 0 or block.ratio[row] < block.ratio[best]):
                best = row
        if best < 0:
            break
        account = wide(block.account[best])
        holding = wide(_untried(state, account, block, key))
        if holding < 0 or recover(state, account):
            block.account[best] = -1
            continue
        block.tried[block.length[1]] = holding
        block.length[1] += 1
        if not _attempt(state, rule, block, best, holding):
            block.account[best] = -1
            continue
        equity, maintenance, _gross = maintenance_parts(state, account)
        block.ratio[best] = risk_ratio(equity, maintenance)
    for position in range(state.counters[COUNT_CANDIDATES]):
        account = wide(state.candidates[position])
        if state.accounts[account].stage == STAGE_LIQUIDATING and not recover(state, account):
            _finish_block(state, rule, account)


@kernel
def _finish_block(state: State, rule: Fillable, account: int) -> None:
    """Below zero: covered if it has no contract left, else listed for allocation."""
    equity, _maintenance, _gross = maintenance_parts(state, account)
    if equity >= 0:
        return
    if largest_position(state, account) < 0:
        resolve(state, account, 0, 0, rule.whole_or_nothing)
    else:
        list_bankrupt(state, account)


@kernel
def _attempt(state: State, rule: Fillable, block: Block, row: int, holding: int) -> bool:
    """One order for one position. False if the account has used up its block cap."""
    account = wide(block.account[row])
    rule = _in_wallet_units(state, rule, account)
    instrument = wide(state.holdings[holding].instrument)
    record = state.instruments[instrument]
    size = wide(state.holdings[holding].size)
    mark = wide(state.markets[instrument].mark)
    equity, maintenance, _gross = maintenance_parts(state, account)
    own = row_maintenance(state, holding, mark)
    amount = notional(record.kind, record.unit, size, mark)
    value = slice_value(amount, wide(block.used[row]), rule)
    if value <= 0:
        return False
    lots = abs(size) if value >= amount else max(lots_within(record.kind, record.unit, value, mark), 1)
    money = fillable_discount(equity, maintenance, own, rule)
    fund = wide(fund_of(state, account))
    room = _fund_room(state, rule, fund, wide(block.lost[row]))
    share = mul_div_floor(equity, own, maintenance) if maintenance > 0 else 0
    if mul_div_ceil(money - share, lots, abs(size)) > room:
        money = share + mul_div_floor(room, abs(size), lots)  # closing here costs the fund all of its room
    ticks = ticks_of(record.kind, record.unit, size, mark, money)
    limit = min(max(mark - ticks if size > 0 else mark + ticks, 1), record.maximum_ticks - 1)
    filled, got = forced_order(state, holding, lots, wide(limit), 0, 0)
    if filled > 0:
        freed = own - row_maintenance(state, holding, mark)
        block.used[row] += notional(record.kind, record.unit, filled, mark)
        side = 1 if (size > 0) != (record.kind == INVERSE) else -1
        worth = notional(record.kind, record.unit, filled, mark)
        delta = side * got - bankruptcy_value(side * worth, equity, freed, maintenance)
        block.lost[row] += _settle_slice(state, rule, account, fund, delta, got)
    return True


@kernel
def _in_wallet_units(state: State, rule: Fillable, account: int) -> Fillable:
    """The rule with its dollar figures in a wallet's settlement units."""
    settlement = wide(state.accounts[account].settlement)
    return Fillable(
        rule.slice_ppm,
        in_units(state, settlement, rule.floor),
        in_units(state, settlement, rule.block_cap),
        rule.attempts,
        rule.spread_ppm,
        rule.adjustment_ppm,
        rule.fee_cap_ppm,
        in_units(state, settlement, rule.loss_limit),
        rule.whole_or_nothing,
    )


@kernel
def _fund_room(state: State, rule: Fillable, fund: int, lost: int) -> int:
    """What the fund can and may still pay for this account in this block."""
    room = wide(fund_means(state, fund))
    if rule.loss_limit > 0:
        room = min(room, max(rule.loss_limit - lost, 0))
    return room


@kernel
def _settle_slice(state: State, rule: Fillable, account: int, fund: int, delta: int, value: int) -> int:
    """The fund pays what a fill lacks to the bankruptcy price, else takes a fee. Returns its loss."""
    if delta < 0:
        paid = min(-delta, wide(fund_means(state, fund)))
        pay(state, fund, account, paid, INSURANCE_OUT, -1)
        tell(state, EVENT_FUND_OUT, (wide(account), wide(fund)), NOTHING, paid, 0)
        return paid
    fee = min(delta, mul_ppm_floor(value, rule.fee_cap_ppm))
    if fee > 0:
        pay(state, account, fund, fee, INSURANCE_IN, -1)
        tell(state, EVENT_FUND_IN, (wide(account), wide(fund)), NOTHING, fee, 0)
    return 0


def liquidate_block(
    state: State, rule: Fillable, block: Block, frozen: Frozen, seed: int, number: int
) -> None:
    """One block for the accounts the danger stage listed; `number` keys its random starts."""
    fillable_block(state, rule, block, frozen, streams.stream_key(seed, "liquidation: start", number))
