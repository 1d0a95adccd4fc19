"""Winners for tests of loss allocation: built from a few human numbers, or drawn.

Holds builders only. Units: one tick is a dollar and one lot a coin unless said otherwise, so money is dollars
times a million.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from undertow.venue.allocation import Winners
from undertow.venue.allocation.reference import Row

DOLLAR = 1_000_000


def column(values: Any) -> NDArray[np.int64]:
    """A plain int64 column."""
    return np.array(values, np.int64)


def winners(rows: list[Row], *, side: int = 1, mark_ticks: int = 100) -> Winners:
    """Winners from rows of plain integers."""
    columns = [column([row[field] for row in rows]) for field in range(len(Row._fields))]
    return Winners(*columns, side, mark_ticks, DOLLAR, seed=1, step=1)


def holders(sizes: list[int], *, side: int = 1, mark_ticks: int = 100, entry_ticks: int = 80) -> Winners:
    """Accounts 1, 2, 3, ... with these sizes, one entry price and equity of half the notional."""
    rows = []
    for account, size in enumerate(sizes, start=1):
        notional, entry = size * mark_ticks * DOLLAR, size * entry_ticks * DOLLAR
        profit = side * (notional - entry)
        equity = max(notional // 2, 1)
        rows.append(Row(account, size, notional, entry, profit, equity - profit, equity, notional // 100))
    return winners(rows, side=side, mark_ticks=mark_ticks)


@st.composite
def rows(draw: st.DrawFn, *, most: int = 40) -> list[Row]:
    """Rows in account order, with ties, zeros, losers, bankrupts and very large holders among them."""
    size = st.one_of(st.integers(0, 5), st.integers(0, 10**9))
    money = st.one_of(st.integers(0, 3), st.integers(0, 10**9), st.integers(0, 2**57))
    signed = st.one_of(st.integers(-3, 3), st.integers(-(10**9), 10**9), st.integers(-(2**57), 2**57))
    accounts = sorted(draw(st.lists(st.integers(0, 10_000), max_size=most, unique=True)))
    return [
        Row(
            account,
            draw(size),
            draw(money),
            draw(money),
            draw(signed),
            draw(signed),
            draw(signed),
            draw(money),
        )
        for account in accounts
    ]
