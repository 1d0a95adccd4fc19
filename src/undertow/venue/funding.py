"""Funding: what longs and shorts of a perpetual pay each other so that its price stays near the index.

Holds the sampling of the premium, its average over an interval, the rate rules with their caps, and the
amount of each position. Holds no posting: the caller moves the money, and gives the remainder to the house
account the rulebook names.

Units: prices in ticks, rates and premia in ppb (parts per billion, int64): ppm is too coarse for an hourly
rate of 12.5 ppm; 1 ppb of a notional of one million dollars is a tenth of a cent. Amounts in settlement
units (micro-dollars, or atoms of the coin for inverse contracts). Rounding: premia and rates to nearest,
halves to even, favouring nobody; payers pay up to the next whole unit and receivers receive down, so the
house account gains less than one unit a position (two if inverse) and never loses.
Invariant: the amounts of all positions and the remainder sum to zero exactly.

A positive rate is paid by longs to shorts. Sources: mechanisms 1.1 (average premium / 24), 2.1 (clamped
interest, shorter intervals), 3 (impact premium, caps), 4 (oracle notional, hourly share of an 8 h rate).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import AMOUNT_LIMIT, mul_div_ceil, mul_div_floor
from undertow.venue.fixed_point import PPB, divide_nearest, mul_div_nearest
from undertow.venue.marks import twice_middle_ticks
from undertow.venue.records import InstrumentKind

INVERSE = int(InstrumentKind.INVERSE)

PREMIUM_IMPACT = 0  # excess of the impact prices over the reference, as a rate
PREMIUM_MIDDLE = 1  # middle of the book over the index, as a rate
PREMIUM_TICKS = 2  # mark minus index in ticks; its average over a day's hours is the hourly charge per coin
PREMIUM_KINDS = {"impact": PREMIUM_IMPACT, "mid": PREMIUM_MIDDLE, "twap-premium-24": PREMIUM_TICKS}

PREMIUM_LIMIT_PPB = 100 * PPB  # a sample further out than a hundred times the index is held there
PREMIUM_LIMIT_TICKS = 100_000_000
RATE_LIMIT_PPB = 4 * PPB  # no interval charges more than four times the notional, capped or not

FUNDING_RULE = np.dtype(
    [
        ("premium", np.int64),  # see PREMIUM_KINDS
        ("reference_is_mark", np.int64),  # impact: 1 from the mark, adding its basis; 0 from the index
        ("charge_on_mark", np.int64),  # 1: rate x mark notional; 0: rate x index (oracle) notional
        ("sample_seconds", np.int64),  # at least 1
        ("interval_seconds", np.int64),
        ("period_seconds", np.int64),  # the rate before scaling is quoted for this, usually eight hours
        ("interest_ppb", np.int64),  # per period
        ("clamp_ppb", np.int64),  # interest minus premium is held within this
        ("cap_ppb", np.int64),  # largest absolute rate of an interval; 0: none
        ("change_cap_ppb", np.int64),  # largest change from one interval to the next; 0: none
    ]
)


class FundingInputs(NamedTuple):
    """One row per instrument, int64."""

    index_ticks: NDArray[np.int64]  # 0: none, nothing is sampled or charged
    mark_ticks: NDArray[np.int64]
    bid_ticks: NDArray[np.int64]  # impact rule: average price of the impact notional; else best bid; 0: none
    ask_ticks: NDArray[np.int64]  # likewise; 0 or maximum_ticks: none
    last_ticks: NDArray[np.int64]  # middle rule only; 0: never traded
    maximum_ticks: NDArray[np.int64]


class FundingState(NamedTuple):
    """What funding remembers, one row per instrument, int64. `due` and the charge speak of the last call."""

    premium_sum: NDArray[np.int64]  # ppb, or ticks under PREMIUM_TICKS
    samples: NDArray[np.int64]
    next_sample: NDArray[np.int64]  # seconds
    next_due: NDArray[np.int64]  # seconds; marks need next_due - now
    rate_ppb: NDArray[np.int64]  # of the last interval settled
    due: NDArray[np.int64]  # 1: charge `charge_ppb` of size x `charge_ticks` now
    charge_ticks: NDArray[np.int64]  # 1 under PREMIUM_TICKS
    charge_ppb: NDArray[np.int64]


def allocate_funding(first_due_seconds: NDArray[np.int64]) -> FundingState:
    """The memory of funding; each instrument first settles at its `first_due_seconds`."""
    rows = [np.zeros(len(first_due_seconds), np.int64) for _ in range(8)]
    rows[3] = np.ascontiguousarray(first_due_seconds, np.int64).copy()
    return FundingState(*rows)


@kernel
def premium_rate_ppb(difference_ticks: int, index: int) -> int:
    """difference / index in ppb, to nearest, held within PREMIUM_LIMIT_PPB."""
    held = min(max(difference_ticks, -100 * index), 100 * index)
    return mul_div_nearest(held, 1_000_000_000, index)


@kernel
def impact_premium_ticks(bid: int, ask: int, maximum: int, reference: int, index: int) -> int:
    """max(0, bid - reference) - max(0, reference - ask) + (reference - index): mechanisms 3 and 4.

    The last term is the basis already in a reference that is the mark; an empty side adds nothing.
    """
    above = max(0, bid - reference)
    below = max(0, reference - ask) if 0 < ask < maximum else 0
    return above - below + reference - index


@kernel
def clamped_rate_ppb(
    premium: int, interest: int, clamp: int, interval_seconds: int, period_seconds: int
) -> int:
    """[P + clamp(I - P, +-c)] x interval / period, to nearest: mechanisms 2.1, 3 and 4."""
    correction = min(max(interest - premium, -clamp), clamp)
    return divide_nearest((premium + correction) * interval_seconds, period_seconds)


@kernel
def average_charge_ppb(premium_sum_ticks: int, samples: int, interval_seconds: int) -> int:
    """Average premium x interval / one day, in 1e-9 ticks a coin, to nearest; hourly: average / 24 (1.1).

    Held at eight billion ticks, of which an interval of years could come to more.
    """
    divisor = samples * 86_400
    whole = mul_div_floor(premium_sum_ticks, interval_seconds, divisor)
    if abs(whole) >= 8_000_000_000:
        return 8_000_000_000_000_000_000 if whole > 0 else -8_000_000_000_000_000_000
    rest = premium_sum_ticks * interval_seconds - whole * divisor
    return whole * 1_000_000_000 + mul_div_nearest(rest, 1_000_000_000, divisor)


@kernel
def capped_rate_ppb(rate: int, previous: int, cap: int, change_cap: int, limit: int) -> int:
    """The rate within its change cap, then within its absolute cap (0: none) and the limit of any rate."""
    if change_cap > 0:
        rate = min(max(rate, previous - change_cap), previous + change_cap)
    most = limit if cap <= 0 else min(cap, limit)
    return min(max(rate, -most), most)


@kernel
def update_funding(
    rules: NDArray[np.void], inputs: FundingInputs, state: FundingState, now_seconds: int
) -> int:
    """Sample premia and settle the intervals that are over, in place; returns how many instruments are due.

    `rules` is one FUNDING_RULE row per instrument. A sample at the very end belongs to the interval it ends.
    An interval without samples has premium 0. Several intervals missed in one call are charged once.
    """
    count = 0
    for row in range(len(rules)):
        state.due[row] = 0
        index = inputs.index_ticks[row]
        if index > 0 and now_seconds >= state.next_sample[row]:
            every = max(1, rules[row]["sample_seconds"])
            state.next_sample[row] = (now_seconds // every + 1) * every
            _sample_premium(row, rules, inputs, state)
        if now_seconds < state.next_due[row]:
            continue
        interval = rules[row]["interval_seconds"]
        state.next_due[row] += ((now_seconds - state.next_due[row]) // interval + 1) * interval
        if index > 0:
            _settle_rate(row, rules, inputs, state)
            state.due[row] = 1
            count += 1
        state.premium_sum[row] = 0
        state.samples[row] = 0
    return count


@kernel
def _sample_premium(row: int, rules: NDArray[np.void], inputs: FundingInputs, state: FundingState) -> None:
    """Add one sample of the premium; a book about which nothing is known gives none."""
    kind = rules[row]["premium"]
    index = inputs.index_ticks[row]
    bid = inputs.bid_ticks[row]
    ask = inputs.ask_ticks[row]
    maximum = inputs.maximum_ticks[row]
    if kind == PREMIUM_TICKS:
        if inputs.mark_ticks[row] == 0:
            return
        difference = inputs.mark_ticks[row] - index
        state.premium_sum[row] += min(max(difference, -PREMIUM_LIMIT_TICKS), PREMIUM_LIMIT_TICKS)
    elif kind == PREMIUM_MIDDLE:
        twice_middle = twice_middle_ticks(bid, ask, inputs.last_ticks[row], maximum)
        if twice_middle == 0:
            return
        state.premium_sum[row] += premium_rate_ppb(twice_middle - 2 * index, 2 * index)
    else:
        reference = index
        if rules[row]["reference_is_mark"] == 1 and inputs.mark_ticks[row] > 0:
            reference = inputs.mark_ticks[row]
        state.premium_sum[row] += premium_rate_ppb(
            impact_premium_ticks(bid, ask, maximum, reference, index), index
        )
    state.samples[row] += 1


@kernel
def _settle_rate(row: int, rules: NDArray[np.void], inputs: FundingInputs, state: FundingState) -> None:
    """Turn the interval's average premium into a rate and say what is charged on which price."""
    rule = rules[row]
    index = inputs.index_ticks[row]
    samples = max(1, state.samples[row])
    if rule["premium"] == PREMIUM_TICKS:
        charge = average_charge_ppb(state.premium_sum[row], samples, rule["interval_seconds"])
        previous = state.rate_ppb[row] * index
        most = AMOUNT_LIMIT // index  # ppb of the index that fit; caps beyond it hold nothing back
        cap, change_cap = min(rule["cap_ppb"], most) * index, min(rule["change_cap_ppb"], most) * index
        limit = min(index, AMOUNT_LIMIT // RATE_LIMIT_PPB) * RATE_LIMIT_PPB
        charge = capped_rate_ppb(charge, previous, cap, change_cap, limit)
        state.charge_ticks[row] = 1
        state.charge_ppb[row] = charge
        state.rate_ppb[row] = divide_nearest(charge, index)
        return
    premium = divide_nearest(state.premium_sum[row], samples)
    rate = clamped_rate_ppb(
        premium, rule["interest_ppb"], rule["clamp_ppb"], rule["interval_seconds"], rule["period_seconds"]
    )
    previous = state.rate_ppb[row]
    rate = capped_rate_ppb(rate, previous, rule["cap_ppb"], rule["change_cap_ppb"], RATE_LIMIT_PPB)
    state.rate_ppb[row] = rate
    state.charge_ppb[row] = rate
    state.charge_ticks[row] = index
    if rule["charge_on_mark"] == 1 and inputs.mark_ticks[row] > 0:
        state.charge_ticks[row] = inputs.mark_ticks[row]


class Charges(NamedTuple):
    """What is charged, one row per instrument, int64; the last three are those of FundingState."""

    kinds: NDArray[np.int64]  # InstrumentKind
    units: NDArray[np.int64]  # linear: settlement units per tick and lot; inverse: units x ticks per lot
    due: NDArray[np.int64]
    charge_ticks: NDArray[np.int64]
    charge_ppb: NDArray[np.int64]


@kernel
def funding_amount(kind: int, unit: int, size_lots: int, charge_ticks: int, charge_ppb: int) -> int:
    """What one position's cash changes by: minus the payment rounded up, or plus the receipt rounded down.

    Linear size x price x unit x rate, inverse size x unit / price x rate, whose value in the coin is first
    rounded the same way. The value stays below 2**60, the rate within RATE_LIMIT_PPB, so the amount fits.
    """
    if size_lots == 0 or charge_ppb == 0:
        return 0
    pays = (size_lots > 0) == (charge_ppb > 0)
    value = abs(size_lots) * unit
    if kind == INVERSE:
        value = (value + charge_ticks - 1) // charge_ticks if pays else value // charge_ticks
    else:
        value *= charge_ticks
    if pays:
        return -mul_div_ceil(value, abs(charge_ppb), 1_000_000_000)
    return mul_div_floor(value, abs(charge_ppb), 1_000_000_000)


@kernel
def charge_positions(
    instruments: NDArray[np.int64],
    sizes_lots: NDArray[np.int64],
    charges: Charges,
    amounts: NDArray[np.int64],
    remainders: NDArray[np.int64],
) -> None:
    """Write the amount of every position to `amounts` and every instrument's remainder to `remainders`.

    Positions of instruments that are not due get 0. amounts.sum() + remainders.sum() is zero exactly; a
    remainder is never negative while the sizes of an instrument sum to zero.
    """
    for instrument in range(len(remainders)):
        remainders[instrument] = 0
    for position in range(len(instruments)):
        instrument = instruments[position]
        amounts[position] = 0
        if charges.due[instrument] == 1:
            amount = funding_amount(
                charges.kinds[instrument],
                charges.units[instrument],
                sizes_lots[position],
                charges.charge_ticks[instrument],
                charges.charge_ppb[instrument],
            )
            amounts[position] = amount
            remainders[instrument] -= amount
