"""The loops behind `floats`: one number at a time, for arrays and for other kernels.

Holds `*_at` functions of numbers, to call inside kernels, and the loops over arrays. `floats` documents the
method, `float_reference` is the plain twin. Invariant: equal to it to the last bit. No operation may be fused
or reordered here: Numba does neither unless `fastmath` is asked for, and nobody may.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.exact.float_reference import FURTHEST, LARGEST, NEAR, SMALLEST, UPPER
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

_SIGNIFICANT = (1 << 52) - 1
_ONE = 1023 << 52  # the exponent bits of 1.0
_SMALLEST_NORMAL = 2.2250738585072014e-308


@kernel
def _upper(value: float) -> float:
    return float(np.int64(np.float64(value).view(np.int64) & UPPER).view(np.float64))


@kernel
def _two_sum(left: float, right: float) -> tuple[float, float]:
    total = left + right
    other = total - left
    return total, (left - (total - other)) + (right - other)


@kernel
def _two_product(left: float, right: float) -> tuple[float, float]:
    product = left * right
    left_up, right_up = _upper(left), _upper(right)
    left_down, right_down = left - left_up, right - right_up
    error = (left_up * right_up - product) + left_up * right_down + left_down * right_up
    return product, error + left_down * right_down


@kernel
def _reduced(high: float, low: float) -> tuple[int, float, float]:
    number = math.floor(high * STEPS + 0.5)
    first = high - number * STEP_HI
    second = low - number * STEP_LO
    rest = first + second
    return int(number), rest, (first - rest) + second


@kernel
def _curve(rest: float, correction: float) -> float:
    tail = 1.0 / 24.0 + rest * (1.0 / 120.0 + rest * (1.0 / 720.0))
    return correction + rest * rest * (0.5 + rest * (1.0 / 6.0 + rest * tail))


@kernel
def _exp_of(high: float, low: float) -> float:
    number, rest, correction = _reduced(high, low)
    part = number & (PARTS - 1)
    grown = rest + _curve(rest, correction)
    exponent = number >> 6
    half = exponent >> 1
    value = EXP_HI[part] + (EXP_LO[part] + EXP_HI[part] * grown)
    return float(value * POWER[half - LEAST_POWER] * POWER[exponent - half - LEAST_POWER])


@kernel
def exp_at(value: float) -> float:
    """`floats.exp` of one number."""
    if value != value:
        return math.nan
    if value > LARGEST:
        return math.inf
    if value < SMALLEST:
        return 0.0
    return _exp_of(value, 0.0)


@kernel
def expm1_at(value: float) -> float:
    """`floats.expm1` of one number."""
    if value == 0.0 or value != value:
        return value
    if value > 700.0:
        return exp_at(value)
    if value < -60.0:
        return -1.0
    number, rest, correction = _reduced(value, 0.0)
    part = number & (PARTS - 1)
    scale = POWER[(number >> 6) - LEAST_POWER]
    base = EXP_HI[part] * scale
    product, error = _two_product(base, rest)
    less, first = _two_sum(base, -1.0)
    total, second = _two_sum(less, product)
    small = base * _curve(rest, correction) + EXP_LO[part] * scale * (1.0 + rest)
    return float(total + (first + second + error + small))


@kernel
def _log_pair(value: float) -> tuple[float, float]:
    exponent = -1023
    if value < _SMALLEST_NORMAL:
        value = value * 2.0**54
        exponent = -1077
    bits = np.int64(np.float64(value).view(np.int64))
    exponent += int(bits >> 52)
    mantissa = float(np.int64((bits & _SIGNIFICANT) | _ONE).view(np.float64))
    if mantissa >= 1.4140625:
        exponent += 1
        mantissa = mantissa * 0.5
    place = math.floor(mantissa * 128.0) - FIRST
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


@kernel
def log_at(value: float) -> float:
    """`floats.log` of one number."""
    if value < 0.0 or value != value:
        return math.nan
    if value == 0.0:
        return -math.inf
    if value == math.inf:
        return math.inf
    return _log_pair(value)[0]


@kernel
def log1p_at(value: float) -> float:
    """`floats.log1p` of one number."""
    if value == 0.0:
        return value
    if not -1.0 < value < math.inf:
        return log_at(1.0 + value)
    if -NEAR < value < NEAR:
        return value - 0.5 * value * value
    moved, lost = _two_sum(1.0, value)
    high, low = _log_pair(moved)
    return high + (low + lost / moved)


@kernel
def power_at(base: float, exponent: float) -> float:
    """`floats.power` of two numbers."""
    if exponent == 0.0 or base == 1.0:
        return 1.0
    if base < 0.0 or base != base or exponent != exponent:
        return math.nan
    if base == 0.0:
        return 0.0 if exponent > 0.0 else math.inf
    if base == math.inf:
        return math.inf if exponent > 0.0 else 0.0
    high, low = _log_pair(base)
    held = min(max(exponent, -FURTHEST), FURTHEST)
    product, error = _two_product(high, held)
    if product > LARGEST:
        return math.inf
    if product < SMALLEST:
        return 0.0
    return _exp_of(product, error + low * held)


@kernel
def fill_exp(values: Floats, out: Floats) -> None:
    """`exp_at` of each value."""
    for place in range(len(values)):
        out[place] = exp_at(values[place])


@kernel
def fill_expm1(values: Floats, out: Floats) -> None:
    """`expm1_at` of each value."""
    for place in range(len(values)):
        out[place] = expm1_at(values[place])


@kernel
def fill_log(values: Floats, out: Floats) -> None:
    """`log_at` of each value."""
    for place in range(len(values)):
        out[place] = log_at(values[place])


@kernel
def fill_log1p(values: Floats, out: Floats) -> None:
    """`log1p_at` of each value."""
    for place in range(len(values)):
        out[place] = log1p_at(values[place])


@kernel
def fill_power(bases: Floats, exponents: Floats, out: Floats) -> None:
    """`power_at` of each pair."""
    for place in range(len(bases)):
        out[place] = power_at(bases[place], exponents[place])
