"""exp, expm1, log, log1p and power of doubles, the same bytes on every processor.

C libraries and NumPy give these functions by the processor at hand, with other last digits on each; a crowd
that decides by them plays another evening elsewhere. Here each is a fixed sequence of additions and
products, none of them fused, and so is every intermediate result. Holds the functions on arrays of any shape
and on numbers; the loops are in `float_kernels`, their plain twin, NumPy's arithmetic on whole arrays, in
`float_reference`. Without a compiler the plain twin is used. A square root needs nothing: IEEE 754 defines
its bits.

Method: table look-up and a short polynomial, in pairs of doubles where the last digit would suffer (Tang, ACM
TOMS 15 (1989) and 16 (1990); Dekker, Numer. Math. 18 (1971), for exact products without a fused operation).
Error: at most one unit in the last place, measured below 0.6 (`tests/unit/test_exact_floats.py`); a result
below the smallest normal double is rounded twice. Units: none. Special values as in C99: exp(-inf) is 0,
log(0) is -inf, log of a negative number is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import numba
import numpy as np
from numpy.typing import NDArray

from undertow.exact import float_kernels, float_reference

Floats = NDArray[np.float64]


def _of(
    value: Floats | float,
    one: Callable[[float], float],
    fill: Callable[[Floats, Floats], None],
    plain: Callable[[Floats], Floats],
) -> Floats | float:
    """A number by `one`, an array by `fill`; without a compiler both by `plain`."""
    values = np.asarray(value, np.float64)
    if values.ndim == 0 and not numba.config.DISABLE_JIT:
        return one(float(values))
    flat = np.ascontiguousarray(values).reshape(-1)
    if numba.config.DISABLE_JIT:
        out = plain(flat)
    else:
        out = np.empty(len(flat), np.float64)
        fill(flat, out)
    return out.reshape(values.shape) if values.ndim else float(out[0])


@overload
def exp(value: float) -> float: ...
@overload
def exp(value: Floats) -> Floats: ...
def exp(value: Floats | float) -> Floats | float:
    """e to the power of `value`."""
    return _of(value, float_kernels.exp_at, float_kernels.fill_exp, float_reference.exp)


@overload
def expm1(value: float) -> float: ...
@overload
def expm1(value: Floats) -> Floats: ...
def expm1(value: Floats | float) -> Floats | float:
    """e to the power of `value`, less 1, also where that is tiny."""
    return _of(value, float_kernels.expm1_at, float_kernels.fill_expm1, float_reference.expm1)


@overload
def log(value: float) -> float: ...
@overload
def log(value: Floats) -> Floats: ...
def log(value: Floats | float) -> Floats | float:
    """The natural logarithm."""
    return _of(value, float_kernels.log_at, float_kernels.fill_log, float_reference.log)


@overload
def log1p(value: float) -> float: ...
@overload
def log1p(value: Floats) -> Floats: ...
def log1p(value: Floats | float) -> Floats | float:
    """The natural logarithm of 1 + `value`, also where `value` is tiny."""
    return _of(value, float_kernels.log1p_at, float_kernels.fill_log1p, float_reference.log1p)


@overload
def power(base: float, exponent: float) -> float: ...
@overload
def power(base: Floats, exponent: Floats | float) -> Floats: ...
@overload
def power(base: float, exponent: Floats) -> Floats: ...
def power(base: Floats | float, exponent: Floats | float) -> Floats | float:
    """`base`, at least 0, to the power of `exponent`; nan for a negative base. Shapes are broadcast."""
    if not numba.config.DISABLE_JIT and np.ndim(base) == 0 and np.ndim(exponent) == 0:
        return float_kernels.power_at(float(base), float(exponent))
    bases, exponents = np.asarray(base, np.float64), np.asarray(exponent, np.float64)
    shape = np.broadcast_shapes(bases.shape, exponents.shape)
    flat = np.array(np.broadcast_to(bases, shape)).reshape(-1)
    powers = np.array(np.broadcast_to(exponents, shape)).reshape(-1)
    if numba.config.DISABLE_JIT:
        out = float_reference.power(flat, powers)
    else:
        out = np.empty(len(flat), np.float64)
        float_kernels.fill_power(flat, powers, out)
    return out.reshape(shape) if shape else float(out[0])


def geometric(low: float, high: float, count: int) -> Floats:
    """`count` numbers from `low` to `high` (both above 0), each the same factor above the one before."""
    steps = exp(np.linspace(log(float(low)), log(float(high)), count))
    steps[0], steps[-1] = low, high  # to the last digit
    return steps
