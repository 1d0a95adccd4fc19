"""How a venue knows a price: index, mark and funding.

Holds the models only; the formulas are the venue's. Units: ppm, seconds, settlement units (see `base`).
Invariant: no figure of an unused method can be set.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from undertow.rulebook.base import (
    Count,
    Duration,
    Loc,
    Money,
    Needs,
    Part,
    Rate,
    Seconds,
    Share,
    SignedRate,
    Table,
)


class IndexClamp(Part):
    """How far the index may run from its own recent level."""

    NEEDS: ClassVar[Needs] = {"kind": {"none": (), "ewma-band": ("band_ppm", "tau_seconds")}}

    kind: Literal["none", "ewma-band"]
    band_ppm: Share = 0
    tau_seconds: Seconds = 0


class Index(Table):
    """How several outside prices become one."""

    method: Literal["median", "weighted-median", "mean", "weighted-mean"]
    stale_seconds: Seconds  # a constituent older than this is left out; 0: never
    outlier_ppm: Rate  # one further than this from the median is left out; 0: never
    minimum_constituents: Count
    clamp: IndexClamp = IndexClamp(kind="none")
    own_weight_ppm: Share = 0  # share of the venue's own spot book


class Mark(Table):
    """What positions are valued at.

    `median-bid-ask-last`: median(best bid, best ask, last). `median-of-three`: median(index x (1 + last
    funding x time left / period), index + average(middle - index) over the window, last). `fair-basis`:
    index x (1 + funding x time left / period). `oracle-ema-median`: median(oracle + smoothed(middle -
    oracle), median(bid, ask, last), median of perpetuals elsewhere). `oracle`: the oracle price.
    """

    NEEDS: ClassVar[Needs] = {
        "method": {
            "median-bid-ask-last": (),
            "median-of-three": ("basis_window_seconds",),
            "fair-basis": (),
            "oracle-ema-median": ("ema_seconds", "short_ema_seconds"),
            "oracle": (),
        }
    }

    method: Literal["median-bid-ask-last", "median-of-three", "fair-basis", "oracle-ema-median", "oracle"]
    update_seconds: Seconds
    basis_window_seconds: Seconds = 0
    ema_seconds: Seconds = 0
    short_ema_seconds: Seconds = 0  # smooths the own level that stands in for a missing third input


class FundingClass(Table):
    """What a class of contracts does differently."""

    impact_notional_usd: Money | None = None
    cap_ppm: Rate | None = None


class Funding(Table):
    """What longs and shorts pay each other.

    Rate for `period_seconds`: P + clamp(interest - P, +-clamp), scaled to the interval, then held within
    `cap_ppm` per interval. P is measured by impact prices from the `reference`, or by the middle from the
    index. `twap-premium-24`: each hour size x average premium / 24, no interest, no clamp; the premium is an
    amount of money a coin, so no `notional` is charged.
    """

    _BOOK_KEYS: ClassVar[tuple[str, ...]] = ("interest_ppm", "clamp_ppm", "period_seconds", "notional")
    NEEDS: ClassVar[Needs] = {
        "premium": {
            "impact": ("impact_notional_usd", "reference", *_BOOK_KEYS),
            "mid": _BOOK_KEYS,
            "twap-premium-24": (),
        }
    }

    interval_seconds: Duration
    sample_seconds: Duration
    premium: Literal["impact", "mid", "twap-premium-24"]
    reference: Literal["index", "mark"] = "index"  # what the premium is measured from
    notional: Literal["mark", "oracle"] = "mark"  # what the rate is charged on
    impact_notional_usd: Money = Decimal(0)
    interest_ppm: SignedRate = 0  # per period
    clamp_ppm: Rate = 0
    cap_ppm: Rate = 0  # largest absolute rate of an interval; 0: none
    change_cap_ppm: Rate = 0  # largest change from one interval to the next; 0: none
    period_seconds: Duration = 28_800  # the period the rate is quoted for
    classes: dict[str, FundingClass] = Field(default_factory=dict)

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Figures of a class that the premium rule cannot use."""
        for name, own in self.classes.items():
            if own.impact_notional_usd is not None and self.premium != "impact":
                wrong = f"does nothing under premium {self.premium!r}; it belongs to 'impact'"
                yield ("classes", name, "impact_notional_usd"), wrong

    def impact_notional(self, name: str) -> Decimal:
        """Impact notional of a class of contracts, in settlement units."""
        own = self.classes[name].impact_notional_usd if name in self.classes else None
        return self.impact_notional_usd if own is None else own

    def cap(self, name: str) -> int:
        """Largest absolute rate of an interval for a class of contracts, in ppm; 0: none."""
        own = self.classes[name].cap_ppm if name in self.classes else None
        return self.cap_ppm if own is None else own
