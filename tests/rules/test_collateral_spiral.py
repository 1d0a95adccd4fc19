"""Collateral priced on its own book: a failed trader's stock, then loops of 5, then loops of 3.5.

Nothing here is scripted but the books: a bid of 22,000 at 0.90 in the way of a trader's 60,000, which the
house sells at its pace, and thin bids below. Levels: the crowd's description 2.2; phases: modelling notes 5,
a thousandth of their size.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from support.vectors import funded, plain_venue, trade
from undertow.venue.facade import Venue
from undertow.venue.market_view import Event

ASSET = "USDe"
THIN = [(f"0.{cent}", "1000") for cent in range(98, 60, -1) if cent != 90]


def looped(venue: Venue, profile: str, multiple: str, own: str) -> int:
    account = venue.open_account(profile=profile)
    assets = Decimal(own) * Decimal(multiple)
    venue.deposit(account, ASSET, assets)
    venue.set_privileges(account, exempt=True, credit_limit=assets)
    assert venue.withdraw(account, "USDT", assets - Decimal(own)).accepted
    venue.set_privileges(account, exempt=False, credit_limit="0")
    return account


def venue_of(changes: dict[str, Any] | None = None) -> tuple[Venue, dict[str, int]]:
    """A trader with 60,000 of the asset behind a contract, two loops of it, bids, and the fund."""
    own_band = {"orders.classes.spot.price_band_ppm": 0, "orders.classes.spot.market_band_ppm": 50_000}
    venue = plain_venue("binance-2025", {**own_band, **(changes or {})})
    venue.list_asset(ASSET, tick="0.0001", lot="0.1", price="1")
    venue.list_perpetual("X-PERP", tick="1", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USDT", "1000000")
    who = {
        "trader": venue.open_account(profile="portfolio"),
        "five": looped(venue, "spot-margin", "5", "20000"),
        "three and a half": looped(venue, "loan", "3.5", "20000"),
    }
    venue.deposit(who["trader"], ASSET, "60000")
    trade(venue, "X-PERP", who["trader"], funded(venue, "1000000"), "2000", "100")
    bidder = funded(venue, "1000000")
    for price, size in [("0.90", "22000"), *THIN]:
        assert venue.place(bidder, ASSET, side="buy", size=size, price=price).accepted
    venue.place(funded(venue, "10"), ASSET, side="buy", size="1", price="1")
    venue.step()
    return venue, who


def play(venue: Venue, seconds: int) -> tuple[list[tuple[int, Event]], list[tuple[int, Decimal]]]:
    """Events and marks by second, the contract down by a third in the first."""
    venue.set_index("X-PERP", "66")
    events, marks = [], []
    for second in range(seconds):
        venue.step()
        events += [(second, event) for event in venue.history().events]
        marks.append((second, venue.market(ASSET).mark))
    return events, marks


def first(events: list[tuple[int, Event]], account: int) -> int | None:
    return next(
        (at for at, event in events if event.kind == "liquidation-start" and event.account == account), None
    )


def test_the_phases_come_in_order_and_at_their_levels() -> None:
    venue, who = venue_of()
    events, marks = play(venue, 3_600)
    trader, five, last = (first(events, who[name]) for name in ("trader", "five", "three and a half"))
    assert trader == 0 and five is not None and last is not None and trader < five < last
    price = dict(marks)
    pinned = [second for second in range(five) if price[second] == Decimal("0.9")]
    assert len(pinned) > 300  # the large bid holds for minutes
    assert price[five] <= Decimal("0.88") < price[five - 1]
    assert price[last] <= Decimal("0.7850") < price[last - 1]
    venue.audit()


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("valued at the index", {"collateral.USDe.price": {"kind": "index"}}),
        ("slow disposal", {"backstop.collateral_disposal.rate_ppm_per_second": 10}),
    ],
)
def test_without_one_link_the_loops_live(what: str, changes: dict[str, Any]) -> None:
    venue, who = venue_of(changes)
    if what == "valued at the index":
        venue.set_index(ASSET, "1")
    events, _marks = play(venue, 3_600)
    assert first(events, who["trader"]) == 0
    assert first(events, who["five"]) is None and first(events, who["three and a half"]) is None
    venue.audit()
