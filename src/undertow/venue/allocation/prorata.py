"""Sharing an amount exactly: pro rata with largest remainder, and weighted water-filling under caps.

1. Pro rata: the whole part of amount * weight / total for every row, then one unit each to the largest
   remainders (ties by row), so the shares sum to the amount.
2. Water-filling: x = min(cap, level * weight), the level such that the x sum to the amount. From an empty
   set of capped rows, the level is raised until no further row meets its cap (Newton's steps on a concave
   function, so few passes); the rest is shared pro rata. Equal weights give equal burdens; weights equal to
   the caps give one haircut rate for all.

Holds arithmetic only; what is capped or weighted is chosen in `policy`.
Units: any. Shares and caps below 2**51 and sums below 2**58 run compiled; larger ones take the plain Python
of `reference`, slower and just as exact.
Invariant: shares sum to the amount, or to all that can be given if that is less; no share exceeds its cap.
"""

from __future__ import annotations

import numpy as np

from undertow._jit import kernel
from undertow.units import PPM, mul_div_floor
from undertow.venue.allocation import reference
from undertow.venue.allocation.queue import select_cut
from undertow.venue.allocation.scores import SCORE_LIMIT, ratio_floor
from undertow.venue.allocation.scratch import scratch
from undertow.venue.allocation.winners import Int64s, Winners

_TOTAL_LIMIT = 1 << 58
_ONE_EACH = np.empty(0, np.int64)


@kernel
def _bounded_total(values: Int64s, each: int, limit: int) -> int:
    """The sum of non-negative `values`, or -1 if one exceeds `each` or the sum exceeds `limit`."""
    total = 0
    for row in range(values.shape[0]):
        if values[row] > each:
            return -1
        total += values[row]
        if total > limit:
            return -1
    return total


@kernel
def _share(weights: Int64s, total: int, amount: int, shares: Int64s, remainders: Int64s) -> int:
    """Whole parts and remainders of amount * weight / total; the sum of the whole parts."""
    handed = 0
    for row in range(weights.shape[0]):
        whole = mul_div_floor(amount, weights[row], total)
        shares[row] = whole
        # Both products may wrap; their difference lies in [0, total) and is exact.
        remainders[row] = amount * weights[row] - whole * total
        handed += whole
    return handed


@kernel
def _add_one(remainders: Int64s, cut: int, left: int, shares: Int64s) -> None:
    """One more unit for every row above the cut remainder, and for the first `left` rows at it."""
    for row in range(remainders.shape[0]):
        extra = 1 if remainders[row] > cut else 0  # no branch: about half the rows get one, in no order
        if remainders[row] == cut and left > 0:
            extra = 1
            left -= 1
        shares[row] += extra


@kernel
def _capped(caps: Int64s, weights: Int64s, budget: int, total: int) -> tuple[int, int]:
    """Sum of the caps, and of the weights, of the rows that meet their cap at the level budget / total."""
    caps_met, weights_met = 0, 0
    for row in range(caps.shape[0]):
        met = caps[row] <= ratio_floor(budget, weights[row], total)
        caps_met += caps[row] if met else 0
        weights_met += weights[row] if met else 0
    return caps_met, weights_met


@kernel
def _raise_level(caps: Int64s, weights: Int64s, state: Int64s, rows: Int64s, takes: Int64s) -> int:
    """Cap rows until no further one meets its cap; the number of rows left, which stand in `rows`.

    `state` holds the budget, then budget and weight of a starting level known to be no higher than the true
    one (weight 0: none known). It is left with the budget for the rows left, and their weight.
    """
    budget, start, start_total = state[0], state[1], state[2]
    count, total = 0, 0
    for row in range(caps.shape[0]):
        active = caps[row] > 0 and weights[row] > 0
        takes[row] = 0
        rows[count] = row
        count += 1 if active else 0
        total += weights[row] if active else 0
    if start_total == 0:
        start, start_total = budget, total
    while count > 0 and budget > 0:
        kept, rest, weight_left = 0, budget, total
        for index in range(count):
            row = rows[index]
            met = caps[row] <= ratio_floor(start, weights[row], start_total)
            take = caps[row] if met else 0
            takes[row] = take
            rest -= take
            weight_left -= weights[row] if met else 0
            rows[kept] = row
            kept += 0 if met else 1
        if kept == count and start == budget and start_total == total:
            break
        count, budget, total = kept, rest, weight_left
        start, start_total = budget, total
    state[0], state[1] = budget, total
    return count


def sum_of(values: Int64s) -> int:
    """The sum of non-negative values as a Python integer, whatever its size."""
    total = int(_bounded_total(values, _TOTAL_LIMIT, _TOTAL_LIMIT))
    return total if total >= 0 else sum(values.tolist())


