"""Published numbers of tiered collateral and of shared losses at other venues, through the facade.

Sources: mechanisms 6 and 7; ids are those of the shared vector file.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.vectors import assert_as_published, funded, plain_venue, trade
from undertow.venue.account_view import HoldingView

PRESET = "binance-2025"

PUBLISHED: dict[str, dict[str, Any]] = {
    "bybit-tier": {"collateral_value": 1190000.0},
    "mexc-tier": {"counted": 1.7},
    "drift-social": {"per_base_unit": 1.0, "longs_pay": 600.0, "shorts_pay": 400.0},
    "clawback": {"rate": 0.1, "clawed": [5.0, 55.0]},
}


def test_numbers_are_those_of_the_shared_file(shared: Path) -> None:
    assert_as_published(shared, PUBLISHED)


def tiered(balance: str, price: str, tiers: list[dict[str, Any]], kind: str) -> HoldingView:
    """A balance under a table of tiers."""
    venue = plain_venue(PRESET, {"collateral.BTC.kind": kind, "collateral.BTC.tiers": tiers})
    venue.list_asset("BTC", tick="0.1", lot="0.001", price=price)
    account = venue.open_account(profile="multi")
    venue.deposit(account, "BTC", balance)
    return venue.account(account).holdings[0]


@pytest.mark.parametrize("kind", ["tiers-by-quantity", "tiers-by-value"])
def test_three_tiers(kind: str) -> None:
    """Ten coins at 0.98, ten at 0.95, five at 0.9, at 50,000; by value the caps are 50,000 times as large."""
    scale = 1 if kind == "tiers-by-quantity" else 50_000
    tiers = [
        {"cap": 10 * scale, "weight_ppm": 980_000},
        {"cap": 20 * scale, "weight_ppm": 950_000},
        {"cap": 30 * scale, "weight_ppm": 900_000},
    ]
    row = tiered("25", "50000", tiers, kind)
    assert row.collateral_value == Decimal(repr(PUBLISHED["bybit-tier"]["collateral_value"]))


def test_two_tiers() -> None:
    """One coin at 0.9 and one at 0.8."""
    row = tiered(
        "2", "50000", [{"cap": 1, "weight_ppm": 900_000}, {"weight_ppm": 800_000}], "tiers-by-quantity"
    )
    assert row.collateral_value == Decimal(repr(PUBLISHED["mexc-tier"]["counted"])) * 50_000


def test_a_loss_spread_over_both_sides() -> None:
    """1,000 short of nothing, 600 coins long and 400 short besides: one dollar a coin."""
    venue = plain_venue(PRESET, {"allocation.policy": "socialised", "backstop.kind": "none"})
    venue.list_perpetual("X-PERP", tick="1", lot="1", price="100")
    long, short, loser = funded(venue, "100000"), funded(venue, "100000"), funded(venue, "1000")
    trade(venue, "X-PERP", long, short, "400", "100")
    trade(venue, "X-PERP", long, loser, "200", "100")
    venue.set_index("X-PERP", "110")
    venue.step()
    expected = PUBLISHED["drift-social"]
    assert 100_000 - venue.account(long).cash == Decimal(repr(expected["longs_pay"]))
    assert 100_000 - venue.account(short).cash == Decimal(repr(expected["shorts_pay"]))


def test_a_session_s_profits_pay_what_the_fund_cannot() -> None:
    """A loss of 100, a fund of 40, profits of 50 and 550: a tenth of each."""
    venue = plain_venue(PRESET, {"allocation.policy": "clawback", "backstop.kind": "none"})
    venue.list_perpetual("X-PERP", tick="1", lot="1", margin_class="BTC", price="100")
    venue.deposit(venue.house("fund"), "USDT", "40")
    small, large, loser = funded(venue, "100000"), funded(venue, "100000"), funded(venue, "500")
    trade(venue, "X-PERP", small, loser, "50", "100")
    trade(venue, "X-PERP", large, loser, "550", "100")
    venue.set_index("X-PERP", "101")
    venue.step()
    clawed = [100_000 - venue.account(account).cash for account in (small, large)]
    assert clawed == [Decimal(repr(amount)) for amount in PUBLISHED["clawback"]["clawed"]]
    fund = venue.account(venue.house("fund"))
    assert fund.equity == 0
    assert fund.cash - 40 == sum(clawed) + 500  # and the loser's own money, with the position
