"""Funding of one instrument in plain Python: what `funding.update_funding` and `charge_positions` must equal.

Holds the same rules as fractions, rounded only where the rule says so. Units and rounding as in
`undertow.venue.funding`. Invariant: no state but the interval's samples, the last rate and two due times.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor

from undertow.units import AMOUNT_LIMIT
from undertow.venue import funding
from undertow.venue.fixed_point import PPB
from undertow.venue.marks_reference import contract_price, middle_price


class FundingReference:
    """One instrument's funding; `rule` and `inputs` carry the names of FUNDING_RULE and FundingInputs."""

    def __init__(self, rule: Mapping[str, int], first_due: int) -> None:
        self.rule = rule
        self.next_due = first_due
        self.next_sample = 0
        self.samples: list[int] = []
        self.rate_ppb = 0
        self.charge: tuple[int, int] | None = None  # (price in ticks, rate in ppb), None while not due

    def update(self, inputs: Mapping[str, int], now: int) -> tuple[int, int] | None:
        """Sample and settle; returns the charge if the interval is over."""
        self.charge = None
        index = inputs["index_ticks"]
        if index > 0 and now >= self.next_sample:
            self.next_sample = (now // self.rule["sample_seconds"] + 1) * self.rule["sample_seconds"]
            self._sample(inputs)
        if now >= self.next_due:
            while self.next_due <= now:
                self.next_due += self.rule["interval_seconds"]
            if index > 0:
                self._settle(inputs)
            self.samples = []
        return self.charge

    def _sample(self, inputs: Mapping[str, int]) -> None:
        index, mark, maximum = inputs["index_ticks"], inputs["mark_ticks"], inputs["maximum_ticks"]
        bid, ask, last = inputs["bid_ticks"], inputs["ask_ticks"], inputs["last_ticks"]
        if self.rule["premium"] == funding.PREMIUM_TICKS:
            if mark > 0:
                limit = funding.PREMIUM_LIMIT_TICKS
                self.samples.append(sorted((-limit, mark - index, limit))[1])
            return
        if self.rule["premium"] == funding.PREMIUM_MIDDLE:
            if contract_price(bid, ask, last, maximum) == 0:
                return
            difference = middle_price(bid, ask, last, maximum) - index
        else:
            reference = mark if self.rule["reference_is_mark"] and mark > 0 else index
            below = max(0, reference - ask) if 0 < ask < maximum else 0
            difference = Fraction(max(0, bid - reference) - below + reference - index)
        limit = funding.PREMIUM_LIMIT_PPB
        self.samples.append(sorted((-limit, round(difference * PPB / index), limit))[1])

    def _settle(self, inputs: Mapping[str, int]) -> None:
        index, mark = inputs["index_ticks"], inputs["mark_ticks"]
        average = Fraction(sum(self.samples), max(1, len(self.samples)))
        interval = self.rule["interval_seconds"]
        if self.rule["premium"] == funding.PREMIUM_TICKS:
            charge = round(average * PPB * interval / 86_400)
            cap, change = self.rule["cap_ppb"] * index, self.rule["change_cap_ppb"] * index
            limit = min(funding.RATE_LIMIT_PPB * index, AMOUNT_LIMIT)
            charge = capped_reference(charge, self.rate_ppb * index, cap, change, limit)
            self.rate_ppb = round(Fraction(charge, index))
            self.charge = (1, charge)
            return
        self.rate_ppb = rate_reference(round(average), self.rule, self.rate_ppb)
        on_mark = self.rule["charge_on_mark"] and mark > 0
        self.charge = (mark if on_mark else index, self.rate_ppb)


def rate_reference(premium_ppb: int, rule: Mapping[str, int], previous_ppb: int) -> int:
    """The rate of one interval from its average premium, in ppb."""
    clamp, cap, change = rule["clamp_ppb"], rule["cap_ppb"], rule["change_cap_ppb"]
    correction = sorted((-clamp, rule["interest_ppb"] - premium_ppb, clamp))[1]
    rate = round(Fraction((premium_ppb + correction) * rule["interval_seconds"], rule["period_seconds"]))
    return capped_reference(rate, previous_ppb, cap, change, funding.RATE_LIMIT_PPB)


def capped_reference(rate: int, previous: int, cap: int, change: int, limit: int) -> int:
    """The rate within `change` of the one before, then within `cap` of zero (0: none), then the limit."""
    if change > 0:
        rate = sorted((previous - change, rate, previous + change))[1]
    most = min(cap, limit) if cap > 0 else limit
    return sorted((-most, rate, most))[1]


def amount_reference(inverse: bool, unit: int, size_lots: int, charge_ticks: int, charge_ppb: int) -> int:
    """What one position's cash changes by."""
    owed = size_lots * charge_ppb  # positive: this side pays
    rounded = ceil if owed > 0 else floor
    value = Fraction(abs(size_lots) * unit, charge_ticks) if inverse else abs(size_lots) * unit * charge_ticks
    amount = rounded(Fraction(rounded(value) * abs(charge_ppb), PPB))
    return -amount if owed > 0 else amount
