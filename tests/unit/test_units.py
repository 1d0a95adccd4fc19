"""Exact arithmetic: the compiled functions and their plain Python equal Python's big integers.

The oracle is written out again here from the definition, in `fractions.Fraction` or big integers, so that a
shared mistake cannot hide. Limits tested are those that the docstrings of undertow.units state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from undertow import units

INT64 = 1 << 63
DIVISOR_LIMIT = 1 << 62

Function = Callable[..., int]

amounts = st.integers(-units.AMOUNT_LIMIT, units.AMOUNT_LIMIT)
ratios = st.integers(-8_000_000, 8_000_000)  # rates, weights, haircuts: up to eight times the whole
wide_ratios = st.integers(-9_000_000_000_000, 9_000_000_000_000)
int64 = st.integers(-INT64 + 1, INT64 - 1)


def both(function: Function) -> tuple[Function, Function]:
    """The compiled function and the plain Python it was compiled from."""
    return function, function.py_func  # type: ignore[attr-defined]


def check(function: Function, expected: int, *arguments: int) -> None:
    """Both forms give the expected integer."""
    for form in both(function):
        assert form(*arguments) == expected, (form, arguments)


def floor_divided(numerator: int, divisor: int) -> int:
    return math.floor(Fraction(numerator, divisor))


def ceil_divided(numerator: int, divisor: int) -> int:
    return math.ceil(Fraction(numerator, divisor))


# --- amount * ratio / 1e6 -------------------------------------------------------------------------


@given(amounts, ratios)
@example(units.AMOUNT_LIMIT, 7_999_999)
@example(-units.AMOUNT_LIMIT, 7_999_999)
@example(-1, 1)
@example(1, -1)
@example(0, 0)
def test_mul_ppm_equals_big_integers(amount: int, ratio_ppm: int) -> None:
    check(units.mul_ppm_floor, floor_divided(amount * ratio_ppm, 10**6), amount, ratio_ppm)
    check(units.mul_ppm_ceil, ceil_divided(amount * ratio_ppm, 10**6), amount, ratio_ppm)


@given(int64, wide_ratios)
def test_mul_ppm_is_exact_wherever_its_parts_fit(amount: int, ratio_ppm: int) -> None:
    """The stated condition: amount / 1e6 * ratio inside int64 (with one ratio of room for the rest)."""
    assume((abs(amount) // 10**6 + 2) * abs(ratio_ppm) < INT64)
    check(units.mul_ppm_floor, floor_divided(amount * ratio_ppm, 10**6), amount, ratio_ppm)
    check(units.mul_ppm_ceil, ceil_divided(amount * ratio_ppm, 10**6), amount, ratio_ppm)


@given(amounts, ratios)
def test_mul_ppm_floor_and_ceil_mirror_each_other(amount: int, ratio_ppm: int) -> None:
    """What one side is charged rounded up, the other is paid: the two never differ by more than one unit."""
    floor, ceil = units.mul_ppm_floor(amount, ratio_ppm), units.mul_ppm_ceil(amount, ratio_ppm)
    assert ceil - floor == (0 if (amount * ratio_ppm) % 10**6 == 0 else 1)
    assert units.mul_ppm_floor(-amount, ratio_ppm) == -ceil


@pytest.mark.parametrize(
    ("amount", "ratio_ppm", "floor", "ceil"),
    [
        (1_000_000, 1_000_000, 1_000_000, 1_000_000),
        (50_000_000_000, 400, 20_000_000, 20_000_000),  # 4 basis points of 50,000 dollars: 20 dollars
        (1, 500_000, 0, 1),
        (-1, 500_000, -1, 0),
        (-3, 500_000, -2, -1),
        (999_999, 999_999, 999_998, 999_999),
    ],
)
def test_mul_ppm_worked_numbers(amount: int, ratio_ppm: int, floor: int, ceil: int) -> None:
    check(units.mul_ppm_floor, floor, amount, ratio_ppm)
    check(units.mul_ppm_ceil, ceil, amount, ratio_ppm)


# --- left * right / divisor, through 128 bits -----------------------------------------------------


@st.composite
def quotients(draw: st.DrawFn) -> tuple[int, int, int]:
    """left, right, divisor of any size whose quotient fits int64; products up to 2**126."""
    divisor = draw(st.integers(1, DIVISOR_LIMIT))
    left = draw(int64)
    room = (INT64 - 2) * divisor // max(1, abs(left))
    right = draw(st.integers(-min(room, INT64 - 1), min(room, INT64 - 1)))
    assume(abs(left * right) < (INT64 - 2) * divisor)
    return left, right, divisor


@given(quotients())
@example((1, 1, 1))
@example((-1, 1, 3))
@example((1, -1, DIVISOR_LIMIT))
@example((INT64 - 1, DIVISOR_LIMIT - 1, DIVISOR_LIMIT))
@example((1 - INT64, DIVISOR_LIMIT - 1, DIVISOR_LIMIT))
@example((1 << 56, 1 << 55, 3 << 57))  # the float's guess ends at a product of 2**111
@example(((1 << 56) - 1, 1 << 55, (3 << 57) - 1))
@example((units.AMOUNT_LIMIT, units.AMOUNT_LIMIT - 1, units.AMOUNT_LIMIT))
def test_mul_div_equals_big_integers(numbers: tuple[int, int, int]) -> None:
    left, right, divisor = numbers
    check(units.mul_div_floor, floor_divided(left * right, divisor), left, right, divisor)
    check(units.mul_div_ceil, ceil_divided(left * right, divisor), left, right, divisor)


@given(st.integers(1, DIVISOR_LIMIT), st.integers(4 - INT64, INT64 - 4), st.integers(-2, 2))
def test_mul_div_beside_whole_quotients(divisor: int, quotient: int, offset: int) -> None:
    """One unit either side of an exact multiple is where a float's guess goes wrong."""
    numerator = quotient * divisor + offset
    left = math.gcd(numerator, 720_720) or 1
    right = numerator // left
    assume(abs(right) < INT64)
    check(units.mul_div_floor, floor_divided(numerator, divisor), left, right, divisor)
    check(units.mul_div_ceil, ceil_divided(numerator, divisor), left, right, divisor)


