"""Prices off the venue that are written down, not recorded: facts, shapes between them, and pure shocks.

Holds the path through anchors and the shocks of tests and drills. Holds no file (feeds/outside.py reads
recordings) and no price of the stressed venue.

A coin's path in log price is

    x(t) = beta * (r(t) - r(0)) + straight line through (anchor - beta * (r - r(0))) + bridge(t)

where r is the path of the reference coin (a coin with few facts moves like the reference between them; with
beta 0 it is a plain straight line) and the bridge is a Brownian bridge from anchor to anchor, so that every
anchor is met exactly. Before the first and after the last anchor the noise runs free. It is drawn per second
and keyed by coin and second: a run with another step length sees the same path at the times both know. What
would lie below an anchor marked as the low is mirrored above it.

Units: USD; times in milliseconds since the start of the case; volatility in basis points per root minute.
Invariant: prices are finite and positive, an anchor's price stands at its time (if that is a step), and no
price is below an anchor marked as the low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.exact import floats

SECOND_MS = 1_000
SECONDS_PER_MINUTE = 60


class Anchor(NamedTuple):
    """One fact: where a coin stood. Give the price, or the fall since the first anchor (0.3: 30 % lower)."""

    time_ms: int
    price_usd: float | None = None
    fall: float | None = None
    low: bool = False  # the lowest price of all: noise may not go below it
    source: str = ""


class CoinPath(NamedTuple):
    """What is known of one coin, and how it moves between the facts."""

    coin: str
    anchors: Sequence[Anchor]  # in time order, the first with a price
    beta: float = 0.0  # to the reference coin, between anchors
    reference: str = ""  # a coin that stands earlier in the list; "" means none
    volatility_bp: float = 0.0  # basis points per root minute, own noise


class Shape(NamedTuple):
    """What a class of coins shares: how it follows the reference, its own noise, its median falls."""

    beta: float
    reference: str
    volatility_bp: float
    falls: Sequence[Anchor] = ()  # each with a fall


def shaped(coin: str, anchors: Sequence[Anchor], shape: Shape) -> CoinPath:
    """A coin of a class: its own anchors and, at other times, the falls of the class."""
    own = {anchor.time_ms for anchor in anchors}
    shared = [anchor for anchor in shape.falls if anchor.time_ms not in own]
    merged = sorted([*anchors, *shared], key=lambda anchor: anchor.time_ms)
    return CoinPath(coin, merged, shape.beta, shape.reference, shape.volatility_bp)


def paths_from_anchors(
    coins: Sequence[CoinPath], n_steps: int, step_ms: int, seed: int
) -> NDArray[np.float64]:
    """Prices in USD, [n_steps + 1, n_coins]; ValueError names the coin whose anchors make no path."""
    times_ms = np.arange(n_steps + 1, dtype=np.int64) * step_ms
    logs = np.empty((n_steps + 1, len(coins)), np.float64)
    done: dict[str, int] = {}
    for column, coin in enumerate(coins):
        knots_ms, knots = _checked_anchors(coin)
        shape = np.zeros(n_steps + 1)
        if coin.reference:
            if coin.reference not in done:
                raise ValueError(
                    f"{coin.coin}: reference {coin.reference!r} must stand before it in the list"
                )
            reference = logs[:, done[coin.reference]]
            shape = coin.beta * (reference - reference[0])
        residual = knots - np.interp(knots_ms, times_ms, shape)
        path = shape + np.interp(times_ms, knots_ms, residual)
        if coin.volatility_bp > 0.0:
            path += _bridge(coin, knots_ms, times_ms, seed)
        lows = [level for level, anchor in zip(knots, coin.anchors, strict=True) if anchor.low]
        if lows:
            path = np.maximum(path, 2.0 * min(lows) - path)
        logs[:, column] = path
        done[coin.coin] = column
    return floats.exp(logs)


def _checked_anchors(coin: CoinPath) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and log prices of a coin's anchors."""
    if not coin.anchors:
        raise ValueError(f"{coin.coin}: no anchor; at least one with a price is needed")
    first = coin.anchors[0].price_usd
    if first is None:
        raise ValueError(f"{coin.coin}: the first anchor gives no price; falls are measured from it")
    times: list[int] = []
    prices: list[float] = []
    for anchor in coin.anchors:
        if (anchor.price_usd is None) == (anchor.fall is None):
            raise ValueError(f"{coin.coin}: the anchor at {anchor.time_ms} ms needs either a price or a fall")
        price = anchor.price_usd if anchor.price_usd is not None else first * (1.0 - (anchor.fall or 0.0))
        if not (np.isfinite(price) and price > 0.0):
            raise ValueError(
                f"{coin.coin}: the anchor at {anchor.time_ms} ms gives {price}; above zero is needed"
            )
        if times and anchor.time_ms <= times[-1]:
            raise ValueError(
                f"{coin.coin}: the anchor at {anchor.time_ms} ms does not come after the one before"
            )
        times.append(anchor.time_ms)
        prices.append(price)
    return np.array(times, np.int64), floats.log(np.array(prices, np.float64))


def _bridge(
    coin: CoinPath, knots_ms: NDArray[np.int64], times_ms: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Noise in log price: a random walk by the second, pinned to zero at every anchor."""
    # From the first anchor or the start, whichever is earlier, so that a walk exists wherever it must be
    # pinned.
    first = min(int(knots_ms[0]), 0) // SECOND_MS
    last = -(-max(int(knots_ms[-1]), int(times_ms[-1])) // SECOND_MS)
    seconds = np.arange(first, last + 1, dtype=np.int64)
    scale = coin.volatility_bp * 1e-4 / math.sqrt(SECONDS_PER_MINUTE)
    # A second's draw is keyed by the second itself, negative ones too (ids are taken modulo 2**62).
    walk = np.cumsum(streams.normal(seed, f"outside price of {coin.coin}", 0, seconds)) * scale
    seconds_ms = seconds * SECOND_MS
    pins = np.interp(knots_ms, seconds_ms, walk)
    at_steps: NDArray[np.float64] = np.interp(times_ms, seconds_ms, walk) - np.interp(
        times_ms, knots_ms, pins
    )
    return at_steps
