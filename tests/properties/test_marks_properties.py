"""What index, mark and funding promise: bounds, conservation, symmetry, independence of order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from undertow.venue import fixed_point, funding, index, marks
from undertow.venue.records import InstrumentKind

LINEAR = int(InstrumentKind.LINEAR)
INVERSE = int(InstrumentKind.INVERSE)
LIMIT = fixed_point.PRICE_LIMIT_TICKS

prices = st.integers(1, LIMIT - 1)
optional_prices = st.one_of(st.just(0), st.integers(1, 2_000))
rates = st.integers(-1_000_000_000, 1_000_000_000)


@given(st.integers(-(1 << 61), 1 << 61), st.integers(1, (1 << 61) - 1))
def test_nearest_is_python_rounding_and_symmetric(value: int, divisor: int) -> None:
    assert fixed_point.divide_nearest(value, divisor) == round(Fraction(value, divisor))
    assert fixed_point.divide_nearest(-value, divisor) == -fixed_point.divide_nearest(value, divisor)


@given(st.integers(-(1 << 60), 1 << 60), st.integers(-(1 << 60), 1 << 60), st.integers(1, (1 << 58) - 1))
def test_nearest_of_a_wide_product_is_exact(left: int, right: int, divisor: int) -> None:
    assume(abs(left * right) // divisor < 1 << 52)
    assert fixed_point.mul_div_nearest(left, right, divisor) == round(Fraction(left * right, divisor))


@given(
    st.integers(1, 60_000), st.integers(1, 300_000), st.integers(-(1 << 59), 1 << 59), st.integers(0, 1 << 59)
)
def test_smoothing_moves_towards_its_target_and_never_past_it(
    elapsed_ms: int, window_ms: int, level: int, target: int
) -> None:
    alpha = fixed_point.decay_ppb(elapsed_ms, window_ms)
    moved = fixed_point.smoothed(level, target, alpha)
    assert min(level, target) <= moved <= max(level, target)
    assert moved == level + round(Fraction((target - level) * alpha, 1_000_000_000))


def update_one(
    listed: list[tuple[int, int]], method: int, outlier_ppm: int, band_ppm: int = 0, level: int = 0
) -> index.IndexState:
    """One index of (price, weight) constituents."""
    rules = np.zeros(1, index.INDEX_RULE)
    rules["method"], rules["outlier_ppm"], rules["band_ppm"] = method, outlier_ppm, band_ppm
    rules["alpha_ppb"] = 100_000_000
    state = index.allocate_index(1, len(listed))
    state.ewma_microticks[0] = level
    table = np.array(listed, np.int64)
    constituents = index.Constituents(
        table[None, :, 0].copy(), table[None, :, 1].copy(), np.zeros((1, len(listed)), np.int64)
    )
    index.update_indices(rules, constituents, state)
    return state


methods = st.sampled_from(sorted(index.INDEX_METHODS.values()))
constituents = st.lists(st.tuples(prices, st.integers(1, 500_000)), min_size=1, max_size=8)


@given(constituents, methods, st.sampled_from([0, 100_000, 500_000]), st.randoms(use_true_random=False))
def test_index_lies_between_its_constituents_in_any_order(
    listed: list[tuple[int, int]], method: int, outlier_ppm: int, random: object
) -> None:
    state = update_one(listed, method, outlier_ppm)
    kept = [price for (price, _), flag in zip(listed, state.kept[0], strict=True) if flag]
    if state.used[0]:
        assert min(kept) <= state.index_ticks[0] <= max(kept)
    else:
        assert state.index_ticks[0] == 0
    shuffled = list(listed)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert update_one(shuffled, method, outlier_ppm).index_ticks[0] == state.index_ticks[0]


@given(prices, prices, st.integers(0, 1_000_000))
def test_banded_index_never_leaves_its_band(raw: int, level_ticks: int, band_ppm: int) -> None:
    level = level_ticks * 1_000_000
    bounded = index.bounded_microticks(raw, level, band_ppm)
    assert abs(bounded - level) * 1_000_000 <= level * band_ppm
    if abs(raw * 1_000_000 - level) * 1_000_000 <= (level - 1) * band_ppm:
        assert bounded == raw * 1_000_000


@given(optional_prices, optional_prices, optional_prices)
def test_contract_price_is_one_of_what_is_known_or_between_bid_and_ask(bid: int, ask: int, last: int) -> None:
    contract = marks.contract_ticks(bid, ask, last, 1_500)
    known_ask = ask if 0 < ask < 1_500 else 0
    known = [price for price in (bid, known_ask, last) if price > 0]
    if not known:
        assert contract == 0
        return
    assert min(known) <= contract <= max(known)
    if bid and known_ask and bid <= known_ask:
        assert bid <= contract <= known_ask


@given(optional_prices, optional_prices, optional_prices, st.integers(1, 200))
def test_a_better_bid_never_lowers_the_contract_price(bid: int, ask: int, last: int, more: int) -> None:
    """An empty side that fills must not make the mark jump the wrong way."""
    assume(last > 0)
    before = marks.contract_ticks(bid, ask, last, 1_500)
    assert marks.contract_ticks(bid + more, ask, last, 1_500) >= before


@given(st.integers(1, LIMIT - 1), rates, st.integers(0, 28_800))
def test_funding_basis_is_exact_and_gone_at_settlement(price: int, rate: int, seconds: int) -> None:
    exact = Fraction(price * rate * seconds, 28_800 * 1_000_000_000)
    assert marks.basis_ticks(price, rate, seconds, 28_800) == price + round(exact)
    assert marks.basis_ticks(price, rate, 0, 28_800) == price


def charged(kind: int, unit: int, sizes: list[int], price: int, rate: int) -> tuple[list[int], int]:
    """Amounts and remainder of one instrument's positions."""
    charges = funding.Charges(*(np.array([value], np.int64) for value in (kind, unit, 1, price, rate)))
    amounts = np.zeros(len(sizes), np.int64)
    remainders = np.zeros(1, np.int64)
    rows = np.zeros(len(sizes), np.int64)
    funding.charge_positions(rows, np.array(sizes, np.int64), charges, amounts, remainders)
    return amounts.tolist(), int(remainders[0])