@given(amounts, st.integers(0, 10**6), st.integers(1, 10**6))
def test_mul_div_splits_without_losing_a_unit(amount: int, share: int, others: int) -> None:
    """A part rounded down and its rest rounded up make the whole: what a split of money relies on."""
    whole = share + others
    part = units.mul_div_floor(amount, share, whole)
    rest = units.mul_div_ceil(amount, others, whole)
    assert part + rest == amount


@pytest.mark.parametrize(
    ("left", "right", "divisor", "floor", "ceil"),
    [
        (7, 3, 2, 10, 11),
        (-7, 3, 2, -11, -10),
        (7, -3, 2, -11, -10),
        (-7, -3, 2, 10, 11),
        (0, 5, 9, 0, 0),
        (123, 1, 1, 123, 123),
        (10**18, 10**12, 10**17, 10**13, 10**13),
        (10**18 + 1, 10**12, 10**17, 10**13, 10**13 + 1),
    ],
)
def test_mul_div_worked_numbers(left: int, right: int, divisor: int, floor: int, ceil: int) -> None:
    check(units.mul_div_floor, floor, left, right, divisor)
    check(units.mul_div_ceil, ceil, left, right, divisor)


# --- square roots ---------------------------------------------------------------------------------


@given(st.integers(-5, 1 << 62), st.integers(0, 10**8 - 1))
@example(1 << 62, 10**8 - 1)
@example(92_000_000_000, 0)
@example(0, 0)
def test_isqrt_equals_the_standard_library(whole: int, part: int) -> None:
    check(units.isqrt, math.isqrt(whole * 10**8 + part) if whole >= 0 else 0, whole, part)


