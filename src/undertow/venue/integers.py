"""Small integer helpers that the waterfall shares: one width, lots for an amount of money, exact sums.

Holds no state and no rule. Units: lots, ticks, settlement units.
Invariant: `wide` returns what it got; inside kernels as int64, whatever width a record's field has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_ceil, mul_div_floor
from undertow.venue.margin import INVERSE

NOTHING = (-1, 0, 0, 0)  # an event's (instrument, side, size, price) where there is none


@kernel
def wide(value: Any) -> int:
    """The same number as int64: kernels widen what they pass to each other, local variables they do not."""
    return value  # type: ignore[no-any-return]


def exact_sum(amounts: NDArray[np.int64]) -> int:
    """The sum of int64s as a Python integer, whatever its size (up to 2**31 of them)."""
    low = amounts & 0xFFFFFFFF
    return (int((amounts >> 32).sum()) << 32) + int(low.sum())


@kernel
def lots_worth(kind: int, unit: int, amount: int, price: int) -> int:
    """Fewest lots that are worth at least `amount` at `price`."""
    if kind == INVERSE:
        return mul_div_ceil(amount, price, unit)
    return -(-amount // (price * unit))


@kernel
def lots_within(kind: int, unit: int, amount: int, price: int) -> int:
    """Most lots that are worth no more than `amount` at `price`."""
    if amount <= 0:
        return 0
    if kind == INVERSE:
        return mul_div_floor(amount, price, unit)
    return amount // (price * unit)
