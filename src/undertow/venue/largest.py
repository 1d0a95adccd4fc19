"""The largest position that a rulebook allows: the cap of the last bracket of its margin table.

Holds the question whether an order could lead beyond it. Holds no margin and no reservation (`admission`).

Units: lots, settlement units. Invariant: an order that makes no position larger, whatever of it and of the
resting orders is filled, is never beyond it.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.venue.margin import notional, open_sides
from undertow.venue.matching import Taker
from undertow.venue.state import State


@kernel
def beyond_largest(state: State, taker: Taker, holding: int) -> bool:
    """Whether the order with all that rests could grow the position beyond the largest, at the mark.

    Call it before the order is reserved for. A rulebook without a cap lets everything through.
    """
    record = state.instruments[taker.instrument]
    if record.largest_notional == 0 or taker.reduce_only == 1:
        return False
    long, short = open_sides(state, holding)
    before = max(abs(long), abs(short))
    if taker.side > 0:
        long += taker.lots
    else:
        short -= taker.lots
    after = max(abs(long), abs(short))
    if after <= before:
        return False
    mark = state.markets[taker.instrument].mark
    return bool(notional(record.kind, record.unit, after, mark) > record.largest_notional)