@given(st.integers(1, math.isqrt((1 << 62) * 10**8)), st.integers(-1, 1))
def test_isqrt_beside_perfect_squares(root: int, offset: int) -> None:
    value = root * root + offset
    check(units.isqrt, math.isqrt(value), value // 10**8, value % 10**8)


def exact_sqrt_rate_ppm(factor_ppb: int, size_lots: int, coins_per_lot: int, lots_per_coin: int) -> int:
    """The rule as written: the root in 1e-4 of a coin's root, floored once, then the rate floored to ppm."""
    root_e4 = math.isqrt(size_lots * coins_per_lot * 10**8 // lots_per_coin)
    return floor_divided(factor_ppb * root_e4, 10**7)


@given(
    st.integers(0, 10**9),
    st.integers(0, units.AMOUNT_LIMIT),
    st.integers(1, 10**6),
    st.integers(1, 10**12),
)
@example(10**9, units.AMOUNT_LIMIT, 1, 1)
@example(2_000_000, 92_233_720_368, 1, 1)  # the last size whose 1e8-fold fits int64, and the next
@example(2_000_000, 92_233_720_369, 1, 1)
@example(2_000_000, 100_000_000_000, 1, 1_000_000)
def test_sqrt_rate_equals_big_integers(
    factor_ppb: int, size_lots: int, coins_per_lot: int, lots_per_coin: int
) -> None:
    size_lots = min(size_lots, units.AMOUNT_LIMIT // coins_per_lot)
    expected = exact_sqrt_rate_ppm(factor_ppb, size_lots, coins_per_lot, lots_per_coin)
    check(units.sqrt_rate_ppm, expected, factor_ppb, size_lots, coins_per_lot, lots_per_coin)


@given(st.integers(0, 10**9), st.integers(0, 10**15), st.integers(0, 10**15), st.integers(1, 10**6))
def test_sqrt_rate_never_falls_as_the_position_grows(
    factor_ppb: int, size_lots: int, more_lots: int, lots_per_coin: int
) -> None:
    """The search for accounts in danger relies on it: a larger position never needs a lower rate."""
    smaller = units.sqrt_rate_ppm(factor_ppb, size_lots, 1, lots_per_coin)
    assert smaller <= units.sqrt_rate_ppm(factor_ppb, size_lots + more_lots, 1, lots_per_coin)


@pytest.mark.parametrize(
    ("factor_ppb", "size_lots", "coins_per_lot", "lots_per_coin", "rate_ppm"),
    [
        (2_000_000, 100 * 10_000, 1, 10_000, 20_000),  # factor 0.002, 100 coins: 0.002 * 10 = 2 %
        (2_000_000, 0, 1, 10_000, 0),
        (2_000_000, 1, 1, 10_000, 20),  # a hundredth of a coin's root
        (1_000_000, 2, 1, 1, 1_414),  # 0.001 * sqrt(2), the root floored to 1.4142
        (2_000_000, 100_000 * 10**6, 1, 10**6, 632_455),  # 100,000 coins in millionths: 0.002 * 316.2277
        (2_000_000, 4, 25, 1, 20_000),  # four lots of 25 coins
        (2_000_000, 40, 5, 2, 20_000),  # forty lots of 2.5 coins
    ],
)
def test_sqrt_rate_worked_numbers(
    factor_ppb: int, size_lots: int, coins_per_lot: int, lots_per_coin: int, rate_ppm: int
) -> None:
    check(units.sqrt_rate_ppm, rate_ppm, factor_ppb, size_lots, coins_per_lot, lots_per_coin)


# --- constants ------------------------------------------------------------------------------------


def test_amounts_leave_headroom() -> None:
    """Seven amounts can be added inside int64, so a sum of an account's parts cannot wrap."""
    assert 7 * units.AMOUNT_LIMIT < INT64
    assert units.PPM == units.MICROS == 10**6
    assert units.SECOND_NS == 10**9
