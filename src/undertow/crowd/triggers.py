"""Prices at which traders meant to act, and which of them a mark has reached.

Holds the draw of stops and profit bids and the sorted triggers. Holds no order.

A trigger fires once, when the mark first is at or below it; the lowest mark seen so far is all that has to be
remembered. Source: crowd description 5 (stop), modelling notes 6 (share with stops or profit-takers).
Units: ticks; a trigger of 0 never fires. Invariant: a trigger fires in the step in which the mark reaches it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow import streams
from undertow.crowd.firms import largest
from undertow.crowd.gauges import Gauges
from undertow.crowd.rules_actors import TraderRules
from undertow.crowd.view import Floats, Integers, Market
from undertow.exact import floats

FARTHEST = 0.98


class FarPrices(NamedTuple):
    """Per position row, in ticks; 0: the trader has none."""

    stop: Integers
    profit: Integers


def far_prices(
    rules: TraderRules, market: Market, gauges: Gauges, seed: int, instrument: Integers
) -> FarPrices:
    """Stops of longs and profit bids of shorts, both below the price at the start."""
    rows = np.arange(len(instrument), dtype=np.int64)
    big = largest(market)[instrument]
    start = gauges.start_ticks[instrument]
    stop = np.where(big, rules.stop_distance, rules.stop_distance_small)
    profit = np.where(big, rules.profit_distance, rules.profit_distance_small)
    return FarPrices(
        _below(rules, seed, "stop", rows, start, stop, rules.stop_share),
        _below(rules, seed, "profit", rows, start, profit, rules.take_profit_share),
    )


def _below(
    rules: TraderRules, seed: int, what: str, rows: Integers, start: Floats, median: Floats, share: float
) -> Integers:
    who = streams.uniform(seed, f"traders: has a {what}", 0, rows) < share
    distance = median * floats.exp(
        rules.distance_spread * streams.normal(seed, f"traders: {what} distance", 0, rows)
    )
    ticks = np.maximum(np.floor(start * (1.0 - np.minimum(distance, FARTHEST))), 1.0)
    return np.where(who, ticks, 0.0).astype(np.int64)


class Triggers:
    """Sell triggers of many rows, sorted by instrument and falling price."""

    def __init__(self, ticks: Integers, instrument: Integers, market: Market) -> None:
        set_rows = np.flatnonzero(ticks > 0)
        order = set_rows[np.lexsort((-ticks[set_rows], instrument[set_rows]))]
        self._rows = order
        self._prices = -ticks[order]  # rising within an instrument
        count = len(market.name)
        self._ends = np.searchsorted(instrument[order], np.arange(count + 1))
        self.lowest = np.full(count, np.iinfo(np.int64).max)

    def fired(self, mark_ticks: Integers) -> Integers:
        """Rows whose trigger is reached for the first time by these marks."""
        lower = np.flatnonzero((mark_ticks < self.lowest) & (mark_ticks > 0))
        found = []
        for instrument in lower:
            own = self._prices[self._ends[instrument] : self._ends[instrument + 1]]
            # Triggers above the old low have fired; now those at or above the new one do.
            begin = np.searchsorted(own, -self.lowest[instrument], side="right")
            end = np.searchsorted(own, -mark_ticks[instrument], side="right")
            found.append(self._rows[self._ends[instrument] + begin : self._ends[instrument] + end])
        self.lowest[lower] = mark_ticks[lower]
        return np.concatenate(found) if found else np.zeros(0, np.int64)
