"""Ticks, lots, micro-dollars and parts per million: exact integer arithmetic, plain and compiled.

Holds the only multiplications and divisions that the venue may round with. Every function says which way it
rounds; who is favoured is decided by the caller and stated there. Everything is int64; a product may pass
through 128 bits only inside `mul_div_floor` and `mul_div_ceil`.

Units: `price_ticks`, `size_lots`, `*_micros` (1e-6 of a settlement dollar; for a coin-settled wallet the
coin's own smallest unit, named `atoms` where the difference matters), `*_ppm` (1e-6), `*_ppb` (1e-9).
Invariant: for every input inside the stated limits, the compiled result equals Python's exact integers.
"""

from __future__ import annotations

from undertow._jit import kernel

PPM = 1_000_000
MICROS = 1_000_000
SECOND_NS = 1_000_000_000

# Largest amount the venue accepts anywhere: three bits of headroom below int64.
AMOUNT_LIMIT = (1 << 60) - 1

# Largest argument of `isqrt`: the next two squares must still fit int64, since the guess may be one too high.
ISQRT_LIMIT = 9_200_000_000_000_000_000


@kernel
def mul_ppm_floor(amount: int, ratio_ppm: int) -> int:
    """amount * ratio / 1e6, rounded down. `amount` may be negative; needs amount/1e6*ratio inside int64."""
    whole = amount // 1_000_000
    rest = amount - whole * 1_000_000
    return whole * ratio_ppm + (rest * ratio_ppm) // 1_000_000


@kernel
def mul_ppm_ceil(amount: int, ratio_ppm: int) -> int:
    """amount * ratio / 1e6, rounded up."""
    whole = amount // 1_000_000
    rest = amount - whole * 1_000_000
    return whole * ratio_ppm + (rest * ratio_ppm + 999_999) // 1_000_000


@kernel
def mul_div_floor(left: int, right: int, divisor: int) -> int:
    """left * right / divisor, rounded down, exact although the product may need 128 bits.

    The quotient must stay below 2**52 in size and divisor below 2**58 (else the correction could wrap): a
    float64 guesses the quotient to within a few units, the remainder is recovered in wrapping int64, which is
    exact because the true remainder is small, and the guess is corrected. `divisor` must be positive.
    """
    if divisor == 1:
        return left * right
    guess = int(float(left) * float(right) / float(divisor))
    rest = left * right - guess * divisor
    while rest < 0:
        guess -= 1
        rest += divisor
    while rest >= divisor:
        guess += 1
        rest -= divisor
    return guess


@kernel
def mul_div_ceil(left: int, right: int, divisor: int) -> int:
    """left * right / divisor, rounded up; limits as for `mul_div_floor`."""
    return -mul_div_floor(-left, right, divisor)


@kernel
def isqrt(value: int) -> int:
    """The largest integer whose square is at most `value`, up to ISQRT_LIMIT; 0 for a negative value."""
    if value <= 0:
        return 0
    root = int(float(value) ** 0.5)
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@kernel
def sqrt_rate_ppm(factor_ppb: int, size_lots: int, lots_per_coin: int) -> int:
    """factor * sqrt(size in coins), in ppm, rounded down.

    The square root is taken once, floored to 1e-4 of a coin's root (the venue's stated rule); sizes up to
    9e10 lots. Source of the form: FTX help 360027946371 (position IMF = factor * sqrt(size)).
    """
    root_e4 = isqrt((size_lots * 100_000_000) // lots_per_coin)
    return (factor_ppb * root_e4) // 10_000_000
