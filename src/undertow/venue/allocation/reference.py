"""The allocation rules in plain Python integers: what the compiled loops are held against.

Holds one function per rule, over lists, of unlimited range. Does no checking and no reporting.
Units: as in the modules it mirrors. Invariant: written from the rule's words, sharing no arithmetic with the
kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_BILLION = 1_000_000_000
_DOLLAR = 1_000_000
_LIMIT = 1 << 51


class Row(NamedTuple):
    """One winner as plain integers, in the order of the columns of `Winners`."""

    account: int
    size_lots: int
    notional_micros: int
    entry_notional_micros: int
    profit_micros: int
    wallet_micros: int
    equity_micros: int
    maintenance_micros: int


def held(value: int) -> int:
    """A score's magnitude held at its limit."""
    return min(_LIMIT, value)


def profit_margin_ratio(row: Row) -> int:
    """max(0, profit) / max(1 dollar, wallet) * maintenance / equity, in ppb."""
    if row.profit_micros <= 0 or row.equity_micros <= 0:
        return 0
    ratio = held(row.maintenance_micros * _BILLION // row.equity_micros)
    return held(row.profit_micros * ratio // max(row.wallet_micros, _DOLLAR))


def profit_leverage(row: Row) -> int:
    """Profit share times (winners) or over (losers) effective leverage, in ppb."""
    if row.equity_micros <= 0:
        return -_LIMIT
    notional = max(row.notional_micros, 1)
    share_ppb = held(abs(row.profit_micros) * _BILLION // max(row.entry_notional_micros, 1))
    if row.profit_micros >= 0:
        return held(share_ppb * notional // row.equity_micros)
    return -held(share_ppb * row.equity_micros // notional)


def price_ratio_leverage(row: Row) -> int:
    """Price ratio (above one when in profit) times notional over equity, in ppb."""
    if row.equity_micros <= 0:
        return -_LIMIT
    mark, entry = row.notional_micros, row.entry_notional_micros
    if (mark >= entry) != (row.profit_micros >= 0):
        mark, entry = entry, mark
    ratio = held(mark * _BILLION // max(entry, 1))
    return held(ratio * row.notional_micros // row.equity_micros)


def opposing_size(row: Row) -> int:
    """The position's lots."""
    return row.size_lots


def ranking(keys: Sequence[int]) -> list[int]:
    """Rows by key, highest first, ties in row order."""
    return sorted(range(len(keys)), key=lambda row: (-keys[row], row))


def close_in_order(order: Sequence[int], size_lots: Sequence[int], need_lots: int) -> list[int]:
    """Whole positions in the given order, the last one in part."""
    closes = [0] * len(size_lots)
    for row in order:
        closes[row] = min(size_lots[row], need_lots)
        need_lots -= closes[row]
    return closes


def share(amount: int, weights: Sequence[int]) -> list[int]:
    """Pro rata by largest remainder, ties in row order; nothing if nobody has weight."""
    total = sum(weights)
    if amount <= 0 or total == 0:
        return [0] * len(weights)
    parts = [divmod(amount * weight, total) for weight in weights]
    shares = [whole for whole, _ in parts]
    for row in ranking([rest for _, rest in parts])[: amount - sum(shares)]:
        shares[row] += 1
    return shares


def water_fill(amount: int, caps: Sequence[int], weights: Sequence[int]) -> list[int]:
    """min(cap, level * weight) summing to the amount: caps sorted by cap / weight, filled from the lowest."""
    takes = [0] * len(caps)
    rows = [row for row in range(len(caps)) if caps[row] > 0 and weights[row] > 0]
    # cap / weight as an exact integer key: both sides scaled by a power of two larger than any product.
    rows.sort(key=lambda row: (caps[row] << 256) // weights[row])
    total = sum(weights[row] for row in rows)
    for place, row in enumerate(rows):
        if caps[row] * total > amount * weights[row]:
            for other, part in zip(rows[place:], _in_row_order(amount, rows[place:], weights), strict=True):
                takes[other] = part
            break
        takes[row] = caps[row]
        amount -= caps[row]
        total -= weights[row]
    return takes


def _in_row_order(amount: int, rows: Sequence[int], weights: Sequence[int]) -> list[int]:
    ordered = sorted(rows)
    parts = dict(zip(ordered, share(amount, [weights[row] for row in ordered]), strict=True))
    return [parts[row] for row in rows]
