"""Rounding to nearest and exponential smoothing in integers, for prices and rates that favour nobody.

Holds the arithmetic that index, mark and funding rate share. Amounts of money are never rounded here: they
round towards a named side (`undertow.units`).

Units: `*_ticks` whole ticks, `*_microticks` 1e-6 of a tick, `*_ppb` parts per billion, all int64.
Rule: to nearest, halves to the even neighbour, so that a number and its negative round alike and a sequence
of halves drifts neither way. Invariant: compiled results equal Python's exact integers inside the limits.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache

from undertow._jit import kernel
from undertow.units import mul_div_floor

PPB = 1_000_000_000
MICROTICKS = 1_000_000

# Prices stay below this, so that one in microticks and every product of the rules has room in int64.
PRICE_LIMIT_TICKS = 1 << 40


@kernel
def divide_nearest(value: int, divisor: int) -> int:
    """value / divisor to nearest, halves to even; 0 < divisor < 2**61."""
    quotient = value // divisor
    twice_rest = 2 * (value - quotient * divisor)
    if twice_rest > divisor or (twice_rest == divisor and quotient % 2 != 0):
        quotient += 1
    return quotient


@kernel
def mul_div_nearest(left: int, right: int, divisor: int) -> int:
    """left * right / divisor to nearest, halves to even; limits of `units.mul_div_floor`, divisor > 0."""
    quotient = mul_div_floor(left, right, divisor)
    twice_rest = 2 * (left * right - quotient * divisor)
    if twice_rest > divisor or (twice_rest == divisor and quotient % 2 != 0):
        quotient += 1
    return quotient


@kernel
def smoothed(level: int, target: int, alpha_ppb: int) -> int:
    """One step of an exponential average: level + alpha x (target - level), the step to nearest, halves even.

    |target - level| below 2**61, alpha from 0 to 1e9. The average never passes its target.
    """
    gap = target - level
    whole = gap // 1_000_000_000
    rest = (gap - whole * 1_000_000_000) * alpha_ppb
    step = whole * alpha_ppb + rest // 1_000_000_000
    twice_rest = 2 * (rest % 1_000_000_000)
    if twice_rest > 1_000_000_000 or (twice_rest == 1_000_000_000 and step % 2 != 0):
        step += 1
    return level + step


@cache
def decay_ppb(elapsed_ms: int, window_ms: int) -> int:
    """1 - exp(-elapsed / window) in ppb, to nearest: the weight of a sample after `elapsed_ms`.

    Fixed once per step length. Computed in decimal, so every machine finds the same integer; a window of 0
    does not smooth (weight one).
    """
    if elapsed_ms < 0 or window_ms < 0:
        raise ValueError(f"elapsed {elapsed_ms} ms and window {window_ms} ms must not be negative")
    if window_ms == 0:
        return PPB
    with localcontext() as context:
        context.prec = 40
        weight = 1 - (-Decimal(elapsed_ms) / Decimal(window_ms)).exp()
        return int((weight * PPB).to_integral_value(ROUND_HALF_EVEN))
