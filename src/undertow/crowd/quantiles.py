"""Quantiles instead of luck: the normal quantile, draws spread evenly in blocks, account sizes by rank.

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

Floats = NDArray[np.float64]

# Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988): relative error about 1e-16.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
     7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
     2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    top, bottom = (_polynomial(row, x) for row in coefficients)
    quotient: Floats = top / bottom
    return quotient


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Horner's rule; NumPy's own polynomials take ten times as long for the few numbers of a step."""
    total: Floats = coefficients[-1] + x * 0.0
    for coefficient in coefficients[-2::-1]:
        total = coefficient + total * x
    return total


def normal_quantile(share: Floats) -> Floats:
    """The standard normal value below which `share` (inside 0 to 1) of the mass lies. Any shape."""
    offset = share - 0.5
    result = offset * _ratio(_CENTRE, 0.180625 - offset * offset)
    outer = np.abs(offset) > 0.425
    if outer.any():
        tail = np.where(offset < 0.0, share, 1.0 - share)[outer]
        depth = np.sqrt(-np.log(tail))
        value = np.where(depth <= 5.0, _ratio(_MIDDLE, depth - 1.6), _ratio(_FAR, depth - 5.0))
        result[outer] = np.where(offset[outer] < 0.0, -value, value)
    return result


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


def normal_upper_share(value: float) -> float:
    """Share of a standard normal above `value`."""
    from math import erfc, sqrt

    return 0.5 * erfc(value / sqrt(2.0))


def tail_share(law: SizeLaw) -> float:
    """Share of accounts above `tail_start`."""
    return normal_upper_share((np.log(law.tail_start) - np.log(law.median)) / law.spread)


def size_above(law: SizeLaw, share: Floats) -> Floats:
    """The equity that `share` of all accounts exceed (inside 0 to 1)."""
    in_tail = tail_share(law)
    body = np.exp(np.log(law.median) + law.spread * normal_quantile(1.0 - share))
    body = np.maximum(np.minimum(body, law.tail_start), law.least)
    power_start, power_cap = law.tail_start**-law.tail_exponent, law.tail_cap**-law.tail_exponent
    survival = np.minimum(share / in_tail, 1.0)
    tail = (power_cap + survival * (power_start - power_cap)) ** (-1.0 / law.tail_exponent)
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
        ranks = np.unique(np.geomspace(single + 1, reference + 1, 4_096).astype(np.int64)) - 1
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
