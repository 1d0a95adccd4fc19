"""Every figure of the firms that trade two venues against each other.

Holds data only; the behaviour stands in `between`. Units: USD, seconds, shares of one, volatilities as
multiples of a coin's calm volatility. Invariant: rules that exist are usable.
"""

from __future__ import annotations

from pydantic import Field

from undertow.crowd.rules import Figures
from undertow.crowd.scale import Basis, amount


class BetweenRules(Figures):
    """Firms with an account on each of two venues: they buy where a coin is cheap, sell where it is dear."""

    active: bool = Field(True, description="False: their accounts exist, but they never act")
    firms: int = Field(6, ge=1, le=64, description="firms (4 has 25 of all kinds; fewer, larger ones)")
    first_usd: float | None = amount(
        Basis.CONTRACTS,
        0.002,
        usual=(2e-4, 2e-2),
        gt=0,
        description="USD of all firms on the first venue (own: x/÷ 10)",
    )
    second_usd: float | None = amount(
        Basis.CONTRACTS,
        0.002,
        usual=(2e-4, 2e-2),
        gt=0,
        description="USD of all firms on the second venue (own: x/÷ 10)",
    )
    leverage: float = Field(
        5.0, gt=0, description="largest gross notional over equity on either venue (own; 2 to 10)"
    )
    room_exponent: float = Field(
        1.0, ge=0, le=2, description="a coin's part of a firm's room grows with turnover to this (own)"
    )
    edge: float = Field(
        2e-4, ge=0, description="least gain beyond the fees of four trades, share of price (4, band)"
    )
    edge_sigmas: float = Field(
        0.6, ge=0, description="band in standard deviations over the settlement time (4, lambda; 0.3 to 1.2)"
    )
    fast_settlement_s: float = Field(1.0, gt=0, description="s while stock on both venues lasts (4)")
    slow_settlement_s: float = Field(600.0, gt=0, description="s by transfer (4)")
    stalled_settlement_s: float = Field(1980.0, gt=0, description="s expected in a stall (4, self-check)")
    edge_spread: float = Field(0.3, ge=0, description="standard deviation of firms' ln bands (own)")
    pace_per_s: float = Field(0.2, gt=0, le=1, description="share of its room a firm uses in a second (own)")
    visible_share: float = Field(
        0.25, gt=0, le=1, description="share of the visible depth an order takes (own)"
    )
    visible_band: float = Field(0.002, gt=0, lt=1, description="what counts as visible, from the touch (own)")
    hedge_collar: float = Field(
        0.02, gt=0, lt=1, description="an open leg is closed so far through the market (own)"
    )
    transfer_s: float = Field(600.0, ge=0, description="s that money is on its way between venues (4)")
    transfer_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of what one side lacks sent in a minute of open transfers (4; 0.02 to 0.15)",
    )
    failure_weight: float = Field(2.0, ge=0, description="how often transfers fail, times the weather (6)")