def share(amount: int, weights: Int64s) -> Int64s:
    """`amount` over rows in proportion to `weights` (>= 0): whole units, largest remainder, ties by row.

    Sums to `amount`, unless all weights are zero, when nothing is given. Source of the rule: the
    auto-deleveraging analysis's contract pro-rata.
    """
    shares = np.zeros(len(weights), np.int64)
    total = int(_bounded_total(weights, _TOTAL_LIMIT, _TOTAL_LIMIT))
    if amount <= 0 or total == 0:
        return shares
    if total < 0 or amount >= SCORE_LIMIT:
        return np.array(reference.share(amount, weights.tolist()), np.int64)
    remainders = scratch("remainders", len(weights))
    missing = amount - int(_share(weights, total, amount, shares, remainders))
    if missing > 0:
        cut, left = select_cut(remainders, _ONE_EACH, missing)
        _add_one(remainders, cut, left, shares)
    return shares


def water_fill(amount: int, caps: Int64s, weights: Int64s) -> Int64s:
    """min(cap, level * weight) per row with the level that makes them sum to `amount`, exact in whole units.

    Caps and weights are non-negative; a row without weight gives nothing. When the caps of the others do not
    reach `amount`, all of them are taken whole.
    """
    takes = np.zeros(len(caps), np.int64)
    if amount <= 0:
        return takes
    if weights is caps:  # one haircut rate for all: nobody meets his cap unless everybody does
        return share(min(amount, sum_of(caps)), caps)
    caps_total = int(_bounded_total(caps, SCORE_LIMIT - 1, _TOTAL_LIMIT))
    weights_total = int(_bounded_total(weights, _TOTAL_LIMIT, _TOTAL_LIMIT))
    if amount >= _TOTAL_LIMIT or caps_total < 0 or weights_total < 0:
        return np.array(reference.water_fill(amount, caps.tolist(), weights.tolist()), np.int64)
    state = np.array([amount, *_start_level(amount, caps, weights, weights_total)], np.int64)
    rows = scratch("uncapped", len(caps))
    rows = rows[: _raise_level(caps, weights, state, rows, takes)]
    takes[rows] = share(int(state[0]), weights[rows])
    return takes


def _start_level(amount: int, caps: Int64s, weights: Int64s, weights_total: int) -> tuple[int, int]:
    """A level (budget, weight) not above the true one, near it: a sample's level, then one of Newton's steps.

    The step lands at or below the true level from wherever it starts, so the sample saves passes and decides
    nothing. (0, 0) when the rows are few or the sample is no help.
    """
    step = len(caps) // 4096
    if step < 2:
        return 0, 0
    few_caps, few_weights = caps[::step].copy(), weights[::step].copy()
    state = np.array([amount // step, 0, 0], np.int64)
    scratch = np.empty((2, len(few_caps)), np.int64)
    if _raise_level(few_caps, few_weights, state, scratch[0], scratch[1]) == 0 or state[0] == 0:
        return 0, 0
    caps_met, weights_met = _capped(caps, weights, state[0], state[1])
    if caps_met >= amount or weights_met >= weights_total:
        return 0, 0
    return amount - int(caps_met), weights_total - int(weights_met)


@kernel
def fill_endowment(winners: Winners, close: Int64s, forgone_per_lot: int, cap_ppm: int, caps: Int64s) -> None:
    """The money that may be taken: `cap_ppm` of the profit left after the closes, never of the principal."""
    for row in range(caps.shape[0]):
        left = max(winners.profit_micros[row] - forgone_per_lot * close[row], 0)
        caps[row] = (left // PPM) * cap_ppm + (left % PPM) * cap_ppm // PPM


@kernel
def _risk_weights(winners: Winners, caps: Int64s, threshold_ppm: int, exponent: int, weights: Int64s) -> None:
    """caps * leverage * max(leverage - threshold, 0)**exponent, in ppm steps, held within SCORE_LIMIT."""
    for row in range(caps.shape[0]):
        equity = max(winners.equity_micros[row], 1)
        leverage = ratio_floor(winners.notional_micros[row], PPM, equity)
        weight = ratio_floor(caps[row], leverage, PPM)
        if leverage <= threshold_ppm:
            weight = 0
        for _ in range(exponent):
            weight = ratio_floor(weight, leverage - threshold_ppm, PPM)
        weights[row] = weight


def risk_weights(winners: Winners, caps: Int64s, threshold_ppm: int, exponent: int) -> Int64s:
    """Weights of risk-aware pro-rata: caps * L * max(L - threshold, 0)**exponent, L = notional / equity.

    Exponent 0 with threshold 0 is plain leverage pro-rata. Leverage and weights are floored to ppm and held
    within SCORE_LIMIT; if the weights then sum beyond 2**58, all lose the same number of binary places (a
    positive weight stays at least 1). Source: auto-deleveraging analysis, RAP policies.
    """
    weights = np.empty(len(caps), np.int64)
    _risk_weights(winners, caps, threshold_ppm, exponent, weights)
    places = max(0, len(weights).bit_length() + int(weights.max(initial=0)).bit_length() - 58)
    if places:
        weights = np.where(weights > 0, np.maximum(weights >> places, 1), 0)
    return weights
