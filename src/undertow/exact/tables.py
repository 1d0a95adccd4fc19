"""The constants behind `floats`: powers of two, 2**(j/64), and logarithms of 91 reciprocals.

Made when first imported, from decimals of 60 digits, whose exponential and logarithm are correctly rounded by
definition (General Decimal Arithmetic); no value depends on a C library. A pair `*_HI`, `*_LO` is a number as
the sum of two doubles. Holds no function of a caller's number (`floats`).

Invariants: `LOG_HI[i]` and `LN2_HI` are multiples of 2**-42, so that whole numbers of the second and one of
the first add up exactly; a whole number below 2**17 times `STEP_HI` is exact.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

PARTS = 64  # of a doubling, in the table of the exponential
FIRST = 90  # the first mantissa of the table of logarithms, in 128ths
LAST = 181
_DIGITS = 60


def _split(value: Decimal, quantum: Decimal | None = None) -> tuple[float, float]:
    """(nearest double, or nearest multiple of `quantum`; the rest, as the nearest double)."""
    high = float(value if quantum is None else (value / quantum).to_integral_value() * quantum)
    return high, float(value - Decimal(high))


def _reciprocal(mantissa: int) -> float:
    """About 1 / m for the middle of m in 128ths, in 512ths; 1 on both sides of 1, where logarithms vanish."""
    return 1.0 if mantissa in (127, 128) else round(512 * 128 / (mantissa + 0.5)) / 512


def _pairs(values: list[Decimal], quantum: Decimal | None = None) -> tuple[NDArray[np.float64], ...]:
    pairs = [_split(value, quantum) for value in values]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


with localcontext() as _context:
    _context.prec = _DIGITS
    _LN2 = Decimal(2).ln()
    LN2_HI, LN2_LO = _split(_LN2, Decimal(2) ** -42)
    STEP_HI, STEP_LO = _split(_LN2 / PARTS, Decimal(2) ** -42)
    STEPS = float(PARTS / _LN2)  # steps in one unit of the exponent
    EXP_HI, EXP_LO = _pairs([(_LN2 * part / PARTS).exp() for part in range(PARTS)])
    RECIPROCAL = np.array([_reciprocal(mantissa) for mantissa in range(FIRST, LAST)])
    LOG_HI, LOG_LO = _pairs([-Decimal(float(value)).ln() for value in RECIPROCAL], Decimal(2) ** -42)

LEAST_POWER = -1074
POWER = np.ldexp(1.0, np.arange(LEAST_POWER, 1024))  # every power of two that is a double
