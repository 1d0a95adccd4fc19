"""The plain twin of `float_kernels`: the same operations, in the same order, on whole arrays.

NumPy's addition, product, quotient, floor, square root and look-up are exact or correctly rounded on every
processor, and it never fuses two of them. Holds one-dimensional functions for `floats`, which documents the
method, and the scaling that both share in meaning. Invariant: equal to `float_kernels` to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.exact.tables import (
    EXP_HI,
    EXP_LO,
    FIRST,
    LEAST_POWER,
    LN2_HI,
    LN2_LO,
    LOG_HI,
    LOG_LO,
    PARTS,
    POWER,
    RECIPROCAL,
    STEP_HI,
    STEP_LO,
    STEPS,
)

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

LARGEST = 709.782712893384  # the largest double whose exponential is one
NEAR = 1e-9  # a logarithm of 1 + x is two terms of its series, this close
FURTHEST = 1e20  # an exponent that takes every base but 1 out of range
SMALLEST = -745.1332191019412  # its exponential rounds to the smallest double, what is below to nothing
UPPER = np.int64(-1 << 27)  # clears the lower 27 bits of a mantissa
_SIGNIFICANT = (1 << 52) - 1


def _upper(value: Floats) -> Floats:
    """A double with 26 bits of mantissa: its product with another, or with what is left of one, is exact."""
    upper: Floats = (value.view(np.int64) & UPPER).view(np.float64)
    return upper


def _two_sum(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """(sum, what rounding took from it), exactly (Knuth)."""
    total = left + right
    other = total - left
    return total, (left - (total - other)) + (right - other)


def _two_product(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """(product, what rounding took from it), to 107 bits (Dekker)."""
    product = left * right
    left_up, right_up = _upper(left), _upper(right)
    left_down, right_down = left - left_up, right - right_up
    error = (left_up * right_up - product) + left_up * right_down + left_down * right_up
    return product, error + left_down * right_down


def _scaled(value: Floats, exponent: Int64s) -> Floats:
    """value x 2**exponent, in two steps so that none overflows before the other."""
    half = exponent >> 1
    with np.errstate(over="ignore", under="ignore"):  # infinity, or nothing, is the answer
        scaled: Floats = value * POWER[half - LEAST_POWER] * POWER[exponent - half - LEAST_POWER]
    return scaled


def _reduced(high: Floats, low: Floats) -> tuple[Int64s, Floats, Floats]:
    """(n, r, c): high + low is n steps of ln 2 / 64, and r + c."""
    number = np.floor(high * STEPS + 0.5)
    first = high - number * STEP_HI
    second = low - number * STEP_LO
    rest = first + second
    return number.astype(np.int64), rest, (first - rest) + second


def _curve(rest: Floats, correction: Floats) -> Floats:
    """exp(rest + correction) - 1 - rest, for a rest within half a step."""
    tail = 1.0 / 24.0 + rest * (1.0 / 120.0 + rest * (1.0 / 720.0))
    return correction + rest * rest * (0.5 + rest * (1.0 / 6.0 + rest * tail))


def _exp_of(high: Floats, low: Floats) -> Floats:
    """exp(high + low), for arguments whose exponential is a double."""
    number, rest, correction = _reduced(high, low)
    part = number & (PARTS - 1)
    grown = rest + _curve(rest, correction)
    return _scaled(EXP_HI[part] + (EXP_LO[part] + EXP_HI[part] * grown), number >> 6)


def _bounded(value: Floats, result: Floats) -> Floats:
    """The result of an exponential, and what stands for it where the argument is out of range."""
    result = np.where(value > LARGEST, np.inf, np.where(value < SMALLEST, 0.0, result))
    return np.where(value != value, np.nan, result)


def exp(value: Floats) -> Floats:
    """See `floats.exp`."""
    inside = np.where((value <= LARGEST) & (value >= SMALLEST), value, 0.0)
    return _bounded(value, _exp_of(inside, np.zeros(len(value))))


def expm1(value: Floats) -> Floats:
    """See `floats.expm1`."""
    inside = np.where((value <= 700.0) & (value >= -60.0), value, 0.0)
    number, rest, correction = _reduced(inside, np.zeros(len(value)))
    part = number & (PARTS - 1)
    scale = POWER[(number >> 6) - LEAST_POWER]
    base = EXP_HI[part] * scale
    product, error = _two_product(base, rest)
    less, first = _two_sum(base, np.full(len(value), -1.0))
    total, second = _two_sum(less, product)
    small = base * _curve(rest, correction) + EXP_LO[part] * scale * (1.0 + rest)
    result = total + (first + second + error + small)
    result = np.where(value > 700.0, exp(value), np.where(value < -60.0, -1.0, result))
    return np.where((value == 0.0) | (value != value), value, result)


def _log_pair(value: Floats) -> tuple[Floats, Floats]:
    """The logarithm of positive, finite doubles as a sum of two."""
    tiny = value < 2.2250738585072014e-308
    bits = (value * np.where(tiny, 2.0**54, 1.0)).view(np.int64)
    exponent = ((bits >> 52) - np.where(tiny, 1077, 1023)).astype(np.int64)
    mantissa = ((bits & _SIGNIFICANT) | (1023 << 52)).view(np.float64)
    above = mantissa >= 1.4140625
    exponent = exponent + above
    mantissa = np.where(above, mantissa * 0.5, mantissa)
    place = np.floor(mantissa * 128.0).astype(np.int64) - FIRST
    factor = RECIPROCAL[place]
    upper = _upper(mantissa)
    rest, slip = _two_sum(upper * factor - 1.0, (mantissa - upper) * factor)
    whole = exponent * LN2_HI + LOG_HI[place]
    fraction = exponent * LN2_LO + LOG_LO[place]
    square, square_error = _two_product(rest, rest * 0.5)
    tail = 1.0 / 7.0 - rest * (1.0 / 8.0 - rest * (1.0 / 9.0 - rest * (1.0 / 10.0 - rest * (1.0 / 11.0))))
    tail = 1.0 / 3.0 - rest * (0.25 - rest * (0.2 - rest * (1.0 / 6.0 - rest * tail)))
    cube = rest * rest * rest * tail
    first, first_error = _two_sum(whole, rest)
    second, second_error = _two_sum(first, -square)
    low = first_error + second_error + (fraction + (cube - square_error) + (slip - slip * rest))
    high = second + low
    return high, (second - high) + low


def _ends(value: Floats, result: Floats) -> Floats:
    """The result of a logarithm, and what stands for it at zero, infinity and below."""
    result = np.where(value == 0.0, -np.inf, np.where(value == np.inf, np.inf, result))
    return np.where((value < 0.0) | (value != value), np.nan, result)


def log(value: Floats) -> Floats:
    """See `floats.log`."""
    inside = np.where((value > 0.0) & (value < np.inf), value, 1.0)
    return _ends(value, _log_pair(inside)[0])


def log1p(value: Floats) -> Floats:
    """See `floats.log1p`."""
    inside = np.where((value > -1.0) & (value < np.inf), value, 0.0)
    moved, lost = _two_sum(np.full(len(value), 1.0), inside)
    high, low = _log_pair(moved)
    near = np.where((value > -NEAR) & (value < NEAR), value, 0.0)
    result = np.where(near != 0.0, near - 0.5 * near * near, high + (low + lost / moved))
    return np.where(value == 0.0, value, _ends(1.0 + value, result))


def power(base: Floats, exponent: Floats) -> Floats:
    """See `floats.power`."""
    inside = np.where((base > 0.0) & (base < np.inf), base, 1.0)
    high, low = _log_pair(inside)
    held = np.minimum(np.maximum(exponent, -FURTHEST), FURTHEST)
    product, error = _two_product(high, held)
    ranged = (product <= LARGEST) & (product >= SMALLEST)
    result = _exp_of(np.where(ranged, product, 0.0), np.where(ranged, error + low * held, 0.0))
    return _power_ends(base, exponent, _bounded(product, result))


def _power_ends(base: Floats, exponent: Floats, result: Floats) -> Floats:
    """The result of a power, and what stands for it at its ends, as in C99."""
    endless = np.abs(exponent) == np.inf
    grows = (base > 1.0) == (exponent > 0.0)
    result = np.where(endless & (base != 1.0), np.where(grows, np.inf, 0.0), result)
    zero, large = base == 0.0, base == np.inf
    result = np.where(zero, np.where(exponent > 0.0, 0.0, np.inf), result)
    result = np.where(large, np.where(exponent > 0.0, np.inf, 0.0), result)
    result = np.where((base < 0.0) | (base != base) | (exponent != exponent), np.nan, result)
    return np.where((exponent == 0.0) | (base == 1.0), 1.0, result)
