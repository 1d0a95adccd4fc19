"""The proof that the books balance: sums over everything, exact, at any moment.

Holds the checks and the hash of the whole state. Changes nothing.

Units: settlement units, lots. Invariant: what `audit` promises is what docs/invariants.md lists under money.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.errors import InvariantError
from undertow.venue.margin import SPOT
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_HOLDINGS,
    COUNT_ORDERS,
    HOUSE_CLEARING,
    HOUSE_STRIDE,
    LIVE_ORDERS,
    MAXIMUM_SETTLEMENTS,
    TIME,
    State,
)

# Rows of the sums: per instrument.
SUM_SIZE = 0
SUM_QUOTE = 1
SUM_OPEN_BUY = 2
SUM_OPEN_SELL = 3
SUM_LONG = 4
SUM_ORDER_BUY = 5
SUM_ORDER_SELL = 6
SUMS = 7


@kernel
def total(state: State, cash: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    """Cash per settlement asset and debtors not marked into `cash`, sums per instrument into `sums`."""
    for account in range(state.counters[COUNT_ACCOUNTS]):
        owner = state.accounts[account]
        cash[owner.settlement] += owner.cash
        if owner.cash < 0 and state.debt_bits[account >> 6] >> (account & 63) & 1 == 0:
            cash[MAXIMUM_SETTLEMENTS] += 1
    for holding in range(state.counters[COUNT_HOLDINGS]):
        row = state.holdings[holding]
        if row.account < 0:
            continue
        sums[SUM_SIZE, row.instrument] += row.size
        sums[SUM_QUOTE, row.instrument] += row.quote
        sums[SUM_OPEN_BUY, row.instrument] += row.open_buy
        sums[SUM_OPEN_SELL, row.instrument] += row.open_sell
        sums[SUM_LONG, row.instrument] += max(row.size, 0)
    for slot in range(state.counters[COUNT_ORDERS]):
        order = state.orders[slot]
        if order.size <= 0:
            continue
        if order.side < 0:
            sums[SUM_ORDER_SELL, order.instrument] += order.size
        elif state.instruments[order.instrument].kind == SPOT:
            sums[SUM_ORDER_BUY, order.instrument] += (
                order.size * order.price * state.instruments[order.instrument].unit
            )
        else:
            sums[SUM_ORDER_BUY, order.instrument] += order.size


def audit(state: State) -> None:
    """Raise InvariantError, saying which sum is off by how much, unless every book balances exactly."""
    count = len(state.instruments)
    cash = np.zeros(MAXIMUM_SETTLEMENTS + 1, np.int64)
    sums = np.zeros((SUMS, count), np.int64)
    total(state, cash, sums)
    faults: list[str] = []
    for settlement in range(MAXIMUM_SETTLEMENTS):
        off = int(cash[settlement] - state.net_deposits[settlement])
        if off:
            faults.append(f"cash of settlement asset {settlement} is off by {off} units")
    if cash[MAXIMUM_SETTLEMENTS]:
        faults.append(f"{cash[MAXIMUM_SETTLEMENTS]} wallets are below zero and not marked as debtors")
    for instrument in range(count):
        if state.markets[instrument]["listed"]:
            faults += _instrument_faults(state, instrument, sums[:, instrument])
    if faults:
        raise InvariantError("the books do not balance: " + "; ".join(faults))


def _instrument_faults(state: State, instrument: int, sums: NDArray[np.int64]) -> list[str]:
    faults = []
    spot = state.instruments[instrument]["kind"] == SPOT
    expected = state.net_deposits[MAXIMUM_SETTLEMENTS + instrument] if spot else 0
    pairs = [
        ("sizes", sums[SUM_SIZE], expected),
        ("quotes", sums[SUM_QUOTE], 0),
        ("reserved buys", sums[SUM_OPEN_BUY], sums[SUM_ORDER_BUY]),
        ("reserved sells", sums[SUM_OPEN_SELL], sums[SUM_ORDER_SELL]),
    ]
    if not spot:
        pairs.append(("open interest", sums[SUM_LONG], state.markets[instrument]["open_interest"]))
    for what, found, wanted in pairs:
        if int(found) != int(wanted):
            faults.append(f"{what} of instrument {instrument} sum to {int(found)}, not {int(wanted)}")
    return faults


def clearing_balance(state: State, settlement: int) -> int:
    """Cash plus quotes of a clearing account; zero, always."""
    account = settlement * HOUSE_STRIDE + HOUSE_CLEARING
    rows = state.holdings[: state.counters[COUNT_HOLDINGS]]
    quotes = rows["quote"][rows["account"] == account]
    return int(state.accounts[account]["cash"]) + int(quotes.sum())


def state_hash(state: State) -> str:
    """Sixteen hex digits over accounts, holdings, orders, markets and counters; the danger index is left out.

    Equal for equal histories, whether danger was found by triggers or by the full scan.
    """
    digest = hashlib.sha256()
    counters = state.counters
    parts = (
        (state.accounts[: counters[COUNT_ACCOUNTS]], ("reserve", "pending", "dirty"), ()),
        (
            state.holdings[: counters[COUNT_HOLDINGS]],
            ("trigger", "bucket", "bucket_next", "bucket_previous"),
            (),
        ),
        (
            state.orders[: counters[COUNT_ORDERS]],
            (),
            ("next", "previous", "own_next", "own_previous", "holding", "account"),
        ),
        (state.markets, ("processed",), ()),
    )
    for records, unseen, of_the_living in parts:
        for name in records.dtype.names or ():
            column = np.ascontiguousarray(records[name])
            if name in unseen:
                column = np.zeros_like(column)
            if name in of_the_living:
                column = np.where(records["size"] == 0, 0, column).astype(column.dtype)
            digest.update(column.tobytes())
    digest.update(state.cause_totals.tobytes())
    digest.update(state.net_deposits.tobytes())
    named = [COUNT_ACCOUNTS, COUNT_HOLDINGS, COUNT_ORDERS, LIVE_ORDERS, TIME]
    digest.update(state.counters[named].tobytes())
    return digest.hexdigest()[:16]
