"""Leverage through its layers, for every account at once: what is owned, owed, held in contracts. Read-only.

Holds the sums of each account at marks, without weights, and the price of one asset at which each of its
holders is liquidated, everything else as it is. Holds no grouping (`lab.leverage`).

Units: settlement units, lots, ticks. Invariant: the price found is the highest at which the venue's own
formula finds the account below maintenance; one tick above it, it is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.danger import has_stake, is_watched
from undertow.venue.integers import wide
from undertow.venue.margin import SPOT, account_health, notional, position_value, row_health, row_side
from undertow.venue.state import COUNT_HOLDINGS, State

# Columns of `layers_of`.
OWNED = 0  # assets, at marks
OWED = 1  # cash and assets owed
SHORT = 2  # of it assets: an exposure, where cash owed is none
CONTRACTS = 3  # positions, gross
EQUITY = 4
LAYERS = 5

# Columns of `forced_prices`.
FORCED_ACCOUNT = 0
FORCED_TICKS = 1  # 0: at no price
FORCED_LOTS = 2
FORCED = 3


@kernel
def _layers(state: State, accounts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    for place in range(len(accounts)):
        owner = state.accounts[accounts[place]]
        owned = 0
        owed = max(-owner.cash, 0)
        short = 0
        contracts = 0
        equity = owner.cash
        holding = owner.first_holding
        while holding >= 0:
            row = state.holdings[holding]
            record = state.instruments[row.instrument]
            mark = state.markets[row.instrument].mark
            equity += row.quote
            if row.size != 0:
                worth = position_value(record.kind, record.unit, row.size, mark)
                equity += worth
                if record.kind != SPOT:
                    contracts += notional(record.kind, record.unit, row.size, mark)
                elif row.size > 0:
                    owned += worth
                else:
                    owed -= worth
                    short -= worth
            holding = row.next
        out[place, OWNED] = owned
        out[place, OWED] = owed
        out[place, SHORT] = short
        out[place, CONTRACTS] = contracts
        out[place, EQUITY] = equity


def layers_of(state: State, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(OWNED, OWED, SHORT, CONTRACTS, EQUITY) of each account, shape (len(accounts), 5)."""
    out = np.zeros((len(accounts), LAYERS), np.int64)
    _layers(state, accounts, out)
    return out


@kernel
def forced_price(state: State, holding: int) -> int:
    """Highest price of this holding's asset at which its account is below maintenance; 0: none.

    Bisection on the account's exact health, which rises with the price of what it owns.
    """
    row = state.holdings[holding]
    account = wide(row.account)
    if not is_watched(state, account) or not has_stake(state, account) or row_side(state, holding) <= 0:
        return 0
    mark = wide(state.markets[row.instrument].mark)
    rest = account_health(state, account) - row_health(state, holding, mark)
    if rest + row_health(state, holding, 1) >= 0:
        return 0
    if rest + row_health(state, holding, mark) < 0:
        return mark
    low = wide(1)
    high = wide(mark)
    while high - low > 1:
        middle = (low + high) // 2
        if rest + row_health(state, holding, middle) < 0:
            low = middle
        else:
            high = middle
    return low


@kernel
def _forced(state: State, instrument: int, out: NDArray[np.int64]) -> int:
    count = 0
    for holding in range(state.counters[COUNT_HOLDINGS]):
        row = state.holdings[holding]
        if row.account < 0 or row.instrument != instrument or row.size <= 0:
            continue
        out[count, FORCED_ACCOUNT] = row.account
        out[count, FORCED_TICKS] = forced_price(state, holding)
        out[count, FORCED_LOTS] = row.size
        count += 1
    return count


def forced_prices(state: State, instrument: int) -> NDArray[np.int64]:
    """Every balance of an asset: (account, price in ticks at which the account is liquidated, lots)."""
    held = state.holdings[: int(state.counters[COUNT_HOLDINGS])]
    rows = int(np.count_nonzero((held["instrument"] == instrument) & (held["size"] > 0)))
    out = np.zeros((rows, FORCED), np.int64)
    return out[: _forced(state, instrument, out)]
