"""The index: several outside prices of one coin made into one, guarded against stale, wild and sudden ones.

Holds the combination of constituents (median or mean, plain or weighted), the exclusion of stale and outlying
ones, the band around a smoothed index, and the prices of wrapped tokens. Holds no feed and no mark price.

Units: prices in ticks below 2**36 (the largest grid), weights and tolerances in ppm, ages in seconds,
smoothed levels in microticks (1e-6 ticks), smoothing weights in ppb. Rounding: to nearest, halves to even;
an index favours nobody. Invariant: an index never moves without enough fresh constituents that agree, and
never leaves the band around its smoothed level.

Sources: mechanisms 1.1 (band), 2.1 (wrappers), 3 (exclusion, pairs, freeze), 4 (weighted median).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.fixed_point import MICROTICKS, PPB, divide_nearest, mul_div_nearest, smoothed

MEDIAN = 0
WEIGHTED_MEDIAN = 1
MEAN = 2
WEIGHTED_MEAN = 3
INDEX_METHODS = {
    "median": MEDIAN,
    "weighted-median": WEIGHTED_MEDIAN,
    "mean": MEAN,
    "weighted-mean": WEIGHTED_MEAN,
}

WIDEST_OUTLIER_PPM = 64_000_000  # a constituent further than this above the median is out under every rule

INDEX_RULE = np.dtype(
    [
        ("method", np.int64),  # see INDEX_METHODS
        ("stale_seconds", np.int64),  # a constituent older than this is left out; 0: never
        ("outlier_ppm", np.int64),  # further than this from the median is left out; 0: never
        ("minimum_constituents", np.int64),  # fewer than this: the last index stands (0 counts as 1)
        ("band_ppm", np.int64),  # half width of the band around the smoothed index; 0: no band
        ("alpha_ppb", np.int64),  # weight of one step in the smoothed index: fixed_point.decay_ppb
    ]
)


class Constituents(NamedTuple):
    """Outside prices, one row per instrument, int64, C-contiguous; price or weight 0: no constituent."""

    prices_ticks: NDArray[np.int64]
    weights_ppm: NDArray[np.int64]  # re-weighted to what is left; each up to 1e6, 64 of them at most
    ages_seconds: NDArray[np.int64]


class IndexState(NamedTuple):
    """What the index remembers, one row per instrument, int64."""

    index_ticks: NDArray[np.int64]  # 0 until the first index
    raw_ticks: NDArray[np.int64]  # last combination, before the band
    ewma_microticks: NDArray[np.int64]  # 0 until the first index
    used: NDArray[np.int64]  # constituents behind the index; 0: the last index stood
    kept: NDArray[np.int64]  # instruments x constituents: 1 if fresh and no outlier
    order: NDArray[np.int64]  # scratch, one per constituent


def allocate_index(instruments: int, constituents: int) -> IndexState:
    """The memory of `instruments` indices with room for so many constituents each."""
    index, raw, ewma, used = (np.zeros(instruments, np.int64) for _ in range(4))
    kept = np.zeros((instruments, constituents), np.int64)
    return IndexState(index, raw, ewma, used, kept, np.zeros(constituents, np.int64))


@kernel
def update_indices(rules: NDArray[np.void], constituents: Constituents, state: IndexState) -> None:
    """Combine and bound the index of every instrument, in place; `rules` is one INDEX_RULE row each."""
    for row in range(len(rules)):
        rule = rules[row]
        count = _order_fresh(row, rule["stale_seconds"], constituents, state)
        if rule["outlier_ppm"] > 0 and count >= 2:
            count = _drop_outliers(row, count, rule["outlier_ppm"], constituents, state)
        if count < max(1, rule["minimum_constituents"]):
            state.used[row] = 0
            raw = state.index_ticks[row]
        else:
            state.used[row] = count
            raw = _combination(row, count, rule["method"], constituents, state)
            state.raw_ticks[row] = raw
        if rule["band_ppm"] == 0 or raw == 0:
            state.index_ticks[row] = raw
            continue
        level = state.ewma_microticks[row]
        if level == 0:
            level = raw * 1_000_000
        bounded = bounded_microticks(raw, level, rule["band_ppm"])
        state.ewma_microticks[row] = smoothed(level, bounded, rule["alpha_ppb"])
        state.index_ticks[row] = max(1, divide_nearest(bounded, 1_000_000))


@kernel
def _order_fresh(row: int, stale_seconds: int, constituents: Constituents, state: IndexState) -> int:
    """List the fresh constituents by price in `state.order`; returns how many."""
    count = 0
    for column in range(constituents.prices_ticks.shape[1]):
        price = constituents.prices_ticks[row, column]
        state.kept[row, column] = 0
        if price <= 0 or constituents.weights_ppm[row, column] <= 0:
            continue
        if stale_seconds > 0 and constituents.ages_seconds[row, column] > stale_seconds:
            continue
        state.kept[row, column] = 1
        place = count
        while place > 0 and constituents.prices_ticks[row, state.order[place - 1]] > price:
            state.order[place] = state.order[place - 1]
            place -= 1
        state.order[place] = column
        count += 1
    return count


@kernel
def _drop_outliers(
    row: int, count: int, outlier_ppm: int, constituents: Constituents, state: IndexState
) -> int:
    """Leave out what is further than the tolerance from the median; of two, both if half of it is passed.

    Two that disagree accuse each other, so neither is believed and the index stands.
    """
    prices = constituents.prices_ticks
    twice_median = prices[row, state.order[(count - 1) // 2]] + prices[row, state.order[count // 2]]
    scale = 2_000_000 if count == 2 else 1_000_000
    remaining = 0
    for place in range(count):
        column = state.order[place]
        if abs(2 * prices[row, column] - twice_median) * scale > outlier_ppm * twice_median:
            state.kept[row, column] = 0
        else:
            state.order[remaining] = column
            remaining += 1
    return remaining


@kernel
def _combination(row: int, count: int, method: int, constituents: Constituents, state: IndexState) -> int:
    """One price of the first `count` constituents in `state.order`, which are sorted by price."""
    prices = constituents.prices_ticks
    weights = constituents.weights_ppm
    order = state.order
    if method == MEDIAN:
        return divide_nearest(prices[row, order[(count - 1) // 2]] + prices[row, order[count // 2]], 2)
    price_sum = 0
    weighted_sum = 0
    weight_sum = 0
    for place in range(count):
        price_sum += prices[row, order[place]]
        weighted_sum += prices[row, order[place]] * weights[row, order[place]]
        weight_sum += weights[row, order[place]]
    if method == MEAN:
        return divide_nearest(price_sum, count)
    if method == WEIGHTED_MEAN:
        return divide_nearest(weighted_sum, weight_sum)
    place = 0
    below = weights[row, order[0]]
    while 2 * below < weight_sum:
        place += 1
        below += weights[row, order[place]]
    if 2 * below == weight_sum:
        return divide_nearest(prices[row, order[place]] + prices[row, order[place + 1]], 2)
    middle: int = prices[row, order[place]]
    return middle


@kernel
def bounded_microticks(raw_ticks: int, level_microticks: int, band_ppm: int) -> int:
    """The raw index held within the band around its smoothed level; the band's half width is rounded down.

    clip(raw, (1 - band) e, (1 + band) e): mechanisms 1.1, inferred form.
    """
    whole = level_microticks // 1_000_000
    rest = level_microticks - whole * 1_000_000
    width = whole * band_ppm + (rest * band_ppm) // 1_000_000
    return min(max(raw_ticks * 1_000_000, level_microticks - width), level_microticks + width)


@kernel
def converted_ticks(reference_ticks: int, rate: int, scale: int) -> int:
    """Price of a wrapped token through its reference: reference x rate / scale, to nearest.

    `rate / scale` is the pair's market price or the redemption units per token (then scale is 1e6).
    """
    return mul_div_nearest(reference_ticks, rate, scale)


@kernel
def blended_ticks(own_ticks: int, other_ticks: int, own_weight_ppm: int) -> int:
    """The venue's own price and another, weighted: own x w + other x (1 - w), to nearest."""
    return divide_nearest(own_ticks * own_weight_ppm + other_ticks * (1_000_000 - own_weight_ppm), 1_000_000)


