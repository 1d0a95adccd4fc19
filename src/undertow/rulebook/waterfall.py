"""What happens to an account that cannot carry its positions, stage by stage.

Holds the models of liquidation into the book, backstop, insurance and loss allocation. The mechanisms are
named by what they do, never by who uses them. Holds no behaviour.

Units: ppm, seconds, settlement units (see `base`). Invariant: a figure of a mechanism that is not chosen
cannot be set.

Sources: mechanisms 1.4 to 1.7, 2.4 to 2.7, 3 (liquidation, queue), 4, 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal

from undertow.rulebook.base import Count, Flag, Loc, Money, Needs, Part, Rate, Share, Table


class Liquidation(Table):
    """Stage 1: orders into the book.

    `random-slices`: each second with `probability_ppm`, a slice of the position, shared cap by average
    daily volume, the jitter after the cap; limit a random way through the opposite side. `one-shot`: all
    orders cancelled, one order. `staged`: the whole position, above `threshold_usd` first a part, then a
    pause. `fillable-price`: slices at a price that worsens with the shortfall. `auto_close` "fraction":
    below max(share x maintenance, maintenance - gap) the position passes to the backstop a part each
    second.
    """

    NEEDS: ClassVar[Needs] = {
        "pacing": {
            "random-slices": (
                "probability_ppm",
                "slice_ppm",
                "floor_usd",
                "volume_cap_ppm",
                "jitter_low_ppm",
                "jitter_high_ppm",
                "cross_low_ppm",
                "cross_high_ppm",
            ),
            "one-shot": ("slicing", "fill", "limit"),
            "staged": ("threshold_usd", "first_ppm", "cooldown_seconds"),
            "fillable-price": (
                "slice_ppm",
                "floor_usd",
                "block_cap_usd",
                "attempts_per_block",
                "spread_to_maintenance_ppm",
                "bankruptcy_adjustment_ppm",
                "fee_cap_ppm",
                "loss_limit_usd",
            ),
        },
        "auto_close": {
            "none": (),
            "fraction": ("auto_close_half_ppm", "auto_close_gap_ppm", "auto_close_floor_usd"),
        },
    }

    pacing: Literal["random-slices", "one-shot", "staged", "fillable-price"]
    # random-slices; the first two also fillable-price
    slice_ppm: Share = 0
    floor_usd: Money = Decimal(0)
    probability_ppm: Share = 0  # per second, contract and account
    volume_cap_ppm: Share = 0  # of average daily volume, one pool for all accounts
    jitter_low_ppm: Rate = 0
    jitter_high_ppm: Rate = 0
    cross_low_ppm: Share = 0
    cross_high_ppm: Share = 0
    # one-shot
    slicing: Literal["smallest-restoring", "whole-position", "tier-down"] = "whole-position"
    fill: Literal["partial", "all-or-nothing"] = "partial"
    limit: Literal["bankruptcy", "market-band"] = "bankruptcy"
    # staged
    threshold_usd: Money = Decimal(0)
    first_ppm: Share = 0
    cooldown_seconds: Count = 0
    # fillable-price
    block_cap_usd: Money = Decimal(0)
    attempts_per_block: Count = 0
    spread_to_maintenance_ppm: Rate = 0
    bankruptcy_adjustment_ppm: Rate = 0
    fee_cap_ppm: Share = 0
    loss_limit_usd: Money = Decimal(0)  # most the fund pays for an account in a block; 0: no limit
    # auto-close
    auto_close: Literal["none", "fraction"] = "none"
    auto_close_half_ppm: Share = 0
    auto_close_gap_ppm: Share = 0
    auto_close_floor_usd: Money = Decimal(0)

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Ranges the wrong way round, and slices that never come."""
        for name in ("jitter", "cross"):
            low, high = getattr(self, f"{name}_low_ppm"), getattr(self, f"{name}_high_ppm")
            if low > high:
                yield (f"{name}_low_ppm",), f"is {low}, above {name}_high_ppm {high}; exchange them"
        for key in ("slice_ppm", "first_ppm", "probability_ppm"):
            if key in self.model_fields_set and getattr(self, key) == 0:
                yield (key,), "is 0, so nothing would ever be sold; make it larger"


