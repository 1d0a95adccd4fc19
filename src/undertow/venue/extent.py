"""Whether a position, an account or a total still has room below its limit, asked before something is added.

Holds the questions; `limits` says what the limits are and what follows from them. Holds no rejection code.

The extent of a position is what its lots, with open orders, are worth at the top of its grid (an inverse
contract's: at one tick). An account's extents together stay below AMOUNT_LIMIT: an order that takes a
position beyond POSITION_LIMIT divided by the venue's instruments is refused if all of them then passed
POSITION_LIMIT, which is half of it; positions below that share cannot make up the other half.

Units: lots, settlement units. Invariant: no question computes anything that does not fit int64 itself.
"""

from __future__ import annotations

from undertow._jit import kernel, leading_zeros
from undertow.units import AMOUNT_LIMIT
from undertow.venue.ledger import find_holding
from undertow.venue.limits import ASSET_SHARE, POSITION_LIMIT, largest_worth
from undertow.venue.margin import INVERSE, SPOT
from undertow.venue.state import MAXIMUM_SETTLEMENTS, State


@kernel
def worth_at_most(state: State, instrument: int) -> int:
    """What one lot can be worth at most, settlement units."""
    record = state.instruments[instrument]
    return largest_worth(1 if record.kind == INVERSE else 0, record.unit, record.maximum_ticks)


@kernel
def open_lots(state: State, holding: int) -> int:
    """The largest size a holding can come to with its open orders; bids on an asset left out."""
    row = state.holdings[holding]
    bought = 0 if state.instruments[row.instrument].kind == SPOT else row.open_buy
    lots: int = max(abs(row.size + bought), abs(row.size - row.open_sell))
    return lots


@kernel
def is_small(state: State, extent: int) -> bool:
    """Whether it is no more than an instrument's share of POSITION_LIMIT; nearly all need no division."""
    count = len(state.instruments)
    if extent <= POSITION_LIMIT >> (64 - leading_zeros(count)):
        return True
    return extent <= POSITION_LIMIT // count


@kernel
def account_extent(state: State, account: int) -> int:
    """The extents of all positions and the cash of all bids on assets; AMOUNT_LIMIT beyond POSITION_LIMIT."""
    total = 0
    holding = int(state.accounts[account].first_holding)
    while holding >= 0:
        row = state.holdings[holding]
        record = state.instruments[row.instrument]
        lots = open_lots(state, holding)
        if lots > record.maximum_lots:
            return AMOUNT_LIMIT
        total += lots * worth_at_most(state, row.instrument)
        if record.kind == SPOT:
            total += max(row.open_buy, 0)
        if total > POSITION_LIMIT:
            return AMOUNT_LIMIT
        holding = int(row.next)
    return total


@kernel
def has_room(state: State, holding: int, lots: int) -> bool:
    """Whether a holding may come to `lots`, its orders reserved, by its own limit and its account's."""
    row = state.holdings[holding]
    record = state.instruments[row.instrument]
    if lots > record.maximum_lots:
        return False
    bids = max(row.open_buy, 0) if record.kind == SPOT else 0
    extent = lots * worth_at_most(state, row.instrument) + bids
    if is_small(state, extent):
        return True
    if extent > POSITION_LIMIT:
        return False
    own = open_lots(state, holding) * worth_at_most(state, row.instrument) + bids
    return account_extent(state, row.account) <= POSITION_LIMIT - max(extent - own, 0)


@kernel
def has_cash_room(state: State, account: int, amount: int) -> bool:
    """Whether a wallet may be given `amount` of cash."""
    return bool(state.accounts[account].cash <= AMOUNT_LIMIT - amount)


@kernel
def has_deposit_room(state: State, settlement: int, amount: int) -> bool:
    """Whether so much more of a settlement asset may enter the venue."""
    return bool(state.net_deposits[settlement] <= AMOUNT_LIMIT - amount)


@kernel
def has_asset_room(state: State, instrument: int, lots: int) -> bool:
    """Whether so much more of a spot asset may enter the venue."""
    most = ASSET_SHARE * state.instruments[instrument].maximum_lots
    return bool(state.net_deposits[MAXIMUM_SETTLEMENTS + instrument] <= most - lots)


@kernel
def may_hold(state: State, account: int, instrument: int, lots: int) -> bool:
    """Whether a wallet may be given `lots` of an asset."""
    most = state.instruments[instrument].maximum_lots
    holding = find_holding(state, account, instrument)
    if holding >= 0:
        size = int(state.holdings[holding].size)
        return has_room(state, holding, max(abs(size), abs(size + lots)))
    if lots > most:
        return False
    extent = lots * worth_at_most(state, instrument)
    if is_small(state, extent):
        return True
    return extent <= POSITION_LIMIT and account_extent(state, account) <= POSITION_LIMIT - extent