def combine(
    prices_ticks: Sequence[int],
    weights_ppm: Sequence[int],
    ages_seconds: Sequence[int],
    rule: Any,
    last_ticks: int,
) -> tuple[int, list[int]]:
    """One index in plain Python, before the band: (ticks, constituents used); the last index if too few.

    `rule` is an INDEX_RULE row or a mapping with its keys. What `update_indices` must equal.
    """
    fresh = [
        column
        for column, (price, weight) in enumerate(zip(prices_ticks, weights_ppm, strict=True))
        if price > 0
        and weight > 0
        and (rule["stale_seconds"] == 0 or ages_seconds[column] <= rule["stale_seconds"])
    ]
    if rule["outlier_ppm"] > 0 and len(fresh) >= 2:
        middle = _weighted_middle([(Fraction(prices_ticks[column]), 1) for column in fresh])
        tolerance = Fraction(int(rule["outlier_ppm"]), 1_000_000) / (2 if len(fresh) == 2 else 1)
        fresh = [column for column in fresh if abs(prices_ticks[column] - middle) <= tolerance * middle]
    if len(fresh) < max(1, rule["minimum_constituents"]):
        return last_ticks, []
    equal = rule["method"] in (MEDIAN, MEAN)
    pairs = [(Fraction(prices_ticks[column]), 1 if equal else int(weights_ppm[column])) for column in fresh]
    if rule["method"] in (MEDIAN, WEIGHTED_MEDIAN):
        return round(_weighted_middle(pairs)), fresh
    return round(sum(price * weight for price, weight in pairs) / sum(weight for _, weight in pairs)), fresh


def _weighted_middle(pairs: list[tuple[Fraction, int]]) -> Fraction:
    """Mean of the lowest and the highest price that have no more than half the weight on either side."""
    total = sum(weight for _, weight in pairs)
    middles = [
        price
        for price, _ in pairs
        if 2 * sum(weight for other, weight in pairs if other < price) <= total
        and 2 * sum(weight for other, weight in pairs if other > price) <= total
    ]
    return (min(middles) + max(middles)) / 2


def bound(raw_ticks: int, level_microticks: int, band_ppm: int, alpha_ppb: int) -> tuple[int, int, int]:
    """The band in plain Python: (bounded microticks, bounded ticks, next smoothed level in microticks)."""
    raw = raw_ticks * MICROTICKS
    level = level_microticks or raw
    width = level * band_ppm // 1_000_000
    bounded = sorted((level - width, raw, level + width))[1]
    following = level + round(Fraction(alpha_ppb * (bounded - level), PPB))
    return bounded, max(1, round(Fraction(bounded, MICROTICKS))), following
