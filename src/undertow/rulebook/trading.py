"""Fees, what orders are let through, and when the doors close.

Holds the models only. Units: ppm, seconds, settlement units (see `base`). Invariant: a class of contracts
that sets nothing of its own follows the venue's common figure. The class "spot" is that of assets.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from undertow.rulebook.base import (
    Duration,
    Flag,
    Money,
    Move,
    Needs,
    Part,
    Rate,
    Seconds,
    Share,
    SignedRate,
    Table,
)

SPOT_CLASS = "spot"  # what assets are called in the classes of fees and orders


class FeesClass(Table):
    """Fees of a class of contracts where they differ."""

    taker_ppm: SignedRate | None = None
    maker_ppm: SignedRate | None = None
    liquidation_ppm: Share | None = None


class Fees(Table):
    """Trading fees, and the clearance fee on liquidated notional that goes to the insurance fund."""

    taker_ppm: SignedRate
    maker_ppm: SignedRate  # negative: a rebate
    liquidation_ppm: Share
    classes: dict[str, FeesClass] = Field(default_factory=dict)

    def of(self, name: str) -> tuple[int, int, int]:
        """(taker, maker, liquidation) in ppm for a class of contracts."""
        own = self.classes.get(name)
        common = (self.taker_ppm, self.maker_ppm, self.liquidation_ppm)
        if own is None:
            return common
        ours = (own.taker_ppm, own.maker_ppm, own.liquidation_ppm)
        taker, maker, liquidation = (b if a is None else a for a, b in zip(ours, common, strict=True))
        return taker, maker, liquidation


class OrdersClass(Table):
    """Bands of a class of contracts where they differ."""

    price_band_ppm: Rate | None = None
    market_band_ppm: Rate | None = None


class Orders(Table):
    """Which orders are refused, and how far a market order may reach.

    `reduce_only`: under "each" a reduce-only order may close the whole position, whatever else rests to
    close it; under "together" what rests is cut to the position, the order furthest from the market first;
    under "unoffered" a new one also gets no more than resting orders of its side leave.
    `match_check`: a resting order whose owner cannot carry the match is taken off instead of filled.
    "equity": his equity would fall below zero. "margin": he would not hold the initial margin of his
    positions, unless the fill makes him no riskier.
    """

    price_band_ppm: Rate  # limit orders further than this through the reference are refused; 0: no band
    market_band_ppm: Rate  # cap of market orders through the reference; 0: none
    band_reference: Literal["mark", "index", "opposite"]
    min_notional_usd: Money
    self_trade: Literal["allow", "cancel-taker", "cancel-maker"]
    reduce_only: Literal["each", "together", "unoffered"]  # how much of a position reduce-only orders close
    amend_post_only: Literal["refused", "withdrawn"]  # when an amended post-only order would trade at once
    freeze_on_liquidation: Flag
    match_check: Literal["equity", "margin"]
    classes: dict[str, OrdersClass] = Field(default_factory=dict)

    def bands(self, name: str) -> tuple[int, int]:
        """(limit band, market band) in ppm for a class of contracts; 0: none."""
        own = self.classes.get(name)
        if own is None:
            return self.price_band_ppm, self.market_band_ppm
        limit = self.price_band_ppm if own.price_band_ppm is None else own.price_band_ppm
        market = self.market_band_ppm if own.market_band_ppm is None else own.market_band_ppm
        return limit, market


class WithdrawalGate(Part):
    """When withdrawals stop by rule."""

    NEEDS: ClassVar[Needs] = {"kind": {"none": (), "after-negative-account": ("seconds",)}}

    kind: Literal["none", "after-negative-account"]
    seconds: Seconds = 0


class HaltStart(Part):
    """What starts a halt: a move of the mark of `ppm` within `seconds`."""

    kind: Literal["move"]
    ppm: Move
    seconds: Duration


class HaltEnd(Part):
    """What ends it: time elapsed, or a stretch without a move of `ppm`."""

    NEEDS: ClassVar[Needs] = {"kind": {"elapsed": (), "calm": ("ppm",)}}

    kind: Literal["elapsed", "calm"]
    seconds: Duration
    ppm: Rate = 0


class Halt(Part):
    """A rule that stops matching, or liquidation alone."""

    scope: Literal["matching", "liquidation"]
    start: HaltStart
    end: HaltEnd


class Gates(Table):
    """When the venue closes a door by rule."""

    withdrawals: WithdrawalGate = WithdrawalGate(kind="none")
    halts: tuple[Halt, ...] = ()
    withdrawal_notional_ppm: Share = 0  # keep at least this share of notional; 0: no such rule
