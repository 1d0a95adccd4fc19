"""People without leverage: those who post asks and follow the price, and those who hold coins and sell some.

Holds data only; the behaviours stand in sellers.py and holders.py. Defaults come from the description of the
October 2025 crowd; a description ends with the section it stands in and the range it may be moved in.

Units: USD, seconds, shares of one, as named. Invariant: rules that exist are usable.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from undertow.crowd.rules_actors import ActorRules


class SellerRules(ActorRules):
    """People's limit orders to sell, which follow the price down (section 3.2, `sticky`)."""

    share: float = Field(0.08, ge=0, description="of calm maker depth within 4 % (3.2; 0.03 to 0.12)")
    stock_share: float = Field(
        0.05, ge=0, description="of open interest, what they want to sell at once (own)"
    )
    arrivals_per_minute: float = Field(
        0.02,
        ge=0,
        description="of open interest, who joins them a minute, per 10 % fall in that minute (own)",
    )
    accounts: int = Field(4, ge=1, le=64, description="wallets that stand for them (own)")
    levels: int = Field(6, ge=1, le=64, description="asks a wallet and coin (own)")
    nearest: float = Field(0.002, gt=0, lt=1, description="distance of the nearest ask, share of price (own)")
    reach: float = Field(0.04, gt=0, lt=1, description="distance of the furthest (3.2)")
    turn_s: float = Field(8.0, gt=0, description="s; asks are re-posted so often on average (own)")
    failure_weight: float = Field(1.0, ge=0, description="how often their messages fail (6)")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.nearest >= self.reach:
            raise ValueError(f"nearest is {self.nearest}; less than reach ({self.reach}) is needed")
        return self


class HolderRules(ActorRules):
    """People with coins here and no debt, who sell some in a fall (section 5, `panic`)."""

    holdings_days: float = Field(
        10.0, ge=0, description="coins that people hold here, in days of spot turnover (own; 3 to 30)"
    )
    share: float = Field(
        0.0015, ge=0, le=0.1, description="of them sold per 10 % of fall in half an hour (5; 0.0005 to 0.005)"
    )
    pace_s: float = Field(60.0, gt=0, description="s from the decision to the order, on average (own)")
    turn_s: float = Field(3.0, gt=0, description="s; a wallet sells so often on average (own)")
    collar: float = Field(
        0.02, gt=0, lt=1, description="market orders reach so far through the market (notes 7.5)"
    )
    accounts: int = Field(8, ge=1, le=64, description="wallets that stand for them (own)")
    failure_weight: float = Field(1.5, ge=0, description="how often their messages fail (6, app)")
