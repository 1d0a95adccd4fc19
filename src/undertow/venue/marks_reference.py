"""The mark price of one instrument in plain Python: what `marks.update_marks` must equal.

Holds the same rules written for reading: medians by sorting, averages as fractions, samples as a list.
Units and rounding as in `undertow.venue.marks`; only the smoothed values are rounded between steps, because
the rule says so. Invariant: no state but what is listed in the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from undertow.venue import marks
from undertow.venue.fixed_point import MICROTICKS, PPB

INFINITE = 1 << 62


def contract_price(bid: int, ask: int, last: int, maximum: int) -> int:
    """median(bid, ask, last); an empty side is infinitely far away; 0 if nothing is known."""
    low = bid if bid > 0 else 0
    high = ask if 0 < ask < maximum else INFINITE
    if last > 0:
        return sorted((low, high, last))[1]
    known = [price for price in (low, high) if 0 < price < INFINITE]
    return round(Fraction(sum(known), len(known))) if known else 0


def middle_price(bid: int, ask: int, last: int, maximum: int) -> Fraction:
    """The middle of the book, or the contract price where a side is empty."""
    if bid > 0 and 0 < ask < maximum:
        return Fraction(bid + ask, 2)
    return Fraction(contract_price(bid, ask, last, maximum))


class MarkReference:
    """One instrument's mark; `rule` and `inputs` carry the names of MARK_RULE and MarkInputs."""

    def __init__(self, rule: Mapping[str, int]) -> None:
        self.rule = rule
        self.mark = 0
        self.premium = 0
        self.updated = 0
        self.samples: list[tuple[int, Fraction]] = []
        self.smoothed_premium: int | None = None  # microticks
        self.smoothed_level = 0  # microticks

    def update(self, inputs: Mapping[str, int], now: int) -> int:
        """Sample, then move the mark if it is due; returns it."""
        index = inputs["index_ticks"]
        paused = inputs["paused"] == 1
        if not paused and index > 0:
            self._sample(inputs, now)
        every = self.rule["update_seconds"]
        if every > 0 and self.mark > 0 and now // every == self.updated // every:
            return self.mark
        if paused:
            mark = index + self.premium if index > 0 else 0
        else:
            mark = self._formula(inputs, now)
        if mark != 0:
            self.mark = sorted((1, mark, inputs["maximum_ticks"] - 1))[1]
            self.updated = now
            if not paused and index > 0:
                self.premium = self.mark - index
        return self.mark

    def _sample(self, inputs: Mapping[str, int], now: int) -> None:
        book = (inputs["bid_ticks"], inputs["ask_ticks"], inputs["last_ticks"], inputs["maximum_ticks"])
        contract = contract_price(*book)
        if contract == 0:
            return
        premium = middle_price(*book) - inputs["index_ticks"]
        self.samples.append((now, premium))
        target = int(premium * MICROTICKS)
        level = contract * MICROTICKS
        if self.smoothed_premium is None:
            self.smoothed_premium, self.smoothed_level = target, level
            return
        self.smoothed_premium += _part(target - self.smoothed_premium, self.rule["alpha_ppb"])
        self.smoothed_level += _part(level - self.smoothed_level, self.rule["short_alpha_ppb"])

    def _formula(self, inputs: Mapping[str, int], now: int) -> int:
        index, last = inputs["index_ticks"], inputs["last_ticks"]
        contract = contract_price(inputs["bid_ticks"], inputs["ask_ticks"], last, inputs["maximum_ticks"])
        method = self.rule["method"]
        if method == marks.MEDIAN_BID_ASK_LAST:
            return contract or index
        if index == 0:
            return 0
        if method == marks.ORACLE:
            return index
        if method == marks.ORACLE_EMA_MEDIAN:
            return self._oracle_ema(index, contract, inputs["external_ticks"])
        rate = Fraction(inputs["rate_ppb"], PPB)
        basis = index + round(index * rate * inputs["seconds_to_funding"] / self.rule["period_seconds"])
        if method == marks.FAIR_BASIS:
            return max(1, basis)
        recent = [premium for second, premium in self.samples if second > now - self.rule["window_seconds"]]
        average = index + (round(sum(recent) / len(recent)) if recent else 0)
        return max(1, sorted((basis, average, last or average))[1])

    def _oracle_ema(self, index: int, contract: int, external: int) -> int:
        first = max(1, index + round(Fraction(self.smoothed_premium or 0, MICROTICKS)))
        known = [first] + [price for price in (contract, external) if price > 0]
        if len(known) == 2 and self.smoothed_level > 0:
            known.append(round(Fraction(self.smoothed_level, MICROTICKS)))
        known.sort()
        return known[1] if len(known) == 3 else round(Fraction(sum(known), len(known)))


def _part(gap: int, alpha_ppb: int) -> int:
    return round(Fraction(gap * alpha_ppb, PPB))
