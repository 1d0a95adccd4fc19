"""The description a crowd is drawn from: its numbers, what the venue lists, and the codes of accounts.

Holds data only. Units: micro-dollars, ticks, lots; shares are fractions of one; equity in USD where a name
says so.
Invariant: a `PopulationRules` that exists is usable: its constructor refuses what makes no crowd.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class PopulationRules:
    """The crowd in numbers. Defaults: the October 2025 description, sections 1.3 to 1.6."""

    reference_accounts: int = 1_660_000  # people; fewer accounts stand for several each
    median_equity_usd: float = 250.0  # where the search for the median starts; see `fit_median`
    fit_median: bool = True  # scale the median so that notional meets open interest
    equity_spread: float = 2.5
    tail_exponent: float = 0.80
    tail_start_usd: float = 250_000.0
    tail_cap_usd: float = 300e6
    least_equity_usd: float = 5.0
    leverage_at_500_usd: float = 5.0
    leverage_slope: float = 0.08
    leverage_spread: float = 0.70
    leverage_limits: tuple[float, float] = (0.1, 75.0)
    long_accounts: float = 0.68
    one_sided: float = 0.8
    coins_per_account: float = 2.2
    largest_share: float = 0.03  # of a coin's open interest in one account
    isolated_accounts: float = 0.36
    multi_accounts: float = 0.12
    portfolio_notional: float = 0.30  # held by accounts of the tail on portfolio margin
    basis_share: float = 0.25  # of the short side
    hedge_share: float = 0.05  # of each side
    basis_books: int = 8
    hedge_books: int = 8
    book_leverage: float = 2.0
    daily_volatility: float = 0.04  # of the past prices at which positions were entered
    entry_hours: tuple[float, float] = (1.0, 720.0)

    def __post_init__(self) -> None:
        shares = {
            name: getattr(self, name)
            for name in ("long_accounts", "one_sided", "largest_share", "portfolio_notional", "basis_share")
        }
        shares["isolated_accounts + multi_accounts"] = self.isolated_accounts + self.multi_accounts
        shares["basis_share + hedge_share"] = self.basis_share + self.hedge_share
        for name, share in shares.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} is {share}; 0 to 1 is needed")
        if not self.least_equity_usd <= self.median_equity_usd < self.tail_start_usd < self.tail_cap_usd:
            raise ValueError("least_equity, median_equity, tail_start and tail_cap rise in this order")
        if self.coins_per_account < 1.0:
            raise ValueError(f"coins_per_account is {self.coins_per_account}; 1 or more is needed")
        if self.basis_books < 1 or self.hedge_books < 2:
            raise ValueError("at least 1 basis book and 2 hedge books close the coins")


class Listing(NamedTuple):
    """What the venue lists, by instrument: perpetuals have open interest, assets a share in collateral."""

    prices_ticks: Integers
    unit_micros: Integers  # micro-dollars per tick and lot
    open_interest_micros: Integers  # one side; 0: not a perpetual
    collateral_share: Floats  # of the equity of multi-asset and portfolio accounts; 0: none; the rest is cash
    bracket_offsets: Integers | None = None  # per instrument, into the next two
    bracket_ends_micros: Floats | None = None  # notional up to which the leverage holds
    bracket_leverages: Floats | None = None
