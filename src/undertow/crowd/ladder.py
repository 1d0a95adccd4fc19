"""Ladders of resting orders far from the market: prices and sizes, drawn once.

Holds the two laws of distance (contracts: lognormal in log price; spot: power of the fall) and their ladders.
Holds no behaviour (patient.py).

Levels are quantiles with a draw inside each stratum, so a ladder is fine and belongs to no grid: a low that
equals a grid point would be an artefact (modelling notes, trap 2). Source: crowd description 8, notes 4.
Units: prices as multiples of the calm price, USD. Invariant: the USD of a ladder sum to what was asked for.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from undertow import streams
from undertow.crowd.rules_actors import PatientRules
from undertow.crowd.view import Floats, Integers
from undertow.exact import floats
from undertow.exact.normal import normal_quantile, normal_upper_share

SIZE_SPREAD = 0.8
INSIDE = 1e-9
HIGHEST = 0.7  # the furthest ask, as far above in log price as a fall of 70 % is below


def contract_distance(rules: PatientRules, shares: Floats, side: int = 1) -> Floats:
    """Log distance from the calm price by which `shares` of a contract's resting orders have been met."""
    deepest = -floats.log(1.0 - (rules.deepest if side > 0 else min(rules.deepest, HIGHEST)))
    median, reached = _median_and_reached(rules.median_fall, deepest, rules.fall_spread)
    inside = np.clip(shares * reached, INSIDE, 1.0 - INSIDE)
    distance: Floats = median * floats.exp(rules.fall_spread * normal_quantile(inside))
    return np.minimum(distance, deepest)


@lru_cache(maxsize=64)
def _median_and_reached(median_fall: float, deepest: float, spread: float) -> tuple[float, float]:
    """Median log distance, and the share of the whole law that lies inside the deepest order."""
    median = -floats.log(1.0 - median_fall)
    return median, normal_upper_share(-floats.log(deepest / median) / spread)


def spot_distance(rules: PatientRules, shares: Floats, side: int = 1) -> Floats:
    """The same for a spot book, whose stale orders grow with a power of the fall."""
    deepest = rules.deepest if side > 0 else min(rules.deepest, HIGHEST)
    fall = deepest * floats.power(np.clip(shares, INSIDE, 1.0), 1.0 / rules.stale_exponent)
    distance: Floats = -floats.log1p(-fall)
    return distance


def strata(seed: int, stream: str, levels: int, instrument: int) -> Floats:
    """One uniform in each of `levels` equal parts of (0, 1)."""
    ids = instrument * 4096 + np.arange(levels, dtype=np.int64)
    inside: Floats = (np.arange(levels) + streams.uniform(seed, stream, 0, ids)) / levels
    return inside


def sizes(seed: int, stream: str, usd: float, levels: int, instrument: int) -> Floats:
    """`usd` over levels, unevenly."""
    ids: Integers = instrument * 4096 + np.arange(levels, dtype=np.int64)
    raw = floats.exp(SIZE_SPREAD * streams.normal(seed, stream, 0, ids))
    part: Floats = usd * raw / raw.sum()
    return part
