"""What an account's assets count for: profiles, collateral weights, borrowing, automatic conversion.

Holds the models and the exact borrow floors. Holds no valuation (the venue's `margin`).

Units: weights and rates in ppm, factors in ppb per square root of a coin, caps of tiers in coins or
settlement units. Rounding: what must be kept is rounded up. Invariant: weights never rise with the balance.

Sources: mechanisms 1.2 (weights, size term, conversion), 1.8 (margin on negative balances), 2.1 and 2.2
(wrapped tokens, portfolio margin, raw spot margin).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal

from undertow.rulebook.base import (
    Count,
    Factor,
    Flag,
    Loc,
    Money,
    Multiplier,
    Needs,
    Part,
    Rate,
    Row,
    Share,
    Table,
)
from undertow.units import PPM


class Profile(Table):
    """How an account is margined. An account chooses one; isolated positions are accounts of their own.

    `forced_assets`: what becomes of the assets of a wallet below maintenance. "taken-over": they pass to the
    backstop with what orders left. "sold": liquidation orders sell them into their own books first, as they
    do contracts (pacing one-shot; the others take them over). "kept": a wallet without contracts passes to
    the lender, who sells nothing (any pacing but the vault's).
    """

    collateral: Literal["none", "weighted", "raw"]
    borrowing: Flag
    trigger_at_equality: Flag  # liquidated when equity equals maintenance, not only below it
    maintenance_multiplier_ppm: Multiplier = PPM  # of maintenance: liquidated below it
    borrow_initial_ppm: Rate = 0  # on negative cash
    borrow_maintenance_ppm: Rate = 0
    forced_assets: Literal["taken-over", "sold", "kept"] = "taken-over"
    open_profit_leaves: Flag = False  # profit not yet realised may be withdrawn

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Borrowing margin in the right order."""
        if self.borrow_maintenance_ppm > self.borrow_initial_ppm:
            wrong = f"is {self.borrow_maintenance_ppm}, above borrow_initial_ppm {self.borrow_initial_ppm}"
            yield ("borrow_maintenance_ppm",), f"{wrong}; maintenance may not exceed initial margin"


class CollateralPrice(Part):
    """Which price values the asset.

    `own-book`: the venue's own market in the asset. `index`: the index. `redemption`: `conversion_ppm` units
    of `of` (or of the settlement asset) per token, at the index. `blend`: `own_weight_ppm` own book, the rest
    redemption value.
    """

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "own-book": (),
            "index": (),
            "redemption": ("conversion_ppm", "of"),
            "blend": ("own_weight_ppm", "conversion_ppm", "of"),
        }
    }

    kind: Literal["own-book", "index", "redemption", "blend"]
    own_weight_ppm: Share = 0
    of: str = ""  # the asset it redeems into; empty: the settlement asset
    conversion_ppm: Rate = 0  # units of `of` per token

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Redemption needs a rate above nothing."""
        if self.kind in ("redemption", "blend") and self.conversion_ppm == 0:
            yield ("conversion_ppm",), "is 0; give the units one token redeems for, 1000000 for one"


class BorrowMargin(Part):
    """Margin on a negative balance of the asset.

    `flat`: constant rates. `from-weights`: initial max(gross / weight_initial - 1, factor x sqrt(coins)),
    maintenance max(gross / weight_total - 1, share x factor x sqrt(coins)), with the asset's own factor.
    """

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "none": (),
            "flat": ("initial_ppm", "maintenance_ppm"),
            "from-weights": ("initial_gross_ppm", "maintenance_gross_ppm", "maintenance_share_ppm"),
        }
    }

    kind: Literal["none", "flat", "from-weights"]
    initial_ppm: Rate = 0
    maintenance_ppm: Rate = 0
    initial_gross_ppm: Rate = 0
    maintenance_gross_ppm: Rate = 0
    maintenance_share_ppm: Share = 0


class CollateralTier(Row):
    """Up to `cap` (coins, or settlement units by value) at this weight; the last may have no cap."""

    cap: Money | None = None
    weight_ppm: Share


class CollateralAsset(Table):
    """An asset as collateral. `sqrt`: weight min(w, 1.1 / (1 + factor x sqrt(coins))); tiers weigh each
    slice.
    """

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "flat": ("weight_total_ppm", "weight_initial_ppm"),
            "sqrt": ("weight_total_ppm", "weight_initial_ppm", "factor_ppb"),
            "tiers-by-quantity": ("tiers",),
            "tiers-by-value": ("tiers",),
        }
    }

    kind: Literal["flat", "sqrt", "tiers-by-quantity", "tiers-by-value"]
    weight_total_ppm: Share = 0  # against liquidation
    weight_initial_ppm: Share = 0  # for opening and withdrawing
    factor_ppb: Factor = 0
    tiers: tuple[CollateralTier, ...] = ()
    price: CollateralPrice
    borrow: BorrowMargin = BorrowMargin(kind="none")

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Weights in order, tiers falling."""
        if self.kind in ("flat", "sqrt") and self.weight_initial_ppm > self.weight_total_ppm:
            wrong = f"is {self.weight_initial_ppm}, above weight_total_ppm {self.weight_total_ppm}"
            yield ("weight_initial_ppm",), f"{wrong}; the weight for opening may not be larger"
        if self.kind.startswith("tiers"):
            yield from _tier_faults(self.tiers)
        if self.borrow.kind == "from-weights" and 0 in (self.weight_total_ppm, self.weight_initial_ppm):
            yield ("borrow", "kind"), "is 'from-weights', but a weight is 0; use 'flat' or give both weights"

    def borrow_floors_ppm(self) -> tuple[int, int]:
        """(initial, maintenance) rate on a small negative balance, rounded up; (0, 0) without a borrow
        rule.

        Source: mechanisms 1.8 (1.1/w_init - 1, 1.03/w_total - 1).
        """
        if self.borrow.kind == "flat":
            return self.borrow.initial_ppm, self.borrow.maintenance_ppm
        if self.borrow.kind == "none":
            return 0, 0
        initial = -(-self.borrow.initial_gross_ppm * PPM // self.weight_initial_ppm) - PPM
        maintenance = -(-self.borrow.maintenance_gross_ppm * PPM // self.weight_total_ppm) - PPM
        return max(initial, 0), max(maintenance, 0)

    def borrow_factors_ppb(self) -> tuple[int, int]:
        """(initial, maintenance) factor of the square-root term on a negative balance; (0, 0): none."""
        if self.borrow.kind != "from-weights":
            return 0, 0
        return self.factor_ppb, self.factor_ppb * self.borrow.maintenance_share_ppm // PPM


def _tier_faults(tiers: tuple[CollateralTier, ...]) -> Iterator[tuple[Loc, str]]:
    if not tiers:
        yield ("tiers",), "is empty; give at least one tier"
    for number, row in enumerate(tiers):
        if row.cap is None and number < len(tiers) - 1:
            yield ("tiers", number, "cap"), "is missing; only the last tier may have no cap"
        before = tiers[number - 1] if number else None
        if before is None:
            continue
        if row.cap is not None and before.cap is not None and row.cap <= before.cap:
            right = f"tiers must rise, so it must exceed {before.cap}"
            yield ("tiers", number, "cap"), f"is {row.cap}, not above the tier before; {right}"
        if row.weight_ppm > before.weight_ppm:
            right = f"weights may not rise with the balance, so at most {before.weight_ppm}"
            yield ("tiers", number, "weight_ppm"), f"is {row.weight_ppm}, above the tier before; {right}"


class AutoConversion(Table):
    """When assets are sold for cash by rule: any of the thresholds, 0 switching one off."""

    NEEDS: ClassVar[Needs] = {
        "kind": {
            "none": (),
            "negative-cash": (
                "cash_floor_usd",
                "ratio_of_net_collateral",
                "margin_fraction_slack_ppm",
                "profiles",
            ),
        }
    }

    kind: Literal["none", "negative-cash"]
    cash_floor_usd: Money = Decimal(0)  # debt above this is converted
    ratio_of_net_collateral: Count = 0  # so is debt above this multiple of net collateral
    margin_fraction_slack_ppm: Share = 0  # and any debt once the margin fraction is this close to maintenance
    profiles: tuple[str, ...] = ()  # the profiles it applies to; the others borrow instead
