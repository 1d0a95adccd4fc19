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

# A float64 product below this is off by so little that the remainder it leaves still fits int64.
_GUESSABLE = 2.0**111


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
    """left * right / divisor, rounded down, exact whenever the quotient fits int64.

    `divisor` is positive and at most 2**62, factors are below 2**63 in size. While the product stays below
    2**111 a float64 guesses the quotient, the remainder is recovered in wrapping int64, which is exact
    because the true remainder is small, and the guess is corrected; larger products are divided bit by bit.
    """
    if divisor == 1:
        return left * right
    product = float(left) * float(right)
    if product >= _GUESSABLE or product <= -_GUESSABLE:
        return _mul_div_by_bits(left, right, divisor)
    guess = int(product / float(divisor))
    rest = left * right - guess * divisor
    while rest < 0:
        guess -= 1
        rest += divisor
    while rest >= divisor:
        guess += 1
        rest -= divisor
    return guess


@kernel
def _mul_div_by_bits(left: int, right: int, divisor: int) -> int:
    """As `mul_div_floor`, for any factors: right's bits from the highest down, a remainder carried along."""
    negative = (left < 0) != (right < 0)
    size = abs(right)
    whole = abs(left) // divisor
    part = abs(left) - whole * divisor
    quotient = 0
    rest = 0
    for place in range(62, -1, -1):
        quotient = 2 * quotient
        rest = 2 * rest
        if rest >= divisor:
            rest -= divisor
            quotient += 1
        if size >> place & 1 == 1:
            quotient += whole
            rest += part
            if rest >= divisor:
                rest -= divisor
                quotient += 1
    if not negative:
        return quotient
    return -quotient if rest == 0 else -quotient - 1


@kernel
def mul_div_ceil(left: int, right: int, divisor: int) -> int:
    """left * right / divisor, rounded up; limits as for `mul_div_floor`."""
    return -mul_div_floor(-left, right, divisor)


@kernel
def isqrt(whole: int, part: int) -> int:
    """The largest integer whose square is at most whole * 1e8 + part; 0 for a negative `whole`.

    `whole` up to 2**62, `part` below 1e8. The float's root is off by less than one, so the gap to its square,
    taken in wrapping int64, is exact.
    """
    if whole < 0:
        return 0
    root = int((float(whole) * 1e8 + float(part)) ** 0.5)
    gap = whole * 100_000_000 + part - root * root
    while gap < 0:
        gap += 2 * root - 1
        root -= 1
    while gap >= 2 * root + 1:
        gap -= 2 * root + 1
        root += 1
    return root


@kernel
def sqrt_rate_ppm(factor_ppb: int, size_lots: int, coins_per_lot: int, lots_per_coin: int) -> int:
    """factor * sqrt(size in coins), in ppm, rounded down; a lot is coins_per_lot / lots_per_coin coins.

    The square root is taken once, floored to 1e-4 of a coin's root (the venue's stated rule). Exact for any
    size whose coins fit AMOUNT_LIMIT (`coins_per_lot` of every lot likewise) and factors up to 1e9. Source of
    the form: FTX help 360027946371 (position IMF = factor * sqrt(size)).
    """
    if factor_ppb == 0:
        return 0
    amount = size_lots * coins_per_lot
    coins = amount // lots_per_coin
    part = mul_div_floor(amount - coins * lots_per_coin, 100_000_000, lots_per_coin)
    return mul_div_floor(factor_ppb, isqrt(coins, part), 10_000_000)
