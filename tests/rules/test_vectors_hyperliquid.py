"""Published numbers of tiered margin, oracle marks and hourly funding, through the facade.

Sources: mechanisms 4; ids are those of the shared vector file.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.vectors import assert_as_published, down, funded, plain_venue, trade, up
from undertow.venue.facade import Venue

PRESET = "hyperliquid-2025"

PUBLISHED: dict[str, dict[str, Any]] = {
    "hl-mm-btc-1m": {"rate": 0.0125, "deduction": 0, "maintenance_margin": 12500.0},
    "hl-mm-btc-200m": {"rate": 0.025, "deduction": 1875000.0, "maintenance_margin": 3125000.0},
    "hl-mm-sol-100m": {"rate": 0.05, "deduction": 1750000.0, "maintenance_margin": 3250000.0},
    "hl-liqprice-long": {"margin_available": 8750.0, "liq_price": 91139.24050632911},
    "hl-liqprice-short": {"margin_available": 8750.0, "liq_price": 108641.97530864198},
    "hl-backstop": {"backstop": [False, False, True]},
    "hl-mark": {"mark": 10018},
    "hl-funding": {"premium": 0.001, "F8h": 0.0005, "hourly": 6.25e-05, "long_pays": 1.25},
    "hl-funding-floor": {"hourly": 1.25e-05, "simple_apr": 0.1095, "compounded": 0.1157193073705638},
    "hl-withdraw": {"required": 10000.0},
}


def test_numbers_are_those_of_the_shared_file(shared: Path) -> None:
    assert_as_published(shared, PUBLISHED)


def venue_at(coin: str, price: str, changes: dict[str, Any] | None = None, **options: Any) -> Venue:
    """A venue with one contract at a price."""
    venue = plain_venue(PRESET, changes, **options)
    venue.list_perpetual(f"{coin}-PERP", tick="0.1", lot="0.001", price=price)
    return venue


@pytest.mark.parametrize(
    ("vector", "coin", "price", "size"),
    [
        ("hl-mm-btc-1m", "BTC", "100000", "10"),
        ("hl-mm-btc-200m", "BTC", "100000", "2000"),
        ("hl-mm-sol-100m", "SOL", "200", "500000"),
    ],
)
def test_maintenance_of_a_tier(vector: str, coin: str, price: str, size: str) -> None:
    venue = venue_at(coin, price)
    account, other = funded(venue, "100000000"), funded(venue, "100000000")
    trade(venue, f"{coin}-PERP", account, other, size, price)
    row = venue.account(account).holdings[0]
    expected = PUBLISHED[vector]
    assert row.maintenance_rate == Decimal(repr(expected["rate"]))
    assert row.maintenance_margin == Decimal(repr(expected["maintenance_margin"]))
    assert row.notional * row.maintenance_rate - row.maintenance_margin == Decimal(
        repr(expected["deduction"])
    )


@pytest.mark.parametrize(("vector", "side"), [("hl-liqprice-long", "buy"), ("hl-liqprice-short", "sell")])
def test_liquidation_price(vector: str, side: str) -> None:
    """One coin at 100,000 on 10,000: the first price on the grid past the published one."""
    venue = venue_at("BTC", "100000")
    account, other = funded(venue, "10000"), funded(venue, "1000000")
    buyer, seller = (account, other) if side == "buy" else (other, account)
    trade(venue, "BTC-PERP", buyer, seller, "1", "100000")
    view = venue.account(account)
    expected = PUBLISHED[vector]
    assert view.equity - view.maintenance_margin == Decimal(repr(expected["margin_available"]))
    rounding = down if side == "buy" else up
    assert view.holdings[0].liquidation_price == rounding(expected["liq_price"], "0.1")


def test_mark_of_oracle_book_and_elsewhere() -> None:
    """Oracle 10,000 with a smoothed premium of 20, book 10,005 / 10,012 / 10,010, elsewhere 10,018.

    The premium starts at 20 and is smoothed over 150 seconds, so three seconds later it is still 19.8.
    """
    venue = venue_at(
        "BTC",
        "10000",
        {"mark.method": "oracle-ema-median", "mark.ema_seconds": 150, "mark.short_ema_seconds": 30},
    )
    one, two = funded(venue, "1000000"), funded(venue, "1000000")
    bid = venue.place(one, "BTC-PERP", side="buy", size="1", price="10010")
    ask = venue.place(two, "BTC-PERP", side="sell", size="1", price="10030")
    venue.step()
    for account, order in ((one, bid.order), (two, ask.order)):
        assert order is not None and venue.cancel(account, order).accepted
    trade(venue, "BTC-PERP", one, two, "1", "10010")
    venue.place(one, "BTC-PERP", side="buy", size="1", price="10005")
    venue.place(two, "BTC-PERP", side="sell", size="1", price="10012")
    venue.engine.pricing.external[0] = 100180  # ticks
    venue.step(3)
    assert venue.market("BTC-PERP").mark == PUBLISHED["hl-mark"]["mark"]


def test_funding_of_an_hour_on_the_oracle_price() -> None:
    """Impact bid 10,010 against an oracle of 10,000: 0.05 % for eight hours, an eighth of it each hour."""
    expected = PUBLISHED["hl-funding"]
    venue = venue_at("BTC", "10000", step_seconds=60)
    one, two = funded(venue, "1000000"), funded(venue, "1000000")
    trade(venue, "BTC-PERP", one, two, "2", "10011")
    venue.place(one, "BTC-PERP", side="buy", size="2", price="10010")
    venue.place(two, "BTC-PERP", side="sell", size="2", price="10012")
    before = venue.account(one).cash
    venue.step(3600)
    assert venue.market("BTC-PERP").funding_rate == Decimal(repr(expected["hourly"]))
    assert before - venue.account(one).cash == Decimal(repr(expected["long_pays"]))


def test_funding_without_a_premium() -> None:
    expected = PUBLISHED["hl-funding-floor"]
    venue = venue_at("BTC", "10000", step_seconds=60)
    venue.step(3600)
    hourly = venue.market("BTC-PERP").funding_rate
    assert hourly == Decimal(repr(expected["hourly"]))
    assert hourly * 24 * 365 == Decimal(repr(expected["simple_apr"]))
    compounded = (1 + float(hourly)) ** (24 * 365) - 1
    assert round(compounded, 12) == round(expected["compounded"], 12)


def test_a_tenth_of_notional_stays_when_profit_is_withdrawn() -> None:
    """Initial margin of 2,500 on 100,000, but 10,000 must stay."""
    venue = venue_at("BTC", "100000")
    account, other = funded(venue, "50000"), funded(venue, "1000000")
    trade(venue, "BTC-PERP", account, other, "1", "100000")
    view = venue.account(account)
    assert view.initial_margin == 2500
    assert view.equity - view.withdrawable == Decimal(repr(PUBLISHED["hl-withdraw"]["required"]))
    assert (
        venue.withdraw(account, "USDC", view.withdrawable + Decimal("0.000001")).code == "insufficient-margin"
    )
    assert venue.withdraw(account, "USDC", view.withdrawable).accepted


def test_the_vault_takes_over_below_two_thirds_of_maintenance() -> None:
    """A maintenance of 3,000 and nobody in the book: 2,001 and 2,000 stay, 1,999 pass."""
    venue = plain_venue(PRESET, paced=True)
    venue.list_perpetual("BTC-PERP", tick="0.1", lot="0.001", price="100000")
    venue.open_backstop()
    other = funded(venue, "10000000")
    accounts = []
    for equity in (2001, 2000, 1999):
        account = funded(venue, "10000")
        trade(venue, "BTC-PERP", account, other, "2.4", "100000")
        venue.set_privileges(account, credit_limit="1000000")
        assert venue.withdraw(account, "USDC", 10_000 - equity).accepted
        venue.set_privileges(account, credit_limit="0")
        assert venue.account(account).maintenance_margin == 3000
        accounts.append(account)
    venue.step()
    passed = [venue.account(account).stage == "taken-over" for account in accounts]
    assert passed == PUBLISHED["hl-backstop"]["backstop"]
    assert venue.account(venue.house("vault")).holdings[0].size == Decimal("2.4")
