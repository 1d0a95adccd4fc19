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
from undertow.errors import CapacityError, InvariantError
from undertow.units import AMOUNT_LIMIT
from undertow.venue.danger import mark_everybody_dirty, refresh
from undertow.venue.extent import has_asset_room
from undertow.venue.integers import exact_sum
from undertow.venue.ledger import add_cash, holding_of
from undertow.venue.margin import INVERSE, fill_value
from undertow.venue.rates import refresh_rates
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


def _require_cash_room(state: State, first: int, holders: Holders) -> None:
    """No wallet, and no settlement asset, gets more cash than amounts may be."""
    wallets = state.accounts[first : first + len(holders.cash)]
    given, there = np.abs(holders.cash), np.abs(wallets["cash"])
    beyond = (given < 0) | (given > AMOUNT_LIMIT) | (there > AMOUNT_LIMIT - np.minimum(given, AMOUNT_LIMIT))
    if beyond.any():
        most = int(np.flatnonzero(beyond)[0])
        raise CapacityError(
            f"population: wallet {first + most} would hold {holders.cash[most]:.3g} units of cash; "
            f"at most {AMOUNT_LIMIT:.3g} fit, so give it less"
        )
    for settlement in np.unique(wallets["settlement"]):
        total = int(state.net_deposits[settlement])
        total += exact_sum(holders.cash[wallets["settlement"] == settlement])
        if abs(total) > AMOUNT_LIMIT:
            raise CapacityError(
                f"population: settlement asset {settlement} would come to {total:.3g} units; "
                f"at most {AMOUNT_LIMIT:.3g} fit, so make the crowd smaller or poorer"
            )


def _require_lots_room(state: State, holders: Holders) -> None:
    """No position is larger than its instrument's limit, no account's together, no asset's total."""
    tops = state.instruments["maximum_ticks"][holders.position_instrument]
    if ((holders.position_lots != 0) & (holders.position_entry >= tops)).any():
        raise CapacityError("population: a position was entered at a price beyond its grid")
    most = state.instruments["maximum_lots"].astype(np.float64)
    shares = np.zeros(len(holders.cash))
    for offsets, instruments, lots in (
        (holders.position_offsets, holders.position_instrument, holders.position_lots),
        (holders.asset_offsets, holders.asset_instrument, holders.asset_lots),
    ):
        part = np.abs(lots.astype(np.float64)) / most[instruments]
        owner = np.repeat(np.arange(len(holders.cash)), np.diff(offsets))
        shares += np.bincount(owner, part, len(holders.cash))
    if (shares > 1.0).any():
        worst = int(shares.argmax())
        raise CapacityError(
            f"population: what wallet {worst} of it holds is {shares[worst]:.3g} times the most that one "
            f"may; draw more accounts for as much open interest"
        )
    for instrument in np.unique(holders.asset_instrument):
        given = exact_sum(holders.asset_lots[holders.asset_instrument == instrument])
        if not has_asset_room(state, int(instrument), min(given, AMOUNT_LIMIT)):
            raise CapacityError(
                f"population: {given} lots of instrument {instrument} are more than it may hold"
            )


def place_population(state: State, first: int, holders: Holders) -> None:
    """Give wallets from `first` on what `holders` says.

    InvariantError if a contract does not net to zero; CapacityError, with nothing placed, for more cash,
    contracts or assets than `limits` lets a wallet or the venue hold.
    """
    sums = np.bincount(holders.position_instrument, weights=None, minlength=1)
    make_holding_room(state, len(holders.position_lots) + len(holders.asset_lots) + 64)
    for instrument in np.flatnonzero(sums):
        net = exact_sum(holders.position_lots[holders.position_instrument == instrument])
        if net:
            raise InvariantError(f"population: sizes of instrument {instrument} sum to {net} lots, not zero")
    _require_cash_room(state, first, holders)
    _require_lots_room(state, holders)
    _place(state, first, holders)
    mark_everybody_dirty(state)
    refresh(state)
