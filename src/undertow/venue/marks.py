"""The mark price: what positions are valued at, by the formula the rulebook names.

Holds the mark formulas, the moving average of the basis, the smoothed premium and level, and the pause.
Holds no index combination, no funding rate and no order book.

Units: prices in ticks below `PRICE_LIMIT_TICKS`; premia in signed ticks, their samples in half ticks (twice a
middle is whole); smoothed values in microticks (1e-6 ticks); rates in ppb, because 1 ppm of a notional is too
coarse for a funding rate. Rounding: to nearest, halves to even; a mark has no favoured side.
Invariant: a median mark lies between the least and the greatest of its inputs; a mark once known stays at
least 1 tick and below `maximum_ticks`.

An empty side of the book is infinitely far away: median(bid, ask, last) is then the last price held on the
known side, and the last price if both are empty. Without a last price it is the middle, or the known side.

Sources of the formulas: mechanisms 1.1 (median, pause), 2.1 (median of three), 3 (fair basis), 4 (oracle).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.fixed_point import divide_nearest, mul_div_nearest, smoothed

MEDIAN_BID_ASK_LAST = 0
MEDIAN_OF_THREE = 1
FAIR_BASIS = 2
ORACLE_EMA_MEDIAN = 3
ORACLE = 4
MARK_METHODS = {
    "median-bid-ask-last": MEDIAN_BID_ASK_LAST,
    "median-of-three": MEDIAN_OF_THREE,
    "fair-basis": FAIR_BASIS,
    "oracle-ema-median": ORACLE_EMA_MEDIAN,
    "oracle": ORACLE,
}

MARK_RULE = np.dtype(
    [
        ("method", np.int64),  # see MARK_METHODS
        ("window_seconds", np.int64),  # moving average of the basis, at most the ring's slots
        ("period_seconds", np.int64),  # what the funding rate is quoted for: eight hours, or the interval
        ("update_seconds", np.int64),  # the mark moves once in each such stretch of time; 0: at every call
        ("alpha_ppb", np.int64),  # weight of one step in the smoothed premium: fixed_point.decay_ppb
        ("short_alpha_ppb", np.int64),  # the same for the smoothed level that joins when an input is missing
    ]
)


class MarkInputs(NamedTuple):
    """What marks are made of, one row per instrument, int64."""

    bid_ticks: NDArray[np.int64]  # 0: no bid
    ask_ticks: NDArray[np.int64]  # 0 or maximum_ticks: no ask
    last_ticks: NDArray[np.int64]  # 0: never traded
    maximum_ticks: NDArray[np.int64]
    index_ticks: NDArray[np.int64]  # the oracle where the rule has one; 0: none yet, the mark stands
    external_ticks: NDArray[np.int64]  # median of perpetuals elsewhere; 0: none
    rate_ppb: NDArray[np.int64]  # last funding rate, for period_seconds
    seconds_to_funding: NDArray[np.int64]
    paused: NDArray[np.int64]  # 1: the mark is the index plus the last premium


class MarkState(NamedTuple):
    """What marks remember, one row per instrument, int64."""

    mark_ticks: NDArray[np.int64]  # 0 until the first mark
    premium_ticks: NDArray[np.int64]  # mark minus index when last not paused
    updated_second: NDArray[np.int64]
    sampled_second: NDArray[np.int64]
    window_sum: NDArray[np.int64]  # half ticks, over the whole ring
    window_count: NDArray[np.int64]
    ring_sums: NDArray[np.int64]  # instruments x slots: samples of one second, half ticks
    ring_counts: NDArray[np.int64]
    premium_microticks: NDArray[np.int64]  # smoothed middle minus index
    level_microticks: NDArray[np.int64]  # smoothed median(bid, ask, last); 0: not yet
    smoothing: NDArray[np.int64]  # 1 once the premium has its first sample


def allocate_marks(instruments: int, window_seconds: int) -> MarkState:
    """The memory of so many marks, with room for a moving average of `window_seconds`."""
    rows = [np.zeros(instruments, np.int64) for _ in range(11)]
    rows[6] = np.zeros((instruments, max(1, window_seconds)), np.int64)
    rows[7] = np.zeros((instruments, max(1, window_seconds)), np.int64)
    return MarkState(*rows)


@kernel
def median_of(first: int, second: int, third: int) -> int:
    """The middle one of three."""
    return max(min(first, second), min(max(first, second), third))


@kernel
def contract_ticks(bid: int, ask: int, last: int, maximum: int) -> int:
    """median(bid, ask, last) with an empty side infinitely far away; 0 if nothing is known."""
    has_bid = bid > 0
    has_ask = 0 < ask < maximum
    if last > 0:
        return median_of(bid if has_bid else 0, ask if has_ask else max(last, bid), last)
    if has_bid and has_ask:
        return divide_nearest(bid + ask, 2)
    if has_bid:
        return bid
    return ask if has_ask else 0


@kernel
def twice_middle_ticks(bid: int, ask: int, last: int, maximum: int) -> int:
    """bid + ask; with an empty side twice the contract price; 0 if nothing is known.

    The middle of a one-sided book means nothing, so the last price (held on the known side) stands for it.
    """
    if bid > 0 and 0 < ask < maximum:
        return bid + ask
    return 2 * contract_ticks(bid, ask, last, maximum)


@kernel
def basis_ticks(index: int, rate_ppb: int, seconds_to_funding: int, period_seconds: int) -> int:
    """index x (1 + rate x time to funding / period), to nearest: the funding basis on the index.

    Rates below 1e11 ppb and times below 1e7 seconds; mechanisms 2.1 (first price) and 3 (fair price).
    """
    return index + mul_div_nearest(index, rate_ppb * seconds_to_funding, 1_000_000_000 * period_seconds)


@kernel
def median_of_three_ticks(basis_price: int, average_price: int, last: int) -> int:
    """Median of index with funding basis, index with average basis, and the last price (second if none)."""
    return median_of(basis_price, average_price, last if last > 0 else average_price)


@kernel
def oracle_ema_ticks(oracle_price: int, contract: int, external: int, level: int) -> int:
    """Median of oracle plus smoothed premium, median(bid, ask, last), and perpetuals elsewhere.

    An unknown input is 0. With only two known, `level`, the smoothed contract price, joins them; without it
    their mean; a single one stands alone. Mechanisms 4.
    """
    if contract > 0 and external > 0:
        return median_of(oracle_price, contract, external)
    if contract == 0 and external == 0:
        return oracle_price
    other = max(contract, external)
    if level > 0:
        return median_of(oracle_price, other, level)
    return divide_nearest(oracle_price + other, 2)


@kernel
def update_marks(rules: NDArray[np.void], inputs: MarkInputs, state: MarkState, now_seconds: int) -> None:
    """Take the samples of this moment and move every mark that is due, in place.

    `rules` is one MARK_RULE row per instrument. `now_seconds` never goes back. While an instrument is paused
    it takes no samples, and its mark follows the index with the last premium.
    """
    for row in range(len(rules)):
        rule = rules[row]
        paused = inputs.paused[row] == 1
        index = inputs.index_ticks[row]
        if not paused and index > 0:
            if rule["method"] == MEDIAN_OF_THREE:
                _sample_basis(row, rule["window_seconds"], inputs, state, now_seconds)
            elif rule["method"] == ORACLE_EMA_MEDIAN:
                _smooth(row, rule["alpha_ppb"], rule["short_alpha_ppb"], inputs, state)
        stretch = max(1, rule["update_seconds"])
        if (
            rule["update_seconds"] > 0
            and state.mark_ticks[row] > 0
            and now_seconds // stretch == state.updated_second[row] // stretch
        ):
            continue
        if paused:
            mark = index + state.premium_ticks[row] if index > 0 else 0
        else:
            mark = _formula(row, rule["method"], rule["period_seconds"], inputs, state)
        if mark == 0:
            continue
        mark = min(max(mark, 1), inputs.maximum_ticks[row] - 1)
        state.mark_ticks[row] = mark
        state.updated_second[row] = now_seconds
        if not paused and index > 0:
            state.premium_ticks[row] = mark - index


@kernel
def _formula(row: int, method: int, period_seconds: int, inputs: MarkInputs, state: MarkState) -> int:
    """The mark by its method, 0 if it cannot be known."""
    index: int = inputs.index_ticks[row]
    last: int = inputs.last_ticks[row]
    contract = contract_ticks(inputs.bid_ticks[row], inputs.ask_ticks[row], last, inputs.maximum_ticks[row])
    if method == MEDIAN_BID_ASK_LAST:
        return contract if contract > 0 else index
    if index == 0:
        return 0
    if method == ORACLE_EMA_MEDIAN:
        oracle_price = max(1, index + divide_nearest(state.premium_microticks[row], 1_000_000))
        level = divide_nearest(state.level_microticks[row], 1_000_000)
        return oracle_ema_ticks(oracle_price, contract, inputs.external_ticks[row], level)
    if method == ORACLE:
        return index
    basis = basis_ticks(index, inputs.rate_ppb[row], inputs.seconds_to_funding[row], period_seconds)
    if method == FAIR_BASIS:
        return max(1, basis)
    average = index
    if state.window_count[row] > 0:
        average += divide_nearest(state.window_sum[row], 2 * state.window_count[row])
    return max(1, median_of_three_ticks(basis, average, last))


@kernel
def _sample_basis(
    row: int, window_seconds: int, inputs: MarkInputs, state: MarkState, now_seconds: int
) -> None:
    """Add middle minus index to this second's slot; slots that time has passed over are emptied."""
    window = min(max(1, window_seconds), state.ring_sums.shape[1])
    first = max(state.sampled_second[row] + 1, now_seconds - window + 1)
    for second in range(first, now_seconds + 1):
        slot = second % window
        state.window_sum[row] -= state.ring_sums[row, slot]
        state.window_count[row] -= state.ring_counts[row, slot]
        state.ring_sums[row, slot] = 0
        state.ring_counts[row, slot] = 0
    state.sampled_second[row] = now_seconds
    twice_middle = twice_middle_ticks(
        inputs.bid_ticks[row], inputs.ask_ticks[row], inputs.last_ticks[row], inputs.maximum_ticks[row]
    )
    if twice_middle == 0:
        return
    sample = twice_middle - 2 * inputs.index_ticks[row]
    slot = now_seconds % window
    state.ring_sums[row, slot] += sample
    state.ring_counts[row, slot] += 1
    state.window_sum[row] += sample
    state.window_count[row] += 1


@kernel
def _smooth(row: int, alpha_ppb: int, short_alpha_ppb: int, inputs: MarkInputs, state: MarkState) -> None:
    """Move the smoothed premium and the smoothed contract price one step; the first sample starts each."""
    bid = inputs.bid_ticks[row]
    ask = inputs.ask_ticks[row]
    last = inputs.last_ticks[row]
    contract = contract_ticks(bid, ask, last, inputs.maximum_ticks[row])
    if contract == 0:
        return
    twice_middle = twice_middle_ticks(bid, ask, last, inputs.maximum_ticks[row])
    premium = (twice_middle - 2 * inputs.index_ticks[row]) * 500_000
    if state.smoothing[row] == 0:
        state.smoothing[row] = 1
        state.premium_microticks[row] = premium
        state.level_microticks[row] = contract * 1_000_000
        return
    state.premium_microticks[row] = smoothed(state.premium_microticks[row], premium, alpha_ppb)
    state.level_microticks[row] = smoothed(state.level_microticks[row], contract * 1_000_000, short_alpha_ppb)
