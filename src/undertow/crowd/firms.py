"""Which quoting firms there are, how large each is, what each quotes, and how their limits differ.

Holds the plan of the makers, drawn once. Holds no behaviour (makers.py) and no state.

Units: USD, lots, shares of one. Invariant: weights of the firms in one instrument sum to one; every crowd
has one limit in each of as many equally likely ranges as it has firms; who has which differs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.quantiles import stratified
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.scale import amount_of
from undertow.crowd.view import Floats, Integers, Market
from undertow.exact import floats
from undertow.exact.normal import normal_quantile

IDS_PER_FIRM = 1024
TOP = 5
LARGEST_COINS = 2
KINDS = 2  # arbitrage firms of the largest coins and of the others take turns in the list


class Plan(NamedTuple):
    """Firms (f) and what they quote: one entry a pair of firm and instrument (p)."""

    capital_usd: Floats  # f
    firm: Integers  # p
    instrument: Integers  # p
    identity: Integers  # p: for keyed draws
    depth_usd: Floats  # p: within 1 % of the price, one side, in calm
    reach_usd: Floats  # p: within the reach, one side, in calm
    share: Floats  # p: of its firm's quotes
    outside_weight: Floats  # f
    delay_steps: Integers  # f
    phase: Floats  # p, 0 to 1: where in the grid of distances, when in the round
    limit_factor: Floats  # f x 4: loss, move, gap, rejections


def largest(market: Market) -> NDArray[np.bool_]:
    """The two contracts with the most turnover."""
    turnover = np.where(market.perpetual, market.turnover_usd, 0.0)
    order = np.argsort(-turnover, kind="stable")
    mask = np.zeros(len(turnover), np.bool_)
    mask[order[:LARGEST_COINS]] = True
    return mask


def firm_weights(count: int, concentration: float) -> Floats:
    """Sizes that fall with rank as a power, so that the five largest hold `concentration` of all."""
    ranks = np.arange(1, count + 1, dtype=np.float64)
    if count <= TOP:
        return np.full(count, 1.0 / count)
    low, high = 0.0, 6.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        weights = floats.power(ranks, -middle)
        if weights[:TOP].sum() / weights.sum() < concentration:
            low = middle
        else:
            high = middle
    weights = floats.power(ranks, -high)
    return np.asarray(weights / weights.sum())


def spread_normals(seed: int, stream: str, count: int, columns: int = 1) -> Floats:
    """Standard normals (count, columns), a column's one in each of `count` equally likely ranges.

    Firms are few: independent draws would make the strictness of all of them together a matter of luck.
    """
    draws = normal_quantile(stratified(seed, stream, columns * count, count))
    return draws.reshape(columns, count).T


def draw_plan(rules: MakerRules, market: Market, seed: int, step_seconds: float) -> Plan:
    """The firms of a run."""
    weights = firm_weights(rules.firms, rules.concentration)
    firms = np.arange(rules.firms, dtype=np.int64)
    firm, instrument = _coverage(rules, market, weights, seed)
    identity = firm * IDS_PER_FIRM + instrument
    taste = floats.exp(0.3 * streams.normal(seed, "makers: share of a coin", 0, identity))
    raw = weights[firm] * taste
    raw /= np.bincount(instrument, raw, len(market.name))[instrument]
    depth = raw * rules.depth_share * market.turnover_usd[instrument]
    reach = depth * floats.power(rules.reach / 0.01, rules.depth_exponent)
    total = np.bincount(firm, reach, rules.firms)
    side = 2.0 * streams.uniform(seed, "makers: outside weight", 0, firms) - 1.0
    delay = streams.uniform(seed, "makers: delay", 0, firms) * rules.outside_delay_s / step_seconds
    limits = spread_normals(seed, "makers: limits", rules.firms, 4)
    return Plan(
        amount_of(rules, "capital_usd", market.scale()) * weights,
        firm,
        instrument,
        identity,
        depth,
        reach,
        reach / np.maximum(total[firm], 1e-9),
        np.clip(rules.outside_weight + rules.outside_weight_spread * side, 0.0, 1.0),
        np.rint(delay).astype(np.int64),
        streams.uniform(seed, "makers: phase", 0, identity),
        floats.exp(rules.trip_spread * limits),
    )


def _coverage(rules: MakerRules, market: Market, weights: Floats, seed: int) -> tuple[Integers, Integers]:
    """Pairs of firm and instrument, by instrument: all firms in the largest coins, some in the others."""
    big = largest(market)
    large_usd = amount_of(rules, "large_turnover_usd", market.scale())
    pairs: list[tuple[int, int]] = []
    for instrument, turnover in enumerate(market.turnover_usd):
        if turnover <= 0.0:
            continue
        wanted = rules.firms_large if turnover >= large_usd else rules.firms_small
        wanted = rules.firms if big[instrument] else min(wanted, rules.firms)
        ids = np.arange(rules.firms, dtype=np.int64) * IDS_PER_FIRM + instrument
        score = np.sqrt(weights) * streams.uniform(seed, "makers: coverage", 0, ids)
        chosen = np.sort(np.argsort(-score, kind="stable")[:wanted])
        pairs += [(int(firm), instrument) for firm in chosen]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
