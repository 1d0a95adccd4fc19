"""What every actor measures in the same way: own price, smoothed mid, volatility, moves, gap to the outside.

Holds the measurements of one step and what they remember. Holds no behaviour: a gauge depends on the public
market alone, so an actor that is switched off changes nothing in it but through the market.

The own price is the mid of a tight book; in a wide or one-sided book the mid means nothing, and it is the
last price, moved inside what still stands. Volatility compares returns over ten seconds with the coin's calm
figure: of the outside, and of the own mid where the book was tight at both ends (last prices would feed their
own bounce back; modelling notes, trap 7). It is the larger of a one-minute and a thirty-minute memory.

Units: ticks (floats), seconds, shares of one; `volatility` in calm volatilities, one entry an instrument.
Invariant: `see` may be called any number of times in a step; only the first counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.view import Floats, Integers, Market, View
from undertow.exact import floats

RETURN_S = 10.0
SHORT_MEMORY_S = 60.0
LONG_MEMORY_S = 1800.0
MOVE_S = 60.0
SMOOTHING_S = 10.0
GAP_SMOOTHING_S = 5.0
SLOW_GAP_S = 60.0
LONG_MOVE_S = 1800.0
SAMPLE_S = 10.0
SQUARED_RETURN_CAP = 1_600.0  # in calm variances
WAITS_BELOW = 0.9  # of the own price: who need not sell waits for a better bid, a hole is no price
TIGHT = 0.005  # spread over price up to which a mid is a price


class Gauges:
    """The shared measurements. `start_ticks` are the outside prices before the first step."""

    def __init__(self, market: Market, start_ticks: Integers, step_seconds: float = 1.0) -> None:
        self.market = market
        self.start_ticks = np.asarray(start_ticks, np.float64)
        self.step_seconds = step_seconds
        count = len(market.name)
        start = self.start_ticks
        self.own = start.copy()
        self.smooth = start.copy()
        self.gap = np.zeros(count)  # log of own over outside, smoothed
        self.slow_gap = np.zeros(count)  # the same over a minute: where it comes from
        self._seen = np.full(1, -1, np.int64)
        self._own_ring = _ring(start, RETURN_S, step_seconds)
        self._sample_s = max(SAMPLE_S, step_seconds)
        self._move_ring = _ring(start, MOVE_S, step_seconds)  # outside
        self._own_move_ring = _ring(start, MOVE_S, step_seconds)
        self._tight_ring = np.ones(self._own_move_ring.shape)
        self._samples = np.tile(start, (round(LONG_MOVE_S / self._sample_s) + 1, 1))  # own, every ten seconds
        self._short = np.ones((2, count))  # squared returns over calm: own, outside
        self._long = np.ones((2, count))
        memories = (SMOOTHING_S, GAP_SMOOTHING_S, SLOW_GAP_S, SHORT_MEMORY_S, LONG_MEMORY_S)
        shares = [_share(step_seconds, memory_s) for memory_s in memories]
        self._smoothing, self._gap_smoothing, self._slow_smoothing, *rest = shares
        self._short_share, self._long_share = rest
        self._calm = np.square(market.volatility) * (len(self._own_ring) * step_seconds / 60.0)
        self._ratios = np.ones((6, count))  # of prices, whose logarithms are taken together
        self.volatility = np.ones(count)
        self.outside_volatility = np.ones(count)  # of the outside alone
        self.own_move = np.zeros(count)  # own log move of a minute, signed, also of a wide book
        self.move = np.zeros(count)  # larger log move of a minute, tight own or outside, signed
        self.long_move = np.zeros(count)  # own log move in the last half hour

    def see(self, view: View) -> None:
        """Take the view of a step in."""
        if self._seen[0] == view.step:
            return
        self._seen[0] = view.step
        step, outside = view.step, view.outside_ticks
        tight = is_tight(view)
        self.own[:] = own_price(view, tight)
        before = (step - len(self._own_ring)) % len(self._move_ring)
        was_tight, ratios = self._tight_ring[before].copy(), self._ratios
        np.divide(self.own, outside, out=ratios[0])
        np.divide(self.own, _pushed(self._own_ring, self.own, step), out=ratios[1])
        np.divide(outside, self._move_ring[before], out=ratios[2])
        np.divide(self.own, _pushed(self._own_move_ring, self.own, step), out=ratios[3])
        np.divide(outside, _pushed(self._move_ring, outside, step), out=ratios[4])
        slot = int(step * self.step_seconds // self._sample_s) % len(self._samples)
        self._samples[slot] = self.own
        np.divide(self.own, self._samples[(slot + 1) % len(self._samples)], out=ratios[5])
        gap, own_return, outside_return, own_move, outside_move, long_move = floats.log(ratios)
        self.smooth += (self.own - self.smooth) * self._smoothing
        self.gap += (gap - self.gap) * self._gap_smoothing
        self.slow_gap += (gap - self.slow_gap) * self._slow_smoothing
        self._learn(own_return * tight * was_tight, outside_return)
        self.own_move[:], self.long_move[:] = own_move, long_move
        own_move = own_move * tight * _pushed(self._tight_ring, tight, step)
        self.move[:] = np.where(np.abs(own_move) > np.abs(outside_move), own_move, outside_move)

    def _learn(self, own_return: Floats, outside_return: Floats) -> None:
        squared = np.minimum(
            np.square(np.stack([own_return, outside_return])) / self._calm, SQUARED_RETURN_CAP
        )
        self._short += (squared - self._short) * self._short_share
        self._long += (squared - self._long) * self._long_share
        both = np.sqrt(np.maximum(self._short, self._long))
        self.volatility[:], self.outside_volatility[:] = both.max(axis=0), both[1]

    def outside_before(self, view: View, delays: Integers) -> Floats:
        """The outside price as it was `delays` steps ago, (len(delays), instruments); a minute at most."""
        rows = (view.step - np.minimum(delays, len(self._move_ring) - 1)) % len(self._move_ring)
        before: Floats = self._move_ring[rows]
        return before

    def lots_for(self, usd: Floats, ticks: Floats, instruments: Integers) -> Integers:
        """Whole lots that `usd` buys at a price, rounded down."""
        worth = np.maximum(ticks, 1.0) * self.market.unit[instruments]
        return np.floor(usd * 1e6 / worth).astype(np.int64)

    def memory(self) -> dict[str, NDArray[Any]]:
        """Every array that carries over."""
        names = (
            "own",
            "smooth",
            "gap",
            "slow_gap",
            "volatility",
            "outside_volatility",
            "own_move",
            "move",
            "long_move",
        )
        hidden = (
            "_seen",
            "_own_ring",
            "_move_ring",
            "_own_move_ring",
            "_tight_ring",
            "_samples",
            "_short",
            "_long",
        )
        return {name.lstrip("_"): getattr(self, name) for name in (*names, *hidden)}


def is_tight(view: View) -> NDArray[np.bool_]:
    """Where both sides stand and the spread is small."""
    bid, ask = view.bid_ticks, view.ask_ticks
    tight: NDArray[np.bool_] = (bid > 0) & (ask > 0) & (ask - bid <= np.maximum(TIGHT * bid, 1.0))
    return tight


def own_price(view: View, tight: NDArray[np.bool_]) -> Floats:
    """The venue's price of each instrument, also when its book is wide or a side of it empty."""
    bid, ask, last = view.bid_ticks, view.ask_ticks, view.last_ticks
    open_ask = np.where(ask > 0, ask, np.iinfo(np.int64).max)
    held = np.clip(last, bid, open_ask).astype(np.float64)
    price: Floats = np.where(tight, 0.5 * (bid + ask), np.maximum(held, 1.0))
    return price


def _share(seconds: float, memory_s: float) -> float:
    """What a step moves an exponential average with this memory."""
    return float(-floats.expm1(-seconds / memory_s))


def _ring(start: Floats, span_s: float, step_seconds: float) -> Floats:
    return np.tile(start, (max(1, round(span_s / step_seconds)), 1))


def _pushed(ring: Floats, values: Floats | NDArray[np.bool_], step: int) -> Floats:
    """Write this step's values; returns what stood in the place, one ring ago."""
    place = step % len(ring)
    before: Floats = ring[place].copy()
    ring[place] = values
    return before
