"""Quantiles instead of luck: draws spread evenly in blocks, account sizes by rank.

A few accounts hold most of the money, so independent draws would make two crowds differ more than two
mechanisms do. Here the account of rank r out of n has the size of the quantile (r + 1/2) / n, and what is
random about an account (leverage, side, profile) is drawn so that every block of consecutive ranks holds
one draw of each stratum.

Holds the size law and its thinning to fewer accounts. Holds no position (positions.py).
Units: equity in USD (floats: nothing here decides who is liquidated). Invariant: sizes fall with rank; the
number of members over all rows of `thinned_ranks` is the size of the reference crowd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.exact import floats
from undertow.exact.floats import geometric
from undertow.exact.normal import normal_quantile, normal_upper_share

Floats = NDArray[np.float64]


def stratified(seed: int, stream: str, count: int, block: int = 32) -> Floats:
    """Uniforms inside (0, 1): a block of consecutive positions holds one draw of each of `block` strata."""
    whole = -(-count // block)
    ids = np.arange(whole * block, dtype=np.int64)
    order = np.argsort(streams.uniform(seed, stream, 0, ids).reshape(whole, block), axis=1, kind="stable")
    strata = np.empty((whole, block), np.float64)
    np.put_along_axis(strata, order, np.arange(block, dtype=np.float64)[None, :], axis=1)
    inside = streams.uniform(seed, stream, 1, ids) * 0.999998 + 1e-6
    draws: Floats = ((strata.ravel() + inside) / block)[:count]
    return draws


class SizeLaw(NamedTuple):
    """Lognormal body, Pareto tail cut off at a cap; all in USD."""

    median: float
    spread: float  # standard deviation of the logarithm
    tail_exponent: float
    tail_start: float
    tail_cap: float
    least: float


def tail_share(law: SizeLaw) -> float:
    """Share of accounts above `tail_start`."""
    return normal_upper_share((floats.log(law.tail_start) - floats.log(law.median)) / law.spread)


def size_above(law: SizeLaw, share: Floats) -> Floats:
    """The equity that `share` of all accounts exceed (inside 0 to 1)."""
    in_tail = tail_share(law)
    body = floats.exp(floats.log(law.median) + law.spread * normal_quantile(1.0 - share))
    body = np.maximum(np.minimum(body, law.tail_start), law.least)
    power_start, power_cap = (
        floats.power(law.tail_start, -law.tail_exponent),
        floats.power(law.tail_cap, -law.tail_exponent),
    )
    survival = np.minimum(share / in_tail, 1.0)
    tail = floats.power(power_cap + survival * (power_start - power_cap), -1.0 / law.tail_exponent)
    sizes: Floats = np.where(share < in_tail, tail, body)
    return sizes


class Thinned(NamedTuple):
    """A crowd of fewer rows than people: row k stands for `members[k]` of them, of equal size and conduct."""

    members: NDArray[np.int64]
    member_equity: Floats  # USD, of one member
    upper_share: Floats  # share of people with more, at the middle of the row
    single: int  # the first so many rows are single accounts: the tail


def thinned_ranks(law: SizeLaw, reference: int, count: int) -> Thinned:
    """`count` rows for a crowd of `reference` accounts (count <= reference), largest first.

    The tail is kept account by account (up to half of the rows), so its notional does not move with
    `count`; below it the density of rows goes with the square root of equity: many small accounts share a
    row, few middle ones do.
    """
    single = min(max(int(tail_share(law) * reference), 1), max(count // 2, 1))
    edges = np.arange(count + 1, dtype=np.int64)
    if count < reference:
        ranks = np.unique(geometric(single + 1, reference + 1, 4_096).astype(np.int64)) - 1
        density = np.sqrt(size_above(law, np.minimum((ranks + 0.5) / reference, 1.0 - 0.25 / reference)))
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(ranks)
        mass = np.concatenate([[0.0], np.cumsum(steps)])
        places = np.interp(np.linspace(0.0, mass[-1], count - single + 1), mass, ranks)
        lower = edges[single:]
        rising = np.maximum.accumulate(np.rint(places).astype(np.int64) - lower) + lower
        edges[single:] = np.minimum(rising, reference - count + lower)
        edges[-1] = reference
    members = np.diff(edges)
    upper_share = (edges[:-1] + edges[1:]) * 0.5 / reference
    return Thinned(members, size_above(law, upper_share), upper_share, single)
