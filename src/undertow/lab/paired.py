"""Two lists of draws, paired by seed: how far one stands from the other, and how sure that is.

Holds the arithmetic of differences; which draws are paired is `compare_draws`. Where a venue stands near a
threshold, some seeds break it and others do not, and no interval is honest about so few: the share of draws
that moved one way is shown beside it.

Units: those of the values. Invariant: the result depends on the pairs alone, and swapping the two lists turns
every sign and changes no probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

FLIPS_LIMIT = 16  # pairs up to which all 2**n signs are tried
SHARE = 0.95  # of the interval
FEWEST = 6  # pairs below which no test of signs reaches 0.05


@dataclass(frozen=True)
class Change:
    """Second less first over pairs; a difference is None where either has no value.

    `interval` is the t interval of the mean at 95 %, None below two pairs. `pairing`: how many times fewer
    draws pairing needs than two independent samples, None where it cannot be said.
    """

    differences: tuple[float | None, ...]
    mean: float | None
    deviation: float | None
    least: float | None
    largest: float | None
    interval: tuple[float, float] | None
    rose: int
    fell: int
    sign_p: float | None
    flip_p: float | None
    pairing: float | None
    correlation: float | None

    @property
    def pairs(self) -> int:
        """Pairs in which both have a value."""
        return sum(difference is not None for difference in self.differences)

    @property
    def one_sign(self) -> int:
        """Pairs that moved the way most of those that moved did."""
        return max(self.rose, self.fell)

    @property
    def share_one_sign(self) -> float | None:
        """Those over all pairs; None without any."""
        return self.one_sign / self.pairs if self.pairs else None


def change(first: Sequence[float | None], second: Sequence[float | None]) -> Change:
    """The change from one list to the other, place by place. Raises ValueError when their lengths differ."""
    pairs = list(zip(first, second, strict=True))
    differences = tuple(
        None if before is None or after is None else after - before for before, after in pairs
    )
    known = [difference for difference in differences if difference is not None]
    rose, fell = sum(each > 0 for each in known), sum(each < 0 for each in known)
    if not known:
        return Change(differences, None, None, None, None, None, 0, 0, None, None, None, None)
    both = [(before, after) for before, after in pairs if before is not None and after is not None]
    mean = fmean(known)
    deviation = stdev(known) if len(known) > 1 else None
    interval = None
    if deviation is not None:
        half = t_quantile(len(known) - 1) * deviation / math.sqrt(len(known))
        interval = (mean - half, mean + half)
    pairing, correlation = _pairing(both, known)
    return Change(
        differences,
        mean,
        deviation,
        min(known),
        max(known),
        interval,
        rose,
        fell,
        sign_test(rose, fell),
        sign_flip(known),
        pairing,
        correlation,
    )


def _pairing(
    both: Sequence[tuple[float, float]], known: Sequence[float]
) -> tuple[float | None, float | None]:
    """What pairing is worth, and the correlation of the two lists; None where one of them stands still."""
    if len(both) < 2:
        return None, None
    one, two = variance(pair[0] for pair in both), variance(pair[1] for pair in both)
    apart = variance(known)
    pairing = (one + two) / apart if apart > 0 else None
    correlation = (one + two - apart) / (2 * math.sqrt(one) * math.sqrt(two)) if one > 0 and two > 0 else None
    return pairing, correlation


def sign_test(rose: int, fell: int) -> float | None:
    """Two-sided probability of so uneven a split of signs by chance; None where nothing moved."""
    moved = rose + fell
    if not moved:
        return None
    tail = sum(math.comb(moved, count) for count in range(min(rose, fell) + 1))
    return min(1.0, 2.0 * tail / float(1 << moved))


def sign_flip(differences: Sequence[float]) -> float | None:
    """Share of all choices of signs whose sum is as far from zero; None above sixteen pairs or for none."""
    if not 0 < len(differences) <= FLIPS_LIMIT:
        return None
    sums = [0.0]
    for difference in differences:
        sums = [total + sign * difference for total in sums for sign in (1, -1)]
    reached = abs(sums[0]) * (1 - 1e-12)  # the observed sum itself is counted, whatever its last bit
    return sum(abs(total) >= reached for total in sums) / len(sums)


def t_quantile(freedom: int, share: float = SHARE) -> float:
    """The t within which `share` of Student's distribution lies. Raises ValueError for no freedom."""
    if freedom < 1:
        raise ValueError(f"degrees of freedom must be at least 1, not {freedom}")
    low, high = 0.0, 1.0
    while t_within(high, freedom) < share:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_within(middle, freedom) < share else (low, middle)
    return high


def t_within(t: float, freedom: int) -> float:
    """The share of Student's distribution within plus or minus t (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2 == 1
    term = total = (cosine if odd else 1.0) if freedom > 1 else 0.0
    for number in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (number - 1) / number
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
