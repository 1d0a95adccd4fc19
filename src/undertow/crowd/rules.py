"""The description a crowd is drawn from: its numbers, what the venue lists, and the codes of accounts.

Holds data only. Units: micro-dollars, ticks, lots; shares are fractions of one; equity in USD where a name
says so.
Invariant: a `PopulationRules` that exists is usable: its constructor refuses what makes no crowd.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from undertow.crowd.scale import Basis, Scale, amount, amount_of
from undertow.rulebook.limits import Bounded

MOST_PEOPLE = 10_000_000_000
TAIL_WIDTH = 4.0  # least cap over start of the tail, and start over median, of a venue without a stated cap

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Leverage = Annotated[float, Field(gt=0, le=1000)]
Hours = Annotated[float, Field(gt=0, le=87_660)]


class MarginProfile(IntEnum):
    """How an account's positions share its collateral."""

    CROSS = 0  # one settlement asset
    MULTI = 1  # several assets count
    PORTFOLIO = 2
    ISOLATED = 3  # one position per wallet


class Holder(IntEnum):
    """Who an account is."""

    TRADER = 0
    BASIS_BOOK = 1  # short here, long in spot elsewhere
    HEDGE_BOOK = 2  # a maker's hedge, either side


class Figures(Bounded):
    """A table of figures: frozen, every key known, all finite and bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PopulationRules(Figures):
    """The crowd in numbers. Defaults: the October 2025 description, sections 1.3 to 1.6."""

    reference_accounts: int | None = amount(
        Basis.OPEN_INTEREST,
        1 / 24_700,
        usual=(1 / 138_000, 1 / 13_700),
        ge=1,
        le=MOST_PEOPLE,
        description="people; fewer accounts stand for several each "
        "(1.1: 0.8 to 3 million where open interest is 41 billion, 0.1 million where it is 13.8)",
    )
    median_equity_usd: float = Field(
        250.0, gt=0, description="USD; where the search for the median starts (1.4; 150 to 1,000)"
    )
    fit_median: bool = Field(True, description="scale the median so that notional meets open interest (1.4)")
    equity_spread: float = Field(2.5, gt=0, description="standard deviation of ln equity (1.4; 2.3 to 2.9)")
    tail_exponent: float = Field(0.80, gt=0, description="Pareto exponent of the tail (1.4; 0.74 to 0.90)")
    tail_start_usd: float = Field(
        250_000.0, gt=0, description="USD; where the tail starts (1.4; 100,000 to 300,000)"
    )
    tail_cap_usd: float | None = amount(
        Basis.OPEN_INTEREST,
        0.0073,
        usual=(0.0037, 0.023),
        gt=0,
        description="USD; the largest account "
        "(1.4: 150 to 500 million where open interest is 41 billion, 316 million where it is 13.8)",
    )
    least_equity_usd: float = Field(5.0, gt=0, description="USD; the smallest account (own choice)")
    leverage_at_500_usd: float = Field(
        5.0, gt=0, description="median gross notional over equity of a 500-dollar account (1.4; 3 to 10)"
    )
    leverage_slope: float = Field(
        0.08, description="fall of ln leverage per unit of ln equity (1.4; 0.05 to 0.17)"
    )
    leverage_spread: float = Field(
        0.70, ge=0, description="standard deviation of ln leverage (1.4; 0.6 to 1)"
    )
    leverage_limits: tuple[Leverage, Leverage] = Field(
        (0.1, 75.0), description="lowest and highest leverage (1.4; the brackets bind as well)"
    )
    long_accounts: float = Field(0.68, description="share of accounts net long (1.6; 0.55 to 0.80)")
    one_sided: float = Field(
        0.8, description="share of accounts on one side in all their coins (1.6; 0.6 to 1)"
    )
    coins_per_account: float = Field(2.2, description="mean number of coins, 1 + geometric (1.6; 1.5 to 4)")
    largest_share: float = Field(
        0.03, description="share of a coin's open interest in one account at most (own choice)"
    )
    isolated_accounts: float = Field(0.36, description="share on isolated margin (1.6; 0.2 to 0.6)")
    multi_accounts: float = Field(0.12, description="share on multi-asset margin (1.6; 0.05 to 0.2)")
    portfolio_notional: float = Field(
        0.30, description="share of notional on portfolio margin, in the tail (1.6; 0.2 to 0.45)"
    )
    basis_share: float = Field(
        0.25, description="share of the short side held against spot (1.6; 0.15 to 0.40)"
    )
    hedge_share: float = Field(0.05, description="share of each side that hedges makers (3.2; own choice)")
    basis_books: int = Field(8, description="accounts that hold the basis share (own choice)")
    hedge_books: int = Field(8, description="accounts that hold the hedges (own choice)")
    book_leverage: float = Field(2.0, gt=0, description="gross notional over equity of a book (own choice)")
    daily_volatility: float = Field(
        0.04, ge=0, description="a day's standard deviation of the past prices of entry (1.6)"
    )
    entry_hours: tuple[Hours, Hours] = Field(
        (1.0, 720.0), description="hours since entry, log-uniform between (1.6; 1 h to 90 d)"
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        shares = {
            name: getattr(self, name)
            for name in ("long_accounts", "one_sided", "largest_share", "portfolio_notional", "basis_share")
        }
        shares["isolated_accounts + multi_accounts"] = self.isolated_accounts + self.multi_accounts
        shares["basis_share + hedge_share"] = self.basis_share + self.hedge_share
        for name, share in shares.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} is {share}; 0 to 1 is needed")
        rising = [self.least_equity_usd, self.median_equity_usd, self.tail_start_usd, self.tail_cap_usd]
        known = [usd for usd in rising if usd is not None]
        if known[0] > known[1] or any(low >= high for low, high in pairwise(known[1:])):
            raise ValueError("least_equity, median_equity, tail_start and tail_cap rise in this order")
        if self.coins_per_account < 1.0:
            raise ValueError(f"coins_per_account is {self.coins_per_account}; 1 or more is needed")
        if self.basis_books < 1 or self.hedge_books < 2:
            raise ValueError("at least 1 basis book and 2 hedge books close the coins")
        return self

    def sizes_on(self, open_interest_usd: float) -> SizesUsd:
        """People and sizes of accounts on a venue.

        Where the largest account is small, the tail starts lower, and with it what else would lie above it:
        a venue's size changes how many there are of each size before it changes the law.
        """
        scale = Scale(open_interest_usd, 0.0, 0.0)
        people = max(1, round(amount_of(self, "reference_accounts", scale)))
        cap = amount_of(self, "tail_cap_usd", scale)
        if self.tail_cap_usd is not None:
            return SizesUsd(people, self.least_equity_usd, self.median_equity_usd, self.tail_start_usd, cap)
        start = min(self.tail_start_usd, cap / TAIL_WIDTH)
        median = min(self.median_equity_usd, start / TAIL_WIDTH)
        return SizesUsd(people, min(self.least_equity_usd, median), median, start, cap)


class SizesUsd(NamedTuple):
    """How many people, and how large their accounts are, USD each."""

    people: int
    least: float
    median: float  # where the search for it starts
    tail_start: float
    tail_cap: float


class Listing(NamedTuple):
    """What the venue lists, by instrument: perpetuals have open interest, assets a share in collateral."""

    prices_ticks: Integers
    unit_micros: Integers  # micro-dollars per tick and lot
    open_interest_micros: Integers  # one side; 0: not a perpetual
    collateral_share: Floats  # of the equity of multi-asset and portfolio accounts; 0: none; the rest is cash
    bracket_offsets: Integers | None = None  # per instrument, into the next two
    bracket_ends_micros: Floats | None = None  # notional up to which the leverage holds
    bracket_leverages: Floats | None = None
    collateral_micros: Integers | None = None  # held as collateral in all, instead of a share; 0: by share
