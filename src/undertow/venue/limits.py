"""How large anything may become: every limit of the venue's integers, and why no sum or product leaves int64.

Holds the limits and the checks that commands, listings and bulk writing share. Holds no rejection code
(`admission`) and no rule of a rulebook. `L` below is `units.AMOUNT_LIMIT`, 2**60 - 1.

What is limited, and where it is checked:

* an amount; a wallet's cash after a deposit or transfer; deposits less withdrawals of a settlement asset:
  L, by commands, populations and the capital of a backstop;
* a price: below GRID_ROOM times the start, and below 64**6 ticks, by the listing, by orders, and by each
  step before it begins (`guard`);
* a position with its open orders: worth POSITION_LIMIT, half of L, at the top of its grid (an inverse
  contract's: at one tick), which is `maximum_lots`; all positions of an account and its bids on assets
  together: L (`extent`); by orders, deposits of assets and populations;
* all units of an asset in the venue: ASSET_SHARE times `maximum_lots`, by deposits and populations;
* the open contracts, and the assets, of a settlement asset at their marks: L, by each step before it
  begins;
* decimals of a settlement asset, constituents of an index and their weights, instruments, profiles: at
  opening;
* a rate that grows with size: HIGHEST_RATE_PPM; a requirement for more than its notional: LARGEST_EXTRA,
  or the notional if that is more; held there by `margin`, which every path goes through.

What follows, formula by formula (`tests/unit/test_limits.py` computes each at its worst in big integers):

* size x price x unit, and size x unit of an inverse contract: L / 2. A quote is a cost at prices of the
  grid, so as much; value and quote of one position have opposite signs, so their sum is no larger.
* equity of an account: values and quotes L, cash 2**61 (L by the door, as much again by profits): 3 x
  2**60.
* what it must keep: notional L at rates up to the whole, LARGEST_EXTRA for each of up to 64 positions at
  rates beyond it, 2**61 on borrowed cash: 5 x 2**60. Equity less that: -8 x 2**60 and two units, inside
  int64.
* what open contracts through the mark would lose: with value and notional of the same position no more than
  twice its extent, which is what the two may come to without them.
* price x weight over an index's constituents: 2**36 x MAXIMUM_CONSTITUENTS x 1e6, below 2**62.
* an interval's funding: four times the notional (`funding.RATE_LIMIT_PPB`), below 2**62.
* quotients through 128 bits (`units.mul_div_floor`, `units.isqrt`) are exact wherever they fit.
* sums over many accounts that policies divide are Python's integers (`allocation.prorata.sum_of`,
  `integers.exact_sum`); turnover and totals by cause add amounts up to L and have room for nine trillion
  dollars.

Units: settlement units, lots, ticks, ppm. Invariant: what passed these checks can be multiplied and added by
every kernel of the venue without wrapping.
"""

from __future__ import annotations

from undertow._jit import kernel
from undertow.units import AMOUNT_LIMIT, PPM

POSITION_LIMIT = AMOUNT_LIMIT // 2  # of a position at the top of its grid, and of an account's together

GRID_ROOM = 100  # a price may rise to this many times its start
LEAST_TICKS = 1024  # and a coarse grid has at least this many prices

MAXIMUM_DECIMALS = 8  # of a settlement asset: with more, the largest amount is no fortune
MAXIMUM_CONSTITUENTS = 64  # outside prices of one index
LARGEST_WEIGHT_PPM = PPM  # of one of them
MAXIMUM_INSTRUMENTS = 8192  # HOLDING.instrument, and the codes of two sides of each, have 16 bits
MAXIMUM_PROFILES = 62  # of a rulebook: one bit each in a rule, 8 in an account

ASSET_SHARE = 4  # all units of an asset against the most one account may hold
HIGHEST_RATE_PPM = 2_000_000_000  # HOLDING.rate_ppm has 32 bits
LARGEST_EXTRA = 1 << 55  # 36 billion dollars in micros


@kernel
def largest_worth(inverse: int, unit: int, maximum_ticks: int) -> int:
    """What one lot can be worth at most: at the top of the grid, or an inverse contract's at one tick."""
    return unit if inverse == 1 else unit * maximum_ticks


def most_lots(inverse: bool, unit: int, maximum_ticks: int, coins_per_lot: int) -> int:
    """The largest order and position of an instrument, in lots; 0: not even one lot fits."""
    worth = max(unit, LEAST_TICKS) if inverse else unit * maximum_ticks
    return min(POSITION_LIMIT // worth, AMOUNT_LIMIT // coins_per_lot)
