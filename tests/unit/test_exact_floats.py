"""The functions of `exact` against decimals of fifty digits, and against their plain twins, to the last bit.

The reference is Python's decimal arithmetic, whose exp and ln are correctly rounded by definition. The error
is in units in the last place of the true value; the module promises at most one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.typing import NDArray

from undertow.exact import float_reference, floats
from undertow.exact.normal import normal_quantile, normal_upper_share

Floats = NDArray[np.float64]

POINTS = 250_000 if os.environ.get("UNDERTOW_PROFILE") == "nightly" else 1_500
PROMISED = 1.0
MEASURED = 0.6


def near_edges(*edges: float) -> Floats:
    """Each edge with the doubles on both sides of it."""
    return np.array(
        [step for edge in edges for step in (np.nextafter(edge, -9e9), edge, np.nextafter(edge, 9e9))]
    )


def exp_points(rng: np.random.Generator) -> Floats:
    steps = np.arange(-40.0, 40.0) * math.log(2.0) / 128.0  # where the table changes
    wide, narrow = rng.uniform(-708.0, 709.7, POINTS), rng.normal(0.0, 1.0, POINTS)
    return np.concatenate([wide, narrow, rng.normal(0.0, 1e-4, POINTS), near_edges(*steps, 709.78, -708.39)])


def expm1_points(rng: np.random.Generator) -> Floats:
    tiny = 10.0 ** rng.uniform(-300.0, 0.0, POINTS) * rng.choice([-1.0, 1.0], POINTS)
    edges = near_edges(700.0, -60.0, 0.0054, -0.0054)
    return np.concatenate([rng.uniform(-61.0, 709.0, POINTS), rng.normal(0.0, 0.02, POINTS), tiny, edges])


def log_points(rng: np.random.Generator) -> Floats:
    everywhere = rng.integers(1, 0x7FEF << 48, POINTS).view(np.float64)  # every exponent, subnormals too
    steps = near_edges(*(np.arange(90.0, 182.0) / 128.0), 5e-324, 2.2250738585072014e-308)
    close = 1.0 + rng.normal(0.0, 0.004, POINTS)
    return np.concatenate([everywhere, rng.uniform(0.5, 2.0, POINTS), close, np.abs(steps) + 5e-324])


def log1p_points(rng: np.random.Generator) -> Floats:
    tiny = 10.0 ** rng.uniform(-300.0, 0.0, POINTS)
    wide = 10.0 ** rng.uniform(0.0, 300.0, POINTS)
    return np.concatenate(
        [tiny, -tiny * 0.999, wide, rng.normal(0.0, 0.01, POINTS), rng.uniform(-1.0, 2.0, POINTS)]
    )


def decimal_expm1(x: Decimal) -> Decimal:
    return x.exp() - 1 if abs(x) > Decimal("1e-12") else x + x * x / 2 + x * x * x / 6


def decimal_log1p(x: Decimal) -> Decimal:
    return (1 + x).ln() if abs(x) > Decimal("1e-12") else x - x * x / 2 + x * x * x / 3


def worst_error(results: Floats, exact: list[Decimal]) -> float:
    """The largest distance from the true value, in units in its last place."""
    worst = Decimal(0)
    for result, true in zip(results.tolist(), exact, strict=True):
        unit = Decimal(float(np.spacing(abs(float(true)))))
        worst = max(worst, abs(Decimal(result) - true) / unit)
    return float(worst)


ONE_ARGUMENT = [
    pytest.param(floats.exp, float_reference.exp, exp_points, Decimal.exp, id="exp"),
    pytest.param(floats.expm1, float_reference.expm1, expm1_points, decimal_expm1, id="expm1"),
    pytest.param(floats.log, float_reference.log, log_points, Decimal.ln, id="log"),
    pytest.param(floats.log1p, float_reference.log1p, log1p_points, decimal_log1p, id="log1p"),
]


@pytest.mark.parametrize(("function", "plain", "points", "exact"), ONE_ARGUMENT)
def test_one_unit_in_the_last_place_and_the_plain_twin_to_the_bit(
    function: Callable[[Floats], Floats],
    plain: Callable[[Floats], Floats],
    points: Callable[[np.random.Generator], Floats],
    exact: Callable[[Decimal], Decimal],
) -> None:
    values = points(np.random.default_rng(11))
    results = function(values)
    assert np.array_equal(results.view(np.int64), plain(values).view(np.int64))
    with localcontext() as context:
        context.prec = 50
        worst = worst_error(results, [exact(Decimal(value)) for value in values.tolist()])
    assert worst <= MEASURED < PROMISED


def test_powers() -> None:
    rng = np.random.default_rng(12)
    base = np.concatenate([np.exp(rng.uniform(-300.0, 300.0, POINTS)), 1.0 + rng.normal(0.0, 1e-3, POINTS)])
    exponent = np.concatenate([rng.uniform(-2.0, 2.0, POINTS), rng.uniform(-5e4, 5e4, POINTS)])
    results = floats.power(base, exponent)
    assert np.array_equal(results.view(np.int64), float_reference.power(base, exponent).view(np.int64))
    normal = (results > 1e-300) & (results < np.inf)
    with localcontext() as context:
        context.prec = 50
        pairs = zip(base[normal].tolist(), exponent[normal].tolist(), strict=True)
        exact = [(Decimal(one).ln() * Decimal(other)).exp() for one, other in pairs]
        assert worst_error(results[normal], exact) <= MEASURED


INFINITE, NOT = math.inf, math.nan
ENDS = [
    (floats.exp, float_reference.exp, [INFINITE, -INFINITE, NOT, 0.0, 710.0, -746.0, -745.0],
     [INFINITE, 0.0, NOT, 1.0, INFINITE, 0.0, 5e-324]),
    (floats.expm1, float_reference.expm1, [INFINITE, -INFINITE, NOT, 0.0, -0.0, 710.0, -61.0],
     [INFINITE, -1.0, NOT, 0.0, -0.0, INFINITE, -1.0]),
    (floats.log, float_reference.log, [INFINITE, 0.0, -0.0, -1.0, NOT, 1.0, -INFINITE],
     [INFINITE, -INFINITE, -INFINITE, NOT, NOT, 0.0, NOT]),
    (floats.log1p, float_reference.log1p, [INFINITE, -1.0, -2.0, NOT, 0.0, -0.0, -INFINITE],
     [INFINITE, -INFINITE, NOT, NOT, 0.0, -0.0, NOT]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "plain", "values", "expected"), ENDS, ids=["exp", "expm1", "log", "log1p"]
)
def test_ends_are_those_of_c99(
    function: Callable[[Floats | float], Floats | float],
    plain: Callable[[Floats], Floats],
    values: list[float],
    expected: list[float],
) -> None:
    wanted = np.array(expected)
    for results in (
        function(np.array(values)),
        plain(np.array(values)),
        [function(value) for value in values],
    ):
        found = np.asarray(results)
        assert np.array_equal(found, wanted, equal_nan=True)
        assert np.array_equal(np.signbit(found[found == 0.0]), np.signbit(wanted[wanted == 0.0]))


POWERS = [
    (2.0, 0.5, math.sqrt(2.0)),
    (2.0, -1074.0, 5e-324),
    (2.0, 1024.0, INFINITE),
    (0.0, 2.0, 0.0),
    (0.0, -1.0, INFINITE),
    (0.0, 0.0, 1.0),
    (1.0, INFINITE, 1.0),
    (1.0, NOT, 1.0),
    (NOT, 0.0, 1.0),
    (-1.0, 2.0, NOT),
    (0.5, INFINITE, 0.0),
    (0.5, -INFINITE, INFINITE),
    (INFINITE, -1.0, 0.0),
    (INFINITE, 0.5, INFINITE),
    (1.0 + 2.0**-52, 1e300, INFINITE),
    (1.0 - 2.0**-53, 1e300, 0.0),
    (3.0, NOT, NOT),
]


@pytest.mark.parametrize(("base", "exponent", "expected"), POWERS)
def test_ends_of_powers(base: float, exponent: float, expected: float) -> None:
    array = floats.power(np.array([base]), np.array([exponent]))
    plain = float_reference.power(np.array([base]), np.array([exponent]))
    for result in (floats.power(base, exponent), array[0], plain[0]):
        assert result == expected or (math.isnan(result) and math.isnan(expected))


def test_shapes_are_kept_and_broadcast() -> None:
    table = np.arange(1.0, 7.0).reshape(2, 3)
    assert floats.log(table).shape == (2, 3)
    assert floats.power(table[:, None, :], table[None, :, :]).shape == (2, 2, 3)
    assert floats.log(table.T).tolist() == floats.log(table).T.tolist()
    assert isinstance(floats.log(np.float64(2.0)), float)
    assert floats.exp(np.zeros(0)).shape == (0,)


def test_geometric_steps_have_one_ratio() -> None:
    steps = floats.geometric(1.0, 1024.0, 11)
    assert steps == pytest.approx(2.0 ** np.arange(11), rel=1e-15)
    assert floats.geometric(3.0, 1_660_001.0, 4_096)[[0, -1]].tolist() == [3.0, 1_660_001.0]


def test_the_share_above_is_that_of_the_tables() -> None:
    """Abramowitz and Stegun, table 26.1 (share below), and the complement far out from erfc's definition."""
    assert normal_upper_share(0.0) == 0.5
    assert normal_upper_share(1.0) == pytest.approx(1.0 - 0.841344746068543, abs=1e-15)
    assert normal_upper_share(-1.96) == pytest.approx(0.975002104851780, abs=1e-15)
    assert normal_upper_share(10.0) == pytest.approx(math.erfc(10.0 / math.sqrt(2.0)) / 2.0, rel=1e-14)
    assert (normal_upper_share(39.0), normal_upper_share(-39.0)) == (0.0, 1.0)


def test_the_quantile_is_within_five_units() -> None:
    """Each result is moved by its residual (one Newton step in decimals), which gives the true quantile."""
    rng = np.random.default_rng(13)
    tails = 10.0 ** rng.uniform(-12.0, -1.2, 60)
    shares = np.concatenate([rng.uniform(0.001, 0.999, 60), tails, 1.0 - tails])
    results = normal_quantile(shares)
    worst = 0.0
    for share, result in zip(shares.tolist(), results.tolist(), strict=True):
        density = math.exp(-0.5 * result * result) / math.sqrt(2.0 * math.pi)
        # Whichever tail is small loses nothing to cancellation.
        missing = (
            share - normal_upper_share(-result) if share < 0.5 else normal_upper_share(result) - (1.0 - share)
        )
        worst = max(worst, abs(missing / density) / np.spacing(abs(result)))
    assert worst <= 5.0
