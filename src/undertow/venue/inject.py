"""Placing a whole population into an empty venue, as if it had traded there for years.

Holds the bulk writing of cash, assets and positions with their entry prices. Used once, before the first
step.

Units: settlement units, lots, ticks. Invariant: sizes sum to zero per contract (checked); quotes do too,
because the clearing account receives the opposite of what all holders carry, with the cash of profits long
realised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.errors import InvariantError
from undertow.venue.danger import mark_everybody_dirty, refresh
from undertow.venue.ledger import add_cash, holding_of
from undertow.venue.margin import INVERSE, fill_value, refresh_rates
from undertow.venue.setup import make_holding_room
from undertow.venue.state import MAXIMUM_SETTLEMENTS, State


class Holders(NamedTuple):
    """Who holds what: wallets numbered from the first, positions and assets by offsets (CSR), all int64."""

    cash: NDArray[np.int64]
    position_offsets: NDArray[np.int64]
    position_instrument: NDArray[np.int64]
    position_lots: NDArray[np.int64]
    position_entry: NDArray[np.int64]
    asset_offsets: NDArray[np.int64]
    asset_instrument: NDArray[np.int64]
    asset_lots: NDArray[np.int64]


@kernel
def _place(state: State, first: int, holders: Holders) -> None:
    for number in range(len(holders.cash)):
        account = first + number
        add_cash(state, account, holders.cash[number])
        state.net_deposits[state.accounts[account].settlement] += holders.cash[number]
        for row in range(holders.position_offsets[number], holders.position_offsets[number + 1]):
            _place_position(state, account, row, holders)
        for row in range(holders.asset_offsets[number], holders.asset_offsets[number + 1]):
            instrument = holders.asset_instrument[row]
            holding = holding_of(state, account, instrument)
            state.holdings[holding].size += holders.asset_lots[row]
            state.net_deposits[MAXIMUM_SETTLEMENTS + instrument] += holders.asset_lots[row]
            refresh_rates(state, holding)


@kernel
def _place_position(state: State, account: int, row: int, holders: Holders) -> None:
    instrument = holders.position_instrument[row]
    lots = holders.position_lots[row]
    if lots == 0:
        return
    record = state.instruments[instrument]
    value = fill_value(record.kind, record.unit, abs(lots), holders.position_entry[row])
    if (lots > 0) != (record.kind == INVERSE):
        value = -value
    holding = holding_of(state, account, instrument)
    state.holdings[holding].size += lots
    state.holdings[holding].quote += value
    refresh_rates(state, holding)
    clearing = state.holdings[record.clearing_holding]
    clearing.quote -= value
    add_cash(state, clearing.account, value)
    state.net_deposits[record.settlement] += value
    state.markets[instrument].open_interest += max(lots, 0)


def place_population(state: State, first: int, holders: Holders) -> None:
    """Give wallets from `first` on what `holders` says. InvariantError if a contract does not net to zero."""
    sums = np.bincount(holders.position_instrument, weights=None, minlength=1)
    make_holding_room(state, len(holders.position_lots) + len(holders.asset_lots) + 64)
    for instrument in np.flatnonzero(sums):
        net = int(holders.position_lots[holders.position_instrument == instrument].sum())
        if net:
            raise InvariantError(f"population: sizes of instrument {instrument} sum to {net} lots, not zero")
    _place(state, first, holders)
    mark_everybody_dirty(state)
    refresh(state)
