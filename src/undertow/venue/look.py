"""What an actor may ask about its own accounts, for many at a time. Read-only.

Holds gathers over holdings and valuations for behaviours, tapes and reports. Changes nothing.

Units: lots, settlement units. Invariant: the answer for one account does not depend on who else is asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.ledger import find_holding
from undertow.venue.margin import maintenance_parts, position_value
from undertow.venue.state import State


@kernel
def _sizes(
    state: State, accounts: NDArray[np.int64], instruments: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    for row in range(len(accounts)):
        holding = find_holding(state, accounts[row], instruments[row])
        out[row] = 0 if holding < 0 else state.holdings[holding].size


@kernel
def _values(state: State, accounts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    for row in range(len(accounts)):
        equity, maintenance, gross = maintenance_parts(state, accounts[row])
        out[row, 0] = equity
        out[row, 1] = maintenance
        out[row, 2] = gross


@kernel
def _worths(state: State, accounts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    for row in range(len(accounts)):
        worth = state.accounts[accounts[row]].cash
        holding = state.accounts[accounts[row]].first_holding
        while holding >= 0:
            held = state.holdings[holding]
            record = state.instruments[held.instrument]
            worth += position_value(record.kind, record.unit, held.size, state.markets[held.instrument].mark)
            worth += held.quote
            holding = held.next
        out[row] = worth


def worths_of(state: State, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cash plus everything held at its mark, without haircuts: what it would be if nothing slipped."""
    out = np.zeros(len(accounts), np.int64)
    _worths(state, accounts, out)
    return out


def sizes_of(state: State, accounts: NDArray[np.int64], instruments: NDArray[np.int64]) -> NDArray[np.int64]:
    """Signed lots held, one per (account, instrument) pair; 0 where there is no holding."""
    out = np.zeros(len(accounts), np.int64)
    _sizes(state, accounts, instruments, out)
    return out


def values_of(state: State, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(equity, maintenance margin, gross notional) of each account, shape (accounts, 3)."""
    out = np.zeros((len(accounts), 3), np.int64)
    _values(state, accounts, out)
    return out
