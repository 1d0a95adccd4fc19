"""What resting orders hold back beyond their margin: the loss of those whose limit is through the mark.

Holds the loss of one order, the sum over an account, and initial margin with it. A bid above the mark, once
filled, is worth less than it cost; were the loss forgotten while the order rests, the same cash would carry
several such orders, or leave. Nothing is stored: marks move, so the sum is made when it is asked for, and
only where the best price of a book says that somebody's order may be through the mark.

Units: settlement units. Rounding: losses up. Invariant: if every resting order of an account filled at its
limit now, equity would fall by no more than `open_loss` and, for assets, the share of bids that does not
count.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import mul_ppm_ceil
from undertow.venue.margin import SPOT, cash_flow, initial_rows, position_value, with_cash
from undertow.venue.rates import bought_weight_ppm
from undertow.venue.state import State


@kernel
def bid_loss(state: State, holding: int, lots: int, price: int) -> int:
    """What a bid for an asset loses by being above the mark, in the share of its price that counts.

    The other share is initial margin (`margin.initial_row`), at any price.
    """
    row = state.holdings[holding]
    above = price - state.markets[row.instrument].mark
    if above <= 0:
        return 0
    worth = lots * above * state.instruments[row.instrument].unit
    return mul_ppm_ceil(worth, bought_weight_ppm(state, holding))


@kernel
def ask_loss(state: State, holding: int, lots: int, price: int) -> int:
    """What an offer of an asset loses: what the asset counts for, or its whole price where it is borrowed.

    While all offers together are covered by what is held, each gives up what the asset counts for; beyond
    that each may be the one that sells what is borrowed, which is owed in full.
    """
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    worth = lots * state.markets[row.instrument].mark * record.unit
    if row.open_sell <= row.size:
        worth = mul_ppm_ceil(worth, bought_weight_ppm(state, holding))
    return int(max(worth - lots * price * record.unit, 0))


@kernel
def order_loss(state: State, slot: int) -> int:
    """What a resting order would lose against the mark if it filled at its limit; 0 if it is not through it.

    At the mark or short of it an inverse order may lose an atom by rounding: nothing is held back for that.
    """
    order = state.orders[slot]
    record = state.instruments[order.instrument]
    mark = state.markets[order.instrument].mark
    if order.side * (order.price - mark) <= 0:
        return 0
    if record.kind == SPOT:
        if order.side > 0:
            return bid_loss(state, order.holding, order.size, order.price)
        return ask_loss(state, order.holding, order.size, order.price)
    lots = order.side * order.size
    gain = position_value(record.kind, record.unit, lots, mark)
    return max(-gain - cash_flow(record.kind, record.unit, lots, order.price), 0)


@kernel
def _may_lose(state: State, account: int) -> bool:
    """Whether an order of the account can be through a mark: none is beyond the best of its side."""
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        market = state.markets[row.instrument]
        if row.open_buy > 0 and market.best_bid > market.mark:
            return True
        if row.open_sell > 0 and market.best_ask < market.mark:
            return True
        holding = row.next
    return False


@kernel
def open_loss(state: State, account: int) -> int:
    """Sum of `order_loss` over an account's resting orders."""
    slot = int(state.accounts[account].first_order)
    if slot < 0 or not _may_lose(state, account):
        return 0
    loss = 0
    while slot >= 0:
        loss += order_loss(state, slot)
        slot = int(state.orders[slot].own_next)
    return loss


@kernel
def initial_parts(state: State, account: int) -> tuple[int, int, int]:
    """(equity at initial weights, what must be kept of it, cash reserved by spot bids).

    What must be kept: initial margin with open orders filled, and the loss of those through the mark.
    """
    equity, required, reserved, _count = initial_rows(state, account)
    equity, required, reserved = with_cash(state, account, equity, required, reserved)
    return equity, required + open_loss(state, account), reserved