class Disposal(Part):
    """How fast the house sells what it took over: a rate of the stock, within a share of turnover."""

    NEEDS: ClassVar[Needs] = {"price_floor": {"none": (), "band": ("band_ppm_per_minute",), "bankruptcy": ()}}

    rate_ppm_per_second: Share
    max_turnover_share_ppm: Share  # of the last minute's turnover; 0: no limit
    price_floor: Literal["none", "band", "bankruptcy"] = "none"  # bankruptcy: rests there, does not cross
    band_ppm_per_minute: Share = 0  # it does not sell through a larger fall while solvent


class Backstop(Table):
    """Stage 2: somebody takes the position over.

    `providers`: at the line of `Liquidation.auto_close`. `vault`: below `maintenance_share_ppm` of
    maintenance. `fund`: when the order did not suffice.
    """

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "none": (),
            "providers": (
                "price_split_ppm",
                "per_minute_usd",
                "per_hour_usd",
                "overflow_to_allocation",
            ),
            "vault": ("maintenance_share_ppm", "capital_usd", "loss_threshold_ppm", "disposal"),
            "fund": ("net_position_limit_ppm", "disposal", "collateral_disposal"),
        }
    }
    TAKES: ClassVar[Needs] = {"kind": {"providers": ("hedge_cost_ppm",), "vault": ("hedge_cost_ppm",)}}

    kind: Literal["none", "providers", "vault", "fund"]
    maintenance_share_ppm: Share = 0  # vault: it takes over below this share of maintenance
    price_split_ppm: Share = 0  # providers: weight of the zero price in their price, the rest is the mark
    per_minute_usd: Money = Decimal(0)  # providers: capacity of each
    per_hour_usd: Money = Decimal(0)
    overflow_to_allocation: Flag = False  # beyond capacity straight to stage 4
    net_position_limit_ppm: Rate = 0  # fund: net notional it may hold, of its own equity; 0: no limit
    capital_usd: Money = Decimal(0)
    loss_threshold_ppm: Share = 0  # vault: beyond a loss of this share, its stock is allocated
    disposal: Disposal = Disposal(rate_ppm_per_second=0, max_turnover_share_ppm=0)
    collateral_disposal: Disposal = Disposal(rate_ppm_per_second=0, max_turnover_share_ppm=0)
    hedge_cost_ppm: Share = 0  # of notional laid off elsewhere, by providers or vault; 0: they do not hedge


class Insurance(Table):
    """Stage 3: the fund pays."""

    cover: Literal["partial", "whole-or-nothing"]
    isolated_funds: tuple[str, ...] = ()  # classes of contracts with a fund of their own
    # A debt of a wallet that holds nothing and was not under liquidation: the fund (or vault) pays it, or it
    # stays with its owner as bad debt. What a liquidation leaves is always the fund's.
    debt_without_position: Literal["covered", "left"]


class Allocation(Table):
    """Stage 4: who bears what is left. `group`: the queue is cut into the so many best ranked, pro rata
    within.

    Policies that close positions do so at `price`, by which the winners bear the loss. The others take money:
    they close at the mark, and where `trigger` is `fund-exhausted` the fund pays first what it can.
    """

    NEEDS: ClassVar[Needs] = {
        "policy": {
            "queue": ("score", "price"),
            "contract-pro-rata": ("price",),
            "random-start": ("price",),
            "wealth-pro-rata": (),
            "water-filling": (),
            "leverage-pro-rata": (),
            "risk-aware-pro-rata": (),
            "socialised": (),
            "clawback": (),
            "bad-debt": (),
        }
    }
    TAKES: ClassVar[Needs] = {"policy": {"queue": ("group",)}}

    policy: Literal[
        "queue",
        "contract-pro-rata",
        "wealth-pro-rata",
        "water-filling",
        "leverage-pro-rata",
        "risk-aware-pro-rata",
        "random-start",
        "socialised",
        "clawback",
        "bad-debt",
    ]
    score: Literal["profit-margin-ratio", "profit-leverage", "price-ratio-leverage", "opposing-size"] = (
        "profit-leverage"
    )
    price: Literal["bankruptcy", "previous-mark", "zero-mix"] = "bankruptcy"
    trigger: Literal["fund-exhausted", "negative-equity"]  # after the fund has paid, or in its place
    group: Count = 0  # opposing-size: share among this many (more if needed); 0: strictly in order

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """A group is cut from the largest positions and from no other ranking."""
        if self.group and self.policy == "queue" and self.score != "opposing-size":
            wrong = f"is {self.group}, which does nothing under score {self.score!r}"
            yield ("group",), f"{wrong}; set it to 0, or the score to 'opposing-size'"
