"""The normal distribution, the same bytes on every processor.

Holds the quantile of shares (arrays) and the share above a value (a number). Units: standard deviations.
Error: `normal_upper_share` is correctly rounded; `normal_quantile` is within five units in the last place
(measured, `tests/unit/test_exact_floats.py`), which is what its polynomials of doubles allow.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from undertow.exact import floats

Floats = NDArray[np.float64]

# Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988): relative error about 1e-16.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
     7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
     2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    top, bottom = (_polynomial(row, x) for row in coefficients)
    quotient: Floats = top / bottom
    return quotient


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Horner's rule; NumPy's own polynomials take ten times as long for the few numbers of a step."""
    total: Floats = coefficients[-1] + x * 0.0
    for coefficient in coefficients[-2::-1]:
        total = coefficient + total * x
    return total


def normal_quantile(share: Floats) -> Floats:
    """The standard normal value below which `share` (inside 0 to 1) of the mass lies. Any shape."""
    offset = share - 0.5
    result = offset * _ratio(_CENTRE, 0.180625 - offset * offset)
    outer = np.abs(offset) > 0.425
    if outer.any():
        tail = np.where(offset < 0.0, share, 1.0 - share)[outer]
        depth = np.sqrt(-floats.log(tail))
        value = np.where(depth <= 5.0, _ratio(_MIDDLE, depth - 1.6), _ratio(_FAR, depth - 5.0))
        result[outer] = np.where(offset[outer] < 0.0, -value, value)
    return result


@lru_cache(maxsize=64)
def normal_upper_share(value: float) -> float:
    """Share of a standard normal above `value`; 0 or 1 beyond 38 standard deviations.

    Its series (the density times the sum of x**(2n+1) / (1 x 3 x ... x (2n+1))) in decimals, with as many
    digits as cancel and forty more.
    """
    if abs(value) > 38.0:
        return 0.0 if value > 0.0 else 1.0
    with localcontext() as context:
        context.prec = 40 + int(value * value)
        x = Decimal(value)
        term = total = x
        odd = 1
        least = Decimal(1).scaleb(-context.prec)
        while abs(term) > least:
            odd += 2
            term = term * x * x / odd
            total += term
        density = (-x * x / 2).exp() / (2 * _circle(context.prec)).sqrt()
        return float(Decimal("0.5") - density * total)


def _circle(digits: int) -> Decimal:
    """Pi to so many digits: 16 arctan(1/5) - 4 arctan(1/239) (Machin), in whole numbers."""
    one = int("1" + "0" * (digits + 10))
    return Decimal(16 * _arctan_of_reciprocal(5, one) - 4 * _arctan_of_reciprocal(239, one)) / one


def _arctan_of_reciprocal(divisor: int, one: int) -> int:
    power = one // divisor
    total, odd, sign = power, 1, 1
    while power:
        power //= divisor * divisor
        odd, sign = odd + 2, -sign
        total += sign * (power // odd)
    return total