@given(
    kind=st.sampled_from([LINEAR, INVERSE]),
    unit=st.integers(1, 1_000_000),
    sizes=st.lists(st.integers(-1_000_000, 1_000_000), min_size=1, max_size=40),
    price=st.integers(1, 100_000),
    rate=rates,
)
def test_funding_conserves_and_the_house_never_pays(
    kind: int, unit: int, sizes: list[int], price: int, rate: int
) -> None:
    sizes.append(-sum(sizes))
    amounts, remainder = charged(kind, unit, sizes, price, rate)
    assert sum(amounts) + remainder == 0
    assert 0 <= remainder < len(sizes) * (2 if kind == INVERSE else 1)
    for size, amount in zip(sizes, amounts, strict=True):
        assert (amount <= 0) if size * rate > 0 else (amount >= 0)
    reversed_amounts, _ = charged(kind, unit, sizes[::-1], price, rate)
    assert reversed_amounts == amounts[::-1]


@given(
    rates,
    st.integers(-1_000_000, 1_000_000),
    st.integers(0, 1_000_000),
    st.sampled_from([3_600, 14_400, 28_800]),
)
def test_rate_is_interest_inside_the_clamp_and_a_clamp_from_the_premium_outside(
    premium: int, interest: int, clamp: int, interval: int
) -> None:
    rate = funding.clamped_rate_ppb(premium, interest, clamp, interval, 28_800)
    if abs(interest - premium) <= clamp:
        assert rate == round(Fraction(interest * interval, 28_800))
    else:
        assert abs(rate - Fraction(premium * interval, 28_800)) <= Fraction(
            clamp * interval, 28_800
        ) + Fraction(1, 2)


@given(rates, rates, st.integers(1, 10_000_000), st.integers(1, 10_000_000))
def test_capped_rate_keeps_its_cap_whatever_came_before(
    rate: int, previous: int, cap: int, change: int
) -> None:
    capped = funding.capped_rate_ppb(rate, previous, cap, change, funding.RATE_LIMIT_PPB)
    assert abs(capped) <= cap
    if abs(previous) <= cap:
        assert abs(capped - previous) <= change
